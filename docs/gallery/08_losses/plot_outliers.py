"""
Outliers: squared error or Huber
================================

You will see a line through points of which some are far off. The squared error follows them,
because a residual of 10 pulls ten times as hard as one of 1; Huber's loss limits the pull.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

rng = np.random.default_rng(0)
x = rng.uniform(0, 5, (80, 1))
t = 1 + 2 * x + 0.5 * rng.standard_normal(x.shape)
wild = rng.choice(80, 8, replace=False)
t[wild] -= 12 * (x[wild] > 2)

fig, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
ax.plot(x, t, "ko", markersize=4, alpha=0.6)
line = np.array([[0.0], [5.0]])
ax.plot(line, 1 + 2 * line, color="0.6", label="line behind the data")
for loss, style in (
    (an.MeanSquaredError(), "-"),
    (an.Huber(1.0), "--"),
    (an.MeanAbsoluteError(), ":"),
):
    net = an.Sequential(an.Affine(np.zeros((1, 1)), np.zeros(1)), loss=loss)
    net.fit(x, t, epochs=300, batch_size=80, schedule=an.schedules.Cosine(0.3))
    name = type(loss).__name__
    ax.plot(line, net(line), style, linewidth=2.2, label=name)
    print(f"{name:18} slope {net.params['0.W'][0, 0]:.2f}, offset {net.params['0.b'][0]:.2f}")
ax.set(xlabel="x", ylabel="y", title="the data follow y = 1 + 2x, but for a few")
ax.legend()
plt.show()
