r"""
3. Forward, backward, update
============================

After this chapter you can compute one training step of a network on paper and in arrays: the
outputs, the gradient of every weight and bias, and the update.

.. index:: ! backward pass, ! forward pass
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an
from affinet import reference

# %%
# The affine layer
# ----------------
#
# The layer of a network that has parameters is a product and a sum. For a batch of :math:`B` rows,
# :math:`I` inputs and :math:`O` outputs,
#
# .. math::
#
#    \text{out} &= x W + b, \\
#    \text{out}_{ij} &= \sum_{k=1}^{I} x_{ik} W_{kj} + b_j ,
#
# with :math:`x` of shape (B, I), :math:`W` of shape (I, O) and :math:`b` of shape (O). Each row is
# handled on its own, and all rows with the same weights. We use a batch of two rows, three inputs
# and two outputs, small enough for paper.

x = np.array([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]])
W = np.array([[0.5, -1.0], [1.5, 0.0], [-0.5, 2.0]])
b = np.array([0.1, -0.2])

out_formula = np.zeros((2, 2))
for i in range(2):  # row
    for j in range(2):  # output
        out_formula[i, j] = sum(x[i, k] * W[k, j] for k in range(3)) + b[j]

out_reference = reference.affine_forward(x, W, b)

layer = an.Affine(W, b)
out_kernel = layer.forward(x)

np.testing.assert_allclose(out_reference, out_formula, rtol=1e-14)
np.testing.assert_allclose(out_kernel, out_formula, rtol=1e-14)
print(out_kernel)

# %%
# Backward: what arrives, and what is passed on
# ---------------------------------------------
#
# Suppose we already know how the error depends on the outputs of this layer,
#
# .. math:: \text{dout}_{ij} = \frac{\partial E}{\partial\, \text{out}_{ij}} .
#
# From this the layer computes three things: the gradients of its own parameters, dW and db, and
# the gradient of its inputs, dx, which is the dout of the layer before it. All three follow from
# the chain rule: sum over all ways in which a quantity reaches the error.
#
# **The weights.** :math:`W_{kj}` occurs in the output :math:`j` of every row, each time
# multiplied by :math:`x_{ik}`:
#
# .. math::
#
#    \frac{\partial E}{\partial W_{kj}}
#      &= \sum_i \frac{\partial E}{\partial\, \text{out}_{ij}}
#               \frac{\partial\, \text{out}_{ij}}{\partial W_{kj}}
#      = \sum_i x_{ik}\, \text{dout}_{ij} \\
#    \Longrightarrow\quad dW &= x^T\, \text{dout} .
#
# **The biases.** :math:`b_j` is added to the output :math:`j` of every row:
#
# .. math::
#
#    \frac{\partial E}{\partial b_j} &= \sum_i \text{dout}_{ij} \\
#    \Longrightarrow\quad db &= \text{the sum of dout over the rows} .
#
# **The inputs.** :math:`x_{ik}` reaches all outputs of its own row, with the weights
# :math:`W_{kj}`:
#
# .. math::
#
#    \frac{\partial E}{\partial x_{ik}} &= \sum_j \text{dout}_{ij}\, W_{kj} \\
#    \Longrightarrow\quad dx &= \text{dout}\; W^T .
#
# (Goodfellow, Bengio, Courville, *Deep Learning*, 2016, section 6.5.6.) A way to remember them is
# that the shapes leave no choice: dW must be (I, O), and of x (B, I) and dout (B, O) only
# :math:`x^T \text{dout}` is.

dout = np.array([[1.0, -2.0], [0.5, 3.0]])

dW_formula = np.zeros_like(W)
db_formula = np.zeros_like(b)
dx_formula = np.zeros_like(x)
for i in range(2):
    for j in range(2):
        db_formula[j] += dout[i, j]
        for k in range(3):
            dW_formula[k, j] += x[i, k] * dout[i, j]
            dx_formula[i, k] += dout[i, j] * W[k, j]

dx_kernel = layer.backward(dout)

for name, formula, by_reference, by_kernel in (
    ("dW", dW_formula, reference.affine_backward_dw(x, dout), layer.dW),
    ("db", db_formula, reference.affine_backward_db(dout), layer.db),
    ("dx", dx_formula, reference.affine_backward_dx(dout, W), dx_kernel),
):
    np.testing.assert_allclose(by_reference, formula, rtol=1e-14)
    np.testing.assert_allclose(by_kernel, formula, rtol=1e-14)
    print(name, by_kernel.tolist())

# %%
# The picture shows which entries meet. To get one entry of dW, take the column of x that belongs
# to its input and the column of dout that belongs to its output, and add up their products over
# the rows.

fig, axes = plt.subplots(1, 3, figsize=(9, 3), layout="constrained")
shown = (("xᵀ (I, B)", x.T), ("dout (B, O)", dout), ("dW = xᵀ dout (I, O)", dW_formula))
for ax, (name, matrix) in zip(axes, shown, strict=True):
    ax.imshow(matrix, cmap="PuOr_r", vmin=-12, vmax=12)
    for (row, column), value in np.ndenumerate(matrix):
        ax.text(column, row, f"{value:g}", ha="center", va="center", fontsize=13)
    ax.set(title=name, xticks=[], yticks=[])
box = {"fill": False, "edgecolor": "C3", "linewidth": 3}
axes[0].add_patch(plt.Rectangle((-0.5, 1.5), 2, 1, **box))
axes[1].add_patch(plt.Rectangle((0.5, -0.5), 1, 2, **box))
axes[2].add_patch(plt.Rectangle((0.5, 1.5), 1, 1, **box))
fig.supxlabel("(−1)·(−2) + 3·3 = 11", fontsize=11)
assert dW_formula[2, 1] == 11

# %%
# Why may we trust a derivation? Because it can be measured. ``an.gradient_check`` compares the
# gradients of a layer with difference quotients, in double precision:

print(an.gradient_check(an.Affine(W, b), x))

# %%
# A whole step
# ------------
#
# A network is a chain of such layers with a loss at its end. One training step has three parts.
#
# 1. **Forward**: each layer turns its inputs into outputs, the loss compares the last ones with
#    the targets.
# 2. **Backward**: the loss says how the error depends on the outputs; each layer, from the last
#    to the first, computes its dW and db, and hands dx on.
# 3. **Update**: every parameter takes a step against its gradient.
#
# Here are all numbers of one step of a network with two inputs, three hidden ReLU units and two
# classes. The ReLU passes a gradient where its output was positive and blocks it elsewhere; look
# for the zeros.

study = an.diagnostics.three_steps()
fig = plt.figure(figsize=(11, 5.6), layout="constrained")
an.plotting.three_steps(study, fig.subplots(3, 6))
print(f"loss before the update {study.loss:.4f}, after {study.loss_after:.4f}")
assert study.loss_after < study.loss

# %%
# In code, a step looks like the list above. First by hand, with the reference, then with a
# network; they compute the same.

rng = np.random.default_rng(0)
X, T = rng.standard_normal((8, 2)), np.eye(2)[rng.integers(0, 2, 8)]
W1, b1 = rng.standard_normal((2, 3)), np.zeros(3)
W2, b2 = rng.standard_normal((3, 2)), np.zeros(2)
net = an.Sequential(
    an.Affine(W1.copy(), b1.copy()),
    an.ReLU(),
    an.Affine(W2.copy(), b2.copy()),
    loss=an.MeanSquaredError(),
)
rate = 0.1

# forward
z = reference.affine_forward(X, W1, b1)
h = reference.relu_forward(z)
y = reference.affine_forward(h, W2, b2)
E, dy = reference.mean_squared_error(y, T)
# backward
dW2, db2 = reference.affine_backward_dw(h, dy), reference.affine_backward_db(dy)
dh = reference.affine_backward_dx(dy, W2)
dz = reference.relu_backward(h, dh)
dW1, db1 = reference.affine_backward_dw(X, dz), reference.affine_backward_db(dz)
# update
for parameter, gradient in ((W1, dW1), (b1, db1), (W2, dW2), (b2, db2)):
    parameter -= rate * gradient

E_kernel = net.forward(X, T)  # forward
net.backward()  # backward
an.SGD(rate).update(net.params, net.grads)  # update

np.testing.assert_allclose(E_kernel, E, rtol=1e-14)
for name, expected in (("0.W", W1), ("0.b", b1), ("2.W", W2), ("2.b", b2)):
    np.testing.assert_allclose(net.params[name], expected, rtol=1e-12)
print(f"both: error {E:.6f} before the step, {net.forward(X, T):.6f} after it")

# %%
# Repeat the last three lines with another batch each time, and you have a training. That is what
# ``net.fit`` does, in compiled code.
#
# Exercises
# ---------
#
# **1.** Why is db a *sum* over the rows, although b is *added* to every row?
#
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>
#
# Because b is one vector that all rows share. Adding it to B rows is the product of a column of B
# ones with it, :math:`\text{out} = x W + \mathbf{1}\, b`, so db is like dW with :math:`x =
# \mathbf{1}`: :math:`db = \mathbf{1}^T \text{dout}`, and that is the sum over the rows. Whatever
# is copied on the way forward is summed on the way back.

ones = np.ones((2, 1))
np.testing.assert_allclose(ones.T @ dout, [db_formula])
print(ones.T @ dout)

# %%
# .. raw:: html
#
#    </details>
#
# **2.** The batch is doubled by repeating every row. What happens to dW with ``SumSquaredError``,
# what with ``MeanSquaredError``?
#
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>
#
# dW is a sum over rows, so with the sum it doubles. The mean divides by the number of rows, so
# there it stays.

for loss in (an.SumSquaredError(), an.MeanSquaredError()):
    norms = []
    for repeats in (1, 2):
        one = an.Sequential(an.Affine(W, b), loss=loss)
        one.forward(np.tile(x, (repeats, 1)), np.zeros((2 * repeats, 2)))
        one.backward()
        norms.append(np.linalg.norm(one.grads["0.W"]))
    print(f"{type(loss).__name__}: |dW| = {norms[0]:.3f}, doubled batch {norms[1]:.3f}")

# %%
# .. raw:: html
#
#    </details>
#
# **3.** How many multiplications does an affine layer need forward, and how many backward? What
# follows for the time of a training step?
#
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>
#
# Forward :math:`B \cdot I \cdot O`. Backward the same for dW and once more for dx: twice as many.
# A step costs about three forward passes; the first layer can skip dx, which nobody needs. For 784
# inputs, 50 outputs and 100 rows:

rows, inputs, outputs = 100, 784, 50
print(f"{rows * inputs * outputs:,} multiplications each for out, dW and dx")

# %%
# .. raw:: html
#
#    </details>

plt.show()
