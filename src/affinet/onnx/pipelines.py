"""Converters for skl2onnx: affinet's estimators at the end of a scikit-learn Pipeline."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import helper
from skl2onnx import update_registered_converter
from skl2onnx.common import data_types as kinds
from skl2onnx.common.utils_classifier import get_label_classes
from skl2onnx.helpers.integration import add_onnx_graph
from sklearn.utils.validation import check_is_fitted

from affinet import estimators
from affinet._validation import Array
from affinet.ensemble import Ensemble
from affinet.export.models import network_of, use_known_head
from affinet.onnx import writer
from affinet.onnx.columns import joined
from affinet.onnx.names import ML_DOMAIN
from affinet.onnx.sources import table_parts
from affinet.onnx.table_writer import Parts, require_exportable, require_free, write_table
from affinet.onnx.writer import GraphWriter, Options, element_type
from affinet.tables.frames import numbered
from affinet.tables.graph import INT64

TEXT, DOUBLE = np.dtype(object), np.dtype(np.float64)
NO_CLASS = np.iinfo(np.int64).min  # for a row that predict refuses
OPTIONS = {
    "zipmap": [True, False, "columns"],
    "output_class_labels": [False, True],
    "nocl": [False, True],
}


def register() -> None:
    """Register all estimators; see :func:`affinet.onnx.register_skl2onnx`."""
    for name in estimators.__all__:
        classifies = name.endswith("Classifier")
        update_registered_converter(
            getattr(estimators, name), f"Affinet{name}", declare_outputs, convert,
            options=OPTIONS if classifies else None,
        )  # fmt: skip


# Shapes ------------------------------------------------------------------------------------------


def declare_outputs(operator: Any) -> None:
    """Set the types of an operator's outputs."""
    model, rows = operator.raw_operator, operator.inputs[0].get_first_dimension()
    check_is_fitted(model, ["net_", "ensemble_", "estimators_"], all_or_any=any)
    number = kinds.DoubleTensorType if number_dtype(operator) == DOUBLE else kinds.FloatTensorType
    if not hasattr(model, "classes_"):
        operator.outputs[0].set_type(number([rows, getattr(model, "n_outputs_", 1)]))
        return
    labels = class_labels(operator)
    shape = [rows, len(labels)]
    label = kinds.StringTensorType if labels.dtype == TEXT else kinds.Int64TensorType
    operator.outputs[0].set_type(label(shape if has_several_labels(model) else [rows]))
    operator.outputs[1].set_type(number(shape))


def number_dtype(operator: Any) -> np.dtype[Any]:
    """The dtype of numbers that are returned: double if one of the inputs is, else single."""
    doubles = [isinstance(given.type, kinds.DoubleTensorType) for given in operator.inputs]
    return np.dtype(np.float64 if any(doubles) else np.float32)


def class_labels(operator: Any) -> Array:
    """The classes as int64, as scikit-learn takes only whole numbers for classes, or texts."""
    labels = np.asarray(get_label_classes(operator.scope_inst, operator.raw_operator))
    if labels.dtype.kind in "biuf":
        return labels.astype(np.int64)
    return np.array([str(label) for label in labels.tolist()], object)


def has_several_labels(model: Any) -> bool:
    """Whether a row may have several labels."""
    return getattr(model, "out_activation_", None) == "logistic" and model.n_outputs_ > 1


# Graphs ------------------------------------------------------------------------------------------


def convert(scope: Any, operator: Any, container: Any) -> None:
    """Add an estimator's nodes to skl2onnx's graph."""
    add_onnx_graph(scope, operator, container, model_of(operator, container.target_opset_onnx))


def model_of(operator: Any, opset: int) -> Any:
    """The ONNX model of an operator, from its inputs to its outputs."""
    graph = GraphWriter(DOUBLE, opset, "")
    inputs = [(f"input.{place}", given.type) for place, given in enumerate(operator.inputs)]
    table = table_parts(operator.raw_operator)
    if table is None:
        write_outputs(graph, operator.raw_operator, inputs)
        outputs = write_answers(graph, operator, graph.tensor)
    else:
        outputs = write_table_answers(graph, operator, table, inputs)
    graph.place = "outputs"
    outputs[-1] = graph.add("Cast", outputs[-1], to=element_type(number_dtype(operator)))
    declared = [
        helper.make_tensor_value_info(name, kinds.guess_proto_type(kind), kind.shape)
        for name, kind in [
            *inputs,
            *zip(outputs, (made.type for made in operator.outputs), strict=True),
        ]
    ]
    n = len(inputs)
    made = helper.make_graph(
        *(graph.nodes, type(operator.raw_operator).__name__),
        *(declared[:n], declared[n:], list(graph.initializers.values())),
    )
    return writer.complete(made, opset)


def write_outputs(graph: GraphWriter, model: Any, inputs: Sequence[tuple[str, Any]]) -> None:
    """Add the network of an MLP estimator, or the mean of its networks."""
    net = network_of(model)
    if not isinstance(net, Ensemble):
        use_known_head(model, net)
    dtype = writer.dtype_of(net)
    writer.require_options(net, Options(graph.opset, False, None, "x", "y"))
    graph.place = "columns"
    columns = [graph.add("Cast", name, to=element_type(dtype)) for name, _ in inputs]
    graph.tensor, graph.dtype = joined(graph, columns), dtype
    if isinstance(net, Ensemble):
        writer.write_ensemble(graph, net, dtype)
    else:
        writer.write_network(graph, net, dtype)


def write_answers(graph: GraphWriter, operator: Any, outputs: str) -> list[str]:
    """Add what the outputs of an MLP estimator's network mean: labels and probabilities."""
    model, graph.place = operator.raw_operator, "answers"
    if not hasattr(model, "classes_"):
        return [graph.add("Exp", outputs) if model.out_activation_ == "exp" else outputs]
    labels = class_labels(operator)
    softmax = model.out_activation_ == "softmax"
    p = graph.add("Softmax", outputs, axis=-1) if softmax else graph.add("Sigmoid", outputs)
    if softmax:
        place = graph.add("ArgMax", outputs, axis=1)
    else:
        graph.add("Greater", outputs, graph.constant("zero", 0))
        place = graph.add("Cast", to=INT64)
        if has_several_labels(model):
            return [place, p]
        one = graph.constant("one", 1)
        if len(labels) == 1:
            place, p = graph.add("Sub", place, place), graph.add("Add", one, graph.add("Sub", p, p))
        else:
            p = graph.add("Concat", graph.add("Sub", one, p), p, axis=1)
    write = graph.texts if labels.dtype == TEXT else graph.indices
    graph.add("ArrayFeatureExtractor", write("classes", labels), place, domain=ML_DOMAIN)
    return [graph.add("Reshape", graph.tensor, graph.indices("rows", [-1])), p]


# Tables ------------------------------------------------------------------------------------------


def write_table_answers(
    graph: GraphWriter, operator: Any, table: Parts, inputs: Sequence[tuple[str, Any]]
) -> list[str]:
    """Add all nodes of an estimator for tables."""
    for part in table.parts:
        require_exportable(part.net, part.model, Options(graph.opset, False, None, "x", "y"))
    labels = None
    if table.classes is not None:
        labels = class_labels(operator)
        labels = np.append(labels, "" if labels.dtype == TEXT else NO_CLASS)
    columns, answers, _ = write_table(graph, table, labels, lambda name: DOUBLE)
    require_free(graph, columns, (name for name, _ in inputs))
    behind, graph.nodes, graph.place = graph.nodes, [], "columns"
    cells = columns_of(operator.raw_operator, inputs)
    for name, dtype in columns.items():
        graph.tensor, kind = cells[name][0], cells[name][2]
        graph.add("Gather", graph.tensor, graph.indices(name, [cells[name][1]]), axis=1)
        write_column(graph, table, name, dtype == TEXT, kind)
        graph.nodes[-1].output[0] = name
    graph.nodes += behind
    return list(answers.values())


def columns_of(model: Any, inputs: Sequence[tuple[str, Any]]) -> dict[str, tuple[str, int, Any]]:
    """For the name of each column of the training the input that holds it, its place and type."""
    names = list(getattr(model, "feature_names_in_", numbered(model.n_features_in_)))
    widths = [kind.shape[1] if len(kind.shape) > 1 else 1 for _, kind in inputs]
    if len(inputs) == 1 and not widths[0]:
        widths = [len(names)]
    if None in widths or sum(widths) != len(names):
        raise ValueError(
            f"the inputs of {type(model).__name__} have {widths} columns, wanted {len(names)} "
            "in all"
        )
    places = [
        (name, place, kind)
        for (name, kind), width in zip(inputs, widths, strict=True)
        for place in range(width)
    ]
    return dict(zip(names, places, strict=True))


def write_column(graph: GraphWriter, table: Parts, name: str, text: bool, kind: Any) -> None:
    """Add the last output, a column of a type, as float64 or as texts."""
    given_text = isinstance(kind, kinds.StringTensorType)
    if not text and not given_text:
        graph.add("Cast", to=element_type(DOUBLE))
    elif text and not given_text and all_whole(table, name):
        write_whole(graph)
    elif text != given_text:
        raise TypeError(
            f"column {name!r} is {type(kind).__name__}, wanted "
            f"{'StringTensorType' if text else 'numbers'}, as in training"
        )
    else:
        graph.add("Identity")


def write_whole(graph: GraphWriter) -> None:
    """Add the texts of whole numbers: "" for NaN, and a text that no category has for others."""
    graph.dtype = DOUBLE
    x = graph.add("Cast", to=element_type(DOUBLE))
    whole = graph.add("Cast", to=INT64)
    text = graph.add("Cast", to=element_type(TEXT))
    same = graph.add("Equal", x, graph.add("Cast", whole, to=element_type(DOUBLE)))
    text = graph.add("Where", same, text, graph.texts("unknown", "unknown"))
    graph.add("Where", graph.add("IsNaN", x), graph.texts("missing", ""), text)


def all_whole(table: Parts, name: str) -> bool:
    """Whether a column holds categories that are whole numbers."""
    columns = [
        column for part in table.parts for column in part.model.encoding.columns
        if column.name == name
    ]  # fmt: skip
    return all(
        re.fullmatch(r"-?\d{1,15}", text)
        for column in columns
        for text in getattr(column, "categories", ("dates",))
    )
