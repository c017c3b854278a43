"""An ONNX graph in the form that the reader needs: producers of tensors, and constants."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import onnx
from onnx import helper, inliner, numpy_helper

from affinet._validation import Array
from affinet.onnx.joins import Joins
from affinet.onnx.names import MEMBERS, ML_DOMAIN, TABLE

STANDARD = ("", "ai.onnx")
MOST_NODES = 10_000  # after inlining functions, which can call each other exponentially often
MOST_OUTPUTS = 16  # skl2onnx gives a classifier up to four
# These return labels, not numbers.
LABEL_OPS = ("ArgMax", "ArrayFeatureExtractor", "Binarizer", "Greater")
FOLDED = ("Constant", "Identity", "Cast", "Transpose")  # operators that pass constants on


class Graph:
    """The graph of a model file.

    Attributes
    ----------
    input : str
        Name of the only input.
    dims : tuple of (int or None), or None
        Its declared shape, with None for an unknown size.
    opset : int
        Version of the standard operators.
    """

    def __init__(self, model: Any) -> None:
        if model.functions:
            require_few_calls(model)
            model = inliner.inline_local_functions(model)
        graph = model.graph
        self.nodes = list(graph.node)
        self.opset = max([i.version for i in model.opset_import if i.domain in STANDARD], default=1)
        self.properties = {p.key: p.value for p in model.metadata_props}
        if MEMBERS in self.properties:
            n = self.properties[MEMBERS]
            raise ValueError(f"it holds an ensemble of {n:.20} networks, wanted a single one")
        self._producers = {name: node for node in self.nodes for name in node.output if name}
        self._constants: dict[str, Array] = {i.name: array_of(i) for i in graph.initializer}
        self.n_bytes = sum(array.nbytes for array in self._constants.values())
        inputs = [i for i in graph.input if i.name not in self._constants]
        if len(inputs) != 1 and TABLE not in self.properties:
            raise ValueError(f"inputs {[i.name for i in inputs]}, wanted one")
        if not inputs:
            raise ValueError("no inputs, wanted the columns of a table")
        self.inputs = {i.name: i for i in inputs}
        self.input = inputs[0].name
        self.dims = declared_dims(inputs[0])
        require_no_cycle(self.nodes, self._producers)
        self.outputs = [o.name for o in graph.output]
        if len(self.outputs) > MOST_OUTPUTS:
            raise ValueError(f"{len(self.outputs)} outputs, wanted one beside the labels")

    def property_of(self, name: str) -> Any:
        """The value of a property; None if it is absent or not JSON: others use its name too."""
        try:
            return json.loads(self.properties[name]) if name in self.properties else None
        except (ValueError, RecursionError):
            return None

    def input_dtype(self, name: str) -> np.dtype[Any]:
        """The declared dtype of an input, object for texts; ValueError if there is none."""
        if name not in self.inputs:
            raise ValueError(f"no input {name!r}")
        code = self.inputs[name].type.tensor_type.elem_type
        try:
            dtype: np.dtype[Any] = np.dtype(helper.tensor_dtype_to_np_dtype(code))
        except KeyError:
            raise ValueError(f"input {name!r} is of the unknown type {code}") from None
        return dtype

    def start_at(self, tensor: str, width: int) -> None:
        """Read only what comes behind a tensor (B, width), as if it were the only input."""
        self.input, self.dims = tensor, (None, width)

    @functools.cached_property
    def joins(self) -> Joins:
        """The tensors where paths split and join."""
        return Joins(self.input, self.nodes)

    def producer(self, tensor: str) -> Any:
        """The node that produces a tensor; ValueError if no node does."""
        if tensor not in self._producers:
            raise ValueError(f"nothing produces the tensor {tensor!r}")
        return self._producers[tensor]

    def made_by(self, tensor: str, *ops: str) -> Any | None:
        """The node that produces a tensor, if it is one of these operators."""
        node = self._producers.get(tensor)
        if node is None or node.op_type not in ops:
            return None
        return node if node.domain in (*STANDARD, ML_DOMAIN) else None

    def constant(self, tensor: str) -> Array | None:
        """The value of a tensor that does not depend on the input; None if it is not folded."""
        if tensor in self._constants:
            return self._constants[tensor]
        chain, name = [], tensor
        while name not in self._constants:
            node = self.made_by(name, *FOLDED)
            if node is None:
                break
            chain.append(node)
            if node.op_type == "Constant":
                break
            name = node.input[0]
        value = self._constants.get(name)
        for node in reversed(chain):
            value = folded(node, value)
        if value is not None:
            self._constants[tensor] = value
        return value

    def number(self, tensor: str) -> float | None:
        """The value of a tensor that holds one constant number."""
        value = self.constant(tensor)
        return float(value.reshape(-1)[0]) if value is not None and value.size == 1 else None

    def data_inputs(self, node: Any) -> list[str]:
        """Names of the node's inputs that are not constants."""
        return [name for name in node.input if name and self.constant(name) is None]

    def main_output(self) -> str:
        """The only numeric output; a classifier from skl2onnx also has labels."""
        found = {self._behind_zipmap(name) for name in self.outputs if not self._is_label(name)}
        if len(found) != 1:
            raise ValueError(f"outputs {self.outputs}, wanted one beside the labels")
        return found.pop()

    def class_names(self) -> list[Any] | None:
        """The names of the classes that the label branch returns."""
        for node in self.nodes:
            if node.op_type == "ZipMap":
                values = attributes(node)
                names = values.get("classlabels_int64s") or values.get("classlabels_strings")
                return None if names is None else [plain(name) for name in names]
        for node in self.nodes:
            if node.op_type == "ArrayFeatureExtractor":
                value = self.constant(node.input[0])
                return None if value is None else [plain(name) for name in value.reshape(-1)]
        return None

    def _behind_zipmap(self, tensor: str) -> str:
        node = self.made_by(tensor, "ZipMap")
        return tensor if node is None else str(node.input[0])

    def _is_label(self, tensor: str) -> bool:
        if self.constant(tensor) is not None or self.made_by(tensor, "Constant") is not None:
            return True  # skl2onnx can make the list of classes itself an output
        while (node := self.made_by(tensor, "Cast", "Reshape", "Identity", *LABEL_OPS)) is not None:
            if node.op_type in LABEL_OPS:
                return True
            tensor = node.input[0]
        return False


def open_graph(source: Path) -> Graph:
    """The graph of a file, checked; ValueError if it is not one."""
    with source.open("rb"):  # a missing file raises the system's error, not onnx's
        pass
    try:
        onnx.checker.check_model(str(source))  # by name: a model in memory is limited to 2 GB
        model = onnx.load(source)
    # On damaged bytes, the decoder, the checker or the reader of external data may raise anything.
    except Exception as error:
        raise ValueError(f"not an ONNX model, or damaged: {error}") from error
    return Graph(model)


def refuse(node: Any, reason: str) -> NoReturn:
    """Raise the ValueError that names a node."""
    domain = "" if node.domain in STANDARD else f"{node.domain}."
    name = node.name or node.output[0]
    raise ValueError(f"node {name!r} ({domain}{node.op_type}): {reason}")


def attributes(node: Any) -> dict[str, Any]:
    """A node's attributes by name, texts as str."""
    values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    return {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in values.items()
    }


def meant_attributes(node: Any) -> dict[str, Any]:
    """The attributes with every number as its writer intended.

    ONNX stores single precision: the exact number is the one that affinet's writer recorded next to
    it, or else the shortest decimal that rounds to it.
    """
    exact = exact_numbers(node)
    values = attributes(node)
    for name, value in values.items():
        if isinstance(value, float):
            same = name in exact and same_in_single(exact[name], value)
            values[name] = exact[name] if same else shortest(value)
    return values


def same_in_single(exact: float, value: float) -> bool:
    """True if an exact number rounds to this one in single precision."""
    with np.errstate(over="ignore"):
        return bool(np.float32(exact) == value)


def shortest(value: float) -> float:
    """The shortest decimal that rounds to a single-precision number: 0.2 for 0.20000000298.

    A number that single precision cannot represent is already exact.
    """
    with np.errstate(over="ignore"):
        single = np.float32(value)
    return float(str(single)) if float(single) == value else value


def exact_numbers(node: Any) -> dict[str, float]:
    """Double-precision values that affinet's writer recorded next to single-precision ones."""
    try:
        numbers = json.loads(node.doc_string or "{}")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(numbers, dict):
        return {}
    return {name: number for name, number in numbers.items() if isinstance(number, float)}


def cast_target(node: Any) -> np.dtype[Any]:
    """The dtype that a Cast converts to."""
    code = attributes(node)["to"]
    try:
        dtype: np.dtype[Any] = np.dtype(helper.tensor_dtype_to_np_dtype(code))
    except KeyError:
        refuse(node, f"a cast to the unknown type {code}")
    return dtype


def require_few_calls(model: Any) -> None:
    """Raise if inlining the model's functions would give too many nodes."""
    functions = {(f.domain, f.name): f for f in model.functions}
    sizes: dict[tuple[str, str], int | None] = {}

    def size_of(nodes: Iterable[Any]) -> int:
        total = 0
        for node in nodes:
            key = (node.domain, node.op_type)
            total += 1
            if key in functions:
                if key not in sizes:
                    sizes[key] = None  # being counted
                    sizes[key] = size_of(functions[key].node)
                size = sizes[key]
                if size is None:
                    raise ValueError(f"function {node.op_type!r} calls itself")
                total += size
            for attribute in node.attribute:
                total += sum(size_of(g.node) for g in (attribute.g, *attribute.graphs))
            if total > MOST_NODES:
                raise ValueError(f"more than {MOST_NODES} nodes when its functions are inlined")
        return total

    size_of(model.graph.node)


def folded(node: Any, value: Array | None) -> Array | None:
    """The result of a folded node for the constant ``value``; None if it is not constant."""
    if node.op_type == "Constant":
        return constant_value(node)
    if value is None or node.op_type == "Identity":
        return value
    if node.op_type == "Transpose":
        return np.asarray(value.transpose(attributes(node).get("perm")))
    return np.asarray(value.astype(cast_target(node)))


def array_of(tensor: Any) -> Array:
    """The array of a tensor in the file."""
    try:
        return np.asarray(numpy_helper.to_array(tensor))
    except KeyError:
        raise ValueError(
            f"tensor {tensor.name!r} is of the unknown type {tensor.data_type}"
        ) from None


def constant_value(node: Any) -> Array | None:
    """The value of a Constant node; None for a sparse tensor or a string."""
    values = attributes(node)
    if "value" in values:
        return array_of(values["value"])
    for name, dtype in (("value_float", np.float32), ("value_int", np.int64)):
        for key in (name, f"{name}s"):
            if key in values:
                return np.asarray(values[key], dtype)
    return None


def require_no_cycle(nodes: Sequence[Any], producers: Mapping[str, Any]) -> None:
    """Raise ValueError if a tensor depends on itself: walks back through it would never end."""
    places = {id(node): place for place, node in enumerate(nodes)}
    readers: list[list[int]] = [[] for _ in nodes]
    missing = [0] * len(nodes)
    for place, node in enumerate(nodes):
        for name in node.input:
            if name in producers:
                readers[places[id(producers[name])]].append(place)
                missing[place] += 1
    ready = [place for place, count in enumerate(missing) if count == 0]
    for place in ready:  # grows while it is gone through
        for reader in readers[place]:
            missing[reader] -= 1
            if missing[reader] == 0:
                ready.append(reader)
    if len(ready) < len(nodes):
        raise ValueError("the nodes form a cycle: a tensor depends on itself")


def declared_dims(value: Any) -> tuple[int | None, ...] | None:
    """The declared shape of a graph's input, with None for unknown sizes."""
    kind = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not kind.HasField("shape"):
        return None
    return tuple(d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim)


def row_size(dims: tuple[int | None, ...] | None) -> int | None:
    """The number of values in a row of this shape, if it is known."""
    if not dims:
        return None
    sizes = [size for size in dims[1:] if size is not None]
    return math.prod(sizes) if len(sizes) == len(dims) - 1 else None


def row_columns(graph: Graph, node: Any) -> int | None:
    """Columns of a Reshape that keeps the rows (-1 for any number), None if it does not."""
    shape = graph.constant(node.input[1])
    if shape is not None:
        if shape.size != 2:
            return None
        rows, columns = (int(size) for size in shape.reshape(-1))
        fixed = graph.dims[0] if graph.dims else None
        kept = rows == 0 or (rows == -1 and columns > 0) or (rows > 0 and rows == fixed)
        return columns if kept and columns != 0 else None
    joined = graph.made_by(node.input[1], "Concat")
    if joined is None or len(joined.input) != 2 or not is_batch_size(graph, joined.input[0]):
        return None
    number = graph.number(joined.input[1])
    return None if number is None else int(number)


def is_batch_size(graph: Graph, tensor: str) -> bool:
    """True if the tensor is the first number of a Shape."""
    passing = ("Unsqueeze", "Squeeze", "Identity", "Cast")
    while (node := graph.made_by(tensor, *passing)) is not None:
        tensor = node.input[0]
    node = graph.made_by(tensor, "Gather")
    if node is not None:
        return graph.number(node.input[1]) == 0 and shape_of_all(graph, node.input[0])
    node = graph.made_by(tensor, "Shape")
    values = {} if node is None else attributes(node)
    return values.get("end") == 1 and values.get("start", 0) == 0


def shape_of_all(graph: Graph, tensor: str) -> bool:
    node = graph.made_by(tensor, "Shape")
    return node is not None and attributes(node).get("start", 0) == 0


def plain(name: Any) -> Any:
    """A class name in a type that JSON supports."""
    if isinstance(name, bytes):
        return name.decode()
    return name.item() if isinstance(name, np.generic) else name
