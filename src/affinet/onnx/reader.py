"""Reads an ONNX graph into a network, backwards from the output to the input."""

from __future__ import annotations

import copy
from typing import Any

from affinet._validation import Array
from affinet.network import Sequential
from affinet.onnx.graph import STANDARD, Graph, refuse, row_size
from affinet.onnx.layers import read_recorded, record_of
from affinet.onnx.names import PRECISION, PROBABILITIES
from affinet.onnx.operators import A_SUM, READERS

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
