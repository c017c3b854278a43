"""
The average of several networks
===============================

You will see the regions of single networks and of their average, and how much surer the average is
to be right: networks from different starts make different mistakes, and the average loses some of
them.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

x, t = an.datasets.two_moons(60, noise=0.3)
x_test, t_test = an.datasets.two_moons(2000, noise=0.3, rng=1)


def network(seed):
    """A network that is large for 120 rows."""
    rng = np.random.default_rng(seed)
    net = an.Sequential(
        an.Affine.init(2, 64, rng),
        an.ReLU(),
        an.Affine.init(64, 64, rng),
        an.ReLU(),
        an.Affine.init(64, 2, rng),
        loss=an.SoftmaxWithLoss(),
    )
    rows = rng.integers(0, len(x), len(x))  # each learns from rows drawn with replacement
    net.fit(x[rows], t[rows], epochs=100, optimizer=an.Adam(0.005), seed=seed)
    return net


nets = [network(seed) for seed in range(16)]
p = np.array([net.predict_proba(x_test) for net in nets])
counts = np.arange(1, 17)
single = (p.argmax(axis=2) == t_test).mean(axis=1)
together = [(p[:n].mean(axis=0).argmax(axis=1) == t_test).mean() for n in counts]
print(f"single networks {single.min():.3f} to {single.max():.3f}, mean {single.mean():.3f}")
print(f"average of 16   {together[-1]:.3f}")

grid = np.stack(np.meshgrid(np.linspace(-2, 3, 120), np.linspace(-1.6, 2.1, 120)), axis=-1)
maps = np.array([net.predict_proba(grid.reshape(-1, 2))[:, 1].reshape(120, 120) for net in nets])
fig, axes = plt.subplots(1, 3, figsize=(12.5, 3.8), layout="constrained")
for ax, values, title in (
    (axes[0], maps[0], f"one network: {single[0]:.3f}"),
    (axes[1], maps.mean(axis=0), f"average of 16: {together[-1]:.3f}"),
):
    ax.contourf(grid[..., 0], grid[..., 1], values, np.linspace(0, 1, 11), cmap="PuOr_r")
    for k, marker in enumerate("o^"):
        ax.scatter(*x[t == k].T, s=14, marker=marker, c=("k", "w")[k], edgecolors="k", lw=0.5)
    ax.set(xlabel="x1", ylabel="x2", title=title)
axes[2].plot(counts, together, "o-", label="average of n")
axes[2].axhline(single.mean(), color="C1", linestyle="--", label="one, on average")
axes[2].set(xlabel="networks", ylabel="test accuracy", title="4000 new points")
axes[2].legend(loc="lower right")
plt.show()
