"""Files of every released format, and of today's, are read to the bit.

``tests/data/formats`` holds them, a folder for each version, with the program that wrote them.
"""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

import affinet as an
from affinet.optimizer_state import fingerprint
from affinet.training.snapshot import digest

FORMATS = Path(__file__).parents[1] / "data" / "formats"
MADE = runpy.run_path(str(FORMATS / "make.py"))
VERSIONS = sorted(path.name for path in FORMATS.iterdir() if (path / "expected.json").exists())


SWAPPED = ">" if sys.byteorder == "little" else "<"


@pytest.fixture(params=[(version, swapped) for version in VERSIONS for swapped in (False, True)])
def folder(request, tmp_path):
    """As released, and as a machine with the other order of bytes writes the files of NumPy."""
    version, swapped = request.param
    if not swapped:
        return FORMATS / version
    for path in (FORMATS / version).iterdir():
        if path.suffix != ".npz":
            (tmp_path / path.name).write_bytes(path.read_bytes())
            continue
        with np.load(path) as file:
            arrays = {name: a.astype(a.dtype.newbyteorder(SWAPPED)) for name, a in file.items()}
        assert any(a.dtype.byteorder == SWAPPED for a in arrays.values())
        np.savez(tmp_path / path.name, **arrays)
    return tmp_path


@pytest.fixture
def expected(folder):
    return json.loads((folder / "expected.json").read_text())


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_model(folder, expected, suffix):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    net = an.load(folder / f"model{suffix}")
    assert MADE["digest"](net) == expected["model"]
    assert net.metadata == {"note": "affinet"}
    outputs = net.predict(MADE["data"]()[0])
    np.testing.assert_allclose(outputs, expected["outputs"], rtol=1e-5, atol=1e-6)


def test_an_ensemble(folder, expected):
    ensemble = an.Ensemble.load(folder / "ensemble.npz")
    found = [MADE["digest"](net) for net in ensemble.members]
    assert found == [expected["model"], expected["other"]]
    np.testing.assert_array_equal(ensemble.weights, [0.25, 0.75])


def test_a_checkpoint(folder, expected):
    """Its training is over, so that resuming it restores what it held."""
    net, (x, t) = MADE["network"](), MADE["data"]()
    path = folder / "checkpoint.npz"
    net.fit(x, t, epochs=2, batch_size=5, optimizer=an.AdamW(0.01), seed=2, resume=path)
    assert MADE["digest"](net) == expected["checkpoint"]


def test_hashes_are_those_of_every_machine():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    for same in (array, np.asfortranarray(array), array.astype(">f4"), array.astype("<f4")):
        assert digest(same) == "e2c0a71510b5394d"
        assert fingerprint(same).hex() == "df13f8386db146a751246c64fa9e2c44"


def test_a_release_has_files():
    """Whoever sets a version that is not in development writes its files."""
    assert an.__version__ in VERSIONS
