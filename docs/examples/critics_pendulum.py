"""An ensemble of critics learns to swing up a pendulum and to hold it there.

    python docs/examples/critics_pendulum.py

Each critic is a network Q(state, torque), the expected sum of discounted rewards. Sixteen pendulums
swing side by side, each driven by one of the critics: where critics disagree, they try different
things, as in Osband, Blundell, Pritzel, Van Roy, "Deep exploration via bootstrapped DQN", NIPS
2016. Transitions go to a replay buffer. Targets are ``r + gamma max_u min_k Q_k(s', u)`` with two
target networks k drawn at random, as in Chen, Wang, Zhou, Ross, "Randomized ensembled double
Q-learning", ICLR 2021: one network's errors alone would be taken for good news.

Three things of affinet do the work. ``an.ReplayBuffer`` holds the transitions in arrays from which
``fit`` gathers its batches without a copy, many steps in one call. ``an.EMA`` makes the target
networks: the average of a critic's weights, updated inside that call. ``an.Ensemble`` predicts with
all of them.

The pendulum is a rod of 1 kg and 1 m, too heavy to be lifted at once: it has to be swung up.
"""

from __future__ import annotations

import argparse

import numpy as np

import affinet as an

GRAVITY, MASS, LENGTH = 9.81, 1.0, 1.0
STEP = 0.05  # s
TORQUES = np.array([-2.0, 0.0, 2.0])  # N m
MOST_SPEED = 8.0  # rad/s
EPISODE = 200  # steps
PENDULUMS, CRITICS = 16, 4
GAMMA = 0.98
BATCH, STEPS_A_CALL, EVERY = 64, 16, 8  # train 16 steps in a call, after every 8 steps


def move(angle: np.ndarray, speed: np.ndarray, torque: np.ndarray) -> tuple[np.ndarray, ...]:
    """Angle (0 is upright), speed and reward after one step, each of shape (N,)."""
    turned = (angle + np.pi) % (2 * np.pi) - np.pi
    reward = -(turned**2 + 0.1 * speed**2 + 0.001 * torque**2) / 16
    push = 1.5 * GRAVITY / LENGTH * np.sin(angle) + 3 * torque / (MASS * LENGTH**2)
    speed = np.clip(speed + STEP * push, -MOST_SPEED, MOST_SPEED)
    return angle + STEP * speed, speed, reward


def seen(angle: np.ndarray, speed: np.ndarray) -> np.ndarray:
    """What the critics see of the states: (N, 3)."""
    return np.stack([np.cos(angle), np.sin(angle), speed / MOST_SPEED], axis=1)


def with_torques(states: np.ndarray) -> np.ndarray:
    """Each state with each torque: (N * 3, 4)."""
    torques = np.tile(TORQUES / 2, len(states))[:, np.newaxis]
    return np.hstack([np.repeat(states, len(TORQUES), axis=0), torques]).astype("float32")


class Critics:
    """The critics, their optimizers and target networks, and the transitions they learn from."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.nets = [
            an.Sequential(
                an.Affine.init(4, 64, rng=rng), an.ReLU(), an.Affine.init(64, 64, rng=rng),
                an.ReLU(), an.Affine.init(64, 1, rng=rng), loss=an.Huber(),
            )
            for _ in range(CRITICS)
        ]  # fmt: skip
        self.optimizers = [an.Adam(1e-3) for _ in self.nets]
        self.targets = [an.EMA(decay=0.99) for _ in self.nets]
        self.buffer = an.ReplayBuffer(50_000, input=4, next=3, reward=(), target=1)

    def values(self, nets: list[an.Sequential], states: np.ndarray) -> np.ndarray:
        """Q of each network (K, N, 3), for every torque."""
        q = an.Ensemble(nets).predict_members(with_torques(states))
        return q.reshape(len(nets), len(states), len(TORQUES))

    def train(self) -> None:
        """Several steps of each critic, on its own transitions, against the target networks."""
        for net, optimizer, average in zip(self.nets, self.optimizers, self.targets, strict=True):
            rows = self.buffer.sample(BATCH * STEPS_A_CALL, self.rng)
            pair = self.rng.choice(CRITICS, 2, replace=False)
            others = [self.targets[k].net or self.nets[k] for k in pair]
            best = self.values(others, self.buffer["next"][rows]).min(axis=0).max(axis=1)
            self.buffer["target"][rows, 0] = self.buffer["reward"][rows] + GAMMA * best
            net.fit(
                self.buffer["input"], self.buffer["target"], steps=STEPS_A_CALL, batch_size=BATCH,
                sampler=self.buffer.rows(rows), optimizer=optimizer, average=average, verbose=0,
            )  # fmt: skip


def learn(episodes: int = 30, seed: int = 0, show: bool = False) -> list[float]:
    """Train the critics; returns the mean reward a step of the pendulums, by episode."""
    rng = np.random.default_rng(seed)
    critics, means = Critics(rng), []
    driver = np.arange(PENDULUMS) % CRITICS  # which critic drives which pendulum
    for episode in range(1, episodes + 1):
        angle, speed = rng.uniform(-np.pi, np.pi, PENDULUMS), rng.uniform(-1, 1, PENDULUMS)
        total = 0.0
        for step in range(EPISODE):
            states = seen(angle, speed)
            q = critics.values(critics.nets, states)
            choice = q[driver, np.arange(PENDULUMS)].argmax(axis=1)
            angle, speed, reward = move(angle, speed, TORQUES[choice])
            total += reward.mean()
            inputs = np.hstack([states, TORQUES[choice, np.newaxis] / 2])
            critics.buffer.add(
                input=inputs, next=seen(angle, speed), reward=reward,
                target=np.zeros((PENDULUMS, 1)),
            )  # fmt: skip
            if step % EVERY == EVERY - 1:
                critics.train()
        means.append(total / EPISODE)
        if show:
            print(f"episode {episode:3}: mean reward {means[-1]:7.3f}")
    return means


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Learn to swing up a pendulum.")
    parser.add_argument("--episodes", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    learn(options.episodes, options.seed, show=True)
