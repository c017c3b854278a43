"""
Intervals from quantiles
========================

You will see three networks that predict the 10 %, 50 % and 90 % quantile of a target whose noise
grows with x. Together they say not only what to expect but how sure to be.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an


def data(n, seed):
    """A curve with noise that grows from left to right."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 1, (n, 1)).astype(np.float32)
    noise = rng.standard_normal((n, 1)) * (0.05 + 0.5 * x)
    return x, (np.sin(5 * x) + noise).astype(np.float32)


x, t = data(2000, 0)
grid = np.linspace(0, 1, 200)[:, None]
lines, nets = {}, {}
for q in (0.1, 0.5, 0.9):
    net = an.Sequential(
        an.Affine.init(1, 48, rng=0),
        an.ReLU(),
        an.Affine.init(48, 48, rng=1),
        an.ReLU(),
        an.Affine.init(48, 1, rng=2, activation="linear"),
        loss=an.Quantile(q),
    )
    schedule = an.schedules.Cosine(0.005)
    net.fit(x, t, epochs=60, batch_size=64, optimizer=an.Adam(), schedule=schedule)
    lines[q], nets[q] = net(grid)[:, 0], net

fig, ax = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
ax.plot(x[:500], t[:500], ".", color="0.7", markersize=4, label="data")
ax.fill_between(grid[:, 0], lines[0.1], lines[0.9], alpha=0.25, label="10 % to 90 %")
ax.plot(grid, lines[0.5], color="C0", label="50 %, the median")
ax.set(xlabel="x", ylabel="y", title="three quantiles")
ax.legend()

# %%
# On new data, a quantile q should lie above a fraction q of the targets.

x_new, t_new = data(5000, 1)
for q, net in nets.items():
    print(f"q = {q}: above {(t_new < net(x_new)).mean():.3f} of 5000 new targets")
plt.show()
