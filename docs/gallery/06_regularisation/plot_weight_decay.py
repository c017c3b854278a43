"""
Weight decay
============

You will see a network with two layers of 50 units follow the noise of 25 points, and how a penalty
on the weights smooths the curve: too little changes nothing, too much flattens it.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(-1, 1, (25, 1)), axis=0)
t = np.sin(3 * x) + 0.25 * rng.standard_normal(x.shape)
grid = np.linspace(-1, 1, 300)[:, None]

fig, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained", sharey=True)
for ax, l2 in zip(axes, (0.0, 0.03, 3.0), strict=True):
    net = an.Sequential(
        an.Affine.init(1, 50, rng=0, dtype="float64"),
        an.ReLU(),
        an.Affine.init(50, 50, rng=1, dtype="float64"),
        an.ReLU(),
        an.Affine.init(50, 1, rng=2, activation="linear", dtype="float64"),
        loss=an.MeanSquaredError(),
    )
    net.fit(x, t, epochs=1500, batch_size=25, optimizer=an.Adam(0.005), l2=l2)
    error = np.sqrt(np.mean((net(grid) - np.sin(3 * grid)) ** 2))
    size = np.sqrt(sum(np.sum(net.params[name] ** 2) for name in ("0.W", "2.W", "4.W")))
    print(f"l2 = {l2:4}: norm of the weights {size:5.2f}, {error:.2f} from the true curve")
    ax.plot(grid, np.sin(3 * grid), color="0.5", linewidth=1, label="true curve")
    ax.plot(x, t, "ko", markersize=4, label="25 points")
    ax.plot(grid, net(grid), "C1", linewidth=2, label="network")
    ax.set(xlabel="x", title=f"l2 = {l2:g}: error {error:.2f}")
axes[0].set_ylabel("y")
axes[0].legend(loc="lower right", fontsize=9)
plt.show()
