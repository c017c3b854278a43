r"""
4. The chain rule through two layers
====================================

After this chapter you can derive the gradients of a network with two layers and *any* activation
functions, write them in ten lines of NumPy, and add layers as you like.

.. index:: ! backpropagation, ! chain rule
"""

import itertools

import matplotlib.pyplot as plt
import numpy as np

import affinet as an
from affinet import reference

# %%
# Two layers, two functions
# -------------------------
#
# .. math::
#
#    z_1 &= x W_1 + b_1, & h &= f_1(z_1), \\
#    z_2 &= h W_2 + b_2, & y &= f_2(z_2), \\
#    E &= \textstyle\frac{1}{2} \sum_{ij} (y_{ij} - t_{ij})^2 .
#
# The functions :math:`f_1` and :math:`f_2` act on every element alone. We look for the gradients
# of :math:`W_1, b_1, W_2, b_2`, whatever the functions are.
#
# Every quantity depends only on the one before it, so we go back along the chain, one factor at a
# time. Write :math:`\delta` for the gradient with respect to a :math:`z`, and :math:`\odot` for
# the product of elements. Each z affects only its own y, so the slope multiplies element by
# element. The first row is that of chapter 1, the products are those of chapter 3 with
# :math:`\text{dout} = \delta`.
#
# .. math::
#
#    \frac{\partial E}{\partial y} &= y - t \\
#    \delta_2 = \frac{\partial E}{\partial z_2} &= (y - t) \odot f_2'(z_2) \\
#    dW_2 = h^T \delta_2, \quad db_2 &= \textstyle\sum_{\text{rows}} \delta_2 \\
#    \delta_1 &= (\delta_2 W_2^T) \odot f_1'(z_1) \\
#    dW_1 = x^T \delta_1, \quad db_1 &= \textstyle\sum_{\text{rows}} \delta_1
#
# The same pair of steps, times :math:`W^T`, then times the slope, leads through any number of
# layers. This is backpropagation (Rumelhart, Hinton, Williams, *Nature* 323, 1986). The formulas
# contain the functions only as :math:`f` and :math:`f'`; so does the code.


def gradients(x, t, W1, b1, W2, b2, f1, f2):
    """Error and gradients; f1 and f2 are pairs of a function and its derivative."""
    z1 = x @ W1 + b1
    h = f1[0](z1)
    z2 = h @ W2 + b2
    y = f2[0](z2)
    delta2 = (y - t) * f2[1](z2)
    delta1 = (delta2 @ W2.T) * f1[1](z1)
    return {
        "E": 0.5 * np.sum((y - t) ** 2),
        "0.W": x.T @ delta1,
        "0.b": delta1.sum(axis=0),
        "2.W": h.T @ delta2,
        "2.b": delta2.sum(axis=0),
    }


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


functions = {
    "identity": (lambda z: z, np.ones_like),
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * (1 - sigmoid(z))),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
    "leaky relu": (lambda z: np.where(z > 0, z, 0.01 * z), lambda z: np.where(z > 0, 1, 0.01)),
    "softplus": (lambda z: np.log1p(np.exp(z)), sigmoid),
    "silu": (
        lambda z: z * sigmoid(z),
        lambda z: sigmoid(z) * (1 + z * (1 - sigmoid(z))),
    ),
}

# %%
# The same in the other two voices. ``affinet.reference`` has a forward and a backward for each
# function; a network of layers calls the kernels. Of the functions here, softplus and SiLU need
# their input for the derivative, the others only their output, because their slope can be written
# in terms of it: :math:`y (1 - y)` for the sigmoid, :math:`1 - y^2` for tanh (chapter 5).

layers = {
    "sigmoid": an.Sigmoid,
    "tanh": an.Tanh,
    "relu": an.ReLU,
    "leaky relu": an.LeakyReLU,
    "softplus": an.Softplus,
    "silu": an.SiLU,
}
in_reference = {
    "identity": (lambda z: z, lambda z, y, d: d),
    "sigmoid": (reference.sigmoid_forward, lambda z, y, d: reference.sigmoid_backward(y, d)),
    "tanh": (reference.tanh_forward, lambda z, y, d: reference.tanh_backward(y, d)),
    "relu": (reference.relu_forward, lambda z, y, d: reference.relu_backward(y, d)),
    "leaky relu": (
        lambda z: reference.leaky_relu_forward(z, 0.01),
        lambda z, y, d: reference.leaky_relu_backward(y, d, 0.01),
    ),
    "softplus": (reference.softplus_forward, lambda z, y, d: reference.softplus_backward(z, d)),
    "silu": (reference.silu_forward, lambda z, y, d: reference.silu_backward(z, d)),
}


def by_reference(x, t, W1, b1, W2, b2, name1, name2):
    """The same gradients, from the functions of affinet.reference."""
    (f1, f1_backward), (f2, f2_backward) = in_reference[name1], in_reference[name2]
    z1 = reference.affine_forward(x, W1, b1)
    h = f1(z1)
    z2 = reference.affine_forward(h, W2, b2)
    y = f2(z2)
    E, dy = reference.sum_squared_error(y, t)
    delta2 = f2_backward(z2, y, dy)
    delta1 = f1_backward(z1, h, reference.affine_backward_dx(delta2, W2))
    return {
        "E": E,
        "0.W": reference.affine_backward_dw(x, delta1),
        "0.b": reference.affine_backward_db(delta1),
        "2.W": reference.affine_backward_dw(h, delta2),
        "2.b": reference.affine_backward_db(delta2),
    }


def by_kernels(x, t, W1, b1, W2, b2, name1, name2):
    """The same gradients, from a network."""
    chain = [an.Affine(W1, b1), layers.get(name1), an.Affine(W2, b2), layers.get(name2)]
    chain = [part() if isinstance(part, type) else part for part in chain if part is not None]
    net = an.Sequential(*chain, loss=an.SumSquaredError())
    E = net.forward(x, t)
    net.backward()
    second = [name for name in net.grads if name.endswith("W")][1][:-2]
    return {
        "E": E,
        "0.W": net.grads["0.W"],
        "0.b": net.grads["0.b"],
        "2.W": net.grads[f"{second}.W"],
        "2.b": net.grads[f"{second}.b"],
    }


# %%
# All 49 combinations of the seven functions, on random numbers. Each cell is the largest
# difference between the formula and the kernels over all four gradients, relative to the largest
# entry of that gradient. It is measured in units of :math:`\varepsilon = 2.2 \cdot 10^{-16}`, the
# distance from 1 to the next number in double precision.

rng = np.random.default_rng(1)
x, t = rng.standard_normal((20, 5)), rng.standard_normal((20, 3))
W1, b1 = rng.standard_normal((5, 8)) / 2, rng.standard_normal(8)
W2, b2 = rng.standard_normal((8, 3)) / 2, rng.standard_normal(3)
eps = np.finfo(float).eps

difference = np.zeros((len(functions), len(functions)))
for i, name1 in enumerate(functions):
    for j, name2 in enumerate(functions):
        numbers = x, t, W1, b1, W2, b2
        formula = gradients(*numbers, functions[name1], functions[name2])
        for other in (by_reference, by_kernels):
            found = other(*numbers, name1, name2)
            for key, expected in formula.items():
                worst = np.max(np.abs(found[key] - expected)) / np.max(np.abs(expected))
                assert worst < 100 * eps, (name1, name2, key)
                if other is by_kernels:
                    difference[i, j] = max(difference[i, j], worst / eps)

fig, ax = plt.subplots(figsize=(6.4, 5.4), layout="constrained")
image = ax.imshow(difference, cmap="Blues", vmin=0, vmax=20)
for (i, j), value in np.ndenumerate(difference):
    ax.text(j, i, f"{value:.1f}", ha="center", va="center", color="w" if value > 10 else "k")
ax.set_xticks(range(len(functions)), functions, rotation=40, ha="right")
ax.set_yticks(range(len(functions)), functions)
ax.set(xlabel="function of layer 2", ylabel="function of layer 1")
ax.set_title("formula against kernels: largest difference in ε")
fig.colorbar(image, ax=ax, shrink=0.8)
print(f"largest difference: {difference.max():.1f} ε")

# %%
# Differences of a few :math:`\varepsilon` are rounding: the kernels add in another order, and
# compute exponentials in another way.
#
# Softmax and cross-entropy
# -------------------------
#
# For classes, the last function is the softmax, which does mix the elements of a row, and the
# error is the cross-entropy with the target probabilities:
#
# .. math::
#
#    y_j &= \frac{e^{z_j}}{\sum_k e^{z_k}}, \\
#    E &= -\sum_j t_j \log y_j, \qquad \sum_j t_j = 1 .
#
# Because it mixes, we need the sum over all ways again. With
# :math:`\log y_j = z_j - \log \sum_k e^{z_k}`,
#
# .. math::
#
#    \frac{\partial \log y_j}{\partial z_l} &= [j = l] - y_l \\
#    \Longrightarrow\quad
#    \frac{\partial E}{\partial z_l} &= -\sum_j t_j\, ([j = l] - y_l) = y_l - t_l .
#
# Once more the gradient is the residual. For a batch the mean over the rows is taken, which
# divides by :math:`B`.

labels = rng.integers(0, 3, 20)
z = h = x @ W1[:, :3]
one_hot = np.eye(3)[labels]

y = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
E_formula = -np.sum(one_hot * np.log(y)) / len(z)
dz_formula = (y - one_hot) / len(z)

E_reference, y_reference, dz_reference = reference.softmax_cross_entropy_labels(z, labels)

loss = an.SoftmaxWithLoss()
E_kernel, dz_kernel = loss.forward(z, labels), loss.backward()

np.testing.assert_allclose([E_reference, E_kernel], E_formula, rtol=1e-13)
np.testing.assert_allclose(y_reference, y, rtol=1e-13)
np.testing.assert_allclose(dz_reference, dz_formula, atol=1e-15)
np.testing.assert_allclose(dz_kernel, dz_formula, atol=1e-15)
print(f"cross-entropy {E_kernel:.6f}")

# %%
# What it saves
# -------------
#
# Two evaluations for each parameter, or one pass back for all of them: the picture measures both
# on growing networks, on the machine that built this page.

study = an.diagnostics.gradient_cost()
fig, axes = plt.subplots(1, 3, figsize=(10.5, 3.6), layout="constrained")
an.plotting.gradient_cost(study, axes)

# %%
# Exercises
# ---------
#
# **1.** Extend ``gradients`` to any number of layers.
#
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>
#
# Keep every layer's input and z on the way forward, and go through the list in reverse order.


def deep_gradients(x, t, weights, biases, fs):
    """The error, and lists of dW and db."""
    inputs, zs = [], []
    for W, b, f in zip(weights, biases, fs, strict=True):
        inputs.append(x)
        zs.append(x @ W + b)
        x = f[0](zs[-1])
    dWs, dbs = [], []
    dout = x - t
    for W, h, z, f in zip(*(reversed(part) for part in (weights, inputs, zs, fs)), strict=True):
        delta = dout * f[1](z)
        dWs.insert(0, h.T @ delta)
        dbs.insert(0, delta.sum(axis=0))
        dout = delta @ W.T
    return 0.5 * np.sum((x - t) ** 2), dWs, dbs


sizes = [5, 8, 8, 8, 3]
weights = [rng.standard_normal(pair) / 2 for pair in itertools.pairwise(sizes)]
biases = [rng.standard_normal(n) for n in sizes[1:]]
fs = [functions[name] for name in ("tanh", "silu", "relu", "sigmoid")]
E, dWs, dbs = deep_gradients(x, t, weights, biases, fs)

parts = []
for W, b, kind in zip(weights, biases, (an.Tanh, an.SiLU, an.ReLU, an.Sigmoid), strict=True):
    parts += [an.Affine(W, b), kind()]
net = an.Sequential(*parts, loss=an.SumSquaredError())
np.testing.assert_allclose(net.forward(x, t), E, rtol=1e-13)
net.backward()
for k in range(4):
    np.testing.assert_allclose(net.grads[f"{2 * k}.W"], dWs[k], rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(net.grads[f"{2 * k}.b"], dbs[k], rtol=1e-9, atol=1e-13)
print("four layers: formula and kernels agree")

# %%
# .. raw:: html
#
#    </details>
#
# **2.** Someone forgot the factor :math:`f_1'(z_1)`. How large is the error of dW in the first
# layer with tanh, and how does a gradient check find it?
#
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>
#
# Leaving out the slope means to use the identity's, 1.

tanh = functions["tanh"]
right = gradients(x, t, W1, b1, W2, b2, tanh, functions["identity"])["0.W"]
wrong = gradients(x, t, W1, b1, W2, b2, (np.tanh, np.ones_like), functions["identity"])["0.W"]


def error_of(W):
    return gradients(x, t, W, b1, W2, b2, tanh, functions["identity"])["E"]


measured = an.numerical_gradient(error_of, W1.copy())
for name, found in (("right", right), ("wrong", wrong)):
    relative = np.linalg.norm(found - measured) / np.linalg.norm(measured)
    print(f"{name}: relative distance from the measured gradient {relative:.1e}")

# %%
# .. raw:: html
#
#    </details>
#
# **3.** What is :math:`\delta` for a sigmoid output with the error
# :math:`-t \log y - (1 - t) \log (1 - y)`?
#
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>
#
# :math:`\partial E / \partial y = (y - t) / (y (1 - y))`, and the slope of the sigmoid is
# :math:`y (1 - y)`. They cancel: :math:`\delta = y - t`. This is ``SigmoidWithLoss``.

z, bits = rng.standard_normal((20, 1)), rng.integers(0, 2, (20, 1)).astype(float)
loss = an.SigmoidWithLoss()
loss.forward(z, bits)
np.testing.assert_allclose(loss.backward(), (sigmoid(z) - bits) / 20, atol=1e-16)
dz_reference = reference.sigmoid_cross_entropy(z, bits)[1]
np.testing.assert_allclose(dz_reference, loss.backward(), atol=1e-16)

# %%
# .. raw:: html
#
#    </details>

plt.show()
