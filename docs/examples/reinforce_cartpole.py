"""REINFORCE: a network learns to balance a pole on a cart, from nothing but how long it stood.

    python docs/examples/reinforce_cartpole.py

The policy is a network with one output, the logit z of pushing to the right. It needs no loss:
``net.forward(x)`` returns the logits, and ``net.backward(dout)`` takes the gradient of the
objective with respect to them. The policy gradient of Williams, "Simple statistical
gradient-following algorithms for connectionist reinforcement learning", Machine Learning 8, 1992,
is the mean of ``advantage * d log pi(a | x)``. For a push a (1 right, 0 left) drawn with
probability ``p = 1 / (1 + exp(-z))``, ``d log pi / dz = a - p``. The advantage is the time that the
pole still stood after the push, minus the average over the episodes at that step.

The cart and the pole follow the equations of Barto, Sutton, Anderson, "Neuronlike adaptive elements
that can solve difficult learning control problems", IEEE Transactions on Systems, Man, and
Cybernetics 13, 1983, without friction, in Euler steps.
"""

from __future__ import annotations

import argparse

import numpy as np

import affinet as an

GRAVITY = 9.8  # m/s^2
CART, POLE = 1.0, 0.1  # masses in kg
HALF_LENGTH = 0.5  # of the pole, in m
FORCE = 10.0  # N
STEP = 0.02  # s
MOST_X, MOST_ANGLE = 2.4, np.radians(12)  # beyond them the episode ends
MOST_STEPS = 200


def move(states: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The states (N, 4), each position, velocity, angle and angular velocity, a step later."""
    _, v, angle, omega = states.T
    force = np.where(right, FORCE, -FORCE)
    sine, cosine, mass = np.sin(angle), np.cos(angle), CART + POLE
    push = (force + POLE * HALF_LENGTH * omega**2 * sine) / mass
    turn = (GRAVITY * sine - cosine * push) / (HALF_LENGTH * (4 / 3 - POLE * cosine**2 / mass))
    acceleration = push - POLE * HALF_LENGTH * turn * cosine / mass
    change = np.stack([v, acceleration, omega, turn], axis=1)
    return states + STEP * change


def has_fallen(states: np.ndarray) -> np.ndarray:
    """For each state, whether the cart left its track or the pole fell."""
    return (np.abs(states[:, 0]) > MOST_X) | (np.abs(states[:, 2]) > MOST_ANGLE)


def play(
    net: an.Sequential, episodes: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Play episodes side by side.

    Returns
    -------
    states : array of shape (n, 4)
        All states that were seen.
    pushed_right : bool array of shape (n,)
    advantages : array of shape (n,)
    lengths : array of shape (episodes,)
        How many steps each pole stood.
    """
    states = rng.uniform(-0.05, 0.05, (episodes, 4))
    alive = np.arange(episodes)
    lengths = np.full(episodes, MOST_STEPS)
    seen: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for step in range(MOST_STEPS):
        logits = net(states)[:, 0]
        right = rng.random(len(alive)) < 1 / (1 + np.exp(-logits))
        seen.append((states, right, alive))
        states = move(states, right)
        fallen = has_fallen(states)
        lengths[alive[fallen]] = step + 1
        states, alive = states[~fallen], alive[~fallen]
        if len(alive) == 0:
            break
    left = [lengths[episode] - step for step, (_, _, episode) in enumerate(seen)]
    advantages = np.concatenate([times - times.mean() for times in left])
    advantages /= advantages.std() + 1e-8
    return (
        np.concatenate([states for states, _, _ in seen]),
        np.concatenate([right for _, right, _ in seen]),
        advantages,
        lengths,
    )


def learn(
    iterations: int = 40, episodes: int = 16, seed: int = 0, show: bool = False
) -> list[float]:
    """Train a policy; returns the mean number of steps that the pole stood, by iteration."""
    rng = np.random.default_rng(seed)
    net = an.Sequential(
        an.Affine.init(4, 32, rng=rng, activation="tanh", dtype="float64"),
        an.Tanh(),
        an.Affine(np.zeros((32, 1)), np.zeros(1)),
    )
    optimizer, means = an.Adam(0.02), []
    for iteration in range(1, iterations + 1):
        states, right, advantages, lengths = play(net, episodes, rng)
        logits = net.forward(states)[:, 0]
        p = 1 / (1 + np.exp(-logits))
        dout = -advantages * (right - p) / len(states)  # minus: the optimizer descends
        net.backward(dout[:, np.newaxis])
        optimizer.update(net.params, net.grads)
        means.append(float(lengths.mean()))
        if show:
            print(f"iteration {iteration:3}: the pole stood {means[-1]:6.1f} steps on average")
    return means


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Learn to balance a pole by REINFORCE.")
    parser.add_argument("--iterations", type=int, default=40)
    parser.add_argument("--episodes", type=int, default=16, help="played in each iteration")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    learn(options.iterations, options.episodes, options.seed, show=True)
