"""
Reducing the rate on a plateau
==============================

You will see the rate fall by a factor whenever the validation loss has not improved for ten
epochs. Use it when you do not know how long a training will take, so that a cosine has no end to
aim at.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, (1200, 2))
t = np.sin(4 * x[:, :1]) * np.cos(3 * x[:, 1:]) + 0.02 * rng.standard_normal((1200, 1))
schedules = {
    "constant": None,
    "ReduceOnPlateau": an.schedules.ReduceOnPlateau(0.3, patience=10, min_lr=1e-4),
}

fig, (top, bottom) = plt.subplots(2, 1, figsize=(7.5, 5.4), layout="constrained", sharex=True)
for (name, schedule), style in zip(schedules.items(), ("--", "-"), strict=True):
    net = an.Sequential(
        an.Affine.init(2, 64, rng=0),
        an.ReLU(),
        an.Affine.init(64, 64, rng=2),
        an.ReLU(),
        an.Affine.init(64, 1, rng=1, activation="linear"),
        loss=an.MeanSquaredError(),
    )
    history = net.fit(
        x[:1000],
        t[:1000],
        epochs=150,
        optimizer=an.Adam(0.01),
        validation_data=(x[1000:], t[1000:]),
        schedule=schedule,
    )
    top.semilogy(history["val_loss"], style, linewidth=1.2, label=name)
    rates = history["lr"] if schedule else [0.01] * 150
    bottom.semilogy(rates, style, label=name)
    print(f"{name}: validation loss {np.mean(history['val_loss'][-10:]):.5f}, last ten epochs")
top.axhline(0.02**2, color="0.6", linewidth=0.8)
top.set(ylabel="validation loss", title="the grey line is the noise")
top.legend()
bottom.set(xlabel="epoch", ylabel="learning rate")
plt.show()
