"""The activations' derivatives in double precision (row 2).

``SLOPES`` maps a kernel's name to a function of what its backward keeps, the input or the output,
that returns the derivative and the size of its terms. Where a derivative crosses 0 they cancel: an
error is measured in units in the last place of their size.
"""

from __future__ import annotations

import math

import numpy as np

from decimals import double_normal, double_sigmoid


def gelu(x):
    x = np.clip(x, -1e4, 1e4)
    density = x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    below = double_normal(x)
    return below + density, below + abs(density)


def silu(x):
    x = np.clip(x, -1e4, 1e4)
    s = double_sigmoid(x)
    rest = x * s * double_sigmoid(-x)
    return s + rest, s + abs(rest)


def mish(x):
    """t + x (1 - t^2) s(x), 1 - t^2 without cancellation."""
    x = np.clip(x, -1e4, 1e4)
    e = np.exp(-abs(x))
    d = np.where(x < 0, e * (e + 2) + 2, 1 + 2 * e * (1 + e))
    t = np.where(x < 0, e * (e + 2), 1 + 2 * e) / d
    rest = x * np.where(x < 0, 4 * e, 4 * e * e) * (1 + e) / (d * d)
    return t + rest, t + abs(rest)


def alone(formula):
    """A derivative of one term."""

    def both(kept):
        slope = formula(kept)
        return slope, abs(slope)

    return both


SLOPES = {
    "relu": alone(lambda y: np.where(y > 0, 1.0, 0.0)),
    "sigmoid": alone(lambda y: y * (1 - y)),
    "tanh": lambda y: (1 - y * y, np.ones_like(y)),
    "gelu": gelu,
    "silu": silu,
    "mish": mish,
    "selu": alone(
        lambda x: np.where(x > 0, 1.0507009873554805, 1.7580993408473769 * np.exp(np.minimum(x, 0)))
    ),
    "softplus": alone(double_sigmoid),
}
KEEP_OUTPUT = ("relu", "sigmoid", "tanh")
