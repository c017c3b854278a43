"""What all diagnostics have in common."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from affinet._validation import Array, number_array, require_finite, whole_number
from affinet.layers import Affine, Dropout, Layer, Tanh
from affinet.losses import SoftmaxWithLoss
from affinet.network import Sequential

TextTable = list[tuple[str, ...]]


class Study(ABC):
    """The numbers behind a picture, which a function of :mod:`affinet.plotting` draws.

    Examples
    --------
    >>> from affinet.diagnostics import derivative
    >>> found = derivative(lambda x: x**2, 3.0, df=lambda x: 2 * x, widths=[1.0, 0.5])
    >>> for row in found.rows():
    ...     print(*row)
    h secant's slope error
    1 7 1
    0.5 6.5 0.5
    tangent 6 0
    """

    @abstractmethod
    def rows(self) -> TextTable:
        """The main numbers as a table of texts; the first row has the column names."""


def make_net(
    widths: Sequence[int],
    activation: Layer,
    seed: int,
    dtype: Any = np.float32,
    dropout: float = 0.0,
    input_dropout: float = 0.0,
) -> Sequential:
    """A classifier with hidden units of these widths, with He or Xavier initialisation."""
    widths, rng = [whole_number("hidden", n, 1) for n in widths], np.random.default_rng(seed)
    layers: list[Layer] = [Dropout(input_dropout)] if input_dropout else []
    scale = "tanh" if isinstance(activation, Tanh) else "relu"
    for n_inputs, n_outputs in pairwise(widths[:-1]):
        layers += [Affine.init(n_inputs, n_outputs, rng, scale, dtype), copy.deepcopy(activation)]
        if dropout:
            layers.append(Dropout(dropout))
    layers.append(Affine.init(widths[-2], widths[-1], rng, "softmax", dtype))
    return Sequential(*layers, loss=SoftmaxWithLoss())


def positive_numbers(name: str, values: Sequence[float] | Array) -> Array:
    """``values`` as a float64 array (N,) of finite numbers above 0, N >= 1."""
    array = number_array(name, values).astype(float)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"{name} has shape {array.shape}, wanted (N,), N >= 1")
    require_finite(name, array)
    if array.min() <= 0:
        raise ValueError(f"{name} has {array.min():g}, wanted numbers above 0")
    return array
