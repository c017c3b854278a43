r"""
1. What an error is, and why its derivative
===========================================

After this chapter you can write down the error of a network as one number, derive its gradient on
paper for the two most common choices, and check the derivative with a difference quotient.

.. index:: ! loss function, ! difference quotient
"""

import math

import matplotlib.pyplot as plt
import numpy as np

import affinet as an
from affinet import reference

# %%
# One number that says how wrong
# ------------------------------
#
# A network computes outputs :math:`y` from inputs :math:`x` and from its parameters. For each row
# we know the right answer, the target :math:`t`. Training needs a single number that says how far
# the outputs are from the targets: the **error function**, or loss. The smallest network has one
# parameter, :math:`y = w x`. Here are five rows and three candidates for :math:`w`.

x = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
t = np.array([1.4, 2.3, 4.9, 5.6, 8.1])


def error(w):
    """Half the sum of squares of the five residuals."""
    return 0.5 * np.sum((w * x - t) ** 2)


candidates = [0.8, 1.5, 2.2]
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
left.plot(x, t, "ko", label="targets")
line = np.linspace(0, 5.5, 2)
for w, style in zip(candidates, ("--", "-", ":"), strict=True):
    left.plot(line, w * line, style, label=f"w = {w}")
left.set(xlabel="x", ylabel="y", title="three lines through five points")
left.legend()
grid = np.linspace(0.4, 2.6, 200)
right.plot(grid, [error(w) for w in grid], color="0.3")
for w, marker in zip(candidates, ("s", "o", "^"), strict=True):
    right.plot(w, error(w), marker, markersize=9, label=f"E({w}) = {error(w):.2f}")
right.set(xlabel="w", ylabel="E(w)", title="the error of every w")
right.legend()

# %%
# On the left, the line with :math:`w = 1.5` is plainly the best of the three. On the right the
# error says so in numbers, for every :math:`w` at once. To train is to find the lowest point of
# this curve when there are not one but thousands of parameters, and nobody can draw it.
#
# Half the sum of squares
# -----------------------
#
# For :math:`B` rows and :math:`O` outputs,
#
# .. math:: E = \frac{1}{2} \sum_{i=1}^{B} \sum_{j=1}^{O} (y_{ij} - t_{ij})^2 .
#
# To differentiate with respect to one output :math:`y_{kl}`, note that it occurs in a single term
# of the sum. All the others are constants, so
#
# .. math::
#
#    \frac{\partial E}{\partial y_{kl}}
#      &= \frac{1}{2} \cdot 2\, (y_{kl} - t_{kl})
#        \cdot \frac{\partial (y_{kl} - t_{kl})}{\partial y_{kl}} \\
#      &= y_{kl} - t_{kl} .
#
# That is what the half is for: it cancels the 2. The gradient is the residual itself. (Bishop,
# *Pattern Recognition and Machine Learning*, 2006, equation 5.11.)
#
# Formula, reference and kernel:

y_rows = np.array([[0.2, 0.7], [1.5, -0.4], [0.0, 1.0]])
t_rows = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])

E_formula = 0.5 * np.sum((y_rows - t_rows) ** 2)
dy_formula = y_rows - t_rows

E_reference, dy_reference = reference.sum_squared_error(y_rows, t_rows)

loss = an.SumSquaredError()
E_kernel, dy_kernel = loss.forward(y_rows, t_rows), loss.backward()

np.testing.assert_allclose([E_reference, E_kernel], E_formula, rtol=1e-14)
np.testing.assert_allclose(dy_reference, dy_formula, rtol=1e-14)
np.testing.assert_allclose(dy_kernel, dy_formula, rtol=1e-14)
print("E =", E_formula)
print(dy_kernel)

# %%
# The mean of squares
# -------------------
#
# A sum grows with the number of rows, so the right learning rate would depend on the batch size.
# The mean squared error divides by the number of elements, :math:`n = B\,O`:
#
# .. math::
#
#    E &= \frac{1}{B\,O} \sum_{i,j} (y_{ij} - t_{ij})^2 , \\[6pt]
#    \frac{\partial E}{\partial y_{kl}} &= \frac{2}{B\,O}\, (y_{kl} - t_{kl}) .
#
# It has no half, so the 2 stays. Both errors have their minimum at the same place, and their
# gradients point in the same direction; only the length differs, by the factor :math:`2 / (B\,O)`.

n = y_rows.size
MSE_formula = np.sum((y_rows - t_rows) ** 2) / n
dMSE_formula = 2 * (y_rows - t_rows) / n

MSE_reference, dMSE_reference = reference.mean_squared_error(y_rows, t_rows)

loss = an.MeanSquaredError()
MSE_kernel, dMSE_kernel = loss.forward(y_rows, t_rows), loss.backward()

np.testing.assert_allclose([MSE_reference, MSE_kernel], MSE_formula, rtol=1e-14)
np.testing.assert_allclose(dMSE_reference, dMSE_formula, rtol=1e-14)
np.testing.assert_allclose(dMSE_kernel, dMSE_formula, rtol=1e-14)
np.testing.assert_allclose(dMSE_kernel, dy_kernel * 2 / n, rtol=1e-14)
print("mean squared error =", MSE_kernel)

# %%
# Why the derivative
# ------------------
#
# Suppose we stand at :math:`w = 0.8` and cannot see the curve. The derivative says which way is
# down and how steep it is. By the chain rule, for half the sum of squares,
#
# .. math::
#
#    \frac{dE}{dw} = \sum_i \frac{\partial E}{\partial y_i} \frac{\partial y_i}{\partial w}
#                  = \sum_i (w x_i - t_i)\, x_i .
#
# A negative derivative means: increase :math:`w`. Where it is 0, the curve is flat, and for this
# error that is the minimum.


def slope(w):
    """dE/dw."""
    return np.sum((w * x - t) * x)


fig, ax = plt.subplots(figsize=(6, 3.8), layout="constrained")
ax.plot(grid, [error(w) for w in grid], color="0.3")
sides = ("left", "center", "right")  # labels inside the curve
for w, marker, side in zip(candidates, ("s", "o", "^"), sides, strict=True):
    near = np.array([w - 0.25, w + 0.25])
    ax.plot(near, error(w) + slope(w) * (near - w), linewidth=3)
    ax.plot(w, error(w), "k" + marker)
    shift = {"left": 0.1, "center": 0, "right": -0.1}[side]
    ax.text(w + shift, error(w) + 4, f"slope {slope(w):+.1f}", ha=side)
ax.set(xlabel="w", ylabel="E(w)", title="tangents: the derivative points the way", ylim=(-5, 50))

# %%
# Could we do without a derivative and try out small changes instead? A computer can measure the
# slope of any function, as a difference quotient. The first one is called forward, the second
# central:
#
# .. math::
#
#    \frac{E(w + h) - E(w)}{h} &= E'(w) + \frac{h}{2} E''(w) + \dots, \\[6pt]
#    \frac{E(w + h) - E(w - h)}{2h} &= E'(w) + \frac{h^2}{6} E'''(w) + \dots
#
# The picture shows both on :math:`\sin x`. On the left, secants approach the tangent as their
# width shrinks. On the right is the error by step :math:`h`. It first falls, as :math:`h` or as
# :math:`h^2`, and then rises again: the difference of two nearly equal numbers loses its digits,
# and this rounding error is divided by an ever smaller :math:`h`.

study = an.diagnostics.derivative(math.sin, 1.0, df=math.cos, name="sin x")
fig, axes = plt.subplots(1, 2, figsize=(10, 4.7), layout="constrained")
an.plotting.derivative(study, axes)

# %%
# Difference quotients are good enough to **check** a derivative, and that is what they are for.
# They are hopeless for training, because each parameter needs separate evaluations: two for a
# central difference. Backpropagation, the subject of chapters 3 and 4, finds all derivatives at
# about the cost of two further evaluations.

for w in candidates:
    measured = an.numerical_gradient(error, w)
    print(f"w = {w}: derived {slope(w):+.6f}, measured {measured:+.6f}")
    assert abs(measured - slope(w)) < 1e-6

# %%
# Exercises
# ---------
#
# **1.** Find the minimum of :math:`E(w) = \frac12 \sum_i (w x_i - t_i)^2` on paper, by setting the
# derivative to 0.
#
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>
#
# :math:`\sum_i (w x_i - t_i) x_i = 0` gives :math:`w = \sum_i x_i t_i \,/ \sum_i x_i^2`.

best = np.sum(x * t) / np.sum(x * x)
print(f"w = {best:.4f}, E = {error(best):.4f}, slope {slope(best):.1e}")
assert abs(slope(best)) < 1e-12

# %%
# .. raw:: html
#
#    </details>
#
# **2.** Derive the gradient of the mean absolute error,
# :math:`E = \frac{1}{BO} \sum_{ij} |y_{ij} - t_{ij}|`. What is different from the squared errors?
#
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>
#
# The derivative of :math:`|r|` is the sign of :math:`r`, so :math:`\partial E / \partial y_{kl} =
# \operatorname{sign}(y_{kl} - t_{kl}) / (BO)`. All elements pull equally hard, however wrong they
# are, so outliers do less harm. At :math:`r = 0` there is no derivative; affinet takes 0 there, as
# the last row shows.

dMAE_formula = np.sign(y_rows - t_rows) / n
_, dMAE_reference = reference.mean_absolute_error(y_rows, t_rows)
loss = an.MeanAbsoluteError()
loss.forward(y_rows, t_rows)
np.testing.assert_allclose(dMAE_reference, dMAE_formula, rtol=1e-14)
np.testing.assert_allclose(loss.backward(), dMAE_formula, rtol=1e-14)
print(dMAE_formula)

# %%
# .. raw:: html
#
#    </details>
#
# **3.** Rounding spoils each value of :math:`E` by about :math:`\varepsilon = 2 \cdot 10^{-16}`,
# and so a forward difference by about :math:`2 \varepsilon / h`. At which :math:`h` is the sum of
# this and of the truncation error :math:`h/2` smallest? Compare with the right panel of the
# picture above.
#
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>
#
# The derivative of :math:`h/2 + 2\varepsilon/h` is :math:`1/2 - 2\varepsilon/h^2`, which is 0 at
# :math:`h = 2\sqrt{\varepsilon} \approx 3 \cdot 10^{-8}`. The measured errors are smallest near
# there.

h = study.steps[np.argmin(study.forward_errors)]
print(f"smallest measured error {study.forward_errors.min():.1e} at h = {h:.1e}")
assert 1e-9 < h < 1e-6

# %%
# .. raw:: html
#
#    </details>

plt.show()
