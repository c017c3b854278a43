"""
Counts
======

You will see a network predict how many calls arrive in an hour, from the time of day. Counts are
whole numbers from 0 up whose spread grows with their mean; the Poisson loss is made for them. The
network outputs the logarithm of the mean, so that no prediction is negative.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an


def mean_calls(hour):
    """Calls per hour: a morning peak, a broad afternoon, hardly any at night."""
    return 0.3 + 9 * np.exp(-((hour - 9) ** 2) / 3) + 5 * np.exp(-((hour - 15) ** 2) / 12)


rng = np.random.default_rng(0)
hour = rng.uniform(0, 24, (3000, 1))
calls = rng.poisson(mean_calls(hour)).astype(float)
angle = 2 * np.pi * hour / 24  # 23:59 and 0:01 are neighbours
x = np.hstack([np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle)])

net = an.Sequential(
    an.Affine.init(4, 32, rng=0, activation="tanh"),
    an.Tanh(),
    an.Affine.init(32, 1, rng=1, activation="linear"),
    loss=an.Poisson(),
)
net.fit(x, calls, epochs=60, optimizer=an.Adam(), schedule=an.schedules.Cosine(0.01))

order = np.argsort(hour[:, 0])
predicted = np.exp(net(x))[order, 0]
fig, ax = plt.subplots(figsize=(7.5, 4), layout="constrained")
ax.plot(hour, calls + rng.uniform(-0.2, 0.2, calls.shape), ".", color="0.75", markersize=3)
ax.plot(hour[order], mean_calls(hour[order]), color="0.2", label="true mean")
ax.plot(hour[order], predicted, "--", color="C1", linewidth=2, label="predicted mean")
ax.set(xlabel="hour", ylabel="calls", title="3000 hours", xticks=range(0, 25, 4))
ax.legend()
error = np.abs(predicted - mean_calls(hour[order, 0])).mean()
print(f"the predicted mean is {error:.2f} calls off on average")
plt.show()
