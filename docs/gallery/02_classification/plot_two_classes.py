"""
Two classes and a threshold
===========================

You will see the probability map of a network with a single output, and what a threshold other than
0.5 does to misses and false alarms. Move the threshold when the two mistakes do not cost the same.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

x, t = an.datasets.two_moons(400, noise=0.25)
x_test, t_test = an.datasets.two_moons(400, noise=0.25, rng=1)
net = an.Sequential(
    an.Affine.init(2, 32, rng=0, activation="tanh"),
    an.Tanh(),
    an.Affine.init(32, 1, rng=1, activation="linear"),
    loss=an.SigmoidWithLoss(),
)
net.fit(x, t, epochs=60, optimizer=an.Adam(0.01))

grid = np.stack(np.meshgrid(np.linspace(-1.8, 2.8, 150), np.linspace(-1.4, 1.9, 150)), axis=-1)
p = net.predict_proba(grid.reshape(-1, 2)).reshape(150, 150)
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
image = left.pcolormesh(
    grid[..., 0], grid[..., 1], p, cmap="PuOr_r", vmin=0, vmax=1, rasterized=True
)
lines = left.contour(grid[..., 0], grid[..., 1], p, levels=[0.2, 0.5, 0.8], colors="k")
left.clabel(lines, fmt="%g")
for k, marker in enumerate("o^"):
    left.scatter(
        *x_test[t_test == k].T, s=10, marker=marker, c=("k", "w")[k], edgecolors="k", lw=0.4
    )
left.set(xlabel="x1", ylabel="x2", title="probability of class 1 (triangles)")
fig.colorbar(image, ax=left)

# Misses are rows of class 1 below the threshold, false alarms rows of class 0 above it.
p_test = net.predict_proba(x_test).reshape(-1)
thresholds = np.linspace(0.02, 0.98, 49)
misses = [(p_test[t_test == 1] < h).mean() for h in thresholds]
alarms = [(p_test[t_test == 0] >= h).mean() for h in thresholds]
right.plot(thresholds, misses, label="misses")
right.plot(thresholds, alarms, "--", label="false alarms")
right.set(
    xlabel="threshold", ylabel="fraction of the class", title="800 test points", ylim=(0, None)
)
right.legend()
print(f"accuracy at 0.5: {((p_test >= 0.5) == t_test).mean():.3f}")
plt.show()
