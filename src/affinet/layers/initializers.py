"""Initial weights of an affine layer, scaled for the activation that follows it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from affinet._validation import Array, generator, whole_number
from affinet.layers import activations

SCALES: dict[str, Callable[[int, int], float]] = {  # standard deviation, given I and O
    "he": lambda n_inputs, n_outputs: math.sqrt(2.0 / n_inputs),
    "xavier": lambda n_inputs, n_outputs: math.sqrt(2.0 / (n_inputs + n_outputs)),
    "lecun": lambda n_inputs, n_outputs: math.sqrt(1.0 / n_inputs),
}
NOT_LAYERS = {"linear": "xavier", "softmax": "xavier"}  # names that are not layers


@functools.cache
def initializers() -> Mapping[str, str]:
    """The initializer for each activation's name, from the activation classes."""
    classes = activations.activation_classes()
    return {name: cls.initializer for name, cls in classes.items()} | NOT_LAYERS


def weight_scale(n_inputs: int, n_outputs: int, activation: str) -> float:
    """Standard deviation of initial weights before ``activation``.

    sqrt(2 / I) for the ReLU family (He et al., ICCV 2015, equation 10), sqrt(2 / (I + O)) for
    the others (Glorot and Bengio, AISTATS 2010, equation 12).

    Parameters
    ----------
    n_inputs, n_outputs : int
        I and O of the weights.
    activation : str
        What follows the layer: the ``shell_name`` of an activation, such as "relu" or "tanh", or
        "linear" or "softmax".

    Examples
    --------
    >>> weight_scale(8, 24, "relu"), weight_scale(8, 24, "tanh")
    (0.5, 0.25)
    """
    known = initializers()
    if activation not in known:
        raise ValueError(f"activation is {activation!r}, wanted one of {', '.join(known)}")
    return SCALES[known[activation]](n_inputs, n_outputs)


def initial_weights(
    n_inputs: int,
    n_outputs: int,
    rng: int | np.random.Generator | None = None,
    activation: str = "relu",
    dtype: DTypeLike = np.float32,
) -> Array:
    """Normal random weights (I, O), scaled for the activation that follows the layer.

    Drawn in float64 and then rounded, so a seed gives the same network in every dtype.

    Parameters
    ----------
    n_inputs, n_outputs : int
        I and O, each at least 1.
    rng : int, numpy.random.Generator or None
        A seed, the generator to draw from, or None for fresh entropy.
    activation : str
        See :func:`weight_scale`.
    dtype : dtype
        float16, float32 or float64.

    Examples
    --------
    >>> initial_weights(784, 50, rng=0).shape
    (784, 50)
    """
    n_inputs = whole_number("n_inputs", n_inputs, 1)
    n_outputs = whole_number("n_outputs", n_outputs, 1)
    wanted: np.dtype[Any] = np.dtype(dtype)
    if wanted.kind != "f" or wanted.itemsize > 8:
        raise TypeError(f"dtype is {wanted}, wanted float16, float32 or float64")
    scale = weight_scale(n_inputs, n_outputs, activation)
    return (generator(rng).standard_normal((n_inputs, n_outputs)) * scale).astype(wanted)
