"""
Several outputs: the hand of a robot arm
========================================

You will see where a network believes the hand of an arm with two joints to be, from the two
angles, and how far it is off. Two numbers are predicted at once: the targets have two columns.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

LENGTHS = 1.0, 0.7  # of the upper arm and the forearm, in m


def hand(angles):
    """Position (N, 2) in m for the angles (N, 2) of shoulder and elbow, in radians."""
    shoulder, both = angles[:, 0], angles.sum(axis=1)
    x = LENGTHS[0] * np.cos(shoulder) + LENGTHS[1] * np.cos(both)
    y = LENGTHS[0] * np.sin(shoulder) + LENGTHS[1] * np.sin(both)
    return np.stack([x, y], axis=1)


rng = np.random.default_rng(0)
angles = rng.uniform([0, 0], [np.pi / 2, np.pi * 0.8], (3000, 2))
net = an.Sequential(
    an.Affine.init(2, 64, rng=0, activation="tanh"),
    an.Tanh(),
    an.Affine.init(64, 64, rng=1, activation="tanh"),
    an.Tanh(),
    an.Affine.init(64, 2, rng=2, activation="linear"),
    loss=an.MeanSquaredError(),
)
schedule = an.schedules.Cosine(0.005)
net.fit(angles, hand(angles), epochs=40, optimizer=an.Adam(), schedule=schedule)

# %%
# A path of angles that the network has not seen: predicted and true positions.

s = np.linspace(0, 2 * np.pi, 60)
path = np.stack([0.8 + 0.6 * np.cos(s), 1.2 + 0.9 * np.sin(2 * s)], axis=1)
true, predicted = hand(path), net(path)
away = 1000 * np.linalg.norm(predicted - true, axis=1)
fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4), layout="constrained")
left.plot(*true.T, color="0.3", label="true")
left.plot(*predicted.T, "o", markersize=4, label="predicted")
left.set(xlabel="x in m", ylabel="y in m", title="path of the hand", aspect="equal")
left.legend()
right.plot(s, away)
right.set(xlabel="place on the path", ylabel="distance in mm", title="error", ylim=(0, None))
print(f"error on the path: mean {away.mean():.1f} mm, largest {away.max():.1f} mm")
plt.show()
