"""
Clipping the gradient
=====================

You will see a training thrown back by a few wild rows, and ``clip_norm`` protecting it: it limits
the length of each step's gradient and keeps its direction.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

rng = np.random.default_rng(0)
x = rng.uniform(-2, 2, (1000, 1))
t = np.sin(2 * x) + 0.1 * rng.standard_normal(x.shape)
t[rng.choice(1000, 10, replace=False)] *= 100  # ten measurements went wrong

fig, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4), layout="constrained")
grid = np.linspace(-2, 2, 200)[:, None]
for limit, style in ((None, "-"), (1.0, "--")):
    net = an.Sequential(
        an.Affine.init(1, 32, rng=0, activation="tanh", dtype="float64"),
        an.Tanh(),
        an.Affine.init(32, 1, rng=1, activation="linear", dtype="float64"),
        loss=an.MeanSquaredError(),
    )
    norms = []

    def keep(state, norms=norms):
        norms.append(np.linalg.norm(state.net.grads.flat))

    net.fit(
        x,
        t,
        epochs=30,
        optimizer=an.SGD(0.05),
        clip_norm=limit,
        callbacks=[an.every_steps(1, keep)],
    )
    name = f"clip_norm={limit}"
    left.semilogy(norms, style, linewidth=0.8, label=name)
    right.plot(grid, net(grid), style, linewidth=2, label=name)
    error = np.sqrt(np.mean((net(grid) - np.sin(2 * grid)) ** 2))
    print(f"{name}: largest gradient {max(norms):.1f}, {error:.2f} from the true curve")
left.set(xlabel="step", ylabel="norm of the gradient", title="what the optimizer receives")
left.legend()
right.plot(grid, np.sin(2 * grid), color="0.4", linewidth=1, label="true curve")
right.set(xlabel="x", ylabel="y", title="after 30 epochs", ylim=(-4, 4))
right.legend()
plt.show()
