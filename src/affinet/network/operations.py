"""A network's layers in the form in which the compiled code takes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from affinet.layers.operation import Operation

MOST_LAYERS = 1000  # what the compiled code takes


def describe_layers(
    layers: Sequence[Any], keys: Sequence[int] | None = None
) -> list[tuple[Any, ...]]:
    """Each layer as ``kernels.make_operations`` wants it.

    ``keys`` are those of the random numbers that layers draw, by their places.
    """
    described: list[tuple[Any, ...]] = []
    start = 0
    for place, layer in enumerate(layers):
        starts = []
        for name in layer.parameters:
            starts.append(start)
            start += math.prod(getattr(layer, name).shape)
        described.append(
            old_form(layer, layer.operation(tuple(starts), keys[place] if keys else 0))
        )
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


def is_compiled(part: Any) -> bool:
    """True if the compiled code runs this layer, loss or optimizer.

    Its class must name the kernel itself: one that inherits it may compute something else.
    """
    return vars(type(part)).get("kernel") is not None


def first_width(layers: Sequence[Any]) -> int | None:
    """Numbers a row that a network of compiled layers takes; None if it cannot be compiled."""
    if len(layers) > MOST_LAYERS or not all(map(is_compiled, layers)):
        return None
    found = [layer.widths() for layer in layers]
    widths = [width for width in found if width is not None]
    if not widths or 0 in (number for width in widths for number in width):
        return None
    return int(widths[0][0])


def keeps_any_width(layer: Any) -> bool:
    """True for affinet's own layers that take rows of any width and return the same width."""
    return is_compiled(layer) and layer_widths(layer) is None


def layer_widths(layer: Any) -> tuple[int, int] | None:
    """Numbers a row that a layer takes and returns, if its parameters fix them."""
    widths: tuple[int, int] | None = layer.widths() if hasattr(layer, "widths") else None
    return widths
