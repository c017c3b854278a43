"""Writes models of tables as ONNX graphs: one, or several whose answers are averaged."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from onnx import helper

from affinet._validation import Array
from affinet.ensemble import Ensemble
from affinet.losses import mixtures
from affinet.network import Sequential
from affinet.network.inner import walk
from affinet.onnx import names, writer
from affinet.onnx.columns import ColumnWriter, declarations
from affinet.onnx.ensembles import ALONE, require_members, write_average, write_tiled
from affinet.onnx.tables import (
    LABEL,
    PROBABILITIES,
    TableModel,
    names_of_classes,
    texts_of,
    write_answers,
    write_rows,
    write_values,
)
from affinet.onnx.writer import GraphWriter, Options, dtype_of, element_type, members_of
from affinet.tables.encoding import Encoding
from affinet.tables.graph import FLOAT64

DEFAULT_NAMES = {"input_name": "x", "output_name": "y"}


@dataclass(frozen=True)
class Part:
    """One of the models of a table whose answers are averaged.

    Attributes
    ----------
    net : Sequential or Ensemble
    model : TableModel
    weight : float
        Of its answers.
    """

    net: Sequential | Ensemble
    model: TableModel
    weight: float = 1.0


@dataclass(frozen=True)
class Parts:
    """Models of a table, of which each may encode it in its own way.

    Attributes
    ----------
    parts : list of Part
    classes : tuple of str or None
        The names of all classes; a part may lack some. None for a number.
    metadata : dict
        Of the whole.
    """

    parts: Sequence[Part]
    classes: tuple[str, ...] | None
    metadata: dict[str, Any]

    @property
    def opset(self) -> int:
        """The operators' version where none is asked for."""
        return max(part.model.opset for part in self.parts)


def model_of_table(table: Parts, options: Options) -> Any:
    """The ONNX model that takes a table's columns; see :func:`affinet.onnx.export`."""
    for part in table.parts:
        require_exportable(part.net, part.model, options)
    number = np.dtype(np.float64 if options.input_dtype is None else options.input_dtype)
    graph = GraphWriter(dtype_of(table.parts[0].net), options.opset, "")
    labels = names_of_classes(table.classes)
    inputs, answers, rows = write_table(graph, table, labels, lambda name: number)
    outputs = name_outputs(graph, inputs, answers)
    n_classes = len(table.classes or ())
    found = writer.complete(
        helper.make_graph(
            graph.nodes,
            "affinet",
            declarations(inputs),
            [declared(kind, name, n_classes) for kind, name in outputs.items()],
            list(graph.initializers.values()),
        ),
        options.opset,
    )
    nets = [net for part in table.parts for net in members_of(part.net)]
    properties = writer.properties_of(table.metadata, nets, probabilities=False)
    net = table.parts[0].net
    if len(table.parts) == 1 and isinstance(net, Sequential):
        record = {
            "columns": True, "rows": rows, "dtype": net.dtype.name, "loss": writer.loss_of(net),
        }  # fmt: skip
        properties[names.TABLE] = json.dumps(record)
    helper.set_model_props(found, properties)
    return found


def write_table(
    graph: GraphWriter,
    table: Parts,
    labels: Array | None,
    number: Callable[[str], np.dtype[Any]],
) -> tuple[dict[str, np.dtype[Any]], dict[str, str], str]:
    """Add all nodes; the inputs, the tensors of the answers, and that of the last network's rows.

    Rows are encoded once for all networks that take the same ones.
    """
    inputs: dict[str, np.dtype[Any]] = {}
    encoded: list[tuple[Encoding, np.dtype[Any], str, str]] = []
    values = []
    for place, part in enumerate(table.parts):
        graph.prefix = f"model.{place}." if len(table.parts) > 1 else ""
        encoding, dtype = part.model.encoding, dtype_of(part.net)
        known_rows = [rows for e, d, rows, _ in encoded if (e, d) == (encoding, dtype)]
        if known_rows:
            (rows,) = known_rows
        else:
            columns = ColumnWriter(graph, encoding.decimal, number, inputs)
            known = write_rows(graph, part.model, columns, dtype)
            inputs |= columns.inputs
            rows = graph.tensor
            encoded.append((encoding, dtype, rows, known))
        if isinstance(part.net, Sequential):
            rows = write_network(graph, part.net, part.model, rows)
            values.append(write_values(graph, part.model, dtype))
        else:
            write_mean(graph, part.net, part.model, rows)
            values.append(write_values(graph, replace(part.model, ensemble=ALONE), graph.dtype))
        if table.classes is not None:
            write_classes(graph, part.model, table.classes)
            values[-1] = graph.tensor, values[-1][1]
    graph.prefix, graph.place = "", "answers"
    known, *others = (known for *_, known in encoded)
    for other in others:
        known = graph.add("And", known, other)
    if len(values) > 1:
        weights = [part.weight for part in table.parts]
        mean = mixtures.write_mean(graph, [value for value, _ in values], weights)
        values = [(mean, mean)]
    return inputs, write_answers(graph, labels, values[0], known), rows


def write_network(graph: GraphWriter, net: Sequential, model: TableModel, rows: str) -> str:
    """Add a network for encoded rows, and return the tensor of those that it takes."""
    graph.place, graph.tensor, graph.dtype = "rows", rows, net.dtype
    write_tiled(graph, model.ensemble)
    rows = graph.tensor
    writer.write_network(graph, net, net.dtype)
    return rows


def write_mean(graph: GraphWriter, ensemble: Ensemble, model: TableModel, rows: str) -> None:
    """Add all networks of an ensemble for encoded rows, and the mean of their answers."""
    prefix, outputs = graph.prefix, []
    for place, net in enumerate(ensemble.members):
        graph.prefix = f"{prefix}member.{place}."
        write_network(graph, net, model, rows)
        graph.place, graph.dtype = "answer", np.dtype(np.float64)
        if net.dtype != np.float64:
            graph.add("Cast", to=FLOAT64)
        write_average(graph, model.ensemble, model.n_outputs)
        outputs.append(graph.tensor)
    graph.prefix = prefix
    writer.write_combined(graph, ensemble, outputs)


def write_classes(graph: GraphWriter, model: TableModel, classes: tuple[str, ...]) -> None:
    """Add columns of 0 to the last output, probabilities, for classes that a model lacks."""
    own = model.classes or ()
    if own != classes:
        places = [classes.index(name) for name in own]
        graph.tensor = graph.add(
            "MatMul", graph.tensor, graph.constant("classes", np.eye(len(classes))[places])
        )


def require_exportable(net: Sequential | Ensemble, model: TableModel, options: Options) -> None:
    """Raise unless the model of a table can be written with these options."""
    writer.require_options(net, options)
    for argument, default in DEFAULT_NAMES.items():
        if getattr(options, argument) != default:
            raise ValueError(
                f"{argument} is {getattr(options, argument)!r}, but the graph of a table has the "
                "names of its columns; encoding=False writes the network alone"
            )
    for member in members_of(net):
        for path, layer in walk(member.layers):
            writer.require_own(path, layer)
        if member.dtype != members_of(net)[0].dtype:
            raise ValueError("the networks have different dtypes, wanted one for all")
        model.require_fitting(member, writer.widths(member))
        require_members(member, model.ensemble.members)
    for text in texts_of(model.encoding):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError(
                f"the name {text!r:.80} of a column, category or class has characters that UTF-8 "
                "cannot write"
            ) from None


def require_free(graph: GraphWriter, inputs: Iterable[str], others: Iterable[str] = ()) -> set[str]:
    """The names of the graph's tensors and others; ValueError if a column has one of them."""
    own = {*graph.initializers, *others, *(name for node in graph.nodes for name in node.output)}
    taken = {*inputs} & own
    if taken:
        raise ValueError(
            f"a column is named {min(taken)!r}, as a tensor of the graph is: rename it"
        )
    return own


def name_outputs(
    graph: GraphWriter, inputs: Iterable[str], answers: Mapping[str, str]
) -> dict[str, str]:
    """Give the outputs their names, with an underscore behind one that a column has."""
    own, taken = require_free(graph, inputs), {*inputs}
    made = {node.output[0]: node for node in graph.nodes}
    outputs = {}
    for kind, tensor in answers.items():
        name = kind
        while name in taken or name in own:
            name += "_"
        made[tensor].output[0] = outputs[kind] = name
    return outputs


def declared(kind: str, name: str, n_classes: int) -> Any:
    """The declaration of an output."""
    if kind == LABEL:
        return helper.make_tensor_value_info(name, element_type(np.dtype(object)), ["batch"])
    width = n_classes if kind == PROBABILITIES else 1
    return writer.tensor(name, np.dtype(np.float64), width)
