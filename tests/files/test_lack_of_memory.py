"""A file that memory does not suffice for is not called damaged."""

import pytest

import affinet as an
from affinet import _npy


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
