"""A network's layers in the form in which the compiled code takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from affinet.layers import (
    GELU,
    Affine,
    BatchNorm,
    Dropout,
    LayerNorm,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Tanh,
)
from affinet.layers.tree import layer_widths, walk, width_taken

COMPILED_LAYERS = (
    *(Affine, BatchNorm, Dropout, LayerNorm),
    *(GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Tanh),
)
MOST_LAYERS = 1000  # what the compiled code takes

Description = list[tuple[Any, ...]]


def describe_layers(layers: Sequence[Any], keys: Mapping[str, int] | None = None) -> Description:
    """Each layer as ``kernels.make_operations`` wants it.

    Its class name, then for an Affine its widths and where W and b start in the flat buffer, for
    a LeakyReLU its slope, for a Dropout its probability and key (one of ``keys``, by its path),
    for a normalization its width, where gamma and beta start and eps, for a BatchNorm then its
    momentum and the very arrays of its running statistics.
    """
    described: Description = []
    start = 0
    for path, layer in walk(layers):
        name = type(layer).__name__
        if isinstance(layer, Affine):
            n_inputs, n_outputs = layer.W.shape
            bias = start + n_inputs * n_outputs
            described.append((name, n_inputs, n_outputs, start, bias))
            start = bias + n_outputs
        elif isinstance(layer, BatchNorm | LayerNorm):
            described.append((name, layer.n, start, start + layer.n, layer.eps))
            if isinstance(layer, BatchNorm):
                described[-1] += (layer.momentum, layer.running_mean, layer.running_var)
            start += 2 * layer.n
        elif isinstance(layer, Dropout):
            described.append((name, layer.p, keys[path] if keys else 0))
        elif isinstance(layer, LeakyReLU):
            described.append((name, layer.slope))
        else:
            described.append((name,))
    return described


def first_width(layers: Sequence[Any]) -> int | None:
    """Numbers a row that a network of compiled layers takes; None if it cannot be compiled."""
    return width_taken(layers) if why_not_compiled(layers) is None else None


def why_not_compiled(layers: Sequence[Any]) -> str | None:
    """In words, what about these layers has no compiled form; None if there is nothing."""
    inside = list(walk(layers))
    for path, layer in inside:
        if type(layer) not in COMPILED_LAYERS:
            return f"layer {path}, {layer!r:.100}, has no compiled form"
    if len(inside) > MOST_LAYERS:
        return f"there are {len(inside)} layers, the compiled code takes {MOST_LAYERS}"
    widths = {path: found for path, layer in inside if (found := layer_widths(layer)) is not None}
    if not widths:
        return "no layer fixes how many numbers a row has"
    empty = next((path for path, found in widths.items() if 0 in found), None)
    return None if empty is None else f"layer {empty} has a width of 0"
