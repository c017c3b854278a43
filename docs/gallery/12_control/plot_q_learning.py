"""
A maze: Q-learning with a target network
========================================

You will see the values that a network gives to the fields of a small maze, and the way out that
follows from them. The targets come from a second network, which lags behind; without it, a network
would chase its own predictions (Mnih et al., *Nature* 518, 2015).
"""

import copy

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

maze = np.array([list(row) for row in ("......", ".####.", "...#..", ".#...#", ".#.#..", ".#.#.G")])
MOVES = np.array([[-1, 0], [0, 1], [1, 0], [0, -1]])
GOAL, DISCOUNT = (5, 5), 0.95
FIELDS = np.argwhere(maze != "#")
INPUTS = np.eye(36)[FIELDS[:, 0] * 6 + FIELDS[:, 1]]  # one input for each field


def step(field, action):
    """Next field, reward and whether the goal is reached; walls stop the walker."""
    new = field + MOVES[action]
    if (new < 0).any() or (new > 5).any() or maze[tuple(new)] == "#":
        new = field
    done = tuple(new) == GOAL
    return new, float(done), done


rng = np.random.default_rng(0)
net = an.Sequential(
    an.Affine.init(36, 64, rng=0, dtype="float64"),
    an.ReLU(),
    an.Affine.init(64, 4, rng=1, activation="linear", dtype="float64"),
)
target, optimizer = copy.deepcopy(net), an.Adam(0.002)
index = {tuple(field): k for k, field in enumerate(FIELDS)}
memory = []  # field, action, reward, next field, done: here the walker wanders at random
for _ in range(4000):
    field, action = FIELDS[rng.integers(len(FIELDS))], int(rng.integers(4))
    new, reward, done = step(field, action)
    memory.append((index[tuple(field)], action, reward, index[tuple(new)], done))
fields, actions, rewards, nexts, done = (np.array(part) for part in zip(*memory, strict=True))

for update in range(3000):
    if update % 50 == 0:
        target.params.flat[:] = net.params.flat  # the target network catches up
    rows = rng.integers(len(memory), size=64)
    future = target(INPUTS[nexts[rows]]).max(axis=1)
    wanted = rewards[rows] + DISCOUNT * future * ~done[rows]
    q = net.forward(INPUTS[fields[rows]])
    dout = np.zeros_like(q)
    places = np.arange(64), actions[rows]
    dout[places] = 2 * (q[places] - wanted) / 64
    net.backward(dout)
    optimizer.update(net.params, net.grads)

values = np.full((6, 6), np.nan)
values[tuple(FIELDS.T)] = net(INPUTS).max(axis=1)
field, way = np.array([0, 0]), [(0, 0)]
while tuple(field) != GOAL and len(way) < 40:
    field, _, _ = step(field, int(net(INPUTS[[index[tuple(field)]]]).argmax()))
    way.append(tuple(field))
print(f"from the corner to the goal in {len(way) - 1} steps (the shortest way has 10)")

fig, ax = plt.subplots(figsize=(5.6, 4.8), layout="constrained")
ax.set_facecolor("0.3")
image = ax.imshow(values, cmap="viridis", vmin=0.5, vmax=1)
ax.plot(*np.array(way)[:, ::-1].T, "w.-", linewidth=2, markersize=10)
ax.text(5, 5, "G", ha="center", va="center", color="C3", fontsize=16, fontweight="bold")
ax.set(xticks=[], yticks=[], title="value of each field, and the way to G")
fig.colorbar(image, ax=ax)
plt.show()
