"""A network's layers in the form in which the compiled code takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from affinet._validation import Array
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

LAYER_KERNELS: dict[type[Any], str] = {
    Affine: "affine",
    BatchNorm: "batch_norm",
    Dropout: "dropout",
    GELU: "gelu",
    LayerNorm: "layer_norm",
    LeakyReLU: "leaky_relu",
    ReLU: "relu",
    Sigmoid: "sigmoid",
    SiLU: "silu",
    Tanh: "tanh",
}
MOST_LAYERS = 1000  # what the compiled code takes


class Operation(NamedTuple):
    """One operation as ``kernels.make_operations`` takes it; kernels/operations.pyx checks it.

    ``kernel`` is the name of its kernel, one of ``kernels.known_operations()``. ``sources`` are
    the places of the operations whose outputs it reads, -1 for the network's input; an empty
    tuple stands for the operation before. ``n_outputs`` is how many numbers a row it gives, None
    for as many as it takes. ``starts`` says where its parameters start in the flat buffer, in
    their order, ``numbers`` what else its kernel takes (slope; p; eps, momentum), ``key`` which
    dropout masks it draws, ``arrays`` what it reads and writes where it lies (running mean and
    variance).
    """

    kernel: str
    sources: tuple[int, ...] = ()
    n_outputs: int | None = None
    starts: tuple[int, ...] = ()
    numbers: tuple[float, ...] = ()
    key: int = 0
    arrays: tuple[Array, ...] = ()


def describe_layers(layers: Sequence[Any], keys: Sequence[int] | None = None) -> list[Operation]:
    """Each layer as an operation; ``keys`` holds dropout's, by the layer's place."""
    described: list[Operation] = []
    start = 0
    for place, layer in enumerate(layers):
        kernel = LAYER_KERNELS[type(layer)]
        if isinstance(layer, Affine):
            n_inputs, n_outputs = layer.W.shape
            bias = start + n_inputs * n_outputs
            described.append(Operation(kernel, n_outputs=n_outputs, starts=(start, bias)))
            start = bias + n_outputs
        elif isinstance(layer, BatchNorm):
            running = (layer.running_mean, layer.running_var)
            numbers = (layer.eps, layer.momentum)
            starts = (start, start + layer.n)
            described.append(Operation(kernel, (), layer.n, starts, numbers, arrays=running))
            start += 2 * layer.n
        elif isinstance(layer, LayerNorm):
            starts = (start, start + layer.n)
            described.append(Operation(kernel, (), layer.n, starts, (layer.eps,)))
            start += 2 * layer.n
        elif isinstance(layer, Dropout):
            key = keys[place] if keys else 0
            described.append(Operation(kernel, numbers=(layer.p,), key=key))
        elif isinstance(layer, LeakyReLU):
            described.append(Operation(kernel, numbers=(layer.slope,)))
        else:
            described.append(Operation(kernel))
    return described


def first_width(layers: Sequence[Any]) -> int | None:
    """Numbers a row that a network of compiled layers takes; None if it cannot be compiled."""
    if len(layers) > MOST_LAYERS or not all(type(layer) in LAYER_KERNELS for layer in layers):
        return None
    found = [layer_widths(layer) for layer in layers]
    widths = [width for width in found if width is not None]
    if not widths or 0 in (number for width in widths for number in width):
        return None
    return widths[0][0]


def keeps_any_width(layer: Any) -> bool:
    """True for affinet's own layers that take rows of any width and give the same."""
    return type(layer) in LAYER_KERNELS and layer_widths(layer) is None


def layer_widths(layer: Any) -> tuple[int, int] | None:
    """Numbers a row that a layer takes and gives, if its parameters fix them."""
    if isinstance(layer, Affine):
        n_inputs, n_outputs = layer.W.shape
        return n_inputs, n_outputs
    if isinstance(layer, BatchNorm | LayerNorm):
        return layer.n, layer.n
    return None
