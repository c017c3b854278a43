"""
Your own callback
=================

You will see the weights of a layer move during a training, recorded by a function that ``fit``
calls every ten steps. A callback is any callable; it receives the network, the optimizer, the step
and the figures so far.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

(x, t), _ = an.datasets.load_digits()
net = an.Sequential(
    an.Affine.init(64, 32, rng=0),
    an.ReLU(),
    an.Affine.init(32, 10, rng=1),
    loss=an.SoftmaxWithLoss(),
)
steps, quantiles = [], []


def watch(state):
    """Keep the quantiles of the last layer's weights."""
    steps.append(state.step)
    quantiles.append(np.quantile(state.net.params["2.W"], [0, 0.1, 0.25, 0.5, 0.75, 0.9, 1]))


def enough(state):
    """End the training when 99 % of the training rows are right."""
    if state.metrics["accuracy"] >= 0.99:
        raise an.StopTraining("99 % are right")


history = net.fit(
    x, t, epochs=100, optimizer=an.Adam(0.003), callbacks=[an.every_steps(10, watch), enough]
)
print("stopped by", history.stopped_by, "after", len(history.epochs), "epochs")

low, q10, q25, q50, q75, q90, high = np.array(quantiles).T
fig, ax = plt.subplots(figsize=(7.5, 4), layout="constrained")
ax.fill_between(steps, low, high, color="C0", alpha=0.15, label="all weights")
ax.fill_between(steps, q10, q90, color="C0", alpha=0.3, label="80 %")
ax.fill_between(steps, q25, q75, color="C0", alpha=0.5, label="half of them")
ax.plot(steps, q50, color="k", linewidth=1, label="median")
ax.set(xlabel="step", ylabel="weight", title="the weights of the last layer")
ax.set_ylim(-1.8, 2)
ax.legend(loc="upper left", ncols=2)
plt.show()
