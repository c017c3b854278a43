"""Writes a network as an ONNX graph."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import DTypeLike
from onnx import helper, numpy_helper

import affinet.layers
from affinet._validation import whole_number
from affinet._version import __version__
from affinet.archive import write_atomically
from affinet.ensemble import Ensemble
from affinet.layers.tree import width_returned, width_taken
from affinet.losses import Loss, mixtures
from affinet.model_file import describe_part, known_types
from affinet.network import Sequential
from affinet.onnx import names
from affinet.onnx.ensembles import ALONE, Members, write_answer, write_tiled

OPSET = 17  # where no other is asked for: that of LayerNormalization
FIRST_OPSET = 13  # Softmax means the last axis from here on
MOST_BYTES = 2**31 - 2**20  # a protobuf holds 2 GB; the rest is for the graph


class Options(NamedTuple):
    """The options of :func:`affinet.onnx.export`; see there."""

    opset: int
    probabilities: bool
    input_dtype: DTypeLike | None
    input_name: str
    output_name: str


class GraphWriter:
    """A sequence of nodes: ``add`` appends one and sets ``tensor`` to its output."""

    def __init__(self, dtype: np.dtype[Any], opset: int, input_name: str) -> None:
        self.dtype = dtype
        self.opset = opset
        self.tensor = input_name
        self.place = ""  # path of the layer being written
        self.prefix = ""  # before all names, of a member of an ensemble
        self.nodes: list[Any] = []
        self.used: Counter[str] = Counter()  # node names without their numbers
        self.initializers: dict[str, Any] = {}

    def add(self, op: str, *inputs: str, n_outputs: int = 1, **attributes: Any) -> str:
        """Append a node; its inputs are those given, or else the last node's first output.

        ONNX stores attributes in single precision. If that changes a number, the exact one is also
        written to the node's documentation, so that :func:`affinet.onnx.load` restores it.
        """
        name = f"{self.prefix}{self.place}.{op}"
        self.used[name] += 1
        name += f".{self.used[name] - 1}" if self.used[name] > 1 else ""
        outputs = [name, *(f"{name}:{place}" for place in range(1, n_outputs))]
        node = helper.make_node(op, inputs or [self.tensor], outputs, name=name, **attributes)
        self.nodes.append(node)
        self.note(**{key: v for key, v in attributes.items() if isinstance(v, float)})
        self.tensor = name
        return name

    def note(self, **numbers: float) -> None:
        """Record the last node's numbers in double precision if single precision is not exact."""
        for name, value in numbers.items():
            if not np.isfinite(single(value)):
                raise ValueError(f"{name} is {value!r}, more than ONNX's single precision holds")
        exact = {name: v for name, v in numbers.items() if float(str(single(v))) != v}
        if exact:
            self.record(exact)

    def record(self, entries: Mapping[str, Any]) -> None:
        """Add entries to the last node's documentation, for :func:`affinet.onnx.load`."""
        node = self.nodes[-1]
        node.doc_string = json.dumps(json.loads(node.doc_string or "{}") | dict(entries))

    def describe(self, layer: Any, tensor: str, arrays: Mapping[str, str]) -> None:
        """Record in the last node that it ends a layer; see :class:`OnnxGraph`."""
        kind = {"type": type(layer).__name__, **layer.config()}
        self.record({names.LAYER: kind, names.INPUT: tensor, names.ARRAYS: dict(arrays)})

    def constant(self, name: str, value: Any) -> str:
        """Add an array in the graph's dtype; its name in the graph starts with the layer's path."""
        full_name = f"{self.prefix}{self.place}.{name}"
        array = np.ascontiguousarray(value, dtype=self.dtype).reshape(np.shape(value))
        self.initializers[full_name] = numpy_helper.from_array(array, full_name)
        return full_name

    def indices(self, name: str, value: Any) -> str:
        """Add an int64 array."""
        full_name = f"{self.prefix}{self.place}.{name}"
        array = np.array(value, np.int64)
        self.initializers[full_name] = numpy_helper.from_array(array, full_name)
        return full_name

    def texts(self, name: str, value: Any) -> str:
        """Add an array of texts."""
        full_name = f"{self.prefix}{self.place}.{name}"
        array = np.array(value, object)
        self.initializers[full_name] = numpy_helper.from_array(array, full_name)
        return full_name

    def parameters(self, layer: Any, *names: str) -> list[str]:
        """Add the layer's arrays with these names as constants."""
        return [self.constant(name, getattr(layer, name)) for name in names]

    def write(self, place: int, layer: Any) -> None:
        """Let a layer add its nodes; ``place`` is its index within the layer being written."""
        outer = self.place
        self.place = f"{outer}.{place}" if outer else str(place)
        require_own(f"{self.prefix}{self.place}", layer)
        layer.write_onnx(self)
        self.place = outer

    def write_layers(self, net: Any) -> None:
        """Add a network's layers."""
        self.place = ""
        for place, layer in enumerate(net.layers):
            self.write(place, layer)


def single(value: float) -> np.float32:
    """Round to the nearest single-precision number."""
    with np.errstate(over="ignore"):
        return np.float32(value)


def write_scale(graph: GraphWriter, scale: float) -> None:
    """Add a network's input scale, and record its exact value if the graph's dtype changes it."""
    stored = float(graph.dtype.type(scale))  # the network has checked that it is above 0
    graph.add("Mul", graph.tensor, graph.constant("scale", scale))
    if stored != scale:
        graph.nodes[-1].doc_string = json.dumps({"input_scale": scale})


def onnx_path(path: str | os.PathLike[str]) -> Path:
    """The path, if its name is that of an ONNX file."""
    target = Path(path)
    if target.suffix != ".onnx":
        raise ValueError(f"path is {str(target)!r}, wanted a name that ends in .onnx")
    return target


def save(model: Any, path: Path, check: bool) -> None:
    """Write a model to a file, checked if ``check``."""
    if check:
        onnx.checker.check_model(model, full_check=True)

    def write_model(file: IO[bytes]) -> None:
        file.write(model.SerializeToString())

    write_atomically(path, write_model)


def model_of(net: Sequential | Ensemble, options: Options, members: Members = ALONE) -> Any:
    """The ONNX model of a network or an ensemble; see :func:`affinet.onnx.export`.

    That of a network with an ensemble inside takes each row once, and returns the mean of its
    members' answers.
    """
    require_options(net, options)
    graph, rows = graph_of(net, options, members)
    model = complete(graph, options.opset)
    properties = properties_of(net.metadata, members_of(net), options.probabilities)
    if isinstance(net, Sequential) and members.members > 1:
        record = {"columns": False, "rows": rows, "dtype": net.dtype.name, "loss": loss_of(net)}
        properties[names.TABLE] = json.dumps(record)
    helper.set_model_props(model, properties)
    return model


def loss_of(net: Sequential) -> dict[str, Any] | None:
    """The description of a network's loss; None for a custom one."""
    known = type(net.loss) in known_types().values()
    return describe_part(net.loss) if net.loss is not None and known else None


def complete(graph: Any, opset: int) -> Any:
    """The model of a graph, with the versions of its operators."""
    domains = {node.domain for node in graph.node} - {""}
    model = helper.make_model(
        graph,
        opset_imports=[
            helper.make_opsetid("", opset),
            *(helper.make_opsetid(domain, names.ML_OPSET) for domain in sorted(domains)),
        ],
        producer_name="affinet",
        producer_version=__version__,
    )
    # The lowest format version with these operators, so that older runtimes can read it.
    model.ir_version = helper.find_min_ir_version_for(model.opset_import)
    return model


def properties_of(
    metadata: Mapping[str, Any], nets: Sequence[Sequential], probabilities: bool
) -> dict[str, str]:
    """Metadata and what is known of networks as properties of a model."""
    properties = {
        names.METADATA: json.dumps(metadata),
        names.PROBABILITIES: json.dumps(bool(probabilities)),
    }
    precisions = [net.precision for net in nets]
    if any(precisions):
        properties[names.PRECISION] = json.dumps(precisions if len(nets) > 1 else precisions[0])
    if len(nets) > 1:
        properties[names.MEMBERS] = json.dumps(len(nets))
    if "classes" in metadata:
        properties[names.CLASSES] = json.dumps(metadata["classes"])
    return properties


def members_of(net: Sequential | Ensemble) -> tuple[Sequential, ...]:
    """The networks of an ensemble, or the one."""
    return (net,) if isinstance(net, Sequential) else net.members


def dtype_of(net: Sequential | Ensemble) -> np.dtype[Any]:
    """The dtype of the outputs."""
    return np.result_type(*(member.dtype for member in members_of(net)))


def graph_of(net: Sequential | Ensemble, options: Options, members: Members) -> tuple[Any, str]:
    """The ONNX graph of a network or an ensemble, and the tensor of the rows that it takes."""
    dtype = dtype_of(net)
    input_dtype = dtype if options.input_dtype is None else np.dtype(options.input_dtype)
    writer = GraphWriter(dtype, options.opset, options.input_name)
    rows = writer.tensor
    if isinstance(net, Sequential):
        rows = write_network(writer, net, input_dtype, members)
    else:
        write_ensemble(writer, net, input_dtype)
    writer.place = "output"
    n_inputs, n_outputs = widths(members_of(net)[0])
    if members.members > 1:
        write_answer(writer, members, n_outputs, dtype, element_type(dtype))
    if options.probabilities:
        writer.add(net.loss.onnx_operator)

    name_output(writer, options)
    graph = helper.make_graph(
        writer.nodes,
        "affinet",
        [tensor(options.input_name, input_dtype, n_inputs)],
        [tensor(options.output_name, dtype, n_outputs)],
        list(writer.initializers.values()),
    )
    return graph, rows


def write_network(
    writer: GraphWriter,
    net: Sequential,
    input_dtype: np.dtype[Any],
    members: Members = ALONE,
) -> str:
    """Add the nodes of a network, and return the tensor of the rows that its layers take."""
    writer.place = "input"
    writer.dtype = net.dtype
    if input_dtype != net.dtype:
        writer.add("Cast", to=element_type(net.dtype))
    write_tiled(writer, members)
    rows = writer.tensor
    if net.input_scale is not None:
        write_scale(writer, net.input_scale)
    writer.write_layers(net)
    return rows


def write_ensemble(writer: GraphWriter, ensemble: Ensemble, input_dtype: np.dtype[Any]) -> None:
    """Add the nodes of all members and of their mean, which the loss defines."""
    dtype, start, prefix = writer.dtype, writer.tensor, writer.prefix
    outputs = []
    for place, net in enumerate(ensemble.members):
        writer.tensor, writer.prefix = start, f"{prefix}member.{place}."
        write_network(writer, net, input_dtype)
        if net.dtype != dtype:
            writer.add("Cast", to=element_type(dtype))
        outputs.append(writer.tensor)
    writer.prefix, writer.dtype = prefix, dtype
    write_combined(writer, ensemble, outputs)


def write_combined(writer: GraphWriter, ensemble: Ensemble, outputs: list[str]) -> None:
    """Add the weighted mean of an ensemble's outputs, which its loss defines."""
    writer.place, weights = "mean", ensemble.weights.tolist()
    if isinstance(ensemble.loss, Loss):
        require_same_class(ensemble.loss, "combined", "write_onnx_combined")
        ensemble.loss.write_onnx_combined(writer, outputs, weights)
    else:
        mixtures.write_mean(writer, outputs, weights)


def require_same_class(loss: Any, method: str, form: str) -> None:
    """Raise unless the class of a loss that has a method has its form in ONNX, too."""
    first = next((cls for cls in type(loss).__mro__ if method in vars(cls)), None)
    if first is not None and form not in vars(first):
        raise TypeError(f"{first.__name__}.{method}, of the loss {loss!r}, has no form in ONNX")


def name_output(writer: GraphWriter, options: Options) -> None:
    """Give the last node's output the requested name, if it is free."""
    names = {*writer.initializers, *(name for node in writer.nodes for name in node.output)}
    for argument in ("input_name", "output_name"):
        if getattr(options, argument) in names:
            raise ValueError(
                f"{argument} is {getattr(options, argument)!r}, a name of the graph's own"
            )
    writer.nodes[-1].output[0] = options.output_name


def require_options(net: Sequential | Ensemble, options: Options) -> None:
    """Raise if the options are invalid for any layers."""
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
    if options.probabilities:
        require_same_class(net.loss, "probabilities", "onnx_operator")
    if options.input_dtype is not None and np.dtype(options.input_dtype).kind not in "buif":
        raise TypeError(f"input_dtype is {options.input_dtype!r}, wanted one of real numbers")
    n_bytes = sum(member.params.flat.nbytes for member in members_of(net))
    if n_bytes > MOST_BYTES:
        raise ValueError(f"the parameters take {n_bytes:,} bytes, an ONNX file holds 2 GB")


def require_own(place: str, layer: Any) -> None:
    """Raise unless the layer's class itself, not just a base class, is affinet's."""
    if getattr(affinet.layers, type(layer).__name__, None) is not type(layer):
        raise TypeError(f"layer {place}: cannot export {layer!r}, only affinet's own layers")


def widths(net: Sequential) -> tuple[int, int]:
    """Values per row that the network takes and returns."""
    taken, returned = width_taken(net.layers), width_returned(net.layers)
    if taken is None or returned is None:
        raise ValueError("no layer fixes the number of inputs, wanted at least one Affine")
    return taken, returned


def tensor(name: str, dtype: np.dtype[Any], width: int) -> Any:
    """The declaration of a tensor of any number of rows."""
    return helper.make_tensor_value_info(name, element_type(dtype), ["batch", width])


def element_type(dtype: np.dtype[Any]) -> int:
    """ONNX's name for a dtype."""
    return int(helper.np_dtype_to_tensor_dtype(dtype))
