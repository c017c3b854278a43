"""
Decision regions
================

You will see how the regions of three classes take shape during a training: after 1, 10 and 100
epochs. Pale colours mean that the network is not sure.
"""

import matplotlib.pyplot as plt

import affinet as an

x, t = an.datasets.spiral(100)
net = an.Sequential(
    an.Affine.init(2, 64, rng=0),
    an.ReLU(),
    an.Affine.init(64, 64, rng=1),
    an.ReLU(),
    an.Affine.init(64, 3, rng=2),
    loss=an.SoftmaxWithLoss(),
)
optimizer = an.Adam(0.003)

fig, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
done = 0
for ax, epochs in zip(axes, (1, 10, 100), strict=True):
    net.fit(x, t, epochs=epochs - done, optimizer=optimizer, seed=epochs)
    done = epochs
    an.plotting.decision_regions(net, x, t, ax=ax, resolution=150)
    accuracy = net.evaluate(x, t)["accuracy"]
    ax.set_title(f"epoch {epochs}: accuracy {accuracy:.2f}")
plt.show()
