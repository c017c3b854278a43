r"""
7. Why hidden layers
====================

After this chapter you can prove that a network without hidden layers cannot compute XOR, write down
one that can, and say what width and depth buy.

.. index:: ! universal approximation, ! XOR
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an
from affinet import reference

# %%
# What one layer cannot do
# ------------------------
#
# XOR is 1 if exactly one of two inputs is 1. Suppose an affine function :math:`f(x) = w_1 x_1 +
# w_2 x_2 + b` were positive for XOR = 1 and negative for XOR = 0. An affine function has the same
# mean on both diagonals of a square:
#
# .. math:: f(0, 0) + f(1, 1) = w_1 + w_2 + 2b = f(0, 1) + f(1, 0) .
#
# The left side would have to be negative and the right side positive: a contradiction. A softmax
# or sigmoid behind it does not help, because the border between two classes is where an affine
# function is 0, which is a straight line. (Minsky and Papert, *Perceptrons*, 1969.)
#
# What two units can do
# ---------------------
#
# Two hidden ReLU units are enough, and can be found by hand:
#
# .. math::
#
#    h_1 &= \max(x_1 + x_2, 0), \\
#    h_2 &= \max(x_1 + x_2 - 1, 0), \\
#    y &= h_1 - 2 h_2 .

corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
W1, b1 = np.array([[1.0, 1.0], [1.0, 1.0]]), np.array([0.0, -1.0])
W2, b2 = np.array([[1.0], [-2.0]]), np.zeros(1)

formula = np.maximum(corners @ W1 + b1, 0) @ W2 + b2

hidden = reference.affine_relu_forward(corners, W1, b1)
by_reference = reference.affine_forward(hidden, W2, b2)

by_hand = an.Sequential(an.Affine(W1, b1), an.ReLU(), an.Affine(W2, b2))
by_kernel = by_hand(corners)

np.testing.assert_array_equal(formula[:, 0], [0, 1, 1, 0])
np.testing.assert_array_equal(by_reference, formula)
np.testing.assert_array_equal(by_kernel, formula)

fig, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.8), layout="constrained")
colours = np.array(["C0", "C1"])[formula[:, 0].astype(int)]
left.scatter(*corners.T, c=colours, s=160, edgecolors="k")
left.set(xlabel="x1", ylabel="x2", title="inputs: no line separates the colours")
right.scatter(*hidden.T, c=colours, s=160, edgecolors="k")
for point, name in zip(hidden, ("(0, 0)", "(0, 1) and (1, 0)", None, "(1, 1)"), strict=True):
    if name:
        right.annotate(name, point, (8, 9), textcoords="offset points")
right.plot([0.25, 2.4], [-0.125, 0.95], "k--", label="y = 1/2")
right.set(xlabel="h1", ylabel="h2", title="hidden units: one line is enough", xlim=(-0.3, 2.9))
right.set_ylim(-0.3, 1.4)
right.legend(loc="upper left")

# %%
# The hidden layer moves the points so that a line can separate them: :math:`(0, 1)` and :math:`(1,
# 0)` fall on the same spot. To learn is to find such a layer. Below, networks without hidden
# units, with one wide layer and with three narrow ones learn three problems; the last two have
# about the same number of parameters.

study = an.diagnostics.network_regions()
fig, axes = plt.subplots(3, 3, figsize=(9, 8.6), layout="constrained")
an.plotting.network_regions(study, axes)
for row in study.rows():
    print(*(text.ljust(14) for text in row))

# %%
# What width buys: pieces
# -----------------------
#
# A hidden layer of :math:`n` ReLU units on one input is a broken line with at most :math:`n`
# bends:
#
# .. math:: y(x) = b + \sum_{k=1}^{n} v_k \max(w_k x - c_k, 0) .
#
# Each unit adds a bend at :math:`x = c_k / w_k`. With enough bends, a broken line follows any
# continuous function on an interval as closely as you like. No training is needed to show it: put
# the bends at chosen places and let :math:`v_k` be the change of the slope there.


def broken_line(f, bends, low, high):
    """A network of ReLU units that equals f at evenly spaced points."""
    points = np.linspace(low, high, bends + 1)
    slopes = np.diff(f(points)) / np.diff(points)
    v = np.diff(slopes, prepend=0.0)[:, np.newaxis]
    return an.Sequential(
        an.Affine(np.ones((1, bends)), -points[:-1]), an.ReLU(), an.Affine(v, f(points[:1]))
    )


def f(x):
    return np.sin(2 * x) + 0.3 * x


grid = np.linspace(0, 5, 1001)[:, np.newaxis]
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
left.plot(grid, f(grid), color="0.3", linewidth=2, label="function")
for bends, style in ((5, ":"), (10, "--")):
    left.plot(grid, broken_line(f, bends, 0, 5)(grid), style, linewidth=2, label=f"{bends} units")
left.set(xlabel="x", ylabel="y", title="hidden ReLU units as bends")
left.legend()
counts = np.array([5, 10, 20, 40, 80, 160])
errors = [np.abs(broken_line(f, n, 0, 5)(grid) - f(grid)).max() for n in counts]
right.loglog(counts, errors, "o-", label="largest error")
right.loglog(
    counts, 4 / 8 * (5 / counts) ** 2, "--", color="0.5", label=r"bound $\max|f''| h^2 / 8$"
)
right.set(xlabel="hidden units", ylabel="error", title="four times better when doubled")
right.set_xticks(counts, counts)
right.minorticks_off()
right.legend()
assert all(error <= 0.5 * (5 / n) ** 2 * 1.001 for error, n in zip(errors, counts, strict=True))

# %%
# The spacing is :math:`h = 5/n`, and a straight line through two points of a function is off by at
# most :math:`h^2 \max |f''| / 8` between them; here :math:`\max |f''| = 4`.
#
# What depth buys: pieces of pieces
# ---------------------------------
#
# One layer adds up bends. Layers in a row multiply them. The tent
#
# .. math:: g(x) = 2 \max(x, 0) - 4 \max(x - \tfrac{1}{2}, 0)
#
# needs two units. It runs from 0 up to 1 and back to 0. Applied twice, it does so twice: the inner
# tent passes every value twice. After :math:`k` layers there are :math:`2^k` straight pieces from
# :math:`2k` units; one hidden layer would need :math:`2^k - 1` bends, and so as many units.
# (Telgarsky, "Benefits of depth in neural networks", COLT 2016.)


def tents(k):
    """k tents in a row."""
    parts = []
    for _ in range(k):
        first = an.Affine(np.ones((1, 2)), np.array([0.0, -0.5]))
        parts += [first, an.ReLU(), an.Affine(np.array([[2.0], [-4.0]]), np.zeros(1))]
    return an.Sequential(*parts)


def pieces(net, fine=2**12):
    """The number of straight pieces on [0, 1]; all bends lie at multiples of 1 / fine."""
    y = net(np.linspace(0, 1, fine + 1)[:, np.newaxis])[:, 0]
    slopes = np.diff(y) * fine
    return 1 + np.count_nonzero(np.abs(np.diff(slopes)) > 1e-6)


fig, axes = plt.subplots(1, 3, figsize=(10, 3), layout="constrained", sharey=True)
u = np.linspace(0, 1, 2**12 + 1)[:, np.newaxis]
for ax, k in zip(axes, (1, 3, 6), strict=True):
    ax.plot(u, tents(k)(u), linewidth=1.2)
    ax.set(title=f"{k} layer{'s' * (k > 1)}, {2 * k} units: {pieces(tents(k))} pieces", xlabel="x")
assert [pieces(tents(k)) for k in range(1, 9)] == [2**k for k in range(1, 9)]

# %%
# Does training find such networks? Not by itself: from a random start, a trained network has far
# fewer pieces than it could have. And depth is harder to train (chapter 6). For tables and other
# plain rows of numbers, two or three hidden layers are a good start.
#
# Exercises
# ---------
#
# **1.** Which of AND, OR, NAND and XOR can a single affine function decide? Give the weights.
#
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>
#
# All but XOR: each of the others is true on one side of a line.

gates = {"AND": (1, 1, -1.5), "OR": (1, 1, -0.5), "NAND": (-1, -1, 1.5)}
for name, (w1, w2, b) in gates.items():
    one = an.Sequential(an.Affine(np.array([[w1], [w2]], float), np.array([b], float)))
    print(f"{name:4} at 00, 01, 10, 11:", (one(corners)[:, 0] > 0).astype(int))

# %%
# .. raw:: html
#
#    </details>
#
# **2.** Write a network with one hidden layer for the parity of three bits: 1 if an odd number of
# them is 1.
#
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>
#
# Parity depends only on the sum :math:`s` of the bits: 0, 1, 0, 1 for :math:`s = 0, 1, 2, 3`. That
# is a broken line with bends at 0, 1 and 2 and slopes 1, −1, 1: three units with the changes 1,
# −2, 2.

bits = np.array([[i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(8)], float)
parity = an.Sequential(
    an.Affine(np.ones((3, 3)), np.array([0.0, -1.0, -2.0])),
    an.ReLU(),
    an.Affine(np.array([[1.0], [-2.0], [2.0]]), np.zeros(1)),
)
print(parity(bits)[:, 0])
np.testing.assert_array_equal(parity(bits)[:, 0], bits.sum(axis=1) % 2)

# %%
# .. raw:: html
#
#    </details>
#
# **3.** How often does a network with two hidden ReLU units learn XOR from a random start? Try 50
# seeds, and then 4 and 8 units.
#
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>
#
# Two units suffice in principle, but from many starts they get stuck: a unit dies, or both end up
# on the same side. Spare units make up for it.

for units in (2, 4, 8):
    solved = 0
    for seed in range(50):
        rng = np.random.default_rng(seed)
        net = an.Sequential(
            an.Affine.init(2, units, rng),
            an.ReLU(),
            an.Affine.init(units, 2, rng),
            loss=an.SoftmaxWithLoss(),
        )
        net.fit(corners, [0, 1, 1, 0], epochs=500, batch_size=4, optimizer=an.Adam(0.02))
        solved += net.evaluate(corners, [0, 1, 1, 0])["accuracy"] == 1
    print(f"{units} hidden units: {solved} of 50 starts learn XOR")

# %%
# .. raw:: html
#
#    </details>

plt.show()
