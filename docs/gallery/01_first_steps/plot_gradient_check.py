r"""
Checking a gradient
===================

You will see a gradient check pass for a network and fail for a layer with a mistake in its
backward, and how far analytic and measured gradients are apart. Do this with every layer you write
yourself.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

rng = np.random.default_rng(0)
x, t = rng.standard_normal((8, 5)), rng.integers(0, 3, 8)
net = an.Sequential(
    an.Affine.init(5, 16, rng=0),
    an.Tanh(),
    an.Affine.init(16, 3, rng=1),
    loss=an.SoftmaxWithLoss(),
)
print(an.gradient_check(net, x, t))

# %%
# The cube of tanh with a forgotten factor: the derivative of :math:`\tanh^3 x` is
# :math:`3 \tanh^2 x\, (1 - \tanh^2 x)`, not :math:`3 \tanh^2 x`.


class CubedTanh:
    """tanh(x)^3, with a right or a wrong derivative."""

    def __init__(self, right):
        self.right = right

    def forward(self, x, train=True):
        self.y = np.tanh(x)
        return self.y**3

    def backward(self, dout):
        slope = 3 * self.y**2
        return dout * (slope * (1 - self.y**2) if self.right else slope)


for right in (True, False):
    report = an.gradient_check(CubedTanh(right), x)
    print("right" if right else "wrong", "layer:", "passed" if report.passed else "failed")

# %%
# The same in a picture: points on the diagonal are right.

fig, axes = plt.subplots(1, 2, figsize=(8.6, 4), layout="constrained", sharey=True)
for ax, right in zip(axes, (True, False), strict=True):
    layer = CubedTanh(right)
    measured = an.numerical_gradient(lambda z, layer=layer: layer.forward(z).sum(), x.copy())
    layer.forward(x)
    ax.plot([0, 3], [0, 3], color="0.6", linewidth=1)
    ax.plot(measured, layer.backward(np.ones_like(x)), "o", color="C0" if right else "C3")
    ax.set(xlabel="measured", title="right" if right else "factor forgotten")
    ax.set(xlim=(-0.1, 1), ylim=(-0.1, 3))
axes[0].set_ylabel("from backward")
plt.show()
