"""Values that few callers pass: sparse, boxed, missing, of a system that refuses to sync."""

import errno
import os
from types import SimpleNamespace

import numpy as np
import pytest

import affinet as an
from affinet import archive, atomic, threads
from affinet._validation import number_array
from affinet.tuning.search import Search


class Sparse:
    def toarray(self):
        return np.eye(2)


class Unwilling:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("it is on another device")


def test_what_numpy_cannot_take_is_named():
    with pytest.raises(TypeError, match=r"x is a sparse Sparse, wanted a dense array: pass x\.to"):
        number_array("x", Sparse())
    with pytest.raises(TypeError, match="x cannot be converted to an array: it is on another dev"):
        number_array("x", Unwilling())


def test_boxed_numbers_and_missing_ones():
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    frame = pandas.DataFrame({"a": [1, 2], "b": [1.5, 2.5]}).astype({"a": "Int64", "b": "Float32"})
    found = number_array("x", frame)
    assert (found.dtype, found.tolist()) == (np.float64, [[1.0, 1.5], [2.0, 2.5]])
    frame.loc[1, "a"] = None
    with pytest.raises(ValueError, match="x in column 'a', row 1 is missing: fill missing values"):
        number_array("x", frame)
    with pytest.raises(ValueError, match=r"x\[1\] is missing"):
        number_array("x", frame["a"])


def test_a_folder_that_cannot_be_synced_ends_a_save_only_if_the_disk_failed(tmp_path, monkeypatch):
    def failing(code):
        def fsync(descriptor):
            raise OSError(code, os.strerror(code))

        return fsync

    monkeypatch.setattr(os, "fsync", failing(errno.EINVAL))
    atomic.sync_folder(tmp_path)  # some file systems cannot sync folders
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        atomic.sync_folder(tmp_path)

    def closed(*arguments):
        raise PermissionError

    monkeypatch.setattr(os, "open", closed)
    atomic.sync_folder(tmp_path)


def test_a_name_that_is_taken_is_drawn_again(tmp_path, monkeypatch):
    names = iter(["0" * 16, "1" * 16])
    monkeypatch.setattr(atomic.secrets, "token_hex", lambda n: next(names))
    (tmp_path / f".m.npz.{'0' * 16}{atomic.MARK}").write_text("")
    descriptor, name = atomic.create(tmp_path / "m.npz", 0o600)
    os.close(descriptor)
    assert "1" * 16 in name


def test_threads_of_a_container_and_beyond_the_most(tmp_path):
    path = tmp_path / "cpu.max"
    for text, quota in (("max 100000\n", None), ("150000 100000\n", 1.5)):
        path.write_text(text)
        assert threads.cgroup_quota(path) == quota
    with pytest.raises(ValueError, match=f"n is 100000, wanted {threads.MOST} or less"):
        an.set_num_threads(100_000)


def test_numbers_of_numpy_are_packed_and_arrays_that_are_missing_are_named():
    assert archive.pack(np.float64(1.5), "wait", {}) == 1.5
    with pytest.raises(ValueError, match="array callback/best is missing"):
        archive.unpack({archive.ARRAY: "callback/best"}, {})


def test_rows_that_an_ensemble_cannot_be_measured_on():
    net = an.Sequential(an.Affine.init(2, 1, rng=0), loss=an.MeanSquaredError())
    ensemble = an.Ensemble([net])
    for x, words in ((np.float64(1), r"x has shape \(\)"), (np.zeros((0, 2)), "at least one row")):
        with pytest.raises(ValueError, match=words):
            ensemble.evaluate(x, x)


def test_a_search_says_what_it_found():
    trials = [SimpleNamespace(score=0.5), SimpleNamespace(score=0.25)]
    found = SimpleNamespace(trials=trials, best=trials[1], ensemble=trials, score=0.125)
    assert Search.__repr__(found) == ("Search of 2 networks: best loss 0.25, ensemble of 2 0.125")
