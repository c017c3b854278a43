"""Descriptions and tensors in a model file that were changed or lost."""

import numpy as np
import pytest

from affinet import model_file
from model_files import entries, refused, rewrite

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
