r"""
2. Gradient descent and its learning rate
=========================================

After this chapter you can say why a learning rate is too small or too large, compute the largest
one that works for a parabola, and explain what momentum and the adaptive optimizers are for.

.. index:: ! learning rate, ! gradient descent, ! stochastic gradient descent
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an
from affinet import reference

# %%
# The rule
# --------
#
# The derivative is the slope: where it is positive, the error rises with w, so smaller values of w
# are lower. That is what the minus sign says. Gradient descent takes a step against the slope, of a
# length proportional to it, and repeats:
#
# .. math:: w \leftarrow w - \rho\, \frac{dE}{dw} .
#
# The factor :math:`\rho` is the **learning rate**. In three voices:

w, dw, rate = np.array([0.5, -1.0, 2.0]), np.array([0.1, 0.4, -0.2]), 0.3

w_formula = w - rate * dw
w_reference = reference.sgd_update(dw, rate, 0.0, w)  # 0.0: no weight decay, see chapter 8
w_kernel = w.copy()
an.SGD(rate).update(w_kernel, dw)  # in place

np.testing.assert_allclose(w_reference, w_formula, rtol=1e-15)
np.testing.assert_allclose(w_kernel, w_formula, rtol=1e-15)
print(w_kernel)

# %%
# Too small, good, too large
# --------------------------
#
# Here the rule runs for 20 steps on three errors, each with three rates. Squares are the start,
# crosses the end.

names = ("convex", "flat", "two-valley")
studies = [an.diagnostics.descent(name, name=name) for name in names]
fig, axes = plt.subplots(3, 3, figsize=(10, 9), layout="constrained")
an.plotting.descent(studies, axes)
for study in studies:
    for row in study.rows()[1:]:
        print(study.error.name.ljust(12), *(text.ljust(10) for text in row))

# %%
# In the first row, a small rate is on its way and a large one swings out further with every step.
# In the second row the error is so flat around its minimum that the slope vanishes long before the
# minimum, so that even the good rate is slow in the end. In the third row there are two minima,
# and the start decides which one is found: gradient descent knows only the slope under its feet.
#
# How large is too large
# ----------------------
#
# On a parabola we can compute it. With curvature :math:`\lambda` and minimum :math:`w^*`,
#
# .. math::
#
#    E = \frac{\lambda}{2} (w - w^*)^2, \qquad \frac{dE}{dw} = \lambda\, (w - w^*),
#
# and one step changes the distance from the minimum by a constant factor:
#
# .. math:: w_{k+1} - w^* = (1 - \rho \lambda)\, (w_k - w^*) .
#
# The distance shrinks if :math:`|1 - \rho\lambda| < 1`, that is, for
#
# .. math:: 0 < \rho < \frac{2}{\lambda} .
#
# At :math:`\rho = 1/\lambda` the factor is 0, and one step suffices. Near a minimum that is not as
# flat as the one in the second row above, every smooth error looks like a parabola, so this holds
# for networks too, with the largest curvature as :math:`\lambda`.

curvature, minimum = 2.0, 1.0
rates = np.linspace(0.02, 1.15, 80)
measured = []
for rate in rates:
    w = np.array([-3.0])
    sgd = an.SGD(rate)
    for _ in range(3):
        sgd.update(w, curvature * (w - minimum))
    measured.append(abs((w[0] - minimum) / (-3.0 - minimum)) ** (1 / 3))
formula = np.abs(1 - rates * curvature)
np.testing.assert_allclose(measured, formula, rtol=1e-6)

fig, ax = plt.subplots(figsize=(6.5, 3.8), layout="constrained")
ax.axhspan(1, 1.4, color="C3", alpha=0.15)
ax.text(0.04, 1.13, "diverges")
ax.plot(rates, formula, color="0.3", label=r"formula $|1 - \rho\lambda|$")
ax.plot(rates[::4], measured[::4], "o", label="measured over 3 steps of an.SGD")
ax.axvline(2 / curvature, color="C3", linestyle="--", label=r"$\rho = 2/\lambda$")
ax.set(xlabel=r"learning rate $\rho$", ylabel="factor per step", ylim=(-0.05, 1.4))
ax.set_title(rf"distance from the minimum, per step, for $\lambda$ = {curvature:g}")
ax.legend(loc="upper center")

# %%
# Two parameters, two curvatures
# ------------------------------
#
# A network has many parameters, and its error is steep in some directions and flat in others. The
# rate must stay below :math:`2/\lambda` for the **largest** curvature, and is then slow along the
# smallest. Their ratio, the condition number, decides how slow. On an error with curvatures 1 and
# 10:

curvatures = np.array([1.0, 10.0])
start = np.array([-4.0, 1.5])


def descend(optimizer, steps=25):
    """The path of an optimizer on E = 1/2 (w1^2 + 10 w2^2), (steps + 1, 2)."""
    w = start.copy()
    path = [w.copy()]
    for _ in range(steps):
        optimizer.update(w, curvatures * w)
        path.append(w.copy())
    return np.array(path)


a, b = np.meshgrid(np.linspace(-4.6, 1.5, 200), np.linspace(-2, 2, 200))
height = 0.5 * (curvatures[0] * a**2 + curvatures[1] * b**2)
fig, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained", sharey=True)
for ax, rule in zip(axes, (an.SGD(0.05), an.SGD(0.19), an.Momentum(0.05, 0.7)), strict=True):
    path = descend(rule)
    ax.contour(a, b, height, levels=np.geomspace(0.1, 30, 9), colors="0.75", linewidths=0.8)
    ax.plot(*path.T, "o-", markersize=3.5)
    ax.plot(0, 0, "k+", markersize=12)
    distance = np.linalg.norm(path[-1])
    ax.set(xlabel="w1", title=f"{type(rule).__name__}, ρ = {rule.lr:g}: {distance:.2g} away")
axes[0].set_ylabel("w2")

# %%
# The first rate is safe and slow; the second, close to the limit :math:`2/10`, zigzags across the
# valley. **Momentum** adds up past gradients, :math:`v \leftarrow \mu v - \rho\,\nabla E`,
# :math:`w \leftarrow w + v`. Components that change sign cancel, components that agree add up, and
# the same rate gets closer.
#
# The other optimizers pursue the same goal by different means: AdaGrad, RMSprop and Adam divide
# every component of the gradient by a measure of its recent size, so that flat and steep
# directions advance alike. Muon gives the whole step a fixed size. All from the same start, 40
# steps:

rules = an.diagnostics.all_optimizers()
study = an.diagnostics.descent("convex", parameters=2, optimizers=rules, steps=40)
columns = 4
fig, axes = plt.subplots(-(-len(rules) // columns), columns, figsize=(12, 8), layout="constrained")
an.plotting.descent(study, axes)
for row in study.rows():
    print(*(text.ljust(26 if k == 0 else 12) for k, text in enumerate(row)))

# %%
# Batches
# -------
#
# So far each step used the gradient of the whole error. With thousands of rows that is wasteful:
# the mean gradient of 32 random rows points in nearly the same direction and costs a fraction.
# That is **stochastic** gradient descent, and what :meth:`~affinet.Sequential.fit` does. The path
# becomes noisy, and the noise does not go away unless the rate shrinks. A line through 1000
# points, from the same start, at the same rate, for the same number of rows seen:

rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, (1000, 1))
t = 2 * x + 0.5 + 0.3 * rng.standard_normal((1000, 1))


def path_of(batch_size):
    """Weight and bias after every step of four epochs."""
    net = an.Sequential(an.Affine(np.zeros((1, 1)), np.zeros(1)), loss=an.MeanSquaredError())
    path = [net.params.flat.copy()]
    keep = an.every_steps(1, lambda state: path.append(state.net.params.flat.copy()))
    net.fit(x, t, epochs=4, batch_size=batch_size, optimizer=an.SGD(0.2), callbacks=[keep])
    return np.array(path)


fig, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for batch_size, style in ((4, "-"), (32, "--"), (1000, "o-")):
    path = path_of(batch_size)
    label = f"{batch_size} rows a step, {len(path) - 1} steps"
    ax.plot(*path.T, style, linewidth=1, markersize=4, label=label)
ax.plot(2, 0.5, "k+", markersize=14, label="the line that made the data")
ax.set(xlabel="weight", ylabel="bias", title="four epochs over the same 1000 rows")
ax.legend(loc="lower right")

# %%
# Exercises
# ---------
#
# **1.** An error has curvatures 1 and 10. Which single rate makes the slower of the two directions
# as fast as possible, and what is its factor per step?
#
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>
#
# The factors are :math:`|1 - \rho|` and :math:`|1 - 10\rho|`. The larger of the two is smallest
# where they are equal: :math:`1 - \rho = 10 \rho - 1`, so :math:`\rho = 2/11`, and the factor is
# :math:`9/11`. In general :math:`\rho = 2 / (\lambda_{min} + \lambda_{max})`, and with the
# condition number :math:`\kappa = \lambda_{max} / \lambda_{min}` the factor is :math:`(\kappa - 1)
# / (\kappa + 1)`.

path = descend(an.SGD(2 / 11))
factors = np.abs(path[1:] / path[:-1])
print("factors per step:", factors[-1], "9/11 =", 9 / 11)
np.testing.assert_allclose(factors, 9 / 11)

# %%
# .. raw:: html
#
#    </details>
#
# **2.** On the error :math:`E = w^4`, how does the distance from the minimum shrink? Try
# :math:`\rho = 0.05` from :math:`w = 1`, for 10, 100, 1000 and 10 000 steps.
#
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>
#
# A step is :math:`w \leftarrow w - 4 \rho w^3`. Treated as a differential equation, :math:`dw/dk =
# -4\rho w^3`, whose solution is :math:`w = 1 / \sqrt{1 + 8 \rho k}`: each further digit takes a
# hundred times as many steps. On a parabola every digit takes the same number of steps.

w, sgd = np.array([1.0]), an.SGD(0.05)
for k in range(1, 10_001):
    sgd.update(w, 4 * w**3)
    if k in (10, 100, 1000, 10_000):
        print(f"{k:6} steps: w = {w[0]:.5f}, 1/sqrt(1 + 8 ρ k) = {1 / np.sqrt(1 + 0.4 * k):.5f}")

# %%
# .. raw:: html
#
#    </details>
#
# **3.** Write momentum in NumPy and compare with ``reference.momentum_update`` and
# ``an.Momentum``.
#
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>
#
# The velocity :math:`v` starts at 0.

w = start.copy()
v = np.zeros(2)
w_reference, v_reference = w.copy(), v.copy()
for _ in range(25):
    v = 0.7 * v - 0.05 * (curvatures * w)
    w = w + v
    dw = curvatures * w_reference
    v_reference, w_reference = reference.momentum_update(dw, 0.05, 0.7, v_reference, w_reference)
w_kernel = descend(an.Momentum(0.05, 0.7))[-1]
np.testing.assert_allclose(w_reference, w, rtol=1e-12)
np.testing.assert_allclose(w_kernel, w, rtol=1e-12)
print(w_kernel)

# %%
# .. raw:: html
#
#    </details>

plt.show()
