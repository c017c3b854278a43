"""ONNX graphs of models of tables, and of ensembles inside a network, written and read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from onnx import helper

from affinet.losses import Loss
from affinet.model_file import build_part, known_types, part_type
from affinet.network import Sequential
from affinet.network.inner import walk
from affinet.onnx import names, writer
from affinet.onnx.columns import ColumnWriter, declarations
from affinet.onnx.ensembles import require_members, write_answer, write_tiled
from affinet.onnx.graph import Graph
from affinet.onnx.reader import Reader
from affinet.onnx.tables import (
    LABEL,
    PROBABILITIES,
    TableModel,
    texts_of,
    write_answers,
    write_rows,
)
from affinet.onnx.twins import DifferentError, matched
from affinet.onnx.writer import GraphWriter, Options, element_type
from affinet.tables.table import listing

NETWORK = "\0network"  # stands for the network's output in a twin
DTYPES = ("float32", "float64")
DEFAULT_NAMES = {"input_name": "x", "output_name": "y"}


# Written -----------------------------------------------------------------------------------------


def model_of_table(net: Sequential, model: TableModel, options: Options) -> Any:
    """The ONNX model that takes a table's columns; see :func:`affinet.onnx.export`."""
    require_exportable(net, model, options)
    number = np.dtype(np.float64 if options.input_dtype is None else options.input_dtype)
    graph = GraphWriter(net.dtype, options.opset, "")
    columns = ColumnWriter(graph, model.encoding.decimal, lambda name: number)
    known = write_rows(graph, model, columns, net.dtype)
    rows = graph.tensor
    graph.place = "input"
    if net.input_scale is not None:
        writer.write_scale(graph, net.input_scale)
    graph.write_layers(net)
    answers = write_answers(graph, model, known, net.dtype)
    outputs = name_outputs(graph, columns.inputs, answers)
    found = writer.complete(
        helper.make_graph(
            graph.nodes,
            "affinet",
            declarations(columns.inputs),
            [declared(kind, name, model.n_outputs) for kind, name in outputs.items()],
            list(graph.initializers.values()),
        ),
        options.opset,
    )
    properties = writer.properties_of(net, probabilities=False)
    record = {"columns": True, "rows": rows, "dtype": net.dtype.name, "loss": writer.loss_of(net)}
    helper.set_model_props(found, properties | {names.TABLE: json.dumps(record)})
    return found


def require_exportable(net: Sequential, model: TableModel, options: Options) -> None:
    """Raise unless the model of a table can be written with these options."""
    writer.require_options(net, options)
    for argument, default in DEFAULT_NAMES.items():
        if getattr(options, argument) != default:
            raise ValueError(
                f"{argument} is {getattr(options, argument)!r}, but the graph of a table has the "
                "names of its columns; encoding=False writes the network alone"
            )
    if net.dtype.name not in DTYPES:
        raise ValueError(f"the network's dtype is {net.dtype}, wanted one of {', '.join(DTYPES)}")
    for path, layer in walk(net.layers):
        writer.require_own(path, layer)
    model.require_fitting(net, writer.widths(net))
    require_members(net, model.ensemble.members)
    for text in texts_of(model.encoding):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError(
                f"the name {text!r:.80} of a column, category or class has characters that UTF-8 "
                "cannot write"
            ) from None


def name_outputs(
    graph: GraphWriter, inputs: Iterable[str], answers: Mapping[str, str]
) -> dict[str, str]:
    """Give the outputs their names, with an underscore behind one that a column has."""
    own = {*graph.initializers, *(name for node in graph.nodes for name in node.output)}
    taken = {*inputs}
    if taken & own:
        raise ValueError(
            f"a column is named {min(taken & own)!r}, as a tensor of the graph is: rename it"
        )
    made = {node.output[0]: node for node in graph.nodes}
    outputs = {}
    for kind, tensor in answers.items():
        name = kind
        while name in taken or name in own:
            name += "_"
        made[tensor].output[0] = outputs[kind] = name
    return outputs


def declared(kind: str, name: str, n_outputs: int) -> Any:
    """The declaration of an output."""
    if kind == LABEL:
        return helper.make_tensor_value_info(name, element_type(np.dtype(object)), ["batch"])
    width = n_outputs if kind == PROBABILITIES else 1
    return writer.tensor(name, np.dtype(np.float64), width)


# Read --------------------------------------------------------------------------------------------


def read_table(graph: Graph, metadata: Mapping[str, Any]) -> Sequential:
    """The network of a graph whose other nodes are those of its metadata.

    The nodes before and behind the network must be the ones that the writer writes, so the metadata
    cannot claim anything that the graph does not compute.

    Raises
    ------
    ValueError
        If they differ, or if the metadata are damaged.
    """
    record = record_of(graph)
    model, dtype = TableModel.of(metadata), np.dtype(record["dtype"])
    twin = GraphWriter(dtype, graph.opset, graph.input)
    if record["columns"]:
        columns = ColumnWriter(twin, model.encoding.decimal, lambda name: real_dtype(graph, name))
        known = write_rows(twin, model, columns, dtype)
        rows, twin.tensor = twin.tensor, NETWORK
        answers = [*write_answers(twin, model, known, dtype).values()]
        inputs = columns.inputs
    else:
        inputs = {graph.input: real_dtype(graph, graph.input)}
        rows = write_member_rows(twin, model, inputs[graph.input])
        twin.tensor = NETWORK
        write_answer(twin, model.ensemble, model.n_outputs, dtype, element_type(dtype))
        if graph.property_of(names.PROBABILITIES):
            twin.add("Softmax")
        answers = [twin.tensor]
    require_inputs(graph, inputs)
    if len(answers) != len(graph.outputs):
        raise ValueError(f"outputs {graph.outputs}, wanted {len(answers)}")
    outputs = [*zip(graph.outputs, answers, strict=True), (record["rows"], rows)]
    try:
        found = matched(graph, twin, outputs, {name: name for name in inputs} | {NETWORK: None})
    except DifferentError as different:
        raise ValueError(
            f"the tensor {different.args[0]!r:.80} is not computed as its metadata say"
        ) from None
    graph.start_at(record["rows"], model.encoding.width)
    net = Reader(graph, found[NETWORK]).network()
    if net.dtype != dtype:
        raise ValueError(f"its network has dtype {net.dtype}, its record says {dtype}")
    net.loss = loss_from(record["loss"])
    model.require_fitting(net, writer.widths(net))
    require_members(net, model.ensemble.members)
    return net


def write_member_rows(twin: GraphWriter, model: TableModel, dtype: np.dtype[Any]) -> str:
    """Add the rows of an ensemble from those of the graph's input, of this dtype."""
    twin.place = "input"
    if dtype != twin.dtype:
        twin.add("Cast", to=element_type(twin.dtype))
    write_tiled(twin, model.ensemble)
    return twin.tensor


def record_of(graph: Graph) -> dict[str, Any]:
    """The record of what stands around the network; ValueError if it is damaged."""
    record = graph.property_of(names.TABLE)
    kinds = {"columns": bool, "rows": str, "dtype": str, "loss": dict | None}
    if not isinstance(record, dict) or not all(
        name in record and isinstance(record[name], kind) for name, kind in kinds.items()
    ):
        raise ValueError(f"its property {names.TABLE!r} is {record!r:.80}, wanted {[*kinds]}")
    if record["dtype"] not in DTYPES:
        raise ValueError(f"its record says dtype {record['dtype']!r:.50}, wanted one of {DTYPES}")
    return record


def loss_from(description: dict[str, Any] | None) -> Loss | None:
    """The loss of a description."""
    if description is None:
        return None
    kind = part_type("loss", description, known_types(), Loss)
    loss: Loss = build_part("loss", kind, description)
    return loss


def real_dtype(graph: Graph, name: str) -> np.dtype[Any]:
    """The dtype of an input of numbers."""
    dtype = graph.input_dtype(name)
    if dtype.kind not in "buif":
        raise ValueError(f"input {name!r} has dtype {dtype}, wanted real numbers")
    return dtype


def require_inputs(graph: Graph, wanted: Mapping[str, np.dtype[Any]]) -> None:
    """Raise unless the graph has these inputs."""
    if set(graph.inputs) != set(wanted):
        raise ValueError(f"inputs {listing([*graph.inputs])}, wanted {listing([*wanted])}")
    for name, dtype in wanted.items():
        found = graph.input_dtype(name)
        if found != dtype:
            raise ValueError(f"input {name!r} has dtype {found}, wanted {dtype}")
