"""
A mean and a variance
=====================

You will see a network learn how noisy its targets are. With the loss ``Gaussian`` it has two
outputs for each target, the mean and the logarithm of the variance, and both follow from the rows
alone.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

rng = np.random.default_rng(0)
x = rng.uniform(0, 6, (3000, 1))
noise = 0.05 + 0.25 * np.sin(x[:, 0]) ** 2
t = np.cos(x[:, 0]) + noise * rng.standard_normal(len(x))

net = an.Sequential(
    an.Affine.init(1, 64, rng=0),
    an.Tanh(),
    an.Affine.init(64, 64, rng=1),
    an.Tanh(),
    an.Affine.init(64, 2, rng=2),
    loss=an.Gaussian(),
)
net.fit(x, t, epochs=80, optimizer=an.Adam(), schedule=an.schedules.Cosine(0.01))

grid = np.linspace(0, 6, 300)[:, np.newaxis]
outputs = net.predict(grid)
mean, std = net.loss.values(outputs)[:, 0], net.loss.std(outputs)[:, 0]
truth = 0.05 + 0.25 * np.sin(grid[:, 0]) ** 2
print(f"largest error of the mean {np.abs(mean - np.cos(grid[:, 0])).max():.3f}")
print(f"largest error of the standard deviation {np.abs(std - truth).max():.3f}")

fig, (top, bottom) = plt.subplots(
    2, 1, figsize=(7.5, 5.4), layout="constrained", sharex=True, height_ratios=[2, 1]
)
top.plot(x, t, ".", color="0.75", markersize=3, label="data")
top.plot(grid, mean, label="mean")
top.fill_between(grid[:, 0], mean - 2 * std, mean + 2 * std, alpha=0.25, label="two deviations")
top.set(ylabel="t")
top.legend(loc="upper right")
bottom.plot(grid, std, label="learned")
bottom.plot(grid, truth, "--", color="0.4", label="true")
bottom.set(xlabel="x", ylabel="standard deviation", ylim=(0, None))
bottom.legend(loc="upper right")
plt.show()
