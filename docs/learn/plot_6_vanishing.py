r"""
6. Why gradients vanish
=======================

After this chapter you can say how small the gradient is that reaches the first of N layers, derive
the weights of He and Xavier, and name the cures.

.. index:: ! vanishing gradients, ! exploding gradients, ! weight initialization, ! initial weights
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an
from affinet import reference

# %%
# A chain of sigmoids
# -------------------
#
# The simplest deep network has one unit in each layer:
# :math:`h_k = \sigma(w\, h_{k-1})`, :math:`k = 1 \dots N`. The chain rule gives a product of N
# factors,
#
# .. math:: \frac{d h_N}{d h_0} = \prod_{k=1}^{N} w\, \sigma'(w h_{k-1}) .
#
# Since :math:`\sigma' \le 1/4` (chapter 5), for :math:`|w| \le 1`
#
# .. math:: \left| \frac{d h_N}{d h_0} \right| \le 0.25^N .
#
# After 10 layers less than a millionth is left. Formula, reference and kernel, for :math:`w = 1`:

depths = np.arange(1, 21)
w, start = 1.0, 0.3


def by_formula(n):
    """The product of slopes."""
    h, product = start, 1.0
    for _ in range(n):
        h = 1 / (1 + np.exp(-w * h))
        product *= w * h * (1 - h)
    return product


def by_reference(n):
    """Forward and backward with the functions of affinet.reference."""
    W, b = np.array([[w]]), np.zeros(1)
    outs = [np.array([[start]])]
    for _ in range(n):
        outs.append(reference.sigmoid_forward(reference.affine_forward(outs[-1], W, b)))
    dout = np.ones((1, 1))
    for y in reversed(outs[1:]):
        dout = reference.affine_backward_dx(reference.sigmoid_backward(y, dout), W)
    return dout[0, 0]


def by_kernels(n):
    """The gradient with respect to the input of a network."""
    parts = []
    for _ in range(n):
        parts += [an.Affine(np.array([[w]]), np.zeros(1)), an.Sigmoid()]
    net = an.Sequential(*parts)
    net.forward(np.array([[start]]))
    return net.backward(np.ones((1, 1)), need_dx=True)[0, 0]


formula = np.array([by_formula(n) for n in depths])
np.testing.assert_allclose([by_reference(n) for n in depths], formula, rtol=1e-12)
np.testing.assert_allclose([by_kernels(n) for n in depths], formula, rtol=1e-12)

bound = an.diagnostics.derivative_bound(depths)
np.testing.assert_allclose(bound, 0.25**depths)
assert (formula <= bound).all()
print(f"10 layers: {formula[9]:.1e}, bound {bound[9]:.1e}")
print(f"20 layers: {formula[19]:.1e}, bound {bound[19]:.1e}")

fig, ax = plt.subplots(figsize=(6.5, 3.8), layout="constrained")
ax.semilogy(depths, bound, "--", color="0.4", label=r"bound $0.25^N$")
ax.semilogy(depths, formula, "o-", label=r"$dh_N / dh_0$")
ax.set(xlabel="layers N", ylabel="derivative", title="a chain of N sigmoids, w = 1")
ax.set_xticks(range(0, 21, 4))
ax.legend()

# %%
# With layers of many units, the factors are matrices. One layer multiplies the gradient by
# :math:`W^T` and by the slopes, so
#
# .. math::
#
#    \lVert \delta_1 \rVert \;\le\;
#    0.25^N \prod_{k} \lVert W_k \rVert \cdot \lVert \delta_N \rVert .
#
# Large weights could make up for the small slopes. But large weights make large inputs, and there
# the slope of a sigmoid is far below 0.25. (Bengio, Simard, Frasconi, *IEEE Trans. Neural
# Networks* 5, 1994; Glorot and Bengio, AISTATS 2010.)
#
# Measured on networks of 64 units
# --------------------------------
#
# The first three panels show the norm of dW by layer of untrained networks with 20 hidden layers,
# one panel for each way to choose the first weights. The last shows the fraction of the gradient
# that reaches layer 1, by depth.

study = an.diagnostics.vanishing_gradient()
fig, axes = plt.subplots(2, 2, figsize=(10, 7.2), layout="constrained")
an.plotting.vanishing_gradient(study, axes)
for row in study.rows():
    print(*(text.ljust(32 if k == 0 else 16) for k, text in enumerate(row)))

# %%
# With sigmoids the first layer gets a millionth of a millionth of what the last one gets, and
# learns nothing in practice. With ReLU and He's weights, every layer gets about the same. With
# weights that are too small, the gradients of *all* activations vanish.
#
# Xavier and He
# -------------
#
# How large should the first weights be? Ask that the signal keeps its size. Let the inputs of a
# layer have mean square :math:`q`, and the weights be independent with mean 0 and variance
# :math:`s^2`. Then each :math:`z_j = \sum_{k=1}^{I} x_k W_{kj}` is a sum of :math:`I` terms that
# do not correlate, so
#
# .. math:: \operatorname{E} z_j^2 = I\, s^2\, q .
#
# - Near 0, tanh is the identity. To keep the size, :math:`s^2 = 1/I`: **Xavier** (Glorot and
#   Bengio, 2010, who take the mean of inputs and outputs).
# - A ReLU sets half of a symmetric distribution to 0 and so halves the mean square. To make up for
#   it, :math:`s^2 = 2/I`: **He** (He et al., ICCV 2015).
#
# ``an.Affine.init(..., activation=...)`` chooses by the activation that follows.

for activation in ("relu", "tanh"):
    layer = an.Affine.init(400, 400, rng=0, activation=activation, dtype="float64")
    print(f"{activation}: variance of the weights times 400 = {layer.W.var() * 400:.3f}")

rng = np.random.default_rng(0)
fig, ax = plt.subplots(figsize=(6.5, 3.8), layout="constrained")
for factor, style in ((0.5, ":"), (1.0, "--"), (2.0, "-"), (4.0, "-.")):
    h = rng.standard_normal((200, 256))
    sizes = [np.mean(h**2)]
    for _ in range(20):
        W = rng.standard_normal((256, 256)) * np.sqrt(factor / 256)
        h = an.ReLU().forward(h @ W)
        sizes.append(np.mean(h**2))
    name = " (He)" if factor == 2.0 else ""
    ax.semilogy(sizes, style, linewidth=2, label=f"variance {factor:g} / I{name}")
ax.set(xlabel="layer", ylabel="mean square of the outputs", title="20 layers of 256 ReLU units")
ax.set_xticks(range(0, 21, 4))
ax.legend()

# %%
# The outputs by layer
# --------------------
#
# The same story in the outputs, layer by layer. The number to watch is the spread over the rows,
# written into each panel. In layer 20, a sigmoid unit says the same for every row, to 13 digits.
# Where units cannot tell rows apart, no gradient can say in which direction they should.

fig, axes = plt.subplots(4, 5, figsize=(11, 8), layout="constrained")
an.plotting.activation_histograms(study, axes)

# %%
# The cures
# ---------
#
# Besides ReLU with He's weights, two more: a **normalisation** in each layer rescales the signal,
# and with it the gradient, during the whole training; a **residual** connection, :math:`h + F(h)`,
# has the derivative :math:`1 + F'`, so the gradient always has a way with factor 1. Here are 20
# layers of tanh with weights that are too small, plain, with LayerNorm, and as residuals.

(images, labels), _ = an.datasets.load_digits()


def network(kind, depth=20, width=32):
    """20 hidden layers whose first weights have a tenth of Xavier's size."""
    rng = np.random.default_rng(0)
    parts = [an.Affine.init(64, width, rng, "tanh", "float64"), an.Tanh()]
    for _ in range(depth - 1):
        hidden = an.Affine.init(width, width, rng, "tanh", "float64")
        hidden.W *= 0.1
        if kind == "residual":
            parts.append(an.Residual(hidden, an.Tanh()))
        elif kind == "LayerNorm":
            parts += [hidden, an.LayerNorm(width, dtype="float64"), an.Tanh()]
        else:
            parts += [hidden, an.Tanh()]
    parts.append(an.Affine.init(width, 10, rng, "softmax", "float64"))
    return an.Sequential(*parts, loss=an.SoftmaxWithLoss())


fig, ax = plt.subplots(figsize=(6.5, 3.8), layout="constrained")
for kind, style in (("plain", ":"), ("LayerNorm", "--"), ("residual", "-")):
    net = network(kind)
    net.forward(images[:64], labels[:64])
    net.backward()
    norms = [np.linalg.norm(g) for name, g in net.grads.items() if name.endswith("W")]
    ax.semilogy(range(1, len(norms) + 1), norms, style, linewidth=2, label=kind)
    print(f"{kind}: norm of dW {norms[0]:.1e} in the first layer, {norms[-1]:.1e} in the last")
ax.set(xlabel="layer", ylabel="norm of dW", title="20 tanh layers that start too small")
ax.set_xticks(range(1, 22, 4))
ax.legend()

# %%
# Exercises
# ---------
#
# **1.** Which positive :math:`w` would a chain of sigmoids need so that the factor
# :math:`w\, \sigma'(w h)` is 1 at every layer?
#
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>
#
# None. The outputs :math:`h` approach a fixed point :math:`h = \sigma(w h)`, where the factor is
# :math:`w\, h\, (1 - h)`. A larger :math:`w` pushes :math:`h` towards 1, where the slope is small.
# With a bias of :math:`-w/2`, the fixed point is :math:`h = 1/2` and the factor is :math:`w/4`: 1
# for :math:`w = 4`, but less as soon as :math:`h` leaves 1/2.

ws = np.linspace(0, 20, 401)
h = np.full(401, 0.3)
for _ in range(2000):
    h = 1 / (1 + np.exp(-ws * h))
factors = ws * h * (1 - h)
print(f"largest factor {factors.max():.3f}, at w = {ws[factors.argmax()]:.2f}")
assert factors.max() < 1

# %%
# .. raw:: html
#
#    </details>
#
# **2.** By which factor do 20 ReLU layers change the mean square if the variance of the weights is
# :math:`1/I` instead of :math:`2/I`? Compare with the picture.
#
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>
#
# Each layer halves it, so :math:`2^{-20} \approx 10^{-6}`.

print(f"{2.0**-20:.2e}")

# %%
# .. raw:: html
#
#    </details>
#
# **3.** Does a deep network of sigmoids learn at all with plain SGD? Train the digits with six
# hidden layers of sigmoids, and with ReLU, for 10 epochs each.
#
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>
#
# The sigmoids stay at the accuracy of guessing, about 0.1.

for kind, name in ((an.Sigmoid, "sigmoid"), (an.ReLU, "relu")):
    rng = np.random.default_rng(0)
    parts = [an.Affine.init(64, 32, rng, name), kind()]
    for _ in range(5):
        parts += [an.Affine.init(32, 32, rng, name), kind()]
    net = an.Sequential(*parts, an.Affine.init(32, 10, rng), loss=an.SoftmaxWithLoss())
    history = net.fit(images, labels, epochs=10, optimizer=an.SGD(0.1))
    print(f"{name}: accuracy {history['accuracy'][-1]:.3f} after 10 epochs")

# %%
# .. raw:: html
#
#    </details>

plt.show()
