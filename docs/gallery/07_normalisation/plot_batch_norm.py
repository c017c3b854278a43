"""
Batch normalisation
===================

You will see a network of eight layers learn for eight epochs with learning rates from 0.001 to 1.
With ``BatchNorm``, every rate from 0.03 on is good; without it, none is. Rates that are too small
are too small for both.

.. index:: ! batch normalization, ! batch normalisation
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

(x, t), (x_test, t_test) = an.datasets.load_digits()
rates = np.geomspace(0.001, 1, 7)


def network(normalised):
    """Eight hidden layers of 32 units."""
    rng, parts, width = np.random.default_rng(0), [], 64
    for _ in range(8):
        parts.append(an.Affine.init(width, 32, rng))
        width = 32
        if normalised:
            parts.append(an.BatchNorm(32))
        parts.append(an.ReLU())
    return an.Sequential(*parts, an.Affine.init(32, 10, rng), loss=an.SoftmaxWithLoss())


fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for normalised, style in ((False, "o--"), (True, "s-")):
    scores = []
    for rate in rates:
        net = network(normalised)
        net.fit(x[:1408], t[:1408], epochs=8, optimizer=an.SGD(rate))
        scores.append(net.evaluate(x_test, t_test)["accuracy"])
    name = "with BatchNorm" if normalised else "without"
    ax.plot(rates, scores, style, label=name)
    print(f"{name:14}", " ".join(f"{score:.2f}" for score in scores))
ax.set(xscale="log", xlabel="learning rate of SGD", ylabel="test accuracy after 8 epochs")
ax.set(title="eight hidden layers", ylim=(0, 1.02))
ax.legend(loc="upper left")
plt.show()
