"""Writes the files beside it, with an affinet in which networks could not nest yet.

They are what users have on their disks, so they are never made again: later versions read them.

    python tests/data/earlier/make.py
"""

import pickle
from pathlib import Path

import numpy as np

import affinet as an

HERE = Path(__file__).parent


def data():
    """12 rows of three numbers, and their classes."""
    x = np.random.default_rng(3).standard_normal((12, 3)).astype(np.float32)
    return x, np.arange(12) % 2


def build():
    """A network with every layer that keeps something."""
    return an.Sequential(
        an.Affine.init(3, 5, rng=1), an.BatchNorm(5), an.LeakyReLU(0.2), an.Dropout(0.25, rng=7),
        an.Affine.init(5, 4, rng=2), an.LayerNorm(4), an.GELU(), an.ReLU(),
        an.Affine.init(4, 3, rng=3), an.Tanh(), an.SiLU(), an.Sigmoid(),
        an.Affine.init(3, 2, rng=4), loss=an.SoftmaxWithLoss(), input_scale=0.5,
    )  # fmt: skip


def train(net, optimizer, steps, callbacks=(), **options):
    """The training that the checkpoint was written in."""
    x, t = data()
    schedule = an.schedules.ReduceOnPlateau(0.5, 1, "loss")
    return net.fit(
        x, t, steps=steps, batch_size=4, optimizer=optimizer, seed=5, l2=0.01, schedule=schedule,
        callbacks=callbacks, verbose=0, **options,
    )  # fmt: skip


def arrays(net, optimizer):
    """All that a training changed, by name."""
    state = optimizer.state_of(net.params.flat)
    norm = net.layers[1]
    return {
        **dict(net.params),
        "1.running_mean": norm.running_mean,
        "1.running_var": norm.running_var,
        "first average": state.averages[0],
        "second average": state.averages[1],
    }


def main():
    net, optimizer = build(), an.Adam(0.05)
    net.metadata["note"] = "written before networks could nest"
    stop = an.EarlyStopping("loss", patience=9)
    train(net, optimizer, 8, [stop, an.Checkpoint(HERE / "checkpoint.npz", every_steps=8)])
    net.save(HERE / "model.npz")
    content = {"net": net, "optimizer": optimizer, "callback": stop}
    (HERE / "network.pickle").write_bytes(pickle.dumps(content, 4))
    outputs = net.predict(data()[0])
    np.savez(HERE / "expected.npz", outputs=outputs, **arrays(net, optimizer))


if __name__ == "__main__":
    main()
