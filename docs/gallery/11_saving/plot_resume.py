"""
Resuming an interrupted training
================================

You will see a training that is killed after seven epochs continue from its checkpoint and end with
the same bits as one that was never interrupted, with dropout, Adam and a schedule.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

file = Path(tempfile.mkdtemp()) / "run.npz"
(x, t), test = an.datasets.load_digits()


def train(callbacks=(), **options):
    """A training of 20 epochs; returns the network."""
    net = an.Sequential(
        an.Affine.init(64, 64, rng=0),
        an.ReLU(),
        an.Dropout(0.2),
        an.Affine.init(64, 10, rng=1),
        loss=an.SoftmaxWithLoss(),
    )
    net.fit(
        x,
        t,
        epochs=20,
        optimizer=an.Adam(),
        schedule=an.schedules.Cosine(0.003, warmup=50),
        validation_data=test,
        callbacks=callbacks,
        **options,
    )
    return net


def power_cut(state):
    """Stands for whatever kills a process."""
    if state.epoch == 8:
        raise KeyboardInterrupt


whole = train([an.Checkpoint(file)])
try:
    train([power_cut, an.Checkpoint(file)])
except KeyboardInterrupt:
    print("interrupted in epoch 8; the checkpoint holds 7 epochs")
resumed = train([an.Checkpoint(file)], resume=file)
print("same bits:", bool((resumed.params.flat == whole.params.flat).all()))

fig, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
epochs = np.arange(1, 21)
ax.plot(epochs, whole.history["val_loss"], linewidth=5, alpha=0.3, label="never interrupted")
ax.plot(epochs, resumed.history["val_loss"], "k--", linewidth=1.2, label="resumed")
ax.axvline(7, color="C3", linewidth=1, label="last checkpoint before the cut")
ax.set(xlabel="epoch", ylabel="validation loss", xticks=range(0, 21, 5))
ax.legend()
assert (resumed.params.flat == whole.params.flat).all()
plt.show()
