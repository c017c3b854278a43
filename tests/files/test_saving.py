"""What cannot be saved is refused; a failed save leaves the old file."""

import os
import stat

import pytest

import affinet as an
from model_files import Duck, entries

# What cannot be saved ----------------------------------------------------------------------------


class OwnLayer(an.ReLU):
    """Loading would silently give a ReLU."""


class OwnLoss(an.MeanSquaredError):
    pass


@pytest.mark.parametrize(
    ("network", "error", "match"),
    [
        (lambda: an.Sequential(OwnLayer()), TypeError, "OwnLayer"),
        (lambda: an.Sequential(Duck()), TypeError, "Duck"),
        (lambda: an.Sequential(an.ReLU(), loss=OwnLoss()), TypeError, "OwnLoss"),
        (lambda: an.Sequential(an.ReLU(), loss=Duck()), TypeError, "Duck"),
    ],
)
def test_parts_of_ones_own_are_refused_and_write_nothing(network, error, match, path):
    with pytest.raises(error, match=match):
        network().save(path)
    assert os.listdir(path.parent) == []


def test_metadata_that_json_cannot_hold(net, path):
    net.metadata["when"] = object()
    with pytest.raises(TypeError):
        net.save(path)
    assert os.listdir(path.parent) == []


@pytest.mark.parametrize(
    "name", ["model", "model.npy", "model.npz.gz", "model.SAFETENSORS", ".npz"]
)
def test_names_without_the_suffix(net, saved, name):
    with pytest.raises(ValueError, match=r"\.npz"):
        net.save(saved.with_name(name))
    assert os.listdir(saved.parent) == [saved.name]


def test_a_folder_that_is_not_there(net, tmp_path):
    with pytest.raises(FileNotFoundError) as refusal:
        net.save(tmp_path / "nowhere" / "model.npz")
    assert refusal.value.filename == str(tmp_path / "nowhere" / "model.npz")


def test_a_folder_in_the_way(net, path):
    path.mkdir()
    with pytest.raises(OSError, match=r"model\.npz"):
        net.save(path)
    assert os.listdir(path.parent) == [path.name]


# Atomic writing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("where", ["numpy.savez", "os.fsync", "os.replace"])
def test_a_failure_leaves_the_old_file_and_no_other(net, saved, monkeypatch, where, error):
    before = saved.read_bytes()
    net.params.flat[:] = 0

    def broken(*args, **kwargs):
        if where == "numpy.savez":
            args[0].write(b"half of a file")
        raise error

    monkeypatch.setattr(where, broken)
    with pytest.raises(type(error)):
        net.save(saved)
    monkeypatch.undo()
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]
    assert an.load(saved).params.flat.any()


def test_a_first_save_that_fails_leaves_nothing(net, path, monkeypatch):
    def fail(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        net.save(path)
    assert os.listdir(path.parent) == []


def test_the_new_file_is_complete_before_it_takes_the_name(net, saved, monkeypatch):
    seen, replace = [], os.replace

    def watched(source, target):
        seen.append(entries(source)[1]["0.W"][0, 0])
        replace(source, target)

    monkeypatch.setattr("os.replace", watched)
    net.params.flat[:] = 5
    net.save(saved)
    assert seen == [5]
    assert an.load(saved).params.flat[0] == 5


def test_saving_over_the_file_that_was_loaded(saved):
    loaded = an.load(saved)
    loaded.params.flat[:] = 3
    loaded.save(saved)
    assert (an.load(saved).params.flat == 3).all()


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_are_those_of_an_ordinary_file(net, path, mask):
    before = os.umask(mask)
    try:
        net.save(path)
        with open(path.with_name("other"), "w"):
            pass
    finally:
        after = os.umask(before)
    assert after == mask
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(path.with_name("other").stat().st_mode)
