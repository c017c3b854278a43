"""From a network to an ONNX graph."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import DTypeLike
from onnx import helper, numpy_helper

import affinet.layers
from affinet._validation import Array, whole_number
from affinet._version import __version__
from affinet.archive import write_atomically
from affinet.network import Sequential
from affinet.onnx.names import CLASSES, METADATA

FIRST_OPSET = 13  # Softmax means the last axis from here on
MOST_BYTES = 2**31 - 2**20  # a protobuf holds 2 GB; the rest is for the graph


class Options(NamedTuple):
    """What a caller of :func:`affinet.onnx.export` chose; see there."""

    opset: int
    probabilities: bool
    input_dtype: DTypeLike | None
    input_name: str
    output_name: str


class GraphWriter:
    """Nodes in a row, each behind the last: ``add`` appends one and moves ``tensor`` to it."""

    def __init__(self, dtype: np.dtype[Any], opset: int, input_name: str) -> None:
        self.dtype = dtype
        self.opset = opset
        self.tensor = input_name
        self.place: int | str = "input"  # of the layer that is being written
        self.nodes: list[Any] = []
        self.initializers: dict[str, Any] = {}

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Append a node; its inputs are what is named, or else the last node's output."""
        name = f"{self.place}.{op}"
        earlier = sum(node.name.startswith(name) for node in self.nodes)
        name += f".{earlier}" if earlier else ""
        self.nodes.append(
            helper.make_node(op, inputs or [self.tensor], [name], name=name, **attributes)
        )
        self.tensor = name
        return name

    def constant(self, name: str, value: Any) -> str:
        """An array of the graph's dtype; the name in the graph begins with the layer's place."""
        full_name = f"{self.place}.{name}"
        array = np.ascontiguousarray(value, dtype=self.dtype).reshape(np.shape(value))
        self.initializers[full_name] = numpy_helper.from_array(array, full_name)
        return full_name

    def parameters(self, layer: Any, *names: str) -> list[str]:
        """The layer's arrays of these names, as constants."""
        return [self.constant(name, getattr(layer, name)) for name in names]

    def require_opset(self, wanted: int, layer: Any) -> None:
        """Raise if the layer's operator is newer than the graph's operators."""
        if self.opset < wanted:
            raise ValueError(
                f"opset is {self.opset}, wanted {wanted} or more: layer {self.place} is {layer!r}"
            )


def write(net: Sequential, path: str | os.PathLike[str], options: Options, *, check: bool) -> None:
    """Write the network's graph to a file; see :func:`affinet.onnx.export`."""
    target = Path(path)
    if target.suffix != ".onnx":
        raise ValueError(f"path is {str(target)!r}, wanted a name that ends in .onnx")
    model = model_of(net, options)
    if check:
        onnx.checker.check_model(model, full_check=True)

    def write_model(file: IO[bytes]) -> None:
        file.write(model.SerializeToString())

    write_atomically(target, write_model)


def model_of(net: Sequential, options: Options) -> Any:
    """The ONNX model of a network."""
    require_options(net, options)
    graph = graph_of(net, options)
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", options.opset)],
        producer_name="affinet",
        producer_version=__version__,
    )
    # The lowest version of the format that has these operators: older runtimes read it too.
    model.ir_version = helper.find_min_ir_version_for(model.opset_import)
    properties = {METADATA: json.dumps(net.metadata)}
    if "classes" in net.metadata:
        properties[CLASSES] = json.dumps(net.metadata["classes"])
    helper.set_model_props(model, properties)
    return model


def graph_of(net: Sequential, options: Options) -> Any:
    """The ONNX graph of a network."""
    writer = GraphWriter(net.dtype, options.opset, options.input_name)
    input_dtype = net.dtype if options.input_dtype is None else np.dtype(options.input_dtype)
    if input_dtype != net.dtype:
        writer.add("Cast", to=element_type(net.dtype))
    if net.input_scale is not None:
        writer.add("Mul", writer.tensor, writer.constant("scale", net.input_scale))
    for place, layer in enumerate(net.layers):
        writer.place = place
        require_own(place, layer)
        layer.write_onnx(writer)
    if options.probabilities:
        writer.place = "output"
        writer.add(net.loss.onnx_operator)
    if not writer.nodes:
        writer.add("Identity")

    name_output(writer, options)
    n_inputs, n_outputs = widths(net)
    return helper.make_graph(
        writer.nodes,
        "affinet",
        [tensor(options.input_name, input_dtype, n_inputs)],
        [tensor(options.output_name, net.dtype, n_outputs)],
        list(writer.initializers.values()),
    )


def name_output(writer: GraphWriter, options: Options) -> None:
    """Give the last node's output the name that was asked for, if it is free."""
    names = {*writer.initializers, *(name for node in writer.nodes for name in node.output)}
    for argument in ("input_name", "output_name"):
        if getattr(options, argument) in names:
            raise ValueError(
                f"{argument} is {getattr(options, argument)!r}, a name of the graph's own"
            )
    writer.nodes[-1].output[0] = options.output_name


def require_options(net: Sequential, options: Options) -> None:
    """Raise if what the caller chose is impossible, whatever the layers."""
    newest = onnx.defs.onnx_opset_version()
    if not FIRST_OPSET <= whole_number("opset", options.opset, FIRST_OPSET) <= newest:
        raise ValueError(
            f"opset is {options.opset}, wanted {FIRST_OPSET}..{newest}, "
            f"which onnx {onnx.__version__} knows"
        )
    for argument in ("input_name", "output_name"):
        name = getattr(options, argument)
        if not isinstance(name, str) or not name:
            raise ValueError(f"{argument} is {name!r}, wanted a name")
    if options.input_name == options.output_name:
        raise ValueError(f"input_name and output_name are both {options.input_name!r}")
    if options.probabilities and getattr(net.loss, "onnx_operator", None) is None:
        raise TypeError(f"probabilities: the loss {net.loss!r} gives no probabilities")
    if options.input_dtype is not None and np.dtype(options.input_dtype).kind not in "buif":
        raise TypeError(f"input_dtype is {options.input_dtype!r}, wanted one of real numbers")
    if net.params.flat.nbytes > MOST_BYTES:
        raise ValueError(
            f"the parameters take {net.params.flat.nbytes:,} bytes, an ONNX file holds 2 GB"
        )


def require_own(place: int, layer: Any) -> None:
    """Raise unless the layer's own class, and not one that it inherits from, is affinet's."""
    if getattr(affinet.layers, type(layer).__name__, None) is not type(layer):
        raise TypeError(f"layer {place}: cannot export {layer!r}, only affinet's own layers")


def widths(net: Sequential) -> tuple[int, int]:
    """Numbers a row that the network takes, and that it gives."""
    fixed = [(array.shape[0], array.shape[-1]) for array in first_parameters(net)]
    if not fixed:
        raise ValueError("no layer fixes the number of inputs, wanted at least one Affine")
    return fixed[0][0], fixed[-1][1]


def first_parameters(net: Sequential) -> list[Array]:
    """Of every layer that has parameters the first: W (I, O), or gamma (n,)."""
    return [
        net.params[f"{place}.{layer.parameters[0]}"]
        for place, layer in enumerate(net.layers)
        if layer.parameters
    ]


def tensor(name: str, dtype: np.dtype[Any], width: int) -> Any:
    """The declaration of a tensor of any number of rows."""
    return helper.make_tensor_value_info(name, element_type(dtype), ["batch", width])


def element_type(dtype: np.dtype[Any]) -> int:
    """What ONNX calls a dtype."""
    return int(helper.np_dtype_to_tensor_dtype(dtype))
