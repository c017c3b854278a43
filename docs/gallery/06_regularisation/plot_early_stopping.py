"""
Early stopping
==============

You will see a training end by itself when the validation loss no longer falls, and return to its
best epoch. It is the cheapest cure against overfitting: it saves time instead of costing any.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

(x, t), (x_test, t_test) = an.datasets.load_digits()
rng = np.random.default_rng(0)
t = t.copy()
wrong = rng.random(len(t)) < 0.15
t[wrong] = rng.integers(0, 10, wrong.sum())
train, watch = (x[:500], t[:500]), (x[500:700], t[500:700])


def run(callbacks):
    """A network trained for at most 80 epochs."""
    net = an.Sequential(
        an.Affine.init(64, 128, rng=0),
        an.ReLU(),
        an.Affine.init(128, 10, rng=1),
        loss=an.SoftmaxWithLoss(),
    )
    net.fit(*train, epochs=80, optimizer=an.Adam(0.003), validation_data=watch, callbacks=callbacks)
    return net


whole = run([])
stopped = run([an.EarlyStopping("val_loss", patience=8)])
print(stopped.history.stopped_by)
for name, net in (("80 epochs", whole), ("stopped", stopped)):
    print(f"{name}: test accuracy {net.evaluate(x_test, t_test)['accuracy']:.3f}")

fig, ax = plt.subplots(figsize=(7.5, 4), layout="constrained")
ax.plot(whole.history["loss"], label="training loss")
ax.plot(whole.history["val_loss"], "--", label="validation loss")
best, end = stopped.history.best_epoch, len(stopped.history.epochs)
ax.axvline(best - 1, color="0.3", linestyle=":", label=f"best epoch, {best}")
ax.axvspan(end - 1, 80, color="0.9", label=f"not needed after {end}")
ax.set(xlabel="epoch", ylabel="loss", title="what early stopping leaves out", xlim=(0, 79))
ax.legend()
plt.show()
