"""How a layer describes itself to the compiled code and to ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from affinet._validation import Array


class Operation(NamedTuple):
    """One operation of a network, in the form that the kernels' ``make_operations`` takes.

    Attributes
    ----------
    kernel : str
        The operation's name in the kernels, such as "affine" or "relu".
    sources : tuple of int
        Indices of the operations whose outputs it reads, -1 for the network's input; empty means
        the previous operation.
    n_outputs : int or None
        Output width; None if equal to the input width.
    starts : tuple of int
        Offset of each parameter in the network's flat buffer.
    numbers : tuple of float
        The layer's scalars, in the kernel's argument order.
    key : int
        A dropout's key.
    arrays : tuple of array
        The layer's buffers, such as running statistics, read and written in place.
    """

    kernel: str
    sources: tuple[int, ...] = ()
    n_outputs: int | None = None
    starts: tuple[int, ...] = ()
    numbers: tuple[float, ...] = ()
    key: int = 0
    arrays: tuple[Array, ...] = ()


def is_compiled(part: Any) -> bool:
    """True if the compiled code runs this layer, loss or optimizer.

    The class itself must name the kernel: a subclass that inherits it may compute something else.
    """
    return vars(type(part)).get("kernel") is not None


class OnnxGraph(Protocol):
    """The ONNX graph to which a layer adds its nodes, each reading the previous one's output.

    A layer with children lets them add theirs, and may set ``tensor`` to start a branch.

    Attributes
    ----------
    dtype : dtype
        Dtype of the graph's tensors.
    opset : int
        Version of the ONNX operator set.
    tensor : str
        Input of the next node: the output of the last one.
    """

    dtype: np.dtype[Any]
    opset: int
    tensor: str

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Append a node that reads ``inputs``, or the last output; return its output's name."""

    def constant(self, name: str, value: Any) -> str:
        """Add an array in the graph's dtype; return its name."""

    def parameters(self, layer: Any, *names: str) -> list[str]:
        """Add the layer's arrays with these names; return their names in the graph."""

    def indices(self, name: str, value: Any) -> str:
        """Add an int64 array; return its name."""

    def describe(self, layer: Any, tensor: str, arrays: Mapping[str, str]) -> None:
        """Record in the last node that it ends a layer, so that a reader finds the layer whole.

        Parameters
        ----------
        layer : Layer
            Its type and ``config()`` are recorded.
        tensor : str
            The layer's input.
        arrays : mapping of str to str
            Names in the graph of the layer's parameters.
        """

    def write(self, place: int, layer: Any) -> None:
        """Let a child layer add its nodes; ``place`` is its index in ``children``."""
