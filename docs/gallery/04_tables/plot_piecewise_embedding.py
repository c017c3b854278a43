"""
Piecewise embeddings for jumps
==============================

You will see a target with steps, as in tariffs and tax brackets, learned by a plain network and by
one with a ``PiecewiseEmbedding``, which cuts the input into bins. Its edges here are quantiles of
the data.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

rng = np.random.default_rng(0)
x = rng.uniform(0, 10, (1500, 1)).astype(np.float32)


def tariff(x):
    """A price with steps."""
    return np.array([1.0, 2.5, 2.0, 4.0, 3.0])[np.searchsorted([2, 3, 6.5, 8], x)]


t = (tariff(x) + 0.15 * rng.standard_normal(x.shape)).astype(np.float32)
edges = np.quantile(x, np.linspace(0, 1, 33))
fronts = {
    "plain": ([], 1),
    "PiecewiseEmbedding": ([an.PiecewiseEmbedding(1, {0: edges}, outputs=16, rng=0)], 16),
}
grid = np.linspace(0, 10, 1000)[:, None]

fig, axes = plt.subplots(2, 1, figsize=(8, 5), layout="constrained", sharex=True)
for ax, (name, (front, width)) in zip(axes, fronts.items(), strict=True):
    net = an.Sequential(
        *front,
        an.Affine.init(width, 32, rng=1),
        an.ReLU(),
        an.Affine.init(32, 1, rng=2, activation="linear"),
        loss=an.MeanSquaredError(),
    )
    net.fit(x, t, epochs=60, optimizer=an.Adam(), schedule=an.schedules.Cosine(0.01))
    error = np.sqrt(np.mean((net(grid) - tariff(grid)) ** 2))
    print(f"{name}: {error:.3f} from the true tariff")
    ax.plot(x, t, ".", color="0.8", markersize=3)
    ax.plot(grid, net(grid), label=f"{name}: error {error:.2f}")
    ax.set_ylabel("price")
    ax.legend(loc="upper left")
axes[1].set_xlabel("amount")
plt.show()
