"""Inputs of ONNX graphs: a factor, a reshape, images."""

import numpy as np
import pytest

from onnx_graphs import B1, W1, Made, X

onnx = pytest.importorskip("onnx", reason="needs onnx, the extra onnx")
evaluator = pytest.importorskip("onnx.reference")
helper, numpy_helper = onnx.helper, onnx.numpy_helper


@pytest.mark.parametrize(
    ("op", "value", "scale"),
    [("Mul", 0.5, 0.5), ("Div", 4.0, 0.25), ("Mul", [0.5], 0.5), ("Mul", [[2.0]], 2.0)],
)
def test_a_factor_at_the_input(made, op, value, scale):
    made.add("Cast", to=onnx.TensorProto.FLOAT)
    made.add(op, "_", np.float32(value))
    made.add("Flatten")
    made.add("Gemm", "_", W1, B1)
    assert made.check().input_scale == scale


def test_two_factors_at_the_input_with_a_cast_between(made):
    made.add("Mul", np.float32(0.5), "_")
    made.add("Cast", to=onnx.TensorProto.FLOAT)
    made.add("Div", "_", np.float32(4))
    made.add("Gemm", "_", W1, B1)
    assert made.check().input_scale == 0.125


SHAPES = {
    "open": ([0, -1], ("batch", 2, 2)),
    "rows open": ([-1, 4], ("batch", 2, 2)),
    "fixed": ([6, 4], (6, 2, 2)),
    "flat already": ([-1, 4], ("batch", 4)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_reshape_to_rows(tmp_path, name):
    shape, dims = SHAPES[name]
    made = Made(tmp_path, dims=dims)
    made.add("Reshape", "_", np.array(shape))
    made.add("Gemm", "_", W1, B1)
    made.check(X if len(dims) == 2 else X.reshape(6, 2, 2))


@pytest.mark.parametrize("way", ["gather", "slice of shape"])
def test_reshape_by_the_size_of_the_batch(tmp_path, way):
    made = Made(tmp_path, dims=("batch", 2, 2))
    if way == "gather":
        made.add("Shape", "x")
        made.add("Gather", "_", np.array(0))
        size = made.add("Unsqueeze", "_", np.array([0]))
    else:
        size = made.add("Shape", "x", start=0, end=1)
    shape = made.add("Concat", size, np.array([-1]), axis=0)
    made.add("Reshape", "x", shape)
    made.add("Gemm", "_", W1, B1)
    made.check(X.reshape(6, 2, 2))


def test_images_through_elementwise_layers_and_flatten(tmp_path):
    made = Made(tmp_path, dims=("batch", 2, 2))
    made.add("Relu")
    made.add("Flatten")
    made.add("Gemm", "_", W1, B1)
    made.check(X.reshape(6, 2, 2))
