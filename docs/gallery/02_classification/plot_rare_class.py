"""
A rare class
============

You will see a network miss most rows of a class that has 3 % of them, and find most when
``class_weight`` makes them count more. The price is more false alarms; which is better depends on
what a miss costs.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an


def data(n, seed):
    """A wide cloud of class 0, and a small one of class 1 at its edge, 3 % of the rows."""
    rng = np.random.default_rng(seed)
    t = (rng.random(n) < 0.03).astype(np.int64)
    x = np.where(t[:, None] == 1, rng.normal(1.6, 0.6, (n, 2)), rng.normal(0, 1, (n, 2)))
    return x.astype(np.float32), t


(x, t), (x_test, t_test) = data(3000, 0), data(3000, 1)
fig, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained", sharey=True)
for ax, weight in zip(axes, (None, "balanced"), strict=True):
    net = an.Sequential(
        an.Affine.init(2, 16, rng=0),
        an.ReLU(),
        an.Affine.init(16, 2, rng=1),
        loss=an.SoftmaxWithLoss(),
    )
    net.fit(x, t, epochs=20, optimizer=an.Adam(0.003), class_weight=weight)
    y = net.predict(x_test).argmax(axis=1)
    found, alarms = (y[t_test == 1] == 1).mean(), (y[t_test == 0] == 1).mean()
    print(f"class_weight={weight}: {found:.2f} of the rare class found, {alarms:.3f} false alarms")
    an.plotting.decision_regions(net, x_test, t_test, ax=ax, resolution=150)
    ax.set_title(f"class_weight={weight}: found {found:.2f}")
plt.show()
