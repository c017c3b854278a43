"""Custom layers and losses in model files."""

import os

import numpy as np
import pytest

import affinet as an
from model_files import Duck, entries, refused, rewrite


class Stretch:
    """A layer with a parameter that is not an argument, a buffer and an argument."""

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


CUSTOM = {"Stretch": Stretch, "Hinge": Hinge}


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parts_of_ones_own_come_back(tmp_path, suffix, dtype):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    layer = Stretch(3, power=2)
    layer.W = np.array([1.0, 2.0, 3.0], dtype)
    net = an.Sequential(layer, an.Affine.init(3, 2, rng=0, dtype=dtype), loss=Hinge(0.5))
    layer.forward(np.ones((1, 3)))
    path = tmp_path / f"m{suffix}"
    net.save(path)
    loaded = an.load(path, custom=CUSTOM)
    assert type(loaded.layers[0]) is Stretch
    assert (loaded.layers[0].power, loaded.loss.margin) == (2, 0.5)
    assert loaded.dtype == dtype
    np.testing.assert_array_equal(loaded.params.flat, net.params.flat)
    assert loaded.layers[0].W is loaded.params["0.W"]
    assert loaded.layers[0].seen.tolist() == [[1, 1, 1]] * 2
    loaded.layers[0].forward(np.ones((1, 3)))
    assert loaded._arrays()["0.seen"][0, 0] == 2


def test_parts_of_ones_own_are_unknown_without_their_classes(path):
    net = an.Sequential(Stretch(3), loss=Hinge(1))
    net.save(path)
    assert "custom=" in refused(path, "layer 0: layer 'Stretch' is unknown")
    with pytest.raises(ValueError, match="loss 'Hinge' is unknown"):
        an.load(path, custom={"Stretch": Stretch})


@pytest.mark.parametrize(
    ("custom", "error", "match"),
    [
        ({"Stretch": Stretch(3)}, TypeError, "custom: 'Stretch' is .*wanted a class"),
        ({"ReLU": Stretch}, ValueError, "custom: 'ReLU' is the name of one of affinet's classes"),
        ({"Stretch": Hinge, "Hinge": Hinge}, ValueError, "layer 0: .*unexpected keyword"),
        ({"Stretch": dict, "Hinge": Hinge}, ValueError, "layer 'Stretch' is unknown"),
    ],
)
def test_custom_that_is_wrong(path, custom, error, match):
    an.Sequential(Stretch(3), loss=Hinge(1)).save(path)
    with pytest.raises(error, match=match):
        an.load(path, custom=custom)


@pytest.mark.parametrize("name", ["0.W", "0.seen"])
@pytest.mark.parametrize("what", ["missing", "shape"])
def test_arrays_of_ones_own_layer_that_do_not_fit(path, name, what):
    an.Sequential(Stretch(3), loss=Hinge(1)).save(path)
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
    with pytest.raises(TypeError, match="the name of one of affinet's"):
        an.Sequential(own()).save(path)


def test_a_config_that_json_cannot_hold(path):
    with pytest.raises(TypeError, match=r"JSON|serializable"):
        an.Sequential(Stretch(3, power=1j)).save(path)
    own = type("Own", (Duck,), {"config": lambda self: [1]})
    with pytest.raises(TypeError, match=r"config\(\) returned \[1\]"):
        an.Sequential(own()).save(path)
    assert os.listdir(path.parent) == []


def test_buffers_must_be_arrays(path):
    layer = Stretch(3)
    layer.seen = 5
    with pytest.raises(TypeError, match="layer 0: seen is 5, wanted an array"):
        an.Sequential(layer).save(path)
