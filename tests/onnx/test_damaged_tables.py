"""Graphs of tables whose nodes and metadata do not agree: one sentence that names the file."""

import json
import re

import numpy as np
import pytest

import affinet as an
from affinet.onnx.names import METADATA, TABLE
from affinet.tables import Encoding, Table
from affinet.tabular import recipe_for

onnx = pytest.importorskip("onnx", reason="needs onnx, the extra onnx")
helper, numpy_helper = onnx.helper, onnx.numpy_helper

COLUMNS = {
    "a": np.array([1.5, 2.5, np.nan, 4.0]),
    "b": ["x", "y", "z", "x"],
    "c": ["p", "q", "p", "q"],
}


@pytest.fixture
def path(tmp_path):
    """A model of classes."""
    table = Table("t", COLUMNS | {"t": ["no", "yes", "no", "yes"]})
    encoding = Encoding.fit(table, "t", scaling="robust", one_hot=2, missing="indicator")
    net = an.Sequential(
        an.Affine.init(encoding.width, 3, rng=0),
        an.Tanh(),
        an.Affine.init(3, 2, rng=1),
        loss=an.SoftmaxWithLoss(),
    )
    net.metadata = {"table": encoding.to_json()}
    an.onnx.export(net, tmp_path / "model.onnx")
    an.onnx.load(tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def refused(path, model):
    onnx.save(model, path)
    with pytest.raises(ValueError, match=r"model\.onnx: ") as caught:
        an.onnx.load(path)
    assert "\n" not in str(caught.value) or "not an ONNX model" in str(caught.value)
    return str(caught.value)


def with_property(path, name, change):
    """The refusal of a file with another property."""
    model = onnx.load(path)
    (entry,) = [entry for entry in model.metadata_props if entry.key == name]
    entry.value = json.dumps(change(json.loads(entry.value)))
    return refused(path, model)


RECIPE = recipe_for("mlp", "default", "classification", n_rows=100).to_json()


def column(place, **values):
    def change(metadata):
        metadata["table"]["columns"][place] |= values
        return metadata

    return change


ENCODINGS = {
    "another center": (column(0, scaling={"kind": "robust", "center": 0, "spread": 1}), "computed"),
    "another scaling": (column(0, scaling={"kind": "standard", "mean": 0, "std": 1}), "computed"),
    "no indicator": (column(0, indicator=False), "computed"),
    "another fill": (column(0, fill=3.0), "computed"),
    "another name": (column(0, name="z"), r"no input 'z'"),
    "the name of a text": (column(0, name="b"), "real numbers"),
    "other categories": (column(1, categories=["x", "y"]), "computed"),
    "categories in another order": (column(1, categories=["y", "x", "z"]), "computed"),
    "not tolerant": (column(1, tolerant=False), "computed"),
    "another kind": (column(1, kind="one-hot"), "computed"),
    "an invalid spread": (
        column(0, scaling={"kind": "robust", "center": 0, "spread": 0}), "'table' is not",
    ),
    "no table": (lambda metadata: {}, "'table' is not the record"),
    "another temperature": (
        lambda metadata: metadata | {"temperature": 2.0, "recipe": RECIPE}, "computed",
    ),
    "a temperature of 0": (
        lambda metadata: metadata | {"temperature": 0, "recipe": RECIPE}, "'temperature' is 0",
    ),
    "a recipe in words": (lambda metadata: metadata | {"recipe": "mlp"}, "'recipe' is"),
    "an ensemble": (
        lambda metadata: metadata | {"recipe": RECIPE | {"members": 10**12}}, "computed",
    ),
    "another task": (
        lambda metadata: metadata | {"recipe": RECIPE | {"task": "regression"}},
        "recipe is for regression, its table for classification",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ENCODINGS)
def test_metadata_that_the_graph_does_not_compute(path, name):
    change, words = ENCODINGS[name]
    message = with_property(path, METADATA, change)
    assert re.search(words, message), message


RECORDS = {
    "a number": (lambda record: 5, r"'affinet\.table' is 5"),
    "nothing": (lambda record: {}, r"'affinet\.table' is"),
    "another dtype": (lambda record: record | {"dtype": "float64"}, "computed"),
    "a dtype unknown": (lambda record: record | {"dtype": "int8"}, "dtype 'int8'"),
    "other rows": (lambda record: record | {"rows": "table.IsNaN"}, "computed"),
    "the output": (lambda record: record | {"rows": "probabilities"}, "computed"),
    "rows nowhere": (lambda record: record | {"rows": "z"}, "computed"),
    "a network alone": (lambda record: record | {"columns": False}, "inputs a, b, c, wanted a"),
    "a loss unknown": (lambda record: record | {"loss": {"type": "Loss"}}, "loss"),
    "another loss": (
        lambda record: record | {"loss": {"type": "MeanSquaredError"}}, "wanted SoftmaxWithLoss",
    ),
    "a layer as loss": (lambda record: record | {"loss": {"type": "ReLU"}}, "loss"),
    "no loss": (lambda record: record | {"loss": None}, "wanted SoftmaxWithLoss"),
    "a smoothing of 2": (
        lambda record: record | {"loss": {"type": "SoftmaxWithLoss", "label_smoothing": 2}}, "loss",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDS)
def test_damaged_records(path, name):
    change, words = RECORDS[name]
    message = with_property(path, TABLE, change)
    assert re.search(words, message), message


@pytest.mark.parametrize("members", [1, 3, 10**12])
def test_an_ensemble_of_other_members(tmp_path, members):
    path = tmp_path / "model.onnx"
    table = Table("t", {"a": np.arange(4.0), "t": np.array([1.5, 2, 3, 4])})
    encoding = Encoding.fit(table, "t")
    net = an.Sequential(an.MemberAffine(32, 1, 1, rng=0), loss=an.MeanSquaredError())
    recipe = recipe_for("tabm", "default", "regression", n_rows=100).to_json()
    net.metadata = {"table": encoding.to_json(), "recipe": recipe}

    def change(metadata):
        metadata["recipe"]["members"] = members
        return metadata

    for whole in (True, False):
        an.onnx.export(net, path, encoding=whole)
        an.onnx.load(path)
        assert "computed" in with_property(path, METADATA, change)


def test_a_record_of_another_dtype(tmp_path):
    """Nothing stands around this network, so only its own dtype shows that the record is wrong."""
    path = tmp_path / "model.onnx"
    encoding = Encoding.fit(Table("t", {"a": np.arange(4.0), "t": np.array([1.5, 2, 3, 4])}), "t")
    net = an.Sequential(an.Affine.init(1, 1, rng=0, dtype="float32"))
    net.metadata = {"table": encoding.to_json()}
    an.onnx.export(net, path, encoding=False, input_dtype=np.float64)
    model = onnx.load(path)
    record = {"columns": False, "rows": "x", "dtype": "float64", "loss": None}
    model.metadata_props.add(key=TABLE, value=json.dumps(record))
    assert "its network has dtype float32, its record says float64" in refused(path, model)


def test_a_property_that_is_not_json(path):
    model = onnx.load(path)
    for entry in model.metadata_props:
        if entry.key == TABLE:
            entry.value = "{"
    assert "'affinet.table' is None" in refused(path, model)


def node(graph, op, place=0):
    return [node for node in graph.node if node.op_type == op][place]


def another_default(graph):
    for attribute in node(graph, "LabelEncoder").attribute:
        if attribute.name == "default_int64":
            attribute.i = 1


def another_class(graph):
    for tensor in graph.initializer:
        if tensor.name == "answers.classes":
            classes = np.array(["yes", "no", ""], object)
            tensor.CopyFrom(numpy_helper.from_array(classes, tensor.name))


def without_clipping(graph):
    clip = node(graph, "Max")
    clip.op_type = "Min"


def another_type(graph):
    graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT


def a_text(graph):
    graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.STRING


def a_number(graph):
    graph.input[1].type.tensor_type.elem_type = onnx.TensorProto.FLOAT


def one_more_input(graph):
    graph.input.append(helper.make_tensor_value_info("more", 1, ["batch", 1]))


def one_output(graph):
    del graph.output[1]


def outputs_swapped(graph):
    first, second = graph.output[0], graph.output[1]
    swapped = [second, first]
    del graph.output[:]
    graph.output.extend(swapped)


def nothing_in_front(graph):
    """The first product reads the output of the answers' first node: a cycle."""
    node(graph, "Gemm").input[0] = "answers.Softmax"


def past_the_rows(graph):
    """The network reads what stands before the zeros of refused rows."""
    node(graph, "Gemm").input[0] = "rows.Cast"


GRAPHS = {
    another_default: "computed",
    another_class: "computed",
    without_clipping: "computed",
    another_type: "computed|damaged",
    a_text: "'a' has dtype object, wanted real numbers",
    a_number: "input 'b' has dtype float32, wanted object",
    one_more_input: "inputs a, b, c, more, wanted a, b, c",
    one_output: "outputs",
    outputs_swapped: "computed|not an ONNX model",
    nothing_in_front: "cycle|topological|damaged",
    past_the_rows: "Less|Where|computed|producer|nothing|layer",
}


@pytest.mark.parametrize("alter", GRAPHS, ids=lambda alter: alter.__name__)
def test_damaged_graphs(path, alter):
    model = onnx.load(path)
    alter(model.graph)
    message = refused(path, model)
    assert re.search(GRAPHS[alter], message), message


def test_a_truncated_file(path):
    content = path.read_bytes()
    for size in (0, 10, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match=r"model\.onnx: "):
            an.onnx.load(path)


def test_without_the_record_the_graph_is_no_network(path):
    model = onnx.load(path)
    kept = [entry for entry in model.metadata_props if entry.key != TABLE]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    assert "inputs ['a', 'b', 'c'], wanted one" in refused(path, model)
