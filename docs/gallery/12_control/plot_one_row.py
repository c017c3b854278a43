"""
A controller that runs one row at a time
========================================

You will see a network imitate a controller that swings a cart to a target, and how long one
prediction takes. In a control loop there is one row at a time, and the call itself must be cheap.
"""

import time

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

STEP, LIMIT = 0.02, 4.0  # s, N


def expert(state):
    """A force on a cart of 1 kg, from the distance to the target and the velocity."""
    return np.clip(-8.0 * state[..., 0] - 4.0 * state[..., 1], -LIMIT, LIMIT)


rng = np.random.default_rng(0)
states = rng.uniform([-2, -3], [2, 3], (4000, 2)).astype(np.float32)
net = an.Sequential(
    an.Affine.init(2, 32, rng=0),
    an.ReLU(),
    an.Affine.init(32, 32, rng=1),
    an.ReLU(),
    an.Affine.init(32, 1, rng=2, activation="linear"),
    loss=an.MeanSquaredError(),
)
net.fit(states, expert(states)[:, None], epochs=30, schedule=an.schedules.Cosine(0.005))

# %%
# One row goes in, one comes out. Arrays that are made once and filled in place keep the loop free
# of allocations: ``predict(x, out=out)``.

row, out = np.zeros((1, 2), np.float32), np.zeros((1, 1), np.float32)


def by_network(state):
    """The network's force."""
    row[0] = state
    return float(net.predict(row, out=out)[0, 0])


times = []
for _ in range(2000):
    start = time.perf_counter()
    net.predict(row, out=out)
    times.append(1e6 * (time.perf_counter() - start))
print(f"one prediction: median {np.median(times):.1f} µs")

fig, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
seconds = np.arange(200) * STEP
for name, controller, style in (("expert", expert, "-"), ("network", by_network, "--")):
    state, path, forces = np.array([1.5, 0.0]), [], []
    for _ in seconds:
        force = float(controller(state))
        path.append(state[0])
        forces.append(force)
        velocity = state[1] + STEP * force
        state = np.array([state[0] + STEP * velocity, velocity])
    axes[0].plot(seconds, path, style, linewidth=2, label=name)
    axes[1].plot(seconds, forces, style, linewidth=2, label=name)
    print(f"{name}: {1000 * abs(state[0]):.1f} mm from the target after 4 s")
axes[0].set(xlabel="time in s", ylabel="distance in m", title="a cart moves to its target")
axes[1].set(xlabel="time in s", ylabel="force in N", title="the force, at most 4 N")
axes[0].legend()
plt.show()
