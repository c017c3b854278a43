"""
Fitting a curve
===============

You will see a network follow a noisy curve after 20, 200 and 2000 steps. It learns the slow changes
first and the fast ones later.

.. index:: ! regression
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(-1, 1, (200, 1)), axis=0).astype(np.float32)


def curve(x):
    """What the data would be without noise."""
    return np.sin(2 * x) + 0.4 * np.sin(12 * x)


t = (curve(x) + 0.1 * rng.standard_normal(x.shape)).astype(np.float32)
net = an.Sequential(
    an.Affine.init(1, 64, rng=0, activation="tanh"),
    an.Tanh(),
    an.Affine.init(64, 64, rng=1, activation="tanh"),
    an.Tanh(),
    an.Affine.init(64, 1, rng=2, activation="linear"),
    loss=an.MeanSquaredError(),
)
optimizer = an.Adam(0.02)

fig, ax = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
ax.plot(x, t, ".", color="0.7", label="data")
done = 0
for steps, style in ((20, ":"), (200, "--"), (2000, "-")):
    net.fit(x, t, steps=steps - done, batch_size=50, optimizer=optimizer, seed=steps)
    done = steps
    ax.plot(x, net(x), style, linewidth=2, label=f"{steps} steps")
    error = np.sqrt(np.mean((net(x) - curve(x)) ** 2))
    print(f"{steps:4} steps: {error:.3f} from the true curve")
ax.set(xlabel="x", ylabel="y", title="noise of 0.1 around a curve")
ax.legend()
plt.show()
