"""
Periodic embeddings of numbers
==============================

You will see a plain network and one with a ``PeriodicEmbedding`` follow a fast oscillation. Plain
networks prefer slow functions; sines and cosines of the input with learned frequencies let them
see fast changes (Gorishniy, Rubachev, Babenko, NeurIPS 2022).
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, (1500, 1)).astype(np.float32)


def curve(x):
    """A wave that becomes faster to the right."""
    return np.sin(12 * (x + 1.2) ** 2)


t = curve(x) + 0.1 * rng.standard_normal(x.shape).astype(np.float32)
embedding = an.PeriodicEmbedding(1, frequencies=16, outputs=8, kind="plr", sigma=2.0, rng=0)
fronts = {"plain": ([], 1), "PeriodicEmbedding": ([embedding], 8)}
grid = np.linspace(-1, 1, 500)[:, None]

fig, axes = plt.subplots(2, 1, figsize=(8, 5), layout="constrained", sharex=True)
for ax, (name, (front, width)) in zip(axes, fronts.items(), strict=True):
    net = an.Sequential(
        *front,
        an.Affine.init(width, 64, rng=1),
        an.ReLU(),
        an.Affine.init(64, 64, rng=2),
        an.ReLU(),
        an.Affine.init(64, 1, rng=3, activation="linear"),
        loss=an.MeanSquaredError(),
    )
    schedule = an.schedules.Cosine(0.005)
    net.fit(x, t, epochs=60, optimizer=an.Adam(), schedule=schedule)
    error = np.sqrt(np.mean((net(grid) - curve(grid)) ** 2))
    print(f"{name}: {error:.3f} from the true curve")
    ax.plot(x, t, ".", color="0.8", markersize=3)
    ax.plot(grid, net(grid), label=f"{name}: error {error:.2f}")
    ax.set(ylabel="y", ylim=(-1.6, 1.6))
    ax.legend(loc="lower left")
axes[1].set_xlabel("x")
plt.show()
