"""
Your own loss
=============

You will see a loss for angles, for which 359° and 1° are two degrees apart, next to the squared
error, which believes them to be 358° apart. A loss is any object with ``forward(y, t)`` and
``backward(dout=1)``.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an


class AngularLoss:
    """The mean of 1 - cos(y - t), for angles in radians."""

    def forward(self, y, t):
        self.difference = y - np.asarray(t, y.dtype)
        return float(np.mean(1 - np.cos(self.difference)))

    def backward(self, dout=1.0):
        return dout * np.sin(self.difference) / self.difference.size


# %%
# A compass turns with time, with noise; its readings lie between 0 and 2π and jump where it passes
# north.

rng = np.random.default_rng(0)
time = np.sort(rng.uniform(-1, 1, (500, 1)), axis=0)
true = 5 + 3 * time
reading = (true + 0.2 * rng.standard_normal(time.shape)) % (2 * np.pi)

fig, ax = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
ax.plot(time, np.degrees(reading), ".", color="0.7", label="readings")
for loss, style in ((an.MeanSquaredError(), "--"), (AngularLoss(), "-")):
    net = an.Sequential(
        an.Affine.init(1, 32, rng=0, activation="tanh", dtype="float64"),
        an.Tanh(),
        an.Affine.init(32, 1, rng=1, activation="linear", dtype="float64"),
        loss=loss,
    )
    net.fit(time, reading, epochs=40, optimizer=an.Adam(0.01))
    y = net(time)
    error = np.degrees(np.abs((y - true + np.pi) % (2 * np.pi) - np.pi)).mean()
    name = type(loss).__name__
    print(f"{name:16} mean error {error:.1f}°")
    shown = np.degrees(y % (2 * np.pi))
    shown[1:][np.abs(np.diff(shown, axis=0)) > 180] = np.nan  # no line across the jump
    ax.plot(time, shown, style, linewidth=2.2, label=f"{name}: {error:.0f}° off")
ax.set(xlabel="time", ylabel="angle in degrees", yticks=range(0, 361, 90))
ax.legend()
report = an.gradient_check(AngularLoss(), rng.standard_normal((5, 2)), rng.standard_normal((5, 2)))
print("gradient check passed" if report.passed else report)
plt.show()
