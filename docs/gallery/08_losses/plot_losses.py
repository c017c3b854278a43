"""
Losses and their gradients
==========================

You will see six losses for one number, by the residual y - t, and below them their gradients,
which are what the network feels. Choose by what should happen with large residuals.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

residuals = np.linspace(-3, 3, 301)
losses = {
    "MeanSquaredError": an.MeanSquaredError(),
    "SumSquaredError": an.SumSquaredError(),
    "MeanAbsoluteError": an.MeanAbsoluteError(),
    "Huber(1)": an.Huber(1.0),
    "LogCosh": an.LogCosh(),
    "Quantile(0.8)": an.Quantile(0.8),
}
fig, axes = plt.subplots(2, 3, figsize=(10, 5.6), layout="constrained", sharex=True)
for ax, (name, loss) in zip(axes.flat, losses.items(), strict=True):
    values, slopes = [], []
    for r in residuals:
        values.append(loss.forward(np.array([[r]]), np.zeros((1, 1))))
        slopes.append(loss.backward()[0, 0])
    ax.plot(residuals, values, label="loss")
    ax.plot(residuals, slopes, "--", label="gradient")
    ax.axhline(0, color="0.7", linewidth=0.8, zorder=0)
    ax.set(title=name, ylim=(-3.2, 5))
    print(f"{name:18} at a residual of 2: loss {values[250]:.3f}, gradient {slopes[250]:.3f}")
axes[0, 0].legend()
for ax in axes[1]:
    ax.set_xlabel("y - t")
plt.show()
