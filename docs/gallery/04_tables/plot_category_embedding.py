"""
Categories as points in a plane
===============================

You will see a network place the seven days of the week in a plane, knowing nothing about them but
the demand on each. ``Embedding`` learns a vector for each code; days that act alike end up close
together.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
rng = np.random.default_rng(0)
day = rng.integers(0, 7, 3000)
hour = rng.uniform(0, 24, 3000)
working = np.exp(-((hour - 8) ** 2) / 4) + np.exp(-((hour - 18) ** 2) / 6)
weekend = 1.2 * np.exp(-((hour - 14) ** 2) / 20)
level = np.array([1.0, 1.0, 1.0, 1.0, 1.3, 1.2, 0.7])[day]
demand = level * np.where(day < 5, working, weekend) + 0.05 * rng.standard_normal(3000)

x = np.stack([day, (hour - 12) / 7], axis=1)
embedding = an.Embedding(2, {0: 7}, outputs=2, rng=0, dtype="float64")
embedding.E *= 0.01  # all days start nearly at the same place
net = an.Sequential(
    embedding,  # column 0 becomes two numbers, column 1 stays
    an.Affine.init(3, 64, rng=1, dtype="float64"),
    an.ReLU(),
    an.Affine.init(64, 64, rng=2, dtype="float64"),
    an.ReLU(),
    an.Affine.init(64, 1, rng=3, activation="linear", dtype="float64"),
    loss=an.MeanSquaredError(),
)
schedule = an.schedules.Cosine(0.005)
history = net.fit(x, demand, epochs=40, optimizer=an.Adam(), schedule=schedule)
print(f"root mean squared error {history['loss'][-1] ** 0.5:.3f}, of which noise is 0.05")

codes = np.stack([np.arange(7), np.zeros(7)], axis=1)
out = embedding.forward(codes)
points = out[:, out.std(axis=0) > 0]  # without the column of the hour
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
grid = np.linspace(0, 24, 200)
for k, style in ((0, "-"), (4, "--"), (5, "-."), (6, ":")):
    rows = np.stack([np.full(200, k), (grid - 12) / 7], axis=1)
    left.plot(grid, net(rows), style, linewidth=2, label=days[k])
left.set(xlabel="hour", ylabel="demand", title="predicted demand", xticks=range(0, 25, 4))
left.legend()
right.plot(*points.T, "o")
for k, (name, point) in enumerate(zip(days, points, strict=True)):
    up = 13 * (3 - k) if k < 4 else 0  # Monday to Thursday share a place
    right.annotate(name, point, (8, up), textcoords="offset points")
right.margins(0.25)
right.set(xlabel="number 1", ylabel="number 2", title="the embedding of each day")
plt.show()
