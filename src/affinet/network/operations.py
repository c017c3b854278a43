"""A network's layers in the form in which the compiled code takes them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from affinet.layers.operation import Operation, is_compiled
from affinet.layers.tree import layer_widths, walk, width_taken

MOST_LAYERS = 1000  # what the compiled code takes


def describe_layers(
    layers: Sequence[Any], keys: Mapping[str, int] | None = None
) -> list[tuple[Any, ...]]:
    """Each layer as ``kernels.make_operations`` wants it.

    ``keys`` are those of the random numbers that layers draw, by their paths.
    """
    described: list[tuple[Any, ...]] = []
    start = 0
    for path, layer in walk(layers):
        starts = []
        for name in layer.parameters:
            starts.append(start)
            start += math.prod(getattr(layer, name).shape)
        described.append(old_form(layer, layer.operation(tuple(starts), keys[path] if keys else 0)))
    return described


def old_form(layer: Any, op: Operation) -> tuple[Any, ...]:
    name = type(layer).__name__
    if op.kernel == "affine":
        return (name, *layer.W.shape, *op.starts)
    if op.kernel in ("batch_norm", "layer_norm"):
        return (name, layer.n, *op.starts, *op.numbers, *op.arrays)
    if op.kernel == "dropout":
        return (name, *op.numbers, op.key)
    return (name, *op.numbers)


def first_width(layers: Sequence[Any]) -> int | None:
    """Numbers a row that a network of compiled layers takes; None if it cannot be compiled."""
    return width_taken(layers) if why_not_compiled(layers) is None else None


def why_not_compiled(layers: Sequence[Any]) -> str | None:
    """In words, what about these layers has no compiled form; None if there is nothing."""
    inside = list(walk(layers))
    for path, layer in inside:
        if not is_compiled(layer) or layer.kernel == "add":
            return f"layer {path}, {layer!r:.100}, has no compiled form"
    if len(inside) > MOST_LAYERS:
        return f"there are {len(inside)} layers, the compiled code takes {MOST_LAYERS}"
    widths = {path: found for path, layer in inside if (found := layer_widths(layer)) is not None}
    if not widths:
        return "no layer fixes how many numbers a row has"
    empty = next((path for path, found in widths.items() if 0 in found), None)
    return None if empty is None else f"layer {empty} has a width of 0"
