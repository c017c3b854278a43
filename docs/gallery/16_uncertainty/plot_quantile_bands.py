"""
An interval beside every prediction
===================================

You will see one network predict seven quantiles, which spread where the data spread and never
cross. ``Quantile`` takes several levels at once, and the layer ``Increasing`` makes each of them
the one before it plus a number that is never negative.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, (4000, 1))
t = np.sin(3 * x[:, 0]) + (0.05 + 0.3 * np.abs(x[:, 0])) * rng.standard_normal(len(x))
train, test = slice(3000), slice(3000, None)

levels = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95]
net = an.Sequential(
    an.Affine.init(1, 64, rng=0),
    an.Tanh(),
    an.Affine.init(64, 64, rng=1),
    an.Tanh(),
    an.Affine.init(64, len(levels), rng=2),
    an.Increasing(len(levels)),
    loss=an.Quantile(levels),
)
net.fit(x[train], t[train], epochs=60, optimizer=an.Adam(), schedule=an.schedules.Cosine(0.01))

# %%
# The share of new rows below a quantile should be its level.

y = net.predict(x[test])
below = (t[test, np.newaxis] < y).mean(axis=0)
for level, share in zip(levels, below, strict=True):
    print(f"below the quantile {level:4.2f}: {share:.3f} of the rows")
assert (np.diff(y, axis=1) >= 0).all()

grid = np.linspace(-1, 1, 200)[:, np.newaxis]
bands = net.predict(grid)
fig, (left, right) = plt.subplots(
    1, 2, figsize=(11, 4.2), layout="constrained", width_ratios=[2, 1]
)
left.plot(x[test], t[test], ".", color="0.7", markersize=3, label="new rows")
for k, label in enumerate(("5 to 95 %", "10 to 90 %", "25 to 75 %")):
    left.fill_between(grid[:, 0], bands[:, k], bands[:, -1 - k], color="C0", alpha=0.25, lw=0)
    left.plot([], [], color="C0", alpha=0.3 + 0.25 * k, linewidth=6, label=label)
left.plot(grid, bands[:, 3], color="C1", label="median")
left.set(xlabel="x", ylabel="t")
left.legend(loc="upper left")
right.plot([0, 1], [0, 1], color="0.6")
right.plot(levels, below, "o-")
right.set(xlabel="level", ylabel="share of new rows below", aspect="equal")
plt.show()
