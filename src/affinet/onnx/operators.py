"""What each operator of a graph is read as."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from affinet._validation import Array
from affinet.layers import (
    Affine,
    BatchNorm,
    Dropout,
    LayerNorm,
    LeakyReLU,
    ReLU,
    Residual,
    Sigmoid,
    Softplus,
)
from affinet.layers.activations import Activation, activation_classes
from affinet.losses import SigmoidWithLoss, SoftmaxWithLoss
from affinet.onnx.graph import (
    attributes,
    cast_target,
    exact_numbers,
    meant_attributes,
    refuse,
    row_columns,
    same_in_single,
    shortest,
)
from affinet.onnx.layers import read_parametric, read_scale, read_shifted
from affinet.onnx.products import factors, find_gate, sigmoid_end

if TYPE_CHECKING:
    from affinet.onnx.reader import Reader

MATRIX_OPS = ("Gemm", "MatMul")
A_SUM = "a sum of two tensors that are not the branches of a Residual"

# Matrix products ---------------------------------------------------------------------------------


def read_gemm(reader: Reader, node: Any, more_bias: Array | None = None) -> None:
    """``alpha A B + beta C``, with A and B transposed according to transA and transB."""
    values = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0} | attributes(node)
    tensor = node.input[0]
    if values["transA"]:
        turned = reader.graph.made_by(tensor, "Transpose")
        if turned is None or list(attributes(turned).get("perm", [1, 0])) != [1, 0]:
            refuse(node, "transA without a Transpose before it mixes rows")
        tensor = turned.input[0]
    W = matrix(reader, node)
    W = W.T if values["transB"] else W
    b = np.zeros(W.shape[1], W.dtype)
    if len(node.input) > 2 and node.input[2]:
        b = b + W.dtype.type(values["beta"]) * bias(reader, node, node.input[2], W)
    put_affine(reader, node, tensor, W.dtype.type(values["alpha"]) * W, b, more_bias)


def read_matmul(reader: Reader, node: Any, more_bias: Array | None = None) -> None:
    """``x W``."""
    W = matrix(reader, node)
    put_affine(reader, node, node.input[0], W, np.zeros(W.shape[1], W.dtype), more_bias)


def put_affine(
    reader: Reader, node: Any, tensor: str, W: Array, b: Array, more_bias: Array | None
) -> None:
    if more_bias is not None:
        b = b + more_bias
    reader.put_rows(Affine(np.ascontiguousarray(W), b), node, tensor, *W.shape)


def read_add(reader: Reader, node: Any) -> None:
    """A bias after a matrix product, in either order, or a Residual."""
    data = reader.graph.data_inputs(node)
    if len(data) == 2 and read_parametric(reader, node):
        return
    if len(data) == 2:
        read_sum(reader, node, data)
        return
    if len(data) != 1:
        refuse(node, "a sum of constants")
    product = reader.graph.made_by(data[0], *MATRIX_OPS)
    if product is None:
        if not read_shifted(reader, node):
            refuse(node, "a constant added to anything but a matrix product")
        return
    (name,) = [name for name in node.input if name != data[0]]
    more_bias = bias(reader, node, name, output_columns(reader, product))
    (read_gemm if product.op_type == "Gemm" else read_matmul)(reader, product, more_bias)


def matrix(reader: Reader, node: Any) -> Array:
    """The constant second factor."""
    W = reader.graph.constant(node.input[1])
    if W is None or W.ndim != 2:
        refuse(node, "its second factor is no constant matrix")
    if W.dtype.kind != "f":
        refuse(node, f"its matrix has dtype {W.dtype}, wanted floats")
    return W


def output_columns(reader: Reader, node: Any) -> Array:
    """A matrix product's second factor, transposed so that its columns are the outputs."""
    W = matrix(reader, node)
    return W.T if attributes(node).get("transB") else W


def bias(reader: Reader, node: Any, name: str, W: Array) -> Array:
    """A constant that is the same for all rows, as a vector of W's columns."""
    value = reader.graph.constant(name)
    if value is None:
        refuse(node, f"input {name!r} is no constant")
    try:
        return np.broadcast_to(value, (1, W.shape[1])).reshape(-1)
    except ValueError:
        refuse(node, f"a constant of shape {value.shape} added to {W.shape[1]} columns")


def read_sum(reader: Reader, node: Any, tensors: list[str]) -> None:
    """A branch of layers plus its input, or plus an Affine of its input, in either order."""
    joins = reader.graph.joins
    if not all(map(joins.depends_on_input, tensors)):
        refuse(node, A_SUM)
    start = joins.last_common(tensors)
    one, other = (reader.branch(node, tensor, start) for tensor in tensors)
    if not one.layers or (is_skip(one) and not is_skip(other)):
        one, other = other, one
    if not is_skip(other):
        refuse(node, A_SUM)
    # x + x comes from a branch that is the identity in evaluation mode.
    layers = one.layers[::-1] or [Dropout(0.0)]
    widths = {branch.width for branch in (one, other) if branch.width is not None}
    if len(widths) > 1:
        refuse(node, f"its branches take {' and '.join(map(str, sorted(widths)))} numbers a row")
    try:
        layer = Residual(*layers, projection=other.layers[0] if other.layers else None)
    except ValueError as error:
        refuse(node, str(error))
    reader.put(layer, node, start)
    reader.width = widths.pop() if widths else None
    if one.flattened != other.flattened:
        reader.rows_only = node  # without rows, the two summands differ in shape
    else:
        reader.rows_only = one.rows_only if one.rows_only is not None else other.rows_only


def is_skip(branch: Reader) -> bool:
    """True if a branch can be a Residual's skip connection: empty, or an Affine."""
    return not branch.layers or (len(branch.layers) == 1 and isinstance(branch.layers[0], Affine))


# Normalisations, activations, Dropout ------------------------------------------------------------


def read_batch_norm(reader: Reader, node: Any) -> None:
    values = {"epsilon": 1e-5, "momentum": 0.9, "training_mode": 0} | meant_attributes(node)
    if values["training_mode"]:
        refuse(node, "it is in training mode: export the model for inference")
    gamma, beta, mean, var = reader.parameters(node, 1, 2, 3, 4)
    # ONNX's momentum is the weight of the old mean, affinet's that of the new one.
    momentum = round(1 - values["momentum"], 7)
    layer = BatchNorm(len(gamma), momentum, values["epsilon"])
    layer.gamma, layer.beta = gamma.copy(), beta.copy()
    layer.running_mean, layer.running_var = mean.copy(), var.copy()
    reader.put_rows(layer, node, node.input[0], len(gamma), len(gamma))


def read_layer_norm(reader: Reader, node: Any) -> None:
    values = {"epsilon": 1e-5, "axis": -1} | meant_attributes(node)
    if values["axis"] not in (-1, 1):
        refuse(node, f"axis is {values['axis']}, wanted the last")
    (gamma,) = reader.parameters(node, 1)
    beta = np.zeros_like(gamma)
    if len(node.input) > 2 and node.input[2]:
        (beta,) = reader.parameters(node, 2)
    layer = LayerNorm(len(gamma), values["epsilon"])
    layer.gamma, layer.beta = gamma.copy(), beta.copy()
    reader.put_rows(layer, node, node.input[0], len(gamma), len(gamma))


def read_activation(layer_type: type[Activation]) -> Callable[[Reader, Any], None]:
    """A reader for the operator of one of affinet's activations."""

    def read(reader: Reader, node: Any) -> None:
        try:
            layer = layer_type.from_onnx(meant_attributes(node))
        except ValueError as error:
            refuse(node, str(error))
        reader.put(layer, node, node.input[0])

    return read


def read_prelu(reader: Reader, node: Any) -> None:
    slope = reader.graph.number(node.input[1])
    if slope is None:
        refuse(node, "its slope is not one constant number")
    reader.put(LeakyReLU(require_slope(node, slope)), node, node.input[0])


def require_slope(node: Any, slope: float) -> float:
    if not 0 <= slope < math.inf:
        refuse(node, f"its slope is {slope:g}, wanted 0 or more")
    return slope


def read_where(reader: Reader, node: Any) -> None:
    """A Softplus as PyTorch writes it: x itself from a threshold on, where rounding gives x too."""
    graph, (condition, x, rest) = reader.graph, node.input
    above, softplus = graph.made_by(condition, "Greater"), graph.made_by(rest, "Softplus")
    if above is not None and softplus is not None and above.input[0] == softplus.input[0] == x:
        level = graph.constant(above.input[1])
        if (
            level is not None
            and (level.size, level.dtype.kind) == (1, "f")
            and math.exp(-level.item()) <= np.finfo(level.dtype).eps / 2
        ):
            reader.put(Softplus(), node, x)
            return
    refuse(node, "affinet has no layer for it")


def read_max(reader: Reader, node: Any) -> None:
    """``max(x, 0)``, as JAX writes it."""
    data = reader.graph.data_inputs(node)
    numbers = {reader.graph.number(name) for name in node.input if name not in data}
    if len(data) != 1 or numbers != {0}:
        refuse(node, "affinet has no layer for it")
    reader.put(ReLU(), node, data[0])


def read_reciprocal(reader: Reader, node: Any) -> None:
    """A Sigmoid, as JAX writes it."""
    end = sigmoid_end(reader.graph, node.output[0])
    if end is None:
        refuse(node, "affinet has no layer for it")
    read_sigmoid(reader, end)


def read_sigmoid(reader: Reader, node: Any) -> None:
    if reader.is_at_end and reader.has_probabilities:
        reader.end_with(SigmoidWithLoss(), node)
    else:
        reader.put(Sigmoid(), node, node.input[0])


def read_softmax(reader: Reader, node: Any) -> None:
    axis = attributes(node).get("axis", -1 if reader.graph.opset >= 13 else 1)
    if axis not in (-1, 1):
        refuse(node, f"axis is {axis}, wanted the last")
    reader.end_with(SoftmaxWithLoss(), node)
    reader.rows_only = node


def read_concat(reader: Reader, node: Any) -> None:
    """The two columns 1 - p and p that skl2onnx builds from one probability p."""
    graph = reader.graph
    negative = graph.made_by(node.input[0], "Sub") if len(node.input) == 2 else None
    if (
        negative is None
        or graph.number(negative.input[0]) != 1
        or negative.input[1] != node.input[1]
        or graph.made_by(node.input[1], "Sigmoid") is None
        or attributes(node)["axis"] not in (-1, 1)
        or not reader.is_at_end
    ):
        refuse(node, "affinet has no layer for it")
    reader.tensor, reader.width = node.input[1], 1


def read_dropout(reader: Reader, node: Any) -> None:
    rate = attributes(node).get("ratio", 0.5)  # up to opset 11
    if len(node.input) > 1 and node.input[1]:
        rate = reader.graph.number(node.input[1])
    if rate is None or not 0 <= rate < 1:
        refuse(node, "its ratio is no constant number of 0 <= ratio < 1")
    reader.put(Dropout(shortest(rate)), node, node.input[0])


# Products ----------------------------------------------------------------------------------------


def read_product(reader: Reader, node: Any) -> None:
    """An activation written as a product, a Scale, or the input's scale."""
    if read_scale(reader, node):
        return
    if sigmoid_end(reader.graph, node.output[0]) is not None:
        read_reciprocal(reader, node)
        return
    found = find_gate(reader.graph, node)
    if found is not None:
        gate, x = found
        reader.put(gate(), node, x)
        return
    factor, leaves = factors(reader.graph, node.output[0])
    if len(leaves) != 1 or leaves[0] == node.output[0]:
        refuse(node, "a product or quotient that is neither a GELU nor a SiLU")
    if not 0 < factor < math.inf:
        refuse(node, f"a constant factor {factor:g}, wanted a positive number")
    exact = exact_numbers(node).get("input_scale", factor)
    factor = exact if same_in_single(exact, factor) else factor
    before = 1.0 if reader.scale is None else reader.scale[1]
    reader.scale = (node, before * factor)
    reader.tensor = leaves[0]


# Shapes and dtypes -------------------------------------------------------------------------------


def read_identity(reader: Reader, node: Any) -> None:
    reader.tensor = node.input[0]


def read_cast(reader: Reader, node: Any) -> None:
    """A Cast to floats: the network computes in the dtype of its weights."""
    to = cast_target(node)
    if to.kind != "f":
        refuse(node, f"a cast to {to}, wanted floats")
    reader.tensor = node.input[0]


def read_flatten(reader: Reader, node: Any) -> None:
    axis = attributes(node).get("axis", 1)
    if axis != 1:
        refuse(node, f"axis is {axis}, wanted 1")
    reader.tensor, reader.rows_only, reader.flattened = node.input[0], None, True


def read_reshape(reader: Reader, node: Any) -> None:
    """A Reshape to (batch, everything else)."""
    columns = row_columns(reader.graph, node)
    if columns is None:
        refuse(node, "wanted a reshape to (batch, -1)")
    if columns > 0:
        reader.require_width(node, columns)
        reader.width = columns
    reader.tensor, reader.rows_only, reader.flattened = node.input[0], None, True


READERS: dict[str, Callable[[Reader, Any], None]] = {  # by operator
    **{cls.onnx_operator: read_activation(cls) for cls in activation_classes().values()},
    "Add": read_add,
    "BatchNormalization": read_batch_norm,
    "Cast": read_cast,
    "Concat": read_concat,
    "Div": read_product,
    "Dropout": read_dropout,
    "Flatten": read_flatten,
    "Gemm": read_gemm,
    "Identity": read_identity,
    "LayerNormalization": read_layer_norm,
    "LogSoftmax": read_softmax,
    "MatMul": read_matmul,
    "Max": read_max,
    "Mul": read_product,
    "PRelu": read_prelu,
    "Reciprocal": read_reciprocal,
    "Reshape": read_reshape,
    "Sigmoid": read_sigmoid,
    "Softmax": read_softmax,
    "Where": read_where,
}
