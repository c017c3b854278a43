"""
A rate for each part of a network
=================================

You will see a network that knows the ten digits learn a new question, "is it prime?", from 40
labels, with its first layer free, slowed down to a hundredth, and fixed. ``Group`` multiplies the
learning rate of the parameters that it names.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

(x, digit), (x_test, digit_test) = an.datasets.load_digits()
prime, prime_test = (np.isin(digits, [2, 3, 5, 7]).astype(int) for digits in (digit, digit_test))


def network(first, outputs):
    """64-64-outputs; the first layer starts with the weights and biases of ``first``."""
    layer = an.Affine(first.W.copy(), first.b.copy())
    last = an.Affine.init(64, outputs, rng=1)
    return an.Sequential(layer, an.ReLU(), last, loss=an.SoftmaxWithLoss())


start = an.Affine.init(64, 64, rng=0)
known = network(start, 10)
known.fit(x, digit, epochs=30, optimizer=an.Adam(0.002))

cases = {
    "from scratch": (start, 1.0),
    "first layer known, free": (known.layers[0], 1.0),
    "first layer known, 1/100": (known.layers[0], 0.01),
    "first layer known, fixed": (known.layers[0], 0.0),
}
fig, ax = plt.subplots(figsize=(7.5, 4), layout="constrained")
for (name, (layer, factor)), style in zip(cases.items(), (":", "-", "--", "-."), strict=True):
    curves = []
    for choice in range(8):  # which 40 rows have labels
        rows = np.random.default_rng(choice).choice(len(x), 40, replace=False)
        history = network(layer, 2).fit(
            x[rows],
            prime[rows],
            epochs=60,
            batch_size=10,
            optimizer=an.Adam(0.002, groups=[an.Group("0.*", lr=factor)]),
            validation_data=(x_test, prime_test),
        )
        curves.append(history["val_accuracy"])
    mean = np.mean(curves, axis=0)
    ax.plot(range(1, 61), mean, style, linewidth=2, label=name)
    print(f"{name:26} {mean[-1]:.3f}")
ax.set(xlabel="epoch", ylabel="accuracy on new images", title="prime? 40 labels, mean of 8 choices")
ax.legend(loc="lower right")
plt.show()
