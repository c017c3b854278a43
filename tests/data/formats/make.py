"""Writes the files of this folder's subfolder of today's format, named by the version of affinet.

Once a version is released its files are never made again: later versions read them to the bit.

    python tests/data/formats/make.py
"""

import hashlib
import json
from pathlib import Path

import numpy as np

import affinet as an

HERE = Path(__file__).parent
WIDTH = 4


def data():
    x = np.random.default_rng(3).standard_normal((12, WIDTH)).astype(np.float32)
    return x, np.arange(12) % 2


def network(seed=1):
    """A network with every kind of layer that keeps something and takes any numbers."""
    return an.Sequential(
        an.Scale(WIDTH), an.NTKAffine.init(WIDTH, 6, rng=seed), an.Parametric(6, "selu"),
        an.BatchNorm(6), an.Dropout(0.25, rng=7), an.Affine.init(6, 5, rng=seed + 1), an.GELU(),
        an.LayerNorm(5), an.Residual(an.Affine.init(5, 5, rng=seed + 2), an.Mish()),
        an.LeakyReLU(0.2), an.Affine.init(5, 2, rng=seed + 3), loss=an.SoftmaxWithLoss(0.1),
        input_scale=0.5,
    )  # fmt: skip


def digest(net):
    """A name of the bits of all arrays."""
    state = dict(net._arrays())
    found = hashlib.sha256()
    for name in sorted(state):
        array = state[name].astype(state[name].dtype.newbyteorder("<"))
        found.update(name.encode() + array.dtype.name.encode() + array.tobytes())
    return found.hexdigest()


def main():
    folder = HERE / an.__version__
    folder.mkdir(exist_ok=True)
    net, other, (x, t) = network(), network(5), data()
    checkpoint = an.Checkpoint(folder / "checkpoint.npz")
    for one in (net, other):
        one.fit(x, t, epochs=3, batch_size=5, optimizer=an.AdamW(0.01), seed=2)
    net.metadata["note"] = "affinet"
    net.save(folder / "model.npz")
    net.save(folder / "model.safetensors")
    an.Ensemble([net, other], weights=[0.25, 0.75]).save(folder / "ensemble.npz")
    expected = {"model": digest(net), "other": digest(other), "outputs": net.predict(x).tolist()}
    resumed = network()
    resumed.fit(
        x, t, epochs=2, batch_size=5, optimizer=an.AdamW(0.01), seed=2, callbacks=[checkpoint]
    )
    expected["checkpoint"] = digest(resumed)
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
