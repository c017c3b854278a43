"""
Which pixels speak for a digit
==============================

You will see which pixels made a network take a picture for a 3, and that their parts add up to the
difference between its output for the picture and for an empty one: integrated gradients
(Sundararajan, Taly, Yan, ICML 2017).
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

(x, t), (x_test, t_test) = an.datasets.load_digits()
net = an.Sequential(
    an.Affine.init(64, 64, rng=0),
    an.ReLU(),
    an.Affine.init(64, 10, rng=1),
    loss=an.SoftmaxWithLoss(),
)
net.fit(x, t, epochs=40, optimizer=an.Adam(0.003))

rows = [int(np.flatnonzero(t_test == digit)[0]) for digit in (0, 3, 4, 8)]
pictures, digits = x_test[rows], t_test[rows]
fig, axes = plt.subplots(2, 4, figsize=(9, 4.8), layout="constrained")
for column, (picture, digit) in enumerate(zip(pictures, digits, strict=True)):
    parts = net.integrated_gradients(picture[np.newaxis], output=int(digit))[0]
    rise = net(picture[np.newaxis])[0, digit] - net(np.zeros((1, 64), np.float32))[0, digit]
    print(f"digit {digit}: the parts add up to {parts.sum():.2f}, the output rises by {rise:.2f}")
    top, bottom = axes[:, column]
    top.imshow(picture.reshape(8, 8), cmap="gray_r")
    top.set(title=f"a {digit}", xticks=[], yticks=[])
    limit = np.abs(parts).max()
    shown = bottom.imshow(parts.reshape(8, 8), cmap="RdBu_r", vmin=-limit, vmax=limit)
    bottom.set(xticks=[], yticks=[])
axes[0, 0].set_ylabel("picture")
axes[1, 0].set_ylabel("speaks for (red),\nagainst (blue)")
fig.colorbar(shown, ax=axes[1], label="share of the output")
plt.show()
