"""
An average of the weights
=========================

You will see the loss of a network jump about while that of its averaged weights is low and smooth.
``fit(average=an.EMA(0.99))`` keeps the average inside the compiled run; ``average.net`` is a
network like any other.
"""

import matplotlib.pyplot as plt

import affinet as an

(x, t), test = an.datasets.load_digits()
net = an.Sequential(
    an.Affine.init(64, 64, rng=0),
    an.ReLU(),
    an.Affine.init(64, 10, rng=1),
    loss=an.SoftmaxWithLoss(),
)
average = an.EMA(0.99)
steps, alone, averaged = [], [], []


def look(state):
    """Note the test loss of the network and of its average."""
    steps.append(state.step)
    alone.append(net.evaluate(*test)["loss"])
    averaged.append(average.net.evaluate(*test)["loss"])


net.fit(
    x,
    t,
    epochs=20,
    batch_size=16,
    optimizer=an.Adam(0.02),  # too large to settle
    average=average,
    callbacks=[an.every_steps(25, look)],
)
print(f"after {steps[-1]} updates: network {alone[-1]:.3f}, average {averaged[-1]:.3f}")

fig, ax = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
ax.plot(steps, alone, linewidth=0.9, label="network")
ax.plot(steps, averaged, label="average of its weights")
ax.set(xlabel="update", ylabel="test loss", yscale="log")
ax.legend()
plt.show()
