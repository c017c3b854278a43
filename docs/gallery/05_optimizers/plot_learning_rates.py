"""
Which learning rate?
====================

You will see the loss after five epochs for 15 learning rates and four optimizers. All curves have
the shape of a U: too small learns slowly, too large diverges. Try rates in factors of about 3, and
take one a little to the left of the best.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

(x, t), _ = an.datasets.load_digits()
rates = np.geomspace(1e-4, 10, 15)
rules = {"SGD": an.SGD, "Momentum": an.Momentum, "Adam": an.Adam, "Lion": an.Lion}

fig, ax = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
for (name, rule), marker in zip(rules.items(), "os^D", strict=True):
    losses = []
    for rate in rates:
        net = an.Sequential(
            an.Affine.init(64, 32, rng=0),
            an.ReLU(),
            an.Affine.init(32, 10, rng=1),
            loss=an.SoftmaxWithLoss(),
        )
        net.fit(x, t, epochs=5, optimizer=rule(rate))
        losses.append(net.evaluate(x, t)["loss"])
    ax.plot(rates, np.minimum(losses, 10), marker + "-", label=name)
    best = int(np.argmin(losses))
    print(f"{name:8} best rate {rates[best]:.2g}, loss {losses[best]:.3f}")
ax.axhline(np.log(10), color="0.6", linewidth=0.8)
ax.text(0.02, np.log(10) * 1.12, "guessing", color="0.4", fontsize=9)
ax.set(
    xscale="log", yscale="log", xlabel="learning rate", ylabel="loss after 5 epochs (at most 10)"
)
ax.legend()
plt.show()
