"""Reads an ONNX graph into a network, backwards from the output to the input."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.layers import Affine, BatchNorm, Dropout, LayerNorm, LeakyReLU, Residual, Sigmoid
from affinet.layers.activations import Activation, activation_classes
from affinet.losses import SigmoidWithLoss, SoftmaxWithLoss
from affinet.network import Sequential
from affinet.onnx.graph import (
    STANDARD,
    Graph,
    attributes,
    cast_target,
    exact_numbers,
    meant_attributes,
    refuse,
    row_columns,
    row_size,
    same_in_single,
    shortest,
)
from affinet.onnx.layers import read_parametric, read_recorded, read_scale, record_of
from affinet.onnx.names import PRECISION, PROBABILITIES
from affinet.onnx.products import factors, find_gate

MATRIX_OPS = ("Gemm", "MatMul")
A_SUM = "a sum of two tensors that are not the branches of a Residual"
# A graph may use one matrix in many places; each becomes a layer with its own copy.
SHARED_RATIO, SHARED_BYTES = 16, 1 << 26


class Reader:
    """Walks a graph backwards, node by node, and puts layer before layer.

    It begins at ``output``, or else at the graph's main output.

    Attributes
    ----------
    tensor : str
        The tensor to read next; the graph's input at the end.
    layers : list
        The layers found so far, which come after the tensor.
    width : int or None
        The number of values that a row of the tensor must have, if a later node fixes it.
    rows_only : node or None
        A later node that needs rows (B, n), with no Flatten in between.
    scale : (node, float) or None
        A constant factor found so far; only the input may have one.
    in_branch : bool
        True if the layers are those of a branch, which ends in a sum.
    flattened : bool
        True if a Flatten or a Reshape was found.
    """

    def __init__(self, graph: Graph, output: str | None = None) -> None:
        self.graph = graph
        self.tensor = graph.main_output() if output is None else output
        self.layers: list[Any] = []
        self.loss: Any = None
        self.width: int | None = None
        self.rows_only: Any = None
        self.scale: tuple[Any, float] | None = None
        self.in_branch = self.flattened = False
        self.n_bytes = 0  # of the parameters of all layers
        self.seen: set[str] = set()  # outputs of the nodes that were read
        # False in a file of affinet's that ends with a layer and not with probabilities.
        self.has_probabilities = graph.property_of(PROBABILITIES) is not False

    def network(self) -> Sequential:
        """The network that the graph represents."""
        while self.tensor != self.graph.input:
            self._read_node()
        self._require_fitting_input()
        scale = None if self.scale is None else self.scale[1]
        return Sequential(
            *reversed(self.layers),
            loss=self.loss,
            input_scale=scale,
            precision=self.graph.property_of(PRECISION),
        )

    @property
    def is_at_end(self) -> bool:
        """True if nothing found so far comes after the tensor."""
        return not self.layers and self.loss is None and not self.in_branch

    def branch(self, node: Any, tensor: str, start: str) -> Reader:
        """The layers between ``start`` and a tensor that the node adds to another one."""
        branch = copy.copy(self)
        branch.tensor, branch.layers = tensor, []
        branch.in_branch, branch.flattened = True, False
        while branch.tensor != start:
            if not self.graph.joins.is_behind(branch.tensor, start):
                refuse(node, A_SUM)  # start is inside a single layer
            branch._read_node()
        branch._require_no_scale()
        self.n_bytes = branch.n_bytes
        return branch

    def _read_node(self) -> None:
        node = self.graph.producer(self.tensor)
        recorded = node.domain in STANDARD and record_of(node) is not None
        if not recorded and (node.domain not in STANDARD or node.op_type not in READERS):
            refuse(node, "affinet has no layer for it")
        # Branches that share nodes could be read exponentially many times.
        if self.tensor in self.seen:
            refuse(node, "two branches contain it")
        self.seen.add(self.tensor)
        if not recorded or not read_recorded(self, node):
            READERS[node.op_type](self, node)

    def put(self, layer: Any, node: Any, tensor: str) -> None:
        """Insert a layer before the others and continue with its input tensor."""
        self._require_no_scale()
        self.n_bytes += sum(getattr(layer, name).nbytes for name in layer.parameters)
        if self.n_bytes > max(SHARED_BYTES, SHARED_RATIO * self.graph.n_bytes):
            refuse(node, f"{self.n_bytes} bytes of parameters made from {self.graph.n_bytes}")
        self.layers.append(layer)
        self.tensor = tensor

    def put_rows(self, layer: Any, node: Any, tensor: str, n_inputs: int, n_outputs: int) -> None:
        """Insert a layer that maps rows of n_inputs values to n_outputs."""
        self.require_width(node, n_outputs)
        self.put(layer, node, tensor)
        self.width, self.rows_only = n_inputs, node

    def end_with(self, loss: Any, node: Any) -> None:
        """Convert a final activation into the loss."""
        self._require_no_scale()
        if not self.is_at_end:
            refuse(node, "affinet has it only at the end of a network")
        self.loss = loss
        self.tensor = node.input[0]

    def require_width(self, node: Any, width: int) -> None:
        """Raise if rows of this width do not fit the following layers."""
        if self.width not in (None, width):
            refuse(node, f"gives {width} numbers a row, what follows takes {self.width}")

    def parameters(self, node: Any, *places: int) -> list[Array]:
        """The node's inputs at these places, which must be constant vectors."""
        arrays = []
        for place in places:
            array = self.graph.constant(node.input[place])
            if array is None or array.ndim != 1:
                refuse(node, f"input {node.input[place]!r} is no constant vector")
            arrays.append(array)
        return arrays

    def _require_no_scale(self) -> None:
        if self.scale is not None:
            refuse(self.scale[0], "a constant factor anywhere but at the input")

    def _require_fitting_input(self) -> None:
        dims = self.graph.dims
        if self.rows_only is not None and dims is not None and len(dims) > 2:
            refuse(self.rows_only, f"the input has {len(dims)} dimensions and is not flattened")
        size = row_size(dims)
        if None not in (size, self.width) and size != self.width:
            raise ValueError(f"the input has {size} numbers a row, the layers take {self.width}")


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
        refuse(node, "a constant added to anything but a matrix product")
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
    "Mul": read_product,
    "PRelu": read_prelu,
    "Reshape": read_reshape,
    "Sigmoid": read_sigmoid,
    "Softmax": read_softmax,
}
