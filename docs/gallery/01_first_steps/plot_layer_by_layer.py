"""
Layer by layer, without a network
=================================

You will see the outputs and gradients of two layers that are called one by one, as in a notebook
that writes backpropagation out. The layers work on your own arrays, so code in the style of
textbooks runs as it is.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

rng = np.random.default_rng(0)
x, t = an.datasets.spiral(100)
params = {
    "W1": rng.standard_normal((2, 32)),
    "b1": np.zeros(32),
    "W2": rng.standard_normal((32, 3)) / 4,
    "b2": np.zeros(3),
}
affine1, relu = an.Affine(params["W1"], params["b1"]), an.ReLU()
affine2, loss_layer = an.Affine(params["W2"], params["b2"]), an.SoftmaxWithLoss()
optimizer, losses = an.Momentum(0.1, 0.9), []

for _ in range(400):
    hidden = relu.forward(affine1.forward(x))
    losses.append(loss_layer.forward(affine2.forward(hidden), t))
    dout = affine2.backward(loss_layer.backward())
    affine1.backward(relu.backward(dout))
    grads = {"W1": affine1.dW, "b1": affine1.db, "W2": affine2.dW, "b2": affine2.db}
    optimizer.update(params, grads)

# %%
# The arrays in ``params`` are the layers' own, so the update in place reached the layers. Each
# hidden unit bends the plane along one line; the picture shows where.

fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4), layout="constrained")
left.plot(losses)
left.set(xlabel="step", ylabel="loss", yscale="log", title="training")
for k, marker in enumerate("os^"):
    right.scatter(*x[t == k].T, s=14, marker=marker, label=f"class {k}")
line = np.array([-1.3, 1.3])
for (w1, w2), b in zip(params["W1"].T, params["b1"], strict=True):
    right.plot(line, -(w1 * line + b) / w2, color="0.6", linewidth=0.7, zorder=0)
right.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3), xlabel="x1", ylabel="x2", title="where units bend")
right.legend()
print(f"loss {losses[0]:.3f} at the start, {losses[-1]:.3f} at the end")
plt.show()
