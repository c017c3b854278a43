"""
Monte-Carlo dropout
===================

You will see one network with dropout answer fifty times, each time with other units left out. Where
there were no data, the answers differ most (Gal, Ghahramani, ICML 2016). The masks depend on the
seed, the row and the sample only, so the same call gives the same answers.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

rng = np.random.default_rng(0)
x = rng.uniform(-3, 3, (500, 1))
x = x[(x[:, 0] < -0.5) | (x[:, 0] > 1.5)]  # a gap
t = np.sin(1.2 * x) + 0.1 * rng.standard_normal(x.shape)

net = an.Sequential(
    an.Affine.init(1, 256, rng=0, dtype="float64"),
    an.ReLU(),
    an.Dropout(0.05),
    an.Affine.init(256, 256, rng=1, dtype="float64"),
    an.ReLU(),
    an.Dropout(0.05),
    an.Affine.init(256, 1, rng=2, dtype="float64"),
    loss=an.MeanSquaredError(),
)
net.fit(x, t, epochs=400, optimizer=an.Adam(), schedule=an.schedules.Cosine(0.005))

grid = np.linspace(-5, 5, 300)[:, np.newaxis]
samples = net.predict(grid, samples=50, seed=0)[:, :, 0]
assert np.array_equal(samples, net.predict(grid, samples=50, seed=0)[:, :, 0])
spread = samples.std(axis=0)
known = (np.abs(grid[:, 0]) < 3) & ((grid[:, 0] < -0.5) | (grid[:, 0] > 1.5))
far = np.abs(grid[:, 0]) > 3.5
print(f"spread near data {spread[known].mean():.3f}, far outside {spread[far].mean():.3f}")

fig, (top, bottom) = plt.subplots(
    2, 1, figsize=(7.5, 5.4), layout="constrained", sharex=True, height_ratios=[2, 1]
)
top.plot(x, t, ".", color="0.75", label="data")
top.plot(grid, samples[:15].T, color="C0", linewidth=0.6, alpha=0.6)
top.plot(grid, samples.mean(axis=0), color="C1", linewidth=2, label="mean of 50 answers")
top.set(ylabel="y")
top.legend(loc="upper right")
bottom.plot(grid, spread)
bottom.set(xlabel="x", ylabel="spread of the answers", ylim=(0, None))
plt.show()
