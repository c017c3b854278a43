"""Parts of graphs that affinet's writer does not make, and what each of them is read as."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

import affinet as an
from onnx_graphs import B1, W1, Made

onnx = pytest.importorskip("onnx", reason="needs onnx, the extra onnx")
graphs = pytest.importorskip("affinet.onnx.graph")
names = pytest.importorskip("affinet.onnx.names")
layers = pytest.importorskip("affinet.onnx.layers")
writer = pytest.importorskip("affinet.onnx.writer")
helper = onnx.helper


def erf_of_a_product(made):
    x = made.add("Gemm", "_", W1, B1)
    made.add("Erf", made.add("Mul", x, made.add("Relu")))
    made.add("Mul", x, made.add("Add", "_", np.float32(1)))


def mixture_by_a_scalar(made):
    x = made.add("Gemm", "_", W1, B1)
    step = made.add("Sub", made.add("Tanh", x), x)
    made.add("Add", x, made.add("Mul", step, np.float32(0.5)))


def sum_with_noise(made):
    x = made.add("Gemm", "_", W1, B1)
    made.add("Add", x, made.add("RandomNormalLike", made.const(np.ones((1, 5), "f"))))


def after(op, *inputs, **attributes):
    def build(made):
        made.add("Gemm", "_", W1, B1)
        made.add(op, *inputs, **attributes)

    return build


REFUSED = {
    "a matrix of integers": (
        lambda made: made.add("MatMul", "_", W1.astype(np.int32)),
        "its matrix has dtype int32, wanted floats",
    ),
    "a bias that is computed": (
        lambda made: made.add("Gemm", made.add("Relu"), W1, made.add("Relu", "x")),
        "is no constant",
    ),
    "a sum with noise": (sum_with_noise, "a sum of two tensors"),
    "erf of a product": (erf_of_a_product, "a product or quotient"),
    "a mixture by a scalar": (mixture_by_a_scalar, "(Sub): affinet has no layer"),
    "a norm of rows": (
        after("LayerNormalization", "_", np.ones(5, "f"), axis=0),
        "axis is 0, wanted the last",
    ),
    "a norm by a matrix": (
        after("LayerNormalization", "_", np.ones((1, 5), "f")),
        "is no constant vector",
    ),
    "an endless slope": (after("PRelu", "_", np.float32(np.inf)), "its slope is inf, wanted 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_perceptron_is_refused_by_node(made, name):
    build, words = REFUSED[name]
    build(made)
    assert words in made.refused()


def test_branches_of_other_widths_are_refused(tmp_path):
    made = Made(tmp_path, dims=("batch", None))
    skip = made.add("Gemm", "x", W1, B1)
    made.add("Add", made.add("Gemm", "x", np.ones((3, 5), "f"), B1), skip)
    assert "its branches take 3 and 4 numbers a row" in made.refused()


def test_a_shape_that_is_not_declared_is_unknown():
    value = helper.make_tensor_value_info("x", 1, None)
    assert graphs.declared_dims(value) is None
    assert graphs.row_size(None) is None


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "[1]"])
def test_documentation_that_is_no_record_is_ignored(text):
    node = SimpleNamespace(doc_string=text)
    assert graphs.exact_numbers(node) == {}
    assert layers.record_of(node) is None
    assert layers.read_recorded(None, node) is False


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ({"value_float": 1.5}, 1.5), ({"value_floats": [1.0, 2.0]}, [1.0, 2.0]),
        ({"value_int": 3}, 3), ({"value_ints": [3, 4]}, [3, 4]), ({"value_string": "a"}, None),
    ],
)  # fmt: skip
def test_constants_in_any_attribute(value, wanted):
    found = graphs.constant_value(helper.make_node("Constant", [], ["c"], **value))
    assert (None if found is None else found.tolist()) == wanted


def test_functions_are_counted_inside_of_graphs_too():
    inside = helper.make_graph([helper.make_node("f", [], [])], "inside", [], [])
    node = helper.make_node("If", ["x"], ["y"], then_branch=inside, else_branch=inside)
    function = SimpleNamespace(domain="", name="f", node=[node])
    model = SimpleNamespace(functions=[function], graph=SimpleNamespace(node=[node]))
    with pytest.raises(ValueError, match="function 'f' calls itself"):
        graphs.require_few_calls(model)


def test_classes_of_an_extractor_and_labels_that_are_constants(made):
    x = made.add("Gemm", "_", W1, B1)
    classes = made.const(np.array([3, 5]))
    made.add("ArrayFeatureExtractor", classes, x, domain="ai.onnx.ml")
    graph = graphs.Graph(made.model(x, classes))
    assert graph.class_names() == [3, 5]
    assert graph.main_output() == x


def test_a_table_without_columns_and_columns_of_an_unknown_type(made):
    made.add("Gemm", "_", W1, B1)
    model = made.model()
    helper.set_model_props(model, {names.TABLE: "{}"})
    model.graph.input[0].type.tensor_type.elem_type = 99
    with pytest.raises(ValueError, match="input 'x' is of the unknown type 99"):
        graphs.Graph(model).input_dtype("x")
    del model.graph.input[:]
    with pytest.raises(ValueError, match="no inputs, wanted the columns of a table"):
        graphs.Graph(model)


def test_onnx_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'needs onnx: pip install "affinet\[onnx\]"'):
        an.onnx.load("model.onnx")


def test_numbers_beyond_single_precision_and_files_beyond_two_gigabytes(tmp_path, monkeypatch):
    path, affine = tmp_path / "m.onnx", an.Affine.init(4, 5, rng=0)
    with pytest.raises(ValueError, match=r"alpha is 1e\+39, more than ONNX's single precision"):
        an.onnx.export(an.Sequential(affine, an.LeakyReLU(1e39)), path)
    monkeypatch.setattr(writer, "MOST_BYTES", 99)
    with pytest.raises(ValueError, match="the parameters take 100 bytes, an ONNX file holds 2 GB"):
        an.onnx.export(an.Sequential(affine), path)
    assert not path.exists()
