r"""
8. Overfitting and its cures
============================

After this chapter you can recognise overfitting from two curves, and derive and use weight decay,
dropout and early stopping.

.. index:: ! overfitting, ! regularization, ! weight decay
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an
from affinet import reference

# %%
# Two curves
# ----------
#
# A network with more parameters than rows can memorise its rows. What counts is the error on
# rows it has not seen, so some rows are kept aside. We make it easy to overfit: 300 digits, a
# fifth of their labels wrong, and a network of 128-128 hidden units. The labels of the test rows
# are right.

(x_all, t_all), test = an.datasets.load_digits()
rng = np.random.default_rng(0)


def noisy(n):
    """The first n digits, a fifth of them with a wrong label."""
    t = t_all[:n].copy()
    wrong = np.random.default_rng(1).random(n) < 0.2
    t[wrong] = (t[wrong] + np.random.default_rng(2).integers(1, 10, n)[wrong]) % 10
    return x_all[:n], t


def network(p=0.0):
    """64-128-128-10 with ReLU, and dropout of the hidden units."""
    parts = []
    for k, (n_inputs, n_outputs) in enumerate(((64, 128), (128, 128))):
        parts += [an.Affine.init(n_inputs, n_outputs, rng=k), an.ReLU()]
        if p:
            parts.append(an.Dropout(p, rng=k))
    return an.Sequential(*parts, an.Affine.init(128, 10, rng=9), loss=an.SoftmaxWithLoss())


x, t = noisy(300)
history = network().fit(x, t, epochs=60, optimizer=an.Adam(), validation_data=test)

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.plot(history["loss"], label="300 training rows, some labels wrong")
ax.plot(history["val_loss"], "--", label="test rows, labels right")
best = int(np.argmin(history["val_loss"]))
ax.plot(best, history["val_loss"][best], "o", color="C1")
ax.annotate(
    f"best: {history['val_loss'][best]:.2f}",
    (best, history["val_loss"][best]),
    (0, 16),
    textcoords="offset points",
)
ax.set(
    xlabel="epoch", ylabel="cross-entropy", title="the training error falls, the test error turns"
)
ax.legend(loc="center right")
print(f"end: training loss {history['loss'][-1]:.3f}, accuracy {history['accuracy'][-1]:.3f}")
print(f"     test loss {history['val_loss'][-1]:.3f}, accuracy {history['val_accuracy'][-1]:.3f}")
print(f"epoch {best + 1}: test accuracy {history['val_accuracy'][best]:.3f}")

# %%
# In the first epochs both curves fall: the network learns what digits have in common. Then it
# begins to learn the wrong labels, one by one, and that harms the test rows. The signs of
# overfitting are the gap between the curves and the turn of the second.
#
# Cure 1: stop in time
# --------------------
#
# Watch the error on rows that are not trained on, stop when it no longer falls, and return to the
# best epoch. The rows that decide this must not be the test rows, or the test would no longer be
# one: here a fifth of the training rows decides.

stop = an.EarlyStopping("val_loss", patience=10)
stopped = network()
stopped.fit(
    x[60:],
    t[60:],
    epochs=60,
    optimizer=an.Adam(),
    validation_data=(x[:60], t[:60]),
    callbacks=[stop],
)
print(stopped.history.stopped_by)
print(f"test accuracy {stopped.evaluate(*test)['accuracy']:.3f}")

# %%
# Cure 2: weight decay
# --------------------
#
# Add a penalty for large weights to the error, with a strength :math:`\lambda`:
#
# .. math::
#
#    \tilde E &= E + \frac{\lambda}{2} \sum_k W_k^2 \\
#    \Longrightarrow\quad
#    \frac{\partial \tilde E}{\partial W} &= \frac{\partial E}{\partial W} + \lambda W .
#
# The half again cancels the 2. In the update
#
# .. math::
#
#    W \leftarrow W - \rho\, \Big(\frac{\partial E}{\partial W} + \lambda W\Big)
#      = (1 - \rho \lambda)\, W - \rho\, \frac{\partial E}{\partial W}
#
# the weights shrink by a factor in each step; hence the name. Weights that the data do not need
# disappear, and the function becomes smoother.
#
# Formula, reference and kernel. ``fit(l2=)`` divides the strength by the number of rows of the
# batch, as scikit-learn does, so the error of one batch of :math:`B` rows gets :math:`\lambda =
# \mathrm{l2} / B`.

X, T = rng.standard_normal((4, 3)), rng.standard_normal((4, 2))
W, b = rng.standard_normal((3, 2)), np.zeros(2)
rate, l2 = 0.1, 0.8
lam = l2 / len(X)

dW = 2 / T.size * X.T @ (X @ W + b - T)
W_formula = (1 - rate * lam) * W - rate * dW

penalty, dW_reference = reference.l2_penalty(W, lam, dW)
W_reference = reference.sgd_update(dW_reference, rate, 0.0, W)
W_decay = reference.sgd_update(dW, rate, lam, W)  # the same as the optimizer's weight decay

net = an.Sequential(an.Affine(W.copy(), b.copy()), loss=an.MeanSquaredError())
net.fit(X, T, steps=1, batch_size=4, optimizer=an.SGD(rate), l2=l2)

np.testing.assert_allclose(penalty, lam / 2 * np.sum(W**2), rtol=1e-14)
np.testing.assert_allclose(W_reference, W_formula, rtol=1e-12)
np.testing.assert_allclose(W_decay, W_formula, rtol=1e-12)
np.testing.assert_allclose(net.params["0.W"], W_formula, rtol=1e-12)
print(net.params["0.W"])

# %%
# Cure 3: dropout
# ---------------
#
# In training, set each hidden output to 0 with probability :math:`p`, anew in every step, and
# divide the others by :math:`1 - p`:
#
# .. math::
#
#    y &= \frac{m\, x}{1 - p}, \quad P(m = 1) = 1 - p \\
#    \Longrightarrow\quad
#    \operatorname{E} y &= x, \qquad
#    dx = \frac{m}{1 - p}\, \text{dout} .
#
# Thanks to the division the expected value stays the same, and prediction, which drops nothing,
# needs no correction. No unit can rely on a particular other one, so what they learn must be
# useful in many combinations. (Srivastava et al., *JMLR* 15, 2014.)

p, h = 0.3, np.abs(rng.standard_normal((200, 50))) + 0.1
dropout = an.Dropout(p, rng=5)
y_kernel = dropout.forward(h, train=True)
mask = (y_kernel != 0).astype(np.uint8)

np.testing.assert_allclose(y_kernel, mask * h / (1 - p), rtol=1e-14)
y_reference, mask_reference = reference.dropout_forward(h, p, key=dropout.key, step=0, row=0)
np.testing.assert_array_equal(mask_reference, mask)
np.testing.assert_allclose(y_reference, y_kernel, rtol=1e-14)

dout = rng.standard_normal(h.shape)
dx_formula = mask / (1 - p) * dout
np.testing.assert_allclose(reference.dropout_backward(dout, mask, p), dx_formula, rtol=1e-14)
np.testing.assert_allclose(dropout.backward(dout), dx_formula, rtol=1e-14)
print(f"dropped {1 - mask.mean():.3f}; mean before {h.mean():.4f}, after {y_kernel.mean():.4f}")

# %%
# The cures side by side
# ----------------------
#
# Here a deeper network trains on 300 digits, each time from three seeds. In this study the test
# rows have wrong labels too, a fifth of them, so no network can get much more than 0.8 right.

study = an.diagnostics.overfitting()
fig, axes = plt.subplots(2, 2, figsize=(9.5, 6.6), layout="constrained")
an.plotting.overfitting(study, axes)
for row in study.rows():
    print(*(text.ljust(26 if k == 0 else 10) for k, text in enumerate(row)))

# %%
# Without a cure, the network knows all its rows and generalises worst. Each cure gives up training
# accuracy, which was memory, and gains test accuracy.
#
# Cure 4: more rows
# -----------------
#
# The best cure, where more rows can be had. The same network with 100 to 1400 rows, a fifth of the
# labels wrong as before, and test rows whose labels are right:

counts = [100, 200, 400, 800, 1400]
scores = []
for n in counts:
    net = network()
    net.fit(*noisy(n), steps=1500, optimizer=an.Adam())
    scores.append((net.evaluate(*noisy(n))["accuracy"], net.evaluate(*test)["accuracy"]))
    print(f"{n:5} rows: training {scores[-1][0]:.3f}, test {scores[-1][1]:.3f}")
fig, ax = plt.subplots(figsize=(6.5, 3.8), layout="constrained")
ax.plot(counts, [a for a, _ in scores], "o-", label="training rows, some labels wrong")
ax.plot(counts, [b for _, b in scores], "s--", label="test rows, labels right")
ax.axhline(0.8, color="0.6", linewidth=0.8)
ax.set(xscale="log", xlabel="training rows", ylabel="accuracy", title="more rows, smaller gap")
ax.set_xticks(counts, counts)
ax.minorticks_off()
ax.legend(loc="lower right")

# %%
# With few rows the network gets its wrong labels right and new rows wrong. With many it is the
# other way round: it predicts new rows better than the labels of its own rows, because it no
# longer follows the wrong ones.
#
# Exercises
# ---------
#
# **1.** Without data, :math:`E = 0`, what does weight decay do to a weight in :math:`k` steps?
#
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>
#
# :math:`W_k = (1 - \rho\lambda)^k\, W_0`: exponential decay, like a radioactive substance. Half of
# it is gone after about :math:`0.69 / (\rho\lambda)` steps.

w, sgd = np.ones(1), an.SGD(0.1, weight_decay=0.01)
for _ in range(693):
    sgd.update(w, np.zeros(1))
print(f"after 693 steps {w[0]:.4f}, formula {(1 - 0.1 * 0.01) ** 693:.4f}")

# %%
# .. raw:: html
#
#    </details>
#
# **2.** Which variance does dropout add? Compute it for a single output :math:`x`, and compare.
#
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>
#
# :math:`y` is :math:`x / (1 - p)` with probability :math:`1 - p`, otherwise 0, so
# :math:`\operatorname{E} y^2 = x^2 / (1 - p)` and
# :math:`\operatorname{Var} y = x^2\, \big(\tfrac{1}{1 - p} - 1\big) = x^2\, \tfrac{p}{1 - p}`.

y = an.Dropout(0.3, rng=0).forward(np.full((100_000, 1), 2.0))
print(f"measured {y.var():.3f}, formula {4 * 0.3 / 0.7:.3f}")

# %%
# .. raw:: html
#
#    </details>
#
# **3.** Sweep the strength ``l2`` for the 300 digits from above. Where is the best value, and what
# happens to both sides of it?
#
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>
#
# Too weak a penalty changes nothing, too strong a one leaves no weights to predict with.

for l2 in (0.0, 0.1, 0.3, 1.0, 2.0, 5.0):
    net = network()
    net.fit(x, t, epochs=60, optimizer=an.Adam(), l2=l2)
    train, new = net.evaluate(x, t)["accuracy"], net.evaluate(*test)["accuracy"]
    print(f"l2 = {l2:5}: training {train:.3f}, test {new:.3f}")

# %%
# .. raw:: html
#
#    </details>

plt.show()
