"""Model files hold a network whole: every layer, loss and dtype, to the bit."""

import os
import stat

import numpy as np
import pytest

import affinet as an
import parts.layers
from array_forms import draw
from model_files import entries, refused, rewrite
from parts.losses import SETTINGS

LAYERS = parts.layers.SETTINGS
LOSSES = {name: make for name, (make, _) in SETTINGS.items()} | {"no loss": lambda: None}


# Round trips -------------------------------------------------------------------------------------


def test_a_network_comes_back_whole(net, saved):
    net.metadata["classes"] = ["cat", "dog"]
    net.save(saved)
    loaded = an.load(saved)
    assert repr(loaded) == repr(net)
    assert loaded.input_scale == 1 / 255
    assert loaded.metadata == {"classes": ["cat", "dog"]}
    assert loaded.dtype == net.dtype
    np.testing.assert_array_equal(loaded.params.flat, net.params.flat)
    x = draw("uint8", (5, 3))
    np.testing.assert_array_equal(loaded.predict(x), net.predict(x))
    np.testing.assert_array_equal(loaded.predict_proba(x), net.predict_proba(x))
    assert loaded.evaluate(x, [0, 1, 0, 1, 0]) == net.evaluate(x, [0, 1, 0, 1, 0])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_every_dtype_to_the_bit(path, dtype):
    values = np.array([[np.inf, -np.inf], [np.nan, -0.0], [1e-40, 1 / 3]]).astype(dtype)
    net = an.Sequential(an.Affine(values, np.zeros(2, dtype)))
    net.save(path)
    loaded = an.load(path)
    assert loaded.dtype == net.dtype
    assert loaded.params.flat.tobytes() == net.params.flat.tobytes()


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("loss", LOSSES)
def test_every_layer_and_loss(path, layer, loss):
    net = an.Sequential(LAYERS[layer](3, "float32"), loss=LOSSES[loss]())
    net.save(path)
    loaded = an.load(path)
    assert repr(loaded) == repr(net)
    assert loaded.layers[0].config() == net.layers[0].config()
    assert type(loaded.loss) is type(net.loss)
    x = parts.layers.inputs(layer, draw("float32", (4, 3)))
    np.testing.assert_array_equal(loaded.predict(x), net.predict(x))


def test_a_loaded_network_trains(saved):
    net = an.load(saved)
    x, t = draw("uint8", (8, 3)), np.arange(8) % 2
    assert net.layers[0].W is net.params["0.W"]
    history = net.fit(x, t, epochs=3)
    assert len(history.epochs) == 3
    net.layers[0].W = np.zeros((3, 4), np.float32)
    assert not net.params["0.W"].any()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_running_statistics_and_their_parameters_come_back(path, dtype):
    net = an.Sequential(
        an.Affine.init(3, 4, rng=0, dtype=dtype), an.BatchNorm(4, 0.3, 1e-3, dtype=dtype),
        an.LayerNorm(4, 1e-2, dtype=dtype), loss=an.SoftmaxWithLoss(),
    )  # fmt: skip
    x, t = draw("float64", (10, 3)), np.arange(10) % 4
    net.fit(x, t, epochs=2, batch_size=5)
    net.save(path)
    _, arrays = entries(path)
    assert list(arrays) == [*net.params, "1.running_mean", "1.running_var"]
    loaded = an.load(path)
    assert repr(loaded) == repr(net)
    assert loaded.layers[1].config() == {"n": 4, "momentum": 0.3, "eps": 1e-3}
    assert loaded._arrays().keys() == net._arrays().keys()
    for name, array in net._arrays().items():
        again = loaded._arrays()[name]
        assert again.dtype == array.dtype
        assert again.tobytes() == array.tobytes()
    np.testing.assert_array_equal(loaded.predict(x), net.predict(x))
    for one in (net, loaded):  # and training continues as it would have
        one.fit(x, t, epochs=1, batch_size=5, optimizer=an.SGD(0.1))
    np.testing.assert_array_equal(loaded.predict(x), net.predict(x))


@pytest.mark.parametrize("name", ["0.running_var", "0.gamma"])
def test_a_missing_or_misshapen_array_of_a_batch_norm_is_named(path, name):
    an.Sequential(an.BatchNorm(3)).save(path)
    description, arrays = entries(path)
    rewrite(path, description, {key: a for key, a in arrays.items() if key != name})
    with pytest.raises(ValueError, match=rf"array {name} is missing"):
        an.load(path)
    rewrite(path, description, arrays | {name: np.ones(4, np.float32)})
    with pytest.raises(ValueError, match=rf"array {name} has shape \(4,\)"):
        an.load(path)
    shapes = {key: shape for key, shape in description["shapes"].items() if key != name}
    rewrite(path, description | {"shapes": shapes}, arrays)
    with pytest.raises(ValueError, match=rf"array {name} is missing"):
        an.load(path)


def test_check_finite_comes_back(path):
    net = an.Sequential(an.Affine.init(3, 2, rng=0), check_finite=True)
    net.save(path)
    with pytest.raises(ValueError, match="nan"):
        an.load(path).predict([[0, np.nan, 0]])


def test_a_hundred_layers_keep_their_order(path):
    net = an.Sequential(*(an.Affine.init(2, 2, rng=i) for i in range(100)))
    net.save(path)
    np.testing.assert_array_equal(an.load(path).params.flat, net.params.flat)


def test_paths_of_both_kinds_and_with_odd_letters(net, tmp_path):
    for target in (str(tmp_path / "a b.npz"), tmp_path / "größe-模型.npz"):
        net.save(target)
        assert repr(an.load(target)) == repr(net)


def test_saving_again_gives_the_same_numbers(saved, tmp_path):
    loaded = an.load(saved)
    loaded.save(tmp_path / "again.npz")
    assert entries(saved)[0] == entries(tmp_path / "again.npz")[0]


def test_the_file_is_a_plain_npz_without_pickles(saved, net):
    description, arrays = entries(saved)
    assert description["format"] == "affinet model"
    assert description["version"] == 1
    assert list(arrays) == list(net.params)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, net.params[name])


# Safetensors -------------------------------------------------------------------------------------


def test_a_safetensors_file_holds_the_same(net, tmp_path):
    library = pytest.importorskip("safetensors.numpy")
    net.metadata["größe"] = ["模型", 1 / 3]
    path = tmp_path / "m.safetensors"
    net.save(path)
    loaded = an.load(path)
    assert repr(loaded) == repr(net)
    assert loaded.metadata == net.metadata
    np.testing.assert_array_equal(loaded.params.flat, net.params.flat)
    tensors = library.load_file(path)
    assert sorted(tensors) == sorted(net.params)
    np.testing.assert_array_equal(tensors["0.W"], net.params["0.W"])
    loaded.fit(np.zeros((4, 3)), np.zeros(4, int), epochs=1)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_truncated_safetensors_file(net, tmp_path, share):
    pytest.importorskip("safetensors")
    path = tmp_path / "m.safetensors"
    net.save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    refused(path, "not an affinet model, or damaged")


def test_a_safetensors_file_of_others(tmp_path):
    library = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "m.safetensors"
    for metadata in (None, {"description": "{}"}, {"description": "[1]"}, {"a": "b"}):
        library.save_file({"0.W": np.zeros(3)}, path, metadata)
        refused(path)


def test_the_folder_is_synced_after_the_rename(net, path, monkeypatch):
    seen = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(
        "os.fsync",
        lambda d: (
            seen.append("folder" if stat.S_ISDIR(os.fstat(d).st_mode) else "file"),
            fsync(d),
        ),
    )
    monkeypatch.setattr("os.replace", lambda *a: (seen.append("rename"), replace(*a)))
    net.save(path)
    assert seen == ["file", "rename", "folder"]
