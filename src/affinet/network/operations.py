"""A network's layers in the form that the compiled code takes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from affinet._dispatch import kernels
from affinet._validation import Array
from affinet.layers.operation import Operation, is_compiled
from affinet.layers.tree import layer_widths, walk, width_taken

MOST_LAYERS = 1000  # limit of the compiled code
SURELY_FEW = 100  # layers, of which none has ten operations


def describe_layers(
    layers: Sequence[Any], keys: Mapping[str, int] | None = None
) -> list[Operation]:
    """The operations of these layers, as ``kernels.make_operations`` takes them.

    A Residual's layers come first, then its projection, which reads the same input as the branch's
    first layer, and finally the sum. ``keys`` maps paths to the keys of the layers' random numbers.
    """
    flattened = Flattened(keys or {})
    flattened.add_layers(layers)
    return flattened.operations


def compile_operations(
    params: Array, operations: Sequence[Operation], n_inputs: int, precision: str | None
) -> Any:
    """The operations over these flat parameters in the compiled code."""
    compiled = kernels.make_operations(params, list(operations), n_inputs)
    if precision is not None:
        compiled.multiply_in(precision)
    return compiled


class Flattened:
    """Layers, including nested ones, as one list of operations."""

    def __init__(self, keys: Mapping[str, int]) -> None:
        self.operations: list[Operation] = []
        self.keys = keys
        self.start = 0  # offset of the next parameter in the flat buffer

    @property
    def last(self) -> int:
        """Index of the last operation; -1 for the network's input."""
        return len(self.operations) - 1

    def add_layers(self, layers: Sequence[Any], prefix: str = "") -> None:
        """Add a sequence of layers, each of which reads the output of the previous one."""
        for place, layer in enumerate(layers):
            path = f"{prefix}{place}"
            if layer.children:
                self.add_residual(layer, path)
            else:
                self.add(layer, path)

    def add(self, layer: Any, path: str, sources: tuple[int, ...] = ()) -> None:
        """Add a layer's operations; without ``sources`` it reads the previous operation."""
        starts = []
        for name in layer.parameters:
            starts.append(self.start)
            self.start += math.prod(getattr(layer, name).shape)
        first, *more = layer.operations(tuple(starts), self.keys.get(path, 0))
        self.operations += [first._replace(sources=sources) if sources else first, *more]

    def add_residual(self, layer: Any, path: str) -> None:
        """Add a branch, the projection of its input if there is one, and the sum of both."""
        skip = self.last
        self.add_layers(layer.layers, f"{path}.")
        out = self.last
        if layer.projection is not None:
            self.add(layer.projection, f"{path}.{len(layer.layers)}", (skip,))
            skip = self.last
        self.add(layer, path, (out, skip))


def first_width(layers: Sequence[Any]) -> int | None:
    """Values per row that a network of compiled layers takes; None if it cannot be compiled."""
    return width_taken(layers) if why_not_compiled(layers) is None else None


def why_not_compiled(layers: Sequence[Any]) -> str | None:
    """Why these layers have no compiled form, as text; None if they have one."""
    inside = list(walk(layers))
    for path, layer in inside:
        if not is_compiled(layer):
            return f"layer {path}, {type(layer).__name__}, has no compiled form"
    if len(inside) > SURELY_FEW:
        operations = len(describe_layers(layers))
        if operations > MOST_LAYERS:
            return f"there are {operations} operations, the compiled code takes {MOST_LAYERS}"
    widths = {path: found for path, layer in inside if (found := layer_widths(layer)) is not None}
    if not widths:
        return "no layer fixes how many numbers a row has"
    empty = next((path for path, found in widths.items() if 0 in found), None)
    return None if empty is None else f"layer {empty} has a width of 0"
