"""A network's layers in the form in which the compiled code takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from affinet.layers import Affine, Dropout, LeakyReLU, ReLU, Sigmoid, Tanh

COMPILED_LAYERS = (Affine, Dropout, LeakyReLU, ReLU, Sigmoid, Tanh)
MOST_LAYERS = 1000  # what the compiled code takes

Description = list[tuple[Any, ...]]


def describe_layers(layers: Sequence[Any], keys: Sequence[int] | None = None) -> Description:
    """Each layer as ``kernels.make_operations`` wants it.

    Its class name, then for an Affine its widths and where W and b start in the flat buffer, for
    a LeakyReLU its slope, for a Dropout its probability and key (one of ``keys``, by its place).
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
    affine = [layer for layer in layers if isinstance(layer, Affine)]
    if not affine or any(layer.W.size == 0 for layer in affine):
        return None
    return int(affine[0].W.shape[0])
