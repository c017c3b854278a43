"""Errors of layers and losses that few other tests reach, and attributes that are set by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

import affinet as an
from affinet.layers.base import Layer
from affinet.layers.chain import goes_with_forward
from affinet.layers.tree import takes_train
from affinet.losses.base import require_takes_weights


@pytest.mark.parametrize(
    "layer",
    [
        an.Affine.init(3, 2, rng=0), an.Dropout(0.5), an.Increasing(3), an.LayerNorm(3),
        an.BatchNorm(3), an.Scale(3),
    ],
    ids=repr,
)  # fmt: skip
def test_a_single_number_is_not_rows(layer):
    with pytest.raises(ValueError, match=r"x has shape \(\), wanted"):
        layer.forward(np.float64(1))


class Own(Layer):
    kernel = None

    def forward(self, x, train=False):
        return x

    def predict(self, x):
        return x

    def backward(self, dout):
        return dout


def test_a_layer_without_a_kernel_has_neither_a_compiled_form_nor_one_in_onnx():
    with pytest.raises(TypeError, match=r"Own.* has no compiled form"):
        Own().operation((), 0)
    with pytest.raises(TypeError, match=r"Own.* has no form in ONNX"):
        Own().write_onnx(None)


def test_constants_of_other_functions_are_refused():
    with pytest.raises(ValueError, match="alpha is 2, wanted 1"):
        an.SiLU.from_onnx({"alpha": 2.0})
    with pytest.raises(ValueError, match=r"gamma is 1, wanted 1\.0507"):
        an.SELU.from_onnx({"gamma": 1.0})


def test_a_bias_of_another_length_is_refused():
    layer = an.NTKAffine.init(3, 2, rng=0)
    layer.b = np.zeros(3)
    with pytest.raises(ValueError, match=r"b has shape \(3,\), wanted \(2,\) for W of shape"):
        layer.forward(np.ones((1, 3)))


def test_a_column_that_is_named_twice_is_refused():
    with pytest.raises(ValueError, match=r"edges is .*, wanted each column once"):
        an.PiecewiseEmbedding(3, {0: [0.0, 1.0], "0": [0.0, 2.0]}, rng=0)


def test_whether_a_method_goes_with_forward():
    assert goes_with_forward(an.ReLU(), "predict")
    assert not goes_with_forward(object(), "predict")
    own = SimpleNamespace(forward=lambda x: x)
    assert not goes_with_forward(own, "predict")
    own.predict = own.forward
    assert goes_with_forward(own, "predict")


class Builtin:
    forward = staticmethod(max)  # it has no signature that Python could show


def test_what_has_no_signature_is_just_called():
    assert not takes_train(Builtin())
    require_takes_weights(Builtin(), "sample_weight")
