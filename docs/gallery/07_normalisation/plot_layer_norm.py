"""
Rows of different scale
=======================

You will see digits of which half are photographed at a tenth of the brightness, and a
``LayerNorm`` in front of the network that makes up for it: it gives each row mean 0 and variance
1, so brightness no longer matters.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

(x, t), (x_test, t_test) = an.datasets.load_digits()


def dim(rows, seed):
    """A random half of the rows at a tenth of the brightness, and which ones."""
    dark = np.random.default_rng(seed).random(len(rows)) < 0.5
    return np.where(dark[:, None], 0.1 * rows, rows).astype(np.float32), dark


x, _ = dim(x, 0)
x_test, dark = dim(x_test, 1)
fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.8), layout="constrained")
left.imshow(np.hstack([row.reshape(8, 8) for row in x_test[:6]]), cmap="gray", vmin=0, vmax=1)
left.set(title="bright and dark test images", xticks=[], yticks=[])
for place, (name, front) in enumerate({"plain": [], "LayerNorm": [an.LayerNorm(64)]}.items()):
    net = an.Sequential(
        *front,
        an.Affine.init(64, 64, rng=0),
        an.ReLU(),
        an.Affine.init(64, 10, rng=1),
        loss=an.SoftmaxWithLoss(),
    )
    net.fit(x, t, epochs=10, optimizer=an.Adam())
    hit = net.predict(x_test).argmax(axis=1) == t_test
    scores = hit[~dark].mean(), hit[dark].mean()
    bars = right.bar(np.arange(2) + 0.4 * place - 0.2, scores, 0.36, label=name)
    right.bar_label(bars, fmt="%.3f", fontsize=9)
    print(f"{name}: bright {scores[0]:.3f}, dark {scores[1]:.3f}")
right.set_xticks([0, 1], ["bright", "dark"])
right.set(ylabel="test accuracy", ylim=(0, 1.3), title="after 10 epochs")
right.legend(loc="upper right", ncols=2)
plt.show()
