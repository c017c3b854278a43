"""A network's layers in the form in which the compiled code takes them."""

from __future__ import annotations

from collections.abc import Sequence
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

COMPILED_LAYERS = (
    *(Affine, BatchNorm, Dropout, LayerNorm),
    *(GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Tanh),
)
MOST_LAYERS = 1000  # what the compiled code takes

Description = list[tuple[Any, ...]]


def describe_layers(layers: Sequence[Any], keys: Sequence[int] | None = None) -> Description:
    """Each layer as ``kernels.make_operations`` wants it.

    Its class name, then for an Affine its widths and where W and b start in the flat buffer, for
    a LeakyReLU its slope, for a Dropout its probability and key (one of ``keys``, by its place),
    for a normalization its width, where gamma and beta start and eps, for a BatchNorm then its
    momentum and the very arrays of its running statistics.
    """
    described: Description = []
    start = 0
    for place, layer in enumerate(layers):
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
            described.append((name, layer.p, keys[place] if keys else 0))
        elif isinstance(layer, LeakyReLU):
            described.append((name, layer.slope))
        else:
            described.append((name,))
    return described


def first_width(layers: Sequence[Any]) -> int | None:
    """Numbers a row that a network of compiled layers takes; None if it cannot be compiled."""
    if len(layers) > MOST_LAYERS or not all(type(layer) in COMPILED_LAYERS for layer in layers):
        return None
    found = [layer_widths(layer) for layer in layers]
    widths = [width for width in found if width is not None]
    if not widths or 0 in (number for width in widths for number in width):
        return None
    return widths[0][0]


def keeps_any_width(layer: Any) -> bool:
    """True for affinet's own layers that take rows of any width and give the same."""
    return type(layer) in COMPILED_LAYERS and layer_widths(layer) is None


def layer_widths(layer: Any) -> tuple[int, int] | None:
    """Numbers a row that a layer takes and gives, if its parameters fix them."""
    if isinstance(layer, Affine):
        n_inputs, n_outputs = layer.W.shape
        return n_inputs, n_outputs
    if isinstance(layer, BatchNorm | LayerNorm):
        return layer.n, layer.n
    return None
