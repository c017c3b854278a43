"""
Samplers: which rows make an epoch
==================================

You will see what a network finds of a class that has 2 % of the rows, with the usual epochs, in
which each row comes once, and with epochs in which both classes are drawn equally often. A sampler
may also be your own function that returns row indices.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

rng = np.random.default_rng(0)
t = (rng.random(1500) < 0.02).astype(np.int64)
x = rng.normal(0, 1, (1500, 2)) + 1.8 * t[:, None]
t_test = np.repeat([0, 1], 1000)
x_test = rng.normal(0, 1, (2000, 2)) + 1.8 * t_test[:, None]
rare = np.flatnonzero(t)


def thrice(epoch, n_rows, rng):
    """Every row once, those of the rare class three times."""
    return rng.permutation(np.concatenate([np.arange(n_rows), rare, rare]))


samplers = {
    "Shuffled (default)": an.samplers.Shuffled(),
    "a function: rare rows thrice": thrice,
    "WithReplacement, balanced": an.samplers.WithReplacement(weights="balanced"),
}
fig, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained", sharey=True)
for ax, (name, sampler) in zip(axes, samplers.items(), strict=True):
    net = an.Sequential(
        an.Affine.init(2, 16, rng=0),
        an.ReLU(),
        an.Affine.init(16, 2, rng=1),
        loss=an.SoftmaxWithLoss(),
    )
    net.fit(x, t, epochs=15, optimizer=an.Adam(0.003), sampler=sampler)
    y = net.predict(x_test).argmax(axis=1)
    found, alarms = y[1000:].mean(), y[:1000].mean()
    an.plotting.decision_regions(net, x, t, ax=ax, resolution=120)
    ax.set_title(f"{name}\nfound {found:.2f}, false alarms {alarms:.3f}", fontsize=10)
    print(f"{name:28} found {found:.2f}, false alarms {alarms:.3f}")
plt.show()
