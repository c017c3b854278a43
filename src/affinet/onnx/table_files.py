"""ONNX graphs of models of tables, and of ensembles inside a network, read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from affinet.losses import Loss
from affinet.model_file import build_part, known_types, part_type
from affinet.network import Sequential
from affinet.onnx import names, writer
from affinet.onnx.columns import ColumnWriter
from affinet.onnx.ensembles import require_members, write_answer, write_tiled
from affinet.onnx.graph import Graph
from affinet.onnx.reader import Reader
from affinet.onnx.tables import (
    TableModel,
    names_of_classes,
    write_answers,
    write_rows,
    write_values,
)
from affinet.onnx.twins import DifferentError, matched
from affinet.onnx.writer import GraphWriter, element_type
from affinet.tables.table import listing

DTYPES = ("float32", "float64")
NETWORK = "\0network"  # stands for the network's output in a twin


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
        write_tiled(twin, model.ensemble)
        rows, twin.tensor = twin.tensor, NETWORK
        values = write_values(twin, model, dtype)
        labels = names_of_classes(model.classes)
        answers = [*write_answers(twin, labels, values, known).values()]
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
