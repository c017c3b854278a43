"""
Learning through another network
================================

You will see a network learn which angles bring the hand of a robot arm to a target, without a
single example of right angles. It is trained through a second network, a model of the arm:
``backward(need_dx=True)`` turns the error of the hand into a gradient for the angles.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

UPPER, FOREARM = 1.0, 0.8  # m


def joints(angles):
    """Positions (N, 2) of elbow and hand."""
    elbow = UPPER * np.stack([np.cos(angles[:, 0]), np.sin(angles[:, 0])], axis=1)
    both = angles.sum(axis=1)
    return elbow, elbow + FOREARM * np.stack([np.cos(both), np.sin(both)], axis=1)


def network(seed, loss=None):
    """2-64-64-2 with tanh."""
    rng = np.random.default_rng(seed)
    return an.Sequential(
        an.Affine.init(2, 64, rng, "tanh", "float64"),
        an.Tanh(),
        an.Affine.init(64, 64, rng, "tanh", "float64"),
        an.Tanh(),
        an.Affine.init(64, 2, rng, "linear", "float64"),
        loss=loss,
    )


# The model learns from random angles what the arm does.
rng = np.random.default_rng(0)
angles = rng.uniform([-0.5, 0.2], [2.0, 2.5], (3000, 2))
model = network(0, an.MeanSquaredError())
model.fit(angles, joints(angles)[1], epochs=60, schedule=an.schedules.Cosine(0.005))

# The controller learns through the model: targets -> angles -> model -> hand.
controller, optimizer, losses = network(1), an.Adam(0.003), []
for step in range(3000):
    targets = joints(rng.uniform([0, 0.4], [1.5, 2.2], (64, 2)))[1]
    losses.append(model.forward(controller.forward(targets), targets))
    controller.backward(model.backward(need_dx=True))
    optimizer.lr = 0.003 * (1 - step / 3000)
    optimizer.update(controller.params, controller.grads)

targets = joints(rng.uniform([0, 0.4], [1.5, 2.2], (500, 2)))[1]
away = 1000 * np.linalg.norm(joints(controller(targets))[1] - targets, axis=1)
print(
    f"500 new targets: the hand is {np.median(away):.0f} mm off, median; {away.max():.0f} at most"
)

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
left.semilogy(losses, linewidth=0.6)
left.set(xlabel="step", ylabel="loss seen through the model", title="training of the controller")
shown = targets[:5]
for k, (elbow, hand) in enumerate(zip(*joints(controller(shown)), strict=True)):
    right.plot(*np.array([[0, 0], elbow, hand]).T, "o-", color=f"C{k}", linewidth=2)
right.plot(*shown.T, "k+", markersize=14, markeredgewidth=2, label="targets")
right.set(xlabel="x in m", ylabel="y in m", title="the arm at five targets", aspect="equal")
right.legend()
plt.show()
