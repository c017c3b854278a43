"""ONNX graphs that are not perceptrons, and damaged files, are refused by name."""

import numpy as np
import pytest

import affinet as an
from onnx_graphs import B1, DATA, W1, Made

onnx = pytest.importorskip("onnx", reason="needs onnx, the extra onnx")
evaluator = pytest.importorskip("onnx.reference")
helper, numpy_helper = onnx.helper, onnx.numpy_helper


def affine_then(op, *inputs, **attributes):
    def build(made):
        made.add("Gemm", "_", W1, B1)
        made.add(op, *inputs, **attributes)

    return build


def before_affine(op, *inputs, **attributes):
    def build(made):
        made.add(op, *inputs, **attributes)
        made.add("Gemm", "_", W1, B1)

    return build


def two_branches(made):
    x = made.add("Gemm", "_", W1, B1)
    one = made.add("Sigmoid", made.add("Relu"))
    made.add("Add", one, made.add("Tanh", x))


def inside_a_layer(made):
    product = made.add("MatMul", "x", W1)
    made.add("Add", "_", B1)
    made.add("Add", made.add("Relu"), product)


def shared_by_branches(made):
    x = made.add("Gemm", "x", W1, B1)
    one = made.add("Relu")
    two = made.add("Add", made.add("Tanh", one), x)
    made.add("Add", made.add("Gemm", one, np.eye(5, dtype="f"), B1), two)


def flattened_branch(made):
    made.dims = ("batch", 2, 2)
    made.add("Add", made.add("Flatten", "x"), "x")
    made.add("Gemm", "_", W1, B1)


def quotient(made):
    made.add("Relu")
    made.add("Div", "x", "_")
    made.add("Gemm", "_", W1, B1)


def reshape_by_columns(made):
    made.add("Shape", "x")
    made.add("Gather", "_", np.array(1))
    size = made.add("Unsqueeze", "_", np.array([0]))
    made.add("Reshape", "x", made.add("Concat", size, np.array([-1]), axis=0))
    made.add("Gemm", "_", W1, B1)


REFUSED = {
    "unknown operator": (affine_then("Elu"), "node 'node Elu' (Elu): affinet has no layer"),
    "unknown domain": (affine_then("Relu", domain="elsewhere"), "(elsewhere.Relu)"),
    "two branches": (two_branches, "node 'node Add' (Add): a sum of two tensors"),
    "a sum inside a layer": (inside_a_layer, "node 'node Add' (Add): a sum of two tensors"),
    "a node in two branches": (shared_by_branches, "two branches contain it"),
    "a flattened branch": (flattened_branch, "(Add): the input has 3 dimensions"),
    "a sum of constants": (
        affine_then("Add", np.ones(5, "f"), np.ones(5, "f")),
        "node 'node Add' (Add): a sum of constants",
    ),
    "squared": (affine_then("Mul", "_", "_"), "(Mul): a product or quotient"),
    "late factor": (affine_then("Mul", "_", np.float32(2)), "constant factor anywhere but"),
    "factor before a relu": (
        lambda made: (made.add("Relu"), made.add("Mul", "_", np.float32(2)), made.add("Relu")),
        "constant factor anywhere but",
    ),
    "negative factor": (before_affine("Mul", "_", np.float32(-1)), "factor -1"),
    "factors by row": (before_affine("Mul", "_", np.ones((4, 1), "f")), "a product or quotient"),
    "reciprocal": (before_affine("Div", np.float32(1), "_"), "a product or quotient"),
    "constant behind a relu": (
        lambda made: (made.add("Gemm", "_", W1), made.add("Relu"), made.add("Add", "_", B1)),
        "added to anything but a matrix product",
    ),
    "wide bias": (
        lambda made: (made.add("MatMul", "_", W1), made.add("Add", "_", np.ones((2, 5), "f"))),
        "a constant of shape (2, 5) added to 5 columns",
    ),
    "transA": (
        lambda made: made.add("Gemm", "_", np.ones((6, 2), "f"), transA=1),
        "transA without a Transpose",
    ),
    "matrix first": (lambda made: made.add("MatMul", W1, "_"), "no constant matrix"),
    "softmax in the middle": (before_affine("Softmax"), "only at the end"),
    "softmax over rows": (affine_then("Softmax", axis=0), "axis is 0"),
    "two softmaxes": (
        lambda made: (made.add("Gemm", "_", W1), made.add("Softmax"), made.add("Softmax")),
        "only at the end",
    ),
    "negative slope": (affine_then("LeakyRelu", alpha=-0.1), "slope is -0.1"),
    "slopes by column": (affine_then("PRelu", "_", np.ones(5, "f")), "not one constant number"),
    "cast to integers": (before_affine("Cast", to=onnx.TensorProto.INT32), "cast to int32"),
    "cast to nothing": (before_affine("Cast", to=99), "a cast to the unknown type 99"),
    "dropout of all": (before_affine("Dropout", "_", np.float32(1)), "ratio"),
    "flatten of all": (before_affine("Flatten", axis=0), "axis is 0"),
    "reshape of rows": (before_affine("Reshape", "_", np.array([-1, 2])), "(Reshape)"),
    "reshape of outputs": (affine_then("Reshape", "_", np.array([-1, 1])), "gives 5 numbers a row"),
    "reshape by columns": (reshape_by_columns, "(batch, -1)"),
    "quotient": (quotient, "a product or quotient"),
    "reshape to three": (before_affine("Reshape", "_", np.array([0, 2, 2])), "(batch, -1)"),
    "reshape by a foreign size": (before_affine("Reshape", "_", np.array([3, -1])), "(batch, -1)"),
    "approximate gelu": (affine_then("Gelu", approximate="tanh"), "GELU is exact"),
    "concat": (affine_then("Concat", "_", "_", axis=1), "(Concat): affinet has no layer"),
    "nothing": (lambda made: made.add("Identity"), "at least one layer"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_perceptron_is_refused_by_node(made, name):
    build, words = REFUSED[name]
    build(made)
    assert words in made.refused()


def test_widths_that_do_not_fit_the_input(tmp_path):
    made = Made(tmp_path, dims=("batch", 7))
    made.add("Flatten")
    made.add("Gemm", "_", W1, B1)
    assert "the input has 7 numbers a row, the layers take 4" in made.refused()


@pytest.mark.parametrize("op", ["MatMul", "Softmax"])
def test_rows_of_more_than_one_dimension_are_refused(tmp_path, op):
    made = Made(tmp_path, dims=("batch", 2, 4))
    made.add(op, *(("_", W1) if op == "MatMul" else ("_",)))
    assert f"({op}): the input has 3 dimensions and is not flattened" in made.refused()


def test_a_batch_norm_in_training_mode_is_refused(made):
    ones = np.ones(5, np.float32)
    made.add("Gemm", "_", W1, B1)
    made.nodes.append(
        helper.make_node(
            "BatchNormalization",
            [made.last, *(made.const(ones) for _ in range(4))],
            ["y", "mean", "var"],
            training_mode=1,
        )
    )
    made.last = "y"
    assert "training mode" in made.refused()


def test_several_outputs_are_refused(made):
    first = made.add("Gemm", "_", W1, B1)
    second = made.add("Relu")
    assert f"outputs ['{first}', '{second}'], wanted one" in made.refused(first, second)


def test_several_inputs_are_refused(made):
    made.add("Gemm", "_", W1, B1)
    model = made.model()
    model.graph.input.append(helper.make_tensor_value_info("z", 1, ["batch", 4]))
    onnx.save(model, made.path)
    with pytest.raises(ValueError, match=r"inputs \['x', 'z'\], wanted one"):
        an.onnx.load(made.path)


def test_a_tensor_of_an_unknown_type_is_refused(made):
    made.add("Gemm", "_", W1, B1)
    made.initializers[1].data_type = 99
    assert "is of the unknown type 99" in made.refused()


def test_products_of_products_end(made):
    """Undoing each of them would take 2 to the 60."""
    made.add("Gemm", "_", W1, B1)
    for _ in range(60):
        made.add("Mul", "_", "_")
    assert "a product or quotient" in made.refused()


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08" * 50, b"PK\x03\x04"])
def test_what_is_no_model_is_refused_with_its_name(tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.onnx: not an ONNX model, or damaged"):
        an.onnx.load(path)


def test_half_a_file_is_refused(tmp_path):
    whole = (DATA / "torch-plain.onnx").read_bytes()
    path = tmp_path / "model.onnx"
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"model\.onnx: "):
            an.onnx.load(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        an.onnx.load(tmp_path / "model.onnx")
