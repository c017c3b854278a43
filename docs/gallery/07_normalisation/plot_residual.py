"""
Residual connections
====================

You will see the training loss of networks of 2 to 32 blocks after ten epochs. The plain ones get
worse as they become deeper; the residual ones are better at every depth. In a residual block the
input is added to the output, so the gradient always has a way back (He et al., CVPR 2016).
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

(x, t), (x_test, t_test) = an.datasets.load_digits()
depths = (2, 4, 8, 16, 32)


def network(depth, residual):
    """64 to 32 units, depth blocks, 10 classes."""
    rng = np.random.default_rng(0)
    parts = [an.Affine.init(64, 32, rng, "tanh"), an.Tanh()]
    for _ in range(depth):
        block = (an.Affine.init(32, 32, rng, "tanh"), an.Tanh())
        parts += [an.Residual(*block)] if residual else block
    return an.Sequential(*parts, an.Affine.init(32, 10, rng), loss=an.SoftmaxWithLoss())


fig, ax = plt.subplots(figsize=(6.8, 4), layout="constrained")
for residual, style in ((False, "o--"), (True, "s-")):
    losses = []
    for depth in depths:
        net = network(depth, residual)
        history = net.fit(x, t, epochs=10, optimizer=an.SGD(0.03))
        losses.append(history["loss"][-1])
    name = "residual" if residual else "plain"
    ax.plot(depths, losses, style, label=name)
    print(f"{name:8}", " ".join(f"{loss:.3f}" for loss in losses))
ax.set(
    xscale="log", xlabel="blocks", ylabel="training loss after 10 epochs", title="tanh, 32 units"
)
ax.set_xticks(depths, depths)
ax.minorticks_off()
ax.legend()
plt.show()
