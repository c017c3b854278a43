"""Layers of several nodes: read by the record of affinet's writer, or by their form."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

import affinet.layers
from affinet._validation import Array, whole_number
from affinet.layers import (
    SELU,
    BatchEnsemble,
    BatchNorm,
    Embedding,
    Increasing,
    LayerNorm,
    LeakyReLU,
    MemberAffine,
    MemberScale,
    Mish,
    NTKAffine,
    Parametric,
    PeriodicEmbedding,
    PiecewiseEmbedding,
    Scale,
    Softplus,
)
from affinet.layers.activations import Activation
from affinet.onnx.graph import Graph, refuse
from affinet.onnx.names import ARRAYS, INPUT, LAYER
from affinet.onnx.twins import DifferentError, matched
from affinet.onnx.writer import GraphWriter

if TYPE_CHECKING:
    from affinet.onnx.reader import Reader

EMBEDDINGS = (PeriodicEmbedding, PiecewiseEmbedding, Embedding)
RECORDED = (
    *(Increasing, NTKAffine, Scale, Parametric, *EMBEDDINGS),
    *(MemberScale, BatchEnsemble, MemberAffine, LayerNorm),
    *(LeakyReLU, Mish, SELU, Softplus),  # in double precision
)


def read_recorded(reader: Reader, node: Any) -> bool:
    """Read the layer that a node ends according to its record; False if it has none.

    The nodes must be those that the writer writes for such a layer, so a record cannot claim
    anything that the graph does not compute.
    """
    record = record_of(node)
    if record is None:
        return False
    tensor, layer = record.get(INPUT), recorded_layer(reader.graph, node, record)
    if not isinstance(tensor, str) or not tensor:
        refuse(node, f"its record names the input {tensor!r:.50}, wanted a tensor")
    order = reader.graph.constant(node.input[-1])
    n_places = 0 if order is None else order.size
    if isinstance(layer, EMBEDDINGS) and n_places != layer.n_outputs:
        refuse(node, f"its record says {layer!r:.200}, but its nodes compute something else")
    if not any(is_twin(reader.graph, node, layer, tensor, dtype) for dtype in dtypes_of(layer)):
        refuse(node, f"its record says {layer!r:.200}, but its nodes compute something else")
    widths = layer.widths()
    if widths is None:  # of any width
        reader.put(layer, node, tensor)
    else:
        reader.put_rows(layer, node, tensor, *widths)
    return True


def is_twin(graph: Graph, node: Any, layer: Any, tensor: str, dtype: np.dtype[Any]) -> bool:
    """Whether the nodes up to this one are those that the layer writes in a dtype."""
    twin = GraphWriter(dtype, graph.opset, tensor)
    getattr(layer, "write_formula", layer.write_onnx)(twin)
    try:
        matched(graph, twin, [(node.output[0], twin.tensor)], {tensor: tensor})
    except DifferentError:
        return False
    return True


def record_of(node: Any) -> dict[str, Any] | None:
    """The record of a layer in a node's documentation; None without one."""
    try:
        record = json.loads(node.doc_string or "{}")
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and LAYER in record else None


def recorded_layer(graph: Graph, node: Any, record: Mapping[str, Any]) -> Any:
    """The layer that a record describes, with its arrays."""
    config, places = record[LAYER], record.get(ARRAYS)
    kind = config.get("type") if isinstance(config, dict) else None
    cls = getattr(affinet.layers, kind, None) if isinstance(kind, str) else None
    if cls not in RECORDED:
        refuse(node, f"its record says {config!r:.80}, which is not a layer of several nodes")
    if not isinstance(places, dict) or set(places) != set(cls.parameters):
        refuse(node, f"its record names the arrays {places!r:.80}, wanted {cls.parameters}")
    arrays = {name: recorded_array(graph, node, places[name]) for name in cls.parameters}
    arguments = {name: value for name, value in config.items() if name != "type"}
    try:
        if not cls.parameters:
            return cls(**arguments)
        if cls is NTKAffine:
            return NTKAffine(**arguments, **arrays)
        require_held(cls, arguments, arrays)
        layer = cls(**arguments, dtype=next(iter(arrays.values())).dtype)
        for name, array in arrays.items():
            if array.shape != getattr(layer, name).shape:
                raise ValueError(
                    f"{name} has shape {array.shape}, wanted {getattr(layer, name).shape}"
                )
            setattr(layer, name, array)
    except (TypeError, ValueError, ArithmeticError, AttributeError, LookupError) as error:
        refuse(node, f"its record does not describe a {kind}: {error}")
    return layer


def recorded_array(graph: Graph, node: Any, place: Any) -> Array:
    """A copy of a parameter's initializer."""
    array = graph.constant(place) if isinstance(place, str) else None
    if array is None or array.dtype.kind != "f":
        refuse(node, f"its record names the array {place!r:.50}, which is no constant of floats")
    return array.copy()


def require_held(cls: type, arguments: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Raise ValueError unless the arrays hold as many numbers as a layer of these arguments.

    A layer allocates arrays of such sizes before they are compared with those of the file.
    """
    counted = getattr(cls, "count_parameters", None)
    if counted is None:
        wanted = whole_number("n", arguments["n"], 1) * len(arrays)
    elif "columns" in inspect.signature(counted).parameters and arguments.get("columns") is None:
        raise ValueError("columns are missing")
    else:
        wanted = counted(**arguments)
    held = sum(array.size for array in arrays.values())
    if wanted != held:
        raise ValueError(f"it has {wanted} parameters, but its arrays hold {held} numbers")


def dtypes_of(layer: Any) -> list[np.dtype[Any]]:
    """The dtypes that a layer's nodes may have: that of its parameters, if there are any."""
    if not layer.parameters:
        return [np.dtype(np.float32), np.dtype(np.float64)]
    return [getattr(layer, layer.parameters[0]).dtype]


# By form -----------------------------------------------------------------------------------------


def read_parametric(reader: Reader, node: Any) -> bool:
    """``x + a (f(x) - x)``, in either order of the sum; False if the sum is something else."""
    graph = reader.graph
    for x, other in (node.input, node.input[::-1]):
        product = graph.made_by(other, "Mul")
        data = [] if product is None else graph.data_inputs(product)
        step = graph.made_by(data[0], "Sub") if len(data) == 1 else None
        if product is None or step is None or step.input[1] != x:
            continue
        (name,) = [name for name in product.input if name != data[0]]
        a = graph.constant(name)
        if a is None or a.ndim != 1:
            continue
        layers = reader.branch(node, step.input[0], x).layers
        if len(layers) != 1 or not isinstance(layers[0], Activation):
            refuse(node, "a mixture of its input and what is not an activation of it")
        layer = Parametric(len(a), layers[0], a.dtype)
        layer.a = a.copy()
        reader.put_rows(layer, node, x, len(a), len(a))
        return True
    return False


def read_scale(reader: Reader, node: Any) -> bool:
    """A product with a vector of several numbers; False if it is something else."""
    x, s = with_vector(reader.graph, node, "Mul")
    if s is None or s.size < 2:
        return False
    layer = Scale(len(s), s.dtype)
    layer.s = s.copy()
    reader.put_rows(layer, node, x, len(s), len(s))
    return True


def read_shifted(reader: Reader, node: Any) -> bool:
    """``x s + b`` with vectors, to which TensorFlow folds a BatchNormalization; False if not."""
    shifted, b = with_vector(reader.graph, node, "Add")
    product = reader.graph.made_by(shifted, "Mul")
    x, s = (shifted, None) if product is None else with_vector(reader.graph, product, "Mul")
    if b is None or s is None or b.size != s.size:
        return False
    layer = BatchNorm(len(s), dtype=s.dtype)
    layer.gamma, layer.beta = s.copy(), b.astype(s.dtype)
    layer.running_var = np.full_like(s, 1 - layer.eps)
    reader.put_rows(layer, node, x, len(s), len(s))
    return True


def with_vector(graph: Graph, node: Any, operator: str) -> tuple[str, Array | None]:
    """The tensor and the constant vector that an operator connects; None if there is no such."""
    data = graph.data_inputs(node)
    if node.op_type != operator or len(data) != 1:
        return node.output[0], None
    (name,) = [name for name in node.input if name != data[0]] or [data[0]]
    value = graph.constant(name)
    is_vector = value is not None and value.ndim == 1 and value.dtype.kind == "f"
    return data[0], value if is_vector else None
