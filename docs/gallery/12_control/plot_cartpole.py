"""
Balancing a pole: policy gradients
==================================

You will see a network learn to balance a pole on a cart from nothing but how long it stood. The
network needs no loss: ``backward(dout)`` takes the gradient of the objective with respect to its
outputs (REINFORCE; Williams, *Machine Learning* 8, 1992).
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

STEPS, EPISODES = 200, 16


def move(states, right):
    """The states (N, 4) 0.02 s later; Barto, Sutton, Anderson, IEEE Trans. SMC 13, 1983."""
    _, v, angle, omega = states.T
    sine, cosine, force = np.sin(angle), np.cos(angle), np.where(right, 10.0, -10.0)
    push = (force + 0.05 * omega**2 * sine) / 1.1
    turn = (9.8 * sine - cosine * push) / (0.5 * (4 / 3 - 0.1 * cosine**2 / 1.1))
    return states + 0.02 * np.stack([v, push - 0.05 * turn * cosine / 1.1, omega, turn], axis=1)


def play(net, rng):
    """Play episodes side by side: states, pushes and advantages of all steps, and lengths."""
    states, alive = rng.uniform(-0.05, 0.05, (EPISODES, 4)), np.arange(EPISODES)
    lengths, seen = np.full(EPISODES, STEPS), []
    for step in range(STEPS):
        right = rng.random(len(alive)) < 1 / (1 + np.exp(-net(states)[:, 0]))
        seen.append((states, right, alive))
        states = move(states, right)
        fallen = (np.abs(states[:, 0]) > 2.4) | (np.abs(states[:, 2]) > np.radians(12))
        lengths[alive[fallen]] = step + 1
        states, alive = states[~fallen], alive[~fallen]
        if not len(alive):
            break
    left = [lengths[who] - step for step, (_, _, who) in enumerate(seen)]
    advantages = np.concatenate([times - times.mean() for times in left])
    advantages /= advantages.std() + 1e-8
    return *(np.concatenate([part[k] for part in seen]) for k in (0, 1)), advantages, lengths


fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for seed, style in zip(range(3), ("-", "--", ":"), strict=True):
    rng, optimizer, means = np.random.default_rng(seed), an.Adam(0.02), []
    net = an.Sequential(
        an.Affine.init(4, 32, rng=rng, activation="tanh", dtype="float64"),
        an.Tanh(),
        an.Affine(np.zeros((32, 1)), np.zeros(1)),
    )
    for _ in range(40):
        states, right, advantages, lengths = play(net, rng)
        p = 1 / (1 + np.exp(-net.forward(states)[:, 0]))
        # d log pi / dz = right - p; minus, because the optimizer descends
        net.backward((-advantages * (right - p) / len(states))[:, np.newaxis])
        optimizer.update(net.params, net.grads)
        means.append(lengths.mean())
    ax.plot(range(1, 41), means, style, label=f"seed {seed}")
    print(f"seed {seed}: {means[0]:.0f} steps at first, {np.mean(means[-5:]):.0f} in the end")
ax.set(xlabel="iteration of 16 episodes", ylabel="mean number of steps", title="at most 200")
ax.legend()
plt.show()
