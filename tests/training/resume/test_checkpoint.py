"""``Checkpoint``: when it writes, and what it refuses."""

import os
import sys

import pytest

import affinet as an
from interrupted_training import assert_same, build, content_of, refused, train


def test_a_checkpoint_every_so_many_epochs_or_steps(data, path):
    seen = []

    def look(state):
        seen.append((state.step, content_of(path)[0]["history"]["steps"] if path.exists() else 0))

    look.comes_last = True
    train(data, epochs=5, callbacks=[an.Checkpoint(path, every=2), look])
    assert seen == [(5, 0), (10, 10), (15, 10), (20, 20), (25, 20)]
    path.unlink()
    seen.clear()
    train(data, epochs=2, callbacks=[an.Checkpoint(path, every_steps=4), an.every_steps(1, look)])
    assert [wrote for _, wrote in seen] == [0, 0, 0, 4, 4, 4, 4, 8, 8, 8]


def test_a_checkpoint_changes_nothing(kind, data, path):
    assert_same(train(data), train(data, callbacks=[an.Checkpoint(path, every_steps=3)]))


def test_arguments_of_a_checkpoint(data, tmp_path, path):
    for wrong in ("c.pickle", "c", tmp_path):
        with pytest.raises(ValueError, match=r"ends in \.npz or \.safetensors"):
            an.Checkpoint(wrong)
    with pytest.raises(ValueError, match="every is 0"):
        an.Checkpoint(path, every=0)
    with pytest.raises(ValueError, match="every_steps is 0"):
        an.Checkpoint(path, every_steps=0)
    checkpoint = an.Checkpoint(tmp_path / "nowhere" / "c.npz")
    refused(data, "there is no folder", error=FileNotFoundError, callbacks=[checkpoint])

    class Stateless:
        def update(self, params, grads):
            pass

    refused(
        data, "which a checkpoint cannot hold", error=TypeError, optimizer=Stateless(),
        callbacks=[an.Checkpoint(path)],
    )  # fmt: skip
    assert repr(an.Checkpoint("a.npz")) == "Checkpoint('a.npz', every=1)"
    assert repr(an.Checkpoint("a.npz", every_steps=7)) == "Checkpoint('a.npz', every_steps=7)"


def test_a_state_that_cannot_be_written_names_its_place(data, path):
    class Holder:
        def __call__(self, state):
            pass

        def state_dict(self):
            return {"thing": [object()]}

    with pytest.raises(TypeError, match="callbacks/0/state/thing/0 is <object"):
        train(data, callbacks=[Holder(), an.Checkpoint(path)])
    assert not path.exists()


def test_without_the_package_a_safetensors_file_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match=r'pip install "affinet\[safetensors\]"'):
        an.Checkpoint(tmp_path / "c.safetensors")
    with pytest.raises(ImportError, match="safetensors"):
        build().save(tmp_path / "m.safetensors")
    assert os.listdir(tmp_path) == []
