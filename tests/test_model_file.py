"""Model files: what is written is read back, whole files only, and nothing is ever unpickled."""

import io
import json
import os
import pickle
import stat
import zipfile

import numpy as np
import pytest

import affinet as an
from affinet import model_file
from array_forms import draw

LAYERS = {
    "Affine": lambda: an.Affine.init(3, 3, rng=0),
    "ReLU": an.ReLU,
    "LeakyReLU": lambda: an.LeakyReLU(0.07),
    "Sigmoid": an.Sigmoid,
    "Tanh": an.Tanh,
    "Dropout": lambda: an.Dropout(0.3, rng=1),
    "GELU": an.GELU,
    "SiLU": an.SiLU,
    "BatchNorm": lambda: an.BatchNorm(3, momentum=0.2, eps=1e-3),
    "LayerNorm": lambda: an.LayerNorm(3, eps=1e-4),
    "Residual": lambda: an.Residual(an.BatchNorm(3), an.Affine.init(3, 3, rng=1), an.Dropout(0.1)),
}
LOSSES = {
    "SoftmaxWithLoss": an.SoftmaxWithLoss,
    "MeanSquaredError": an.MeanSquaredError,
    "SumSquaredError": an.SumSquaredError,
    "SigmoidWithLoss": an.SigmoidWithLoss,
    "MeanAbsoluteError": an.MeanAbsoluteError,
    "Huber": lambda: an.Huber(0.3),
    "Poisson": an.Poisson,
    "Quantile": lambda: an.Quantile(0.9),
    "smoothed": lambda: an.SoftmaxWithLoss(label_smoothing=0.1),
    "no loss": lambda: None,
}


@pytest.fixture
def net():
    return an.Sequential(
        an.Affine.init(3, 4, rng=0), an.ReLU(), an.Dropout(0.25), an.Affine.init(4, 2, rng=1),
        loss=an.SoftmaxWithLoss(), input_scale=1 / 255,
    )  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.npz"


@pytest.fixture
def saved(net, path):
    net.save(path)
    return path


def entries(path):
    """Description and arrays of a model file."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return json.loads(str(arrays.pop("description"))), arrays


def rewrite(path, description, arrays):
    np.savez(path, description=np.array(json.dumps(description)), **arrays)


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


def test_the_tables_hold_everything_public():
    public = [getattr(an, name) for name in an.__all__]
    for table, base in ((LAYERS, an.Layer), (LOSSES, an.Loss)):
        names = {p.__name__ for p in public if isinstance(p, type) and issubclass(p, base)}
        assert names - {base.__name__} == set(table) - {"no loss", "smoothed"}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("loss", LOSSES)
def test_every_layer_and_loss(path, layer, loss):
    net = an.Sequential(LAYERS[layer](), loss=LOSSES[loss]())
    net.save(path)
    loaded = an.load(path)
    assert repr(loaded) == repr(net)
    assert loaded.layers[0].config() == net.layers[0].config()
    assert type(loaded.loss) is type(net.loss)
    x = draw("float32", (4, 3))
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
        an.Affine.init(3, 4, dtype=dtype), an.BatchNorm(4, 0.3, 1e-3, dtype=dtype),
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
    for one in (net, loaded):  # and it goes on as it would have
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
    with pytest.raises(ValueError, match="the layers want"):
        an.load(path)


def test_check_finite_comes_back(path):
    net = an.Sequential(an.Affine.init(3, 2), check_finite=True)
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


# Buffers, and parts of one's own -----------------------------------------------------------------


class Scale:
    """A layer with a parameter that is no argument, a buffer and an argument."""

    parameters = ("W",)
    buffers = ("seen",)

    def __init__(self, n, power=1):
        self.n, self.power = n, power
        self.W = np.ones(n)
        self.seen = np.zeros((2, n), np.int64)

    def config(self):
        return {"n": self.n, "power": self.power}

    def forward(self, x):
        self.seen += 1
        return self.W**self.power * x

    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        return dout


class Hinge:
    def __init__(self, margin):
        self.margin = margin

    def config(self):
        return {"margin": self.margin}

    def forward(self, x, t):
        return 0.0

    def backward(self, dout=1):
        return 0.0


CUSTOM = {"Scale": Scale, "Hinge": Hinge}


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parts_of_ones_own_come_back(tmp_path, suffix, dtype):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    layer = Scale(3, power=2)
    layer.W = np.array([1.0, 2.0, 3.0], dtype)
    net = an.Sequential(layer, an.Affine.init(3, 2, rng=0, dtype=dtype), loss=Hinge(0.5))
    layer.forward(np.ones((1, 3)))
    path = tmp_path / f"m{suffix}"
    net.save(path)
    loaded = an.load(path, custom=CUSTOM)
    assert type(loaded.layers[0]) is Scale
    assert (loaded.layers[0].power, loaded.loss.margin) == (2, 0.5)
    assert loaded.dtype == dtype
    np.testing.assert_array_equal(loaded.params.flat, net.params.flat)
    assert loaded.layers[0].W is loaded.params["0.W"]
    assert loaded.layers[0].seen.tolist() == [[1, 1, 1]] * 2
    loaded.layers[0].forward(np.ones((1, 3)))
    assert loaded._arrays()["0.seen"][0, 0] == 2


def test_parts_of_ones_own_are_unknown_without_their_classes(path):
    net = an.Sequential(Scale(3), loss=Hinge(1))
    net.save(path)
    assert "custom=" in refused(path, "layer 0: layer 'Scale' is unknown")
    with pytest.raises(ValueError, match="loss 'Hinge' is unknown"):
        an.load(path, custom={"Scale": Scale})


@pytest.mark.parametrize(
    ("custom", "error", "match"),
    [
        ({"Scale": Scale(3)}, TypeError, "custom: 'Scale' is .*wanted a class"),
        ({"ReLU": Scale}, ValueError, "custom: 'ReLU' is the name of a class of affinet's own"),
        ({"Scale": Hinge, "Hinge": Hinge}, ValueError, "layer 0: .*unexpected keyword"),
        ({"Scale": dict, "Hinge": Hinge}, ValueError, "layer 'Scale' is unknown"),
    ],
)
def test_custom_that_is_wrong(path, custom, error, match):
    an.Sequential(Scale(3), loss=Hinge(1)).save(path)
    with pytest.raises(error, match=match):
        an.load(path, custom=custom)


@pytest.mark.parametrize("name", ["0.W", "0.seen"])
@pytest.mark.parametrize("what", ["missing", "shape"])
def test_arrays_of_ones_own_layer_that_do_not_fit(path, name, what):
    an.Sequential(Scale(3), loss=Hinge(1)).save(path)
    description, arrays = entries(path)
    array = arrays.pop(name)
    if what == "shape":
        arrays[name] = array[..., :2]
        description["shapes"][name] = list(arrays[name].shape)
    rewrite(path, description, arrays)
    with pytest.raises(ValueError, match=name.replace(".", r"\.")):
        an.load(path, custom=CUSTOM)


def test_an_own_class_with_a_name_of_affinets(path):
    own = type("ReLU", (Duck,), {"config": lambda self: {}})
    with pytest.raises(TypeError, match="a name of affinet's own"):
        an.Sequential(own()).save(path)


def test_a_config_that_json_cannot_hold(path):
    with pytest.raises(TypeError, match=r"JSON|serializable"):
        an.Sequential(Scale(3, power=1j)).save(path)
    own = type("Own", (Duck,), {"config": lambda self: [1]})
    with pytest.raises(TypeError, match=r"config\(\) gave \[1\]"):
        an.Sequential(own()).save(path)
    assert os.listdir(path.parent) == []


def test_buffers_must_be_arrays(path):
    layer = Scale(3)
    layer.seen = 5
    with pytest.raises(TypeError, match="layer 0: seen is 5, wanted an array"):
        an.Sequential(layer).save(path)


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


# What cannot be saved ----------------------------------------------------------------------------


class OwnLayer(an.ReLU):
    """Loading would silently give a ReLU."""


class OwnLoss(an.MeanSquaredError):
    pass


class Duck:
    def forward(self, x):
        return x

    def backward(self, dout):
        return dout


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


# Files that are no models, or damaged ------------------------------------------------------------


def refused(path, match=None):
    with pytest.raises(ValueError, match=match) as caught:
        an.load(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def loaded_or_refused(path):
    """The network, or None if the file was refused as a damaged one."""
    try:
        return an.load(path)
    except ValueError as error:
        named = str(path) in str(error)
    assert named, "the error does not name the file"
    return None


def test_no_such_file(path):
    with pytest.raises(FileNotFoundError, match=r"model\.npz"):
        an.load(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"not a model at all", b"\x93NUMPY", b"PK\x05\x06" + 18 * b"\0", b"\x80\x04N."],
    ids=["empty", "PK", "text", "npy header", "empty zip", "pickle"],
)
def test_files_of_other_kinds(path, content):
    path.write_bytes(content)
    refused(path)


def test_a_single_array_under_the_models_name(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    refused(path)


def test_a_pickle_is_never_loaded(path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(path.with_name("exploded")),))

    path.write_bytes(pickle.dumps(Bomb()))
    refused(path)
    assert not path.with_name("exploded").exists()


@pytest.mark.parametrize("place", ["0.W", "description", "extra"])
def test_object_arrays_are_never_unpickled(saved, place):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(saved.with_name("exploded")),))

    description, arrays = entries(saved)
    everything = {"description": np.array(json.dumps(description))} | arrays
    np.savez(saved, **everything | {place: np.array([Bomb()], object)})
    refused(saved)
    assert not saved.with_name("exploded").exists()


def test_a_folder(path):
    path.mkdir()
    with pytest.raises((ValueError, OSError), match=r"model\.npz"):
        an.load(path)


def test_another_npz(path):
    np.savez(path, a=np.zeros(3))
    refused(path, "description")


def test_truncated_anywhere(saved):
    whole = saved.read_bytes()
    for length in range(0, len(whole), 7):
        saved.write_bytes(whole[:length])
        refused(saved)


def test_damage_anywhere_is_found_or_harmless(net, saved):
    """Flip a bit of a byte: a ValueError, or the very same network.

    Every byte of the archive's directory, which stands at the end, and every fifth before it.
    """
    whole = saved.read_bytes()
    rng = np.random.default_rng(0)
    for place in [*range(0, len(whole) - 400, 5), *range(len(whole) - 400, len(whole))]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.integers(8)
        saved.write_bytes(damaged)
        loaded = loaded_or_refused(saved)
        if loaded is not None:
            assert repr(loaded) == repr(net)
            np.testing.assert_array_equal(loaded.params.flat, net.params.flat)


def test_a_compressed_file_that_is_damaged(saved):
    description, arrays = entries(saved)
    packed = io.BytesIO()
    np.savez_compressed(packed, description=np.array(json.dumps(description)), **arrays)
    saved.write_bytes(packed.getvalue())
    assert an.load(saved).params.flat.any()  # compression in itself is no damage
    whole = packed.getvalue()
    for place in range(30, len(whole), 11):
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        saved.write_bytes(damaged)
        loaded_or_refused(saved)


def test_a_tensor_that_claims_more_numbers_than_the_file_holds(saved):
    description, arrays = entries(saved)
    with zipfile.ZipFile(saved, "w") as archive:
        for name, array in ({"description": np.array(json.dumps(description))} | arrays).items():
            content = io.BytesIO()
            np.save(content, array)
            raw = content.getvalue()
            if name == "0.W":
                claim, wrong = b"(3, 4), }", b"(30000000000000, 40000), }"
                padding = b" " * (len(wrong) - len(claim))
                assert claim + padding in raw
                raw = raw.replace(claim + padding, wrong, 1)
            archive.writestr(f"{name}.npy", raw)
    refused(saved)


CHANGED_FIELDS = {
    "another format": ({"format": "tensorfile"}, "format"),
    "no format": ({"format": None}, "format"),
    "newer": ({"version": 2}, "version 2"),
    "version 0": ({"version": 0}, "version 0"),
    "version in words": ({"version": "1"}, "version"),
    "no version": ({"version": None}, "version"),
    "unknown layer": ({"layers": [{"type": "Convolution"}]}, "Convolution"),
    "abstract layer": ({"layers": [{"type": "Layer"}]}, "Layer"),
    "a loss for a layer": ({"layers": [{"type": "MeanSquaredError"}]}, "MeanSquaredError"),
    "layer without type": ({"layers": [{"p": 0.5}]}, "type"),
    "layer in words": ({"layers": ["ReLU"]}, "layer"),
    "layer as number": ({"layers": [1]}, "layer"),
    "layers as number": ({"layers": 5}, "layers"),
    "no layers": ({"layers": []}, "layer"),
    "layers missing": ({"layers": None}, "layers"),
    "argument unknown": ({"layers": [{"type": "ReLU", "slope": 1}]}, "slope"),
    "argument out of range": ({"layers": [{"type": "Dropout", "p": 2}]}, "p is 2"),
    "argument of a wrong kind": ({"layers": [{"type": "Dropout", "p": "x"}]}, "p is 'x'"),
    "fewer layers": ({"layers": [{"type": "Affine"}]}, "parameters"),
    "unknown loss": ({"loss": {"type": "Hinge"}}, "Hinge"),
    "layer for a loss": ({"loss": {"type": "ReLU"}}, "ReLU"),
    "loss in words": ({"loss": "SoftmaxWithLoss"}, "loss"),
    "loss as list": ({"loss": [1]}, "loss"),
    "shapes as list": ({"shapes": [1]}, "shapes"),
    "no shapes": ({"shapes": None}, "shapes"),
    "another shape": ({"shapes": {"0.W": [4, 3]}}, r"0\.W"),
    "a shape in words": ({"shapes": {"0.W": "3, 4"}}, r"0\.W"),
    "a shape of one number": ({"shapes": {"0.W": 12}}, r"shapes|0\.W"),
    "unknown dtype": ({"dtype": "float128x"}, "dtype|float128x"),
    "integers": ({"dtype": "int32"}, "int32"),
    "no dtype": ({"dtype": None}, "dtype"),
    "scale in words": ({"input_scale": "1/255"}, "input_scale"),
    "scale as list": ({"input_scale": [1]}, "input_scale"),
    "scale not finite": ({"input_scale": float("nan")}, "input_scale"),
    "metadata no table": ({"metadata": 5}, "metadata"),
}


@pytest.mark.parametrize("kind", CHANGED_FIELDS)
def test_a_description_that_says_something_else(saved, kind):
    changes, match = CHANGED_FIELDS[kind]
    description, arrays = entries(saved)
    rewrite(saved, description | changes, arrays)
    refused(saved, match)


@pytest.mark.parametrize("field", ["format", "version", "layers", "shapes", "dtype", "loss"])
def test_a_description_that_lacks_a_field(saved, field):
    description, arrays = entries(saved)
    del description[field]
    rewrite(saved, description, arrays)
    refused(saved, field)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "5", "null", '"affinet model"', "[" * 100_000, "{}", "\ud800"]
)
def test_a_description_that_is_no_table(saved, text):
    _, arrays = entries(saved)
    np.savez(saved, description=np.array(text), **arrays)
    refused(saved)


@pytest.mark.parametrize("array", [np.zeros(3), np.array(["a", "b"]), np.array(b"{}")])
def test_a_description_that_is_no_text(saved, array):
    _, arrays = entries(saved)
    np.savez(saved, description=array, **arrays)
    refused(saved)


@pytest.mark.parametrize("name", ["0.W", "0.b", "3.W", "3.b"])
def test_a_tensor_that_is_missing(saved, name):
    description, arrays = entries(saved)
    del arrays[name]
    rewrite(saved, description, arrays)
    refused(saved, name.replace(".", r"\."))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 3), np.float32),
        np.zeros((3, 4), np.float64),
        np.zeros((3, 4), np.int32),
        np.zeros(12, np.float32),
        np.full((3, 4), "1.0"),
        np.zeros((3, 4), np.complex64),
    ],
    ids=lambda a: f"{a.dtype}{a.shape}",
)
def test_a_tensor_of_another_shape_or_dtype(saved, array):
    description, arrays = entries(saved)
    rewrite(saved, description, arrays | {"0.W": array})
    refused(saved, r"0\.W")


def test_a_bias_that_does_not_fit_its_weights(saved):
    description, arrays = entries(saved)
    description["shapes"]["0.b"] = [5]
    rewrite(saved, description, arrays | {"0.b": np.zeros(5, np.float32)})
    refused(saved, "b has shape")


def test_layers_that_do_not_fit_each_other(saved):
    description, arrays = entries(saved)
    description["shapes"]["3.W"] = [9, 2]
    rewrite(saved, description, arrays | {"3.W": np.zeros((9, 2), np.float32)})
    refused(saved, "layer 3")


def test_the_reader_knows_its_own_version_only():
    assert model_file.FORMAT_VERSION == 1
