"""How a layer describes itself to the compiled code and to ONNX."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

from affinet._validation import Array


class Operation(NamedTuple):
    """One operation of a network, as the kernels' ``make_operations`` takes it.

    Attributes
    ----------
    kernel : str
        The operation's name in the kernels, such as "affine" or "relu".
    sources : tuple of int
        Places of the operations whose outputs it reads, -1 for the network's input; empty for
        the operation before it.
    n_outputs : int or None
        Numbers a row of its output; None for as many as it reads.
    starts : tuple of int
        Where each of its parameters starts in the network's flat buffer.
    numbers : tuple of float
        The layer's numbers, in the order in which the kernel takes them.
    key : int
        A dropout's key.
    arrays : tuple of array
        The layer's buffers, such as running statistics, read and written where they lie.
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

    Its class must name the kernel itself: one that inherits it may compute something else.
    """
    return vars(type(part)).get("kernel") is not None


class OnnxGraph(Protocol):
    """The ONNX graph to which a layer adds its nodes: one after the other, each on the last.

    A layer that holds others lets these add theirs, and may set ``tensor`` to begin a branch.

    Attributes
    ----------
    dtype : dtype
        Of the graph's tensors.
    opset : int
        Version of the operators.
    tensor : str
        What the next node reads: the output of the last one.
    """

    dtype: np.dtype[Any]
    opset: int
    tensor: str

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Append a node that reads ``inputs``, or the last output; returns its output's name."""

    def constant(self, name: str, value: Any) -> str:
        """Add an array of the graph's dtype; returns its name."""

    def parameters(self, layer: Any, *names: str) -> list[str]:
        """Add the layer's arrays of these names; returns their names in the graph."""

    def write(self, place: int, layer: Any) -> None:
        """Let a layer inside add its nodes; ``place`` is its place in ``children``."""

    def require_opset(self, wanted: int, layer: Any) -> None:
        """Raise ValueError if the layer needs a newer version of the operators."""
