"""Initial weights: He for the ReLU family, Xavier for everything else."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from affinet._validation import Array, generator, whole_number

RELU_FAMILY = ("relu", "leaky_relu", "gelu", "silu")
OTHERS = ("linear", "sigmoid", "tanh", "softmax")


def weight_scale(n_inputs: int, n_outputs: int, activation: str) -> float:
    """Standard deviation of initial weights before ``activation``.

    sqrt(2 / I) for the ReLU family (He et al., ICCV 2015, equation 10), sqrt(2 / (I + O)) for
    the others (Glorot and Bengio, AISTATS 2010, equation 12).

    Parameters
    ----------
    n_inputs, n_outputs : int
        I and O of the weights.
    activation : str
        What follows the layer: "relu", "leaky_relu", "gelu", "silu", "linear", "sigmoid",
        "tanh" or "softmax".

    Examples
    --------
    >>> weight_scale(8, 24, "relu"), weight_scale(8, 24, "tanh")
    (0.5, 0.25)
    """
    if activation in RELU_FAMILY:
        return math.sqrt(2.0 / n_inputs)
    if activation in OTHERS:
        return math.sqrt(2.0 / (n_inputs + n_outputs))
    raise ValueError(
        f"activation is {activation!r}, wanted one of {', '.join(RELU_FAMILY + OTHERS)}"
    )


def initial_weights(
    n_inputs: int,
    n_outputs: int,
    rng: int | np.random.Generator | None = 0,
    activation: str = "relu",
    dtype: DTypeLike = np.float32,
) -> Array:
    """Normal random weights (I, O), scaled for what follows the layer.

    They are drawn in float64 and then rounded, so one seed gives the same net in every dtype.

    Parameters
    ----------
    n_inputs, n_outputs : int
        I and O, each at least 1.
    rng : int, numpy.random.Generator or None
        A seed or the generator to draw from; None takes fresh entropy.
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
