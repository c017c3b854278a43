"""A file that memory does not suffice for is not called damaged."""

import numpy as np
import pytest

import affinet as an
from affinet import _npy
from affinet.archive import read_archive


@pytest.mark.parametrize("error", [MemoryError("no"), RuntimeError("can't allocate lock")])
@pytest.mark.parametrize("function", ["read_header", "read_data"])
def test_load_raises_memory_error(tmp_path, monkeypatch, error, function):
    path = tmp_path / "net.npz"
    an.Sequential(an.Affine.init(3, 2, rng=0)).save(path)

    def fails(*arguments):
        raise error

    monkeypatch.setattr(_npy, function, fails)
    with pytest.raises(MemoryError, match=str(error)):
        an.load(path)


def test_what_chooses_the_arrays_may_lack_memory_too(tmp_path):
    path = tmp_path / "net.npz"
    an.Sequential(an.Affine.init(3, 2, rng=0)).save(path)

    def choose(description, shapes):
        raise MemoryError("for the choice")

    with pytest.raises(MemoryError, match="for the choice"):
        read_archive(path, "affinet model", 1 << 30, choose)


def test_an_array_whose_numbers_are_damaged_is_named(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, first=np.zeros(3), second=np.full(64, 7.5))
    raw = bytearray(path.read_bytes())
    raw[raw.index(np.full(64, 7.5).tobytes()) + 9] ^= 1
    path.write_bytes(raw)
    with open(path, "rb") as file, pytest.raises(ValueError, match=r"array second: .*CRC"):
        _npy.Npz(file, path.stat().st_size).read("second")
