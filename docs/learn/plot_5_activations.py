r"""
5. Activations and their slopes
===============================

After this chapter you know why a network needs activation functions, what the slope of each does to
the gradient, and when a ReLU dies.

.. index:: ! activation functions, ! dead units
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an
from affinet import reference

# %%
# Why a function between the layers
# ---------------------------------
#
# Two affine layers in a row are one affine layer:
#
# .. math:: (x W_1 + b_1)\, W_2 + b_2 = x\, (W_1 W_2) + (b_1 W_2 + b_2) .
#
# Without something between them that is not affine, a hundred layers can do no more than one.

rng = np.random.default_rng(0)
x = rng.standard_normal((6, 4))
W1, b1 = rng.standard_normal((4, 8)), rng.standard_normal(8)
W2, b2 = rng.standard_normal((8, 3)), rng.standard_normal(3)
two = an.Sequential(an.Affine(W1, b1), an.Affine(W2, b2))
one = an.Sequential(an.Affine(W1 @ W2, b1 @ W2 + b2))
np.testing.assert_allclose(two(x), one(x), rtol=1e-12)

# %%
# The classics
# ------------
#
# **Sigmoid.** :math:`y = 1 / (1 + e^{-x})`. By the chain rule,
#
# .. math::
#
#    y' = \frac{e^{-x}}{(1 + e^{-x})^2}
#       = \frac{1}{1 + e^{-x}} \cdot \frac{e^{-x}}{1 + e^{-x}} = y\,(1 - y) .
#
# The slope follows from the output alone, so backward needs to keep nothing else. The product
# :math:`y (1 - y)` is largest where both factors are equal, at :math:`y = 1/2`, which is :math:`x
# = 0`:
#
# .. math:: y' \le \tfrac{1}{4} .
#
# **Tanh.** :math:`y = \tanh x`, :math:`y' = 1 - y^2 \le 1`, also at :math:`x = 0`.
#
# **ReLU.** :math:`y = \max(x, 0)`, :math:`y' = 1` for :math:`x > 0` and 0 below. At 0 there is no
# derivative; affinet, like most libraries, takes 0.
#
# Formula, reference, kernel:

z = np.linspace(-6, 6, 241)[:, np.newaxis]
ones = np.ones_like(z)

y_sigmoid = 1 / (1 + np.exp(-z))
y_tanh = np.tanh(z)
y_relu = np.maximum(z, 0)
for layer, y, slope, by_reference in (
    (an.Sigmoid(), y_sigmoid, y_sigmoid * (1 - y_sigmoid), reference.sigmoid_backward),
    (an.Tanh(), y_tanh, 1 - y_tanh**2, reference.tanh_backward),
    (an.ReLU(), y_relu, (z > 0) * 1.0, reference.relu_backward),
):
    np.testing.assert_allclose(layer.forward(z), y, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(by_reference(y, ones), slope, rtol=1e-13)
    # 1 - y loses digits where y is close to 1, so compare with the largest slope
    np.testing.assert_allclose(layer.backward(ones), slope, atol=1e-15)
    print(f"{type(layer).__name__}: largest slope {layer.backward(ones).max():.4f}")

# %%
# All activations of affinet with their derivatives. The number is the largest slope.

curves = an.diagnostics.activation_functions()
fig, axes = plt.subplots(3, 3, figsize=(10, 9), layout="constrained")
an.plotting.activation_functions(curves, axes)

# %%
# What the slope does
# -------------------
#
# On its way back, the gradient is multiplied at each unit by the slope at that unit's input
# (:math:`\delta_1 = (\delta_2 W_2^T) \odot f'(z_1)`, chapter 4). So look at the slopes with the
# eyes of a gradient:
#
# - A sigmoid takes away at least three quarters, far from 0 nearly everything: it **saturates**.
# - Tanh keeps all of it near 0, and saturates too.
# - ReLU passes everything or nothing.
# - LeakyReLU passes a little where ReLU passes nothing.
# - GELU, SiLU, Mish and Softplus are smooth relatives of ReLU.
#
# How much passes depends on the inputs that the units get. The picture shows the mean slope for
# inputs from a normal distribution, by its width.

widths = np.geomspace(0.1, 30, 30)
normal = rng.standard_normal((4000, 1))
fig, ax = plt.subplots(figsize=(6.8, 4), layout="constrained")
for layer, style in (
    (an.Sigmoid(), "-"),
    (an.Tanh(), "--"),
    (an.ReLU(), ":"),
    (an.LeakyReLU(0.1), "-."),
    (an.GELU(), (0, (5, 1, 1, 1, 1, 1))),
):
    means = []
    for width in widths:
        layer.forward(width * normal)
        means.append(layer.backward(np.ones_like(normal)).mean())
    ax.plot(widths, means, linestyle=style, linewidth=2, label=type(layer).__name__)
ax.axhline(0.25, color="0.6", linewidth=0.8)
ax.set(xscale="log", xlabel="standard deviation of the inputs", ylabel="mean slope", ylim=(0, 1.05))
ax.set_title("how much of a gradient passes")
ax.legend()

# %%
# Inputs that are too large close a sigmoid or tanh. That is one reason to standardise the inputs
# of a network, to start with small weights, and to put a BatchNorm or LayerNorm in between. A ReLU
# does not care about the scale at all; half of the gradient passes.
#
# When a ReLU dies
# ----------------
#
# A ReLU unit whose input is negative for *every* row of the data passes no gradient at all. Its
# weights get no update, so it stays that way: it is dead. A step that was too large can push units
# there, and a negative bias can start them there. The picture shows the fraction of dead units
# during a training, for both causes; each line is the mean of three seeds.

study = an.diagnostics.dead_relu()
fig, axes = plt.subplots(2, 2, figsize=(9.5, 6.2), layout="constrained")
an.plotting.dead_relu(study, axes)
for row in study.rows():
    row = [text.removeprefix("training ") for text in row]
    print(*(text.ljust((23, 20)[k] if k < 2 else 14) for k, text in enumerate(row)))

# %%
# With a slope of 0.1 for negative inputs the gradient still arrives: after steps that were too
# large, about half as many units of layer 1 stay inactive, and almost none of layer 3. With biases
# of −1, all ReLU units of layers 2 and 3 end up dead, and the network guesses.
#
# Exercises
# ---------
#
# **1.** Show that :math:`\tanh x = 2\, \sigma(2x) - 1`, and conclude from :math:`\sigma' \le 1/4`
# that :math:`\tanh' \le 1`.
#
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>
#
# :math:`2 / (1 + e^{-2x}) - 1 = (1 - e^{-2x}) / (1 + e^{-2x})
# = (e^x - e^{-x}) / (e^x + e^{-x})`. The chain rule gives
# :math:`\tanh' x = 4\, \sigma'(2x) \le 4 \cdot 1/4`.

sigmoid, tanh = an.Sigmoid(), an.Tanh()
np.testing.assert_allclose(tanh.forward(z), 2 * sigmoid.forward(2 * z) - 1, atol=1e-15)
np.testing.assert_allclose(tanh.backward(ones), 4 * sigmoid.backward(ones), atol=1e-15)

# %%
# .. raw:: html
#
#    </details>
#
# **2.** Write SiLU, :math:`y = x\, \sigma(x)`, and its derivative. Where is the slope larger than
# 1?
#
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>
#
# By the product rule :math:`y' = \sigma + x\, \sigma\, (1 - \sigma)
# = \sigma\, (1 + x\, (1 - \sigma))`.

s = sigmoid.forward(z)
slope = s * (1 + z * (1 - s))
silu = an.SiLU()
np.testing.assert_allclose(silu.forward(z), z * s, atol=1e-15)
np.testing.assert_allclose(silu.backward(ones), slope, atol=1e-14)
np.testing.assert_allclose(reference.silu_backward(z, ones), slope, atol=1e-14)
print(f"above 1 from x = {z[slope > 1].min():.2f}")
print(f"at most {slope.max():.4f}, at x = {z[slope.argmax(), 0]:.2f}")

# %%
# .. raw:: html
#
#    </details>
#
# **3.** Write your own activation as a layer, the square :math:`y = x^2`, and check its
# gradient.
#
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>
#
# Any object with ``forward`` and ``backward`` is a layer.


class Square:
    """y = x^2, y' = 2 x."""

    def forward(self, x, train=True):
        self.x = np.asarray(x)
        return self.x**2

    def backward(self, dout):
        return 2 * self.x * dout


report = an.gradient_check(Square(), rng.standard_normal((4, 3)))
print(report)
assert report.passed

# %%
# .. raw:: html
#
#    </details>

plt.show()
