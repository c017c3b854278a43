"""
Which pixels matter?
====================

You will see for single images which pixels raise the probability of the right digit and which
lower it: the gradient with respect to the inputs, which ``backward(dout, need_dx=True)`` returns.
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
net.fit(x, t, epochs=20, optimizer=an.Adam(0.002), l2=0.5)

# One image of each digit. dout is 1 for the output of the right class and 0 elsewhere, minus the
# mean, so that raising all outputs alike counts for nothing.
rows = np.array([np.flatnonzero(t_test == digit)[0] for digit in range(10)])
net.forward(x_test[rows])
dx = net.backward(np.eye(10, dtype=np.float32) - 0.1, need_dx=True)
limit = np.abs(dx).max()

fig, axes = plt.subplots(2, 10, figsize=(11, 2.9), layout="constrained")
for digit in range(10):
    axes[0, digit].imshow(x_test[rows[digit]].reshape(8, 8), cmap="gray_r")
    image = axes[1, digit].imshow(dx[digit].reshape(8, 8), cmap="PuOr_r", vmin=-limit, vmax=limit)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
fig.colorbar(image, ax=axes, label="purple lowers,\norange raises", shrink=0.9)

# The gradient keeps its word: a small step along it raises the output by step * |dx|^2.
before = net(x_test[rows])
after = net(x_test[rows] + 0.01 * dx)
rise = ((after - before) * (np.eye(10) - 0.1)).sum(axis=1)
print("rise / promised:", (rise / (0.01 * (dx**2).sum(axis=1))).round(3))
plt.show()
