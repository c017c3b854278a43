"""What an encoding's steps need of an ONNX graph to describe themselves in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from affinet._validation import Array

if TYPE_CHECKING:
    from affinet.tables.scaling import Scaling

INT64, FLOAT64 = 7, 11  # in ONNX
REFUSED = -3  # in place of a category's number: predict raises an error for such a row


class NodeGraph(Protocol):
    """Nodes that compute in float64, each reading the previous one's output.

    Attributes
    ----------
    opset : int
        Version of the ONNX operator set.
    tensor : str
        Output of the last node.
    """

    opset: int
    tensor: str

    def add(self, op: str, *inputs: str, n_outputs: int = 1, **attributes: Any) -> str:
        """Append a node that reads ``inputs``, or the last output; return its first output."""

    def constant(self, name: str, value: Any) -> str:
        """Add a float64 array; return its name."""

    def indices(self, name: str, value: Any) -> str:
        """Add an int64 array; return its name."""

    def texts(self, name: str, value: Any) -> str:
        """Add an array of texts; return its name."""


class ColumnGraph(Protocol):
    """A graph that takes a table's columns, each as an input of shape (B, 1) with its name.

    Every method adds the next column of the encoding. A value that ``Encoding.inputs`` refuses
    becomes NaN.

    Attributes
    ----------
    decimal : str
        The decimal mark of texts that are numbers.
    """

    decimal: str

    def number(self, name: str, scaling: Scaling, fill: float | None, indicator: bool) -> None:
        """Add a number, scaled, and behind it if ``indicator`` 1 where it is missing."""

    def date(
        self,
        name: str,
        notation: str,
        scaling: Scaling,
        fill: float | None,
        indicator: bool,
        timed: bool,
    ) -> None:
        """Add a date as text: its days as a number, and before the indicator the cycles."""

    def missing(self, name: str, dated: bool) -> None:
        """Add 1 where a number, or a date as text, is missing, else 0."""

    def one_hot(
        self, name: str, places: Mapping[str, int], unknown: int, off: Array, on: Array
    ) -> None:
        """Add a text as n inputs: ``on`` (n,) at its place, and ``off`` (n,) in all others."""

    def choice(self, name: str, places: Mapping[str, int], unknown: int, values: Array) -> None:
        """Add a text as one input: the value in its place."""

    def codes(self, name: str, codes: Mapping[str, int], unknown: int) -> None:
        """Add a text as one input: its code."""
