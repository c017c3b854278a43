"""
float32 or float64?
===================

You will see the training loss of the same network in both precisions, and where float32 ends: in
the difference of nearly equal numbers. For training, single precision is as good and takes half the
memory; for checking gradients use double.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

(x, t), (x_test, t_test) = an.datasets.load_digits()
fig, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4), layout="constrained")
for dtype, style in (("float64", "-"), ("float32", "--")):
    net = an.Sequential(
        an.Affine.init(64, 64, rng=0, dtype=dtype),
        an.ReLU(),
        an.Affine.init(64, 10, rng=1, dtype=dtype),
        loss=an.SoftmaxWithLoss(),
    )
    history = net.fit(x.astype(dtype), t, epochs=30, optimizer=an.Adam(0.002))
    left.semilogy(range(1, 31), history["loss"], style, linewidth=2, label=dtype)
    accuracy = net.evaluate(x_test.astype(dtype), t_test)["accuracy"]
    print(f"{dtype}: loss {history['loss'][-1]:.6f}, test accuracy {accuracy:.3f}")
left.set(xlabel="epoch", ylabel="training loss", title="a training")
left.legend()

# The slope of a sigmoid at 1, as a difference quotient in either precision.
steps = np.logspace(-12, 0, 49)
for dtype, style in (("float64", "-"), ("float32", "--")):
    layer, errors = an.Sigmoid(), []
    y = 1 / (1 + np.exp(-1.0))
    for h in steps:
        ends = layer.forward(np.array([[1 - h], [1 + h]], dtype)).astype(float)
        errors.append(abs((ends[1, 0] - ends[0, 0]) / (2 * h) - y * (1 - y)))
    right.loglog(steps, np.maximum(errors, 1e-16), style, label=dtype)
right.set(xlabel="step h", ylabel="error of the slope", title="a central difference")
right.legend()
plt.show()
