"""What integers stand for, and how their sums come onto another scale, in NumPy as in C.

A value v stands for ``step (v - zero)``. Weights have one scale for each output and no zero;
activations have one of both for each layer, or for each column where what reads them can take the
columns' steps into its weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from affinet._validation import Array

SPREAD = {"int8": 30, "int16": 14}  # bits of a factor: sums times factors stay below 2^62


class Kind(NamedTuple):
    """The limits of a type, and what its sums are."""

    name: str
    low: int
    high: int
    total: str

    @property
    def dtype(self) -> np.dtype[Any]:
        """As NumPy has it."""
        return np.dtype(self.name)

    @property
    def codes(self) -> int:
        """Categories that a column can tell apart, from each other and from anything else."""
        return self.high - self.low - 1


KINDS = {
    "int8": Kind("int8", -128, 127, "int32"),
    "int16": Kind("int16", -32768, 32767, "int64"),
}


class Scale(NamedTuple):
    """The meaning of integers: ``step (v - zero)``; both are numbers, or arrays of columns."""

    step: Any
    zero: Any

    @property
    def by_columns(self) -> bool:
        """True if columns differ."""
        return isinstance(self.step, np.ndarray)

    def columns(self, n: int) -> tuple[Array, Array]:
        """Steps and zeros of n columns."""
        return np.broadcast_to(np.float64(self.step), n), np.broadcast_to(np.int64(self.zero), n)

    def real(self, q: Array) -> Array:
        """What integers stand for, float64."""
        return np.asarray(self.step * (q - self.zero), np.float64)


def scale_between(low: Array | float, high: Array | float, kind: Kind) -> Scale:
    """The scale on which these limits, and 0, just fit: one, or for arrays one for each column."""
    least, most = np.minimum(low, 0.0), np.maximum(high, 0.0)
    step = np.asarray((most - least) / (kind.high - kind.low)).astype(np.float32)
    step = np.where(step == 0, 1.0, step).astype(np.float64)
    zero = np.clip(np.rint(kind.low - least / step), kind.low, kind.high).astype(np.int64)
    return Scale(step, zero) if step.ndim else Scale(float(step), int(zero))


def joined(scales: Sequence[Scale], sizes: Sequence[int]) -> Scale:
    """The scales of blocks of columns, one after another."""
    parts = [scale.columns(n) for scale, n in zip(scales, sizes, strict=True)]
    steps, zeros = zip(*parts, strict=True)
    return Scale(np.concatenate(steps), np.concatenate(zeros))


def factor_and_shift(ratio: Array, bits: int) -> tuple[Array, Array]:
    """Positive ratios as ``factor / 2^shift`` with factors of these many bits."""
    _, exponent = np.frexp(np.maximum(ratio, 2.0**-40))
    shift = np.clip(bits - exponent, 1, 62)
    factor = np.rint(ratio * 2.0**shift)
    if (factor >= 2.0 ** (bits + 1)).any():
        raise ValueError("a layer's outputs are too small beside its inputs for integers")
    return factor.astype(np.int32), shift.astype(np.uint8)


def two_factors(first: Array, second: Array) -> tuple[Array, Array, int]:
    """Two ratios, or arrays of them, with one shift."""
    most = max(float(np.abs(first).max()), float(np.abs(second).max()), 2.0**-30)
    shift = int(min(max(28 - math.frexp(most)[1], 1), 45))
    both = [np.rint(np.asarray(own) * 2.0**shift) for own in (first, second)]
    if max(float(np.abs(own).max()) for own in both) >= 2.0**31:
        raise ValueError("a layer's factors are too large for integers")
    return both[0].astype(np.int64), both[1].astype(np.int64), shift


def rescaled(total: Array, factor: Any, shift: Any, zero: Any, low: Any, kind: Kind) -> Array:
    """Sums on another scale, as C's ``rescaled``."""
    half = np.int64(1) << (np.asarray(shift, np.int64) - 1)
    y = zero + ((total * np.asarray(factor, np.int64) + half) >> np.asarray(shift, np.int64))
    return np.asarray(np.clip(y, low, kind.high))


def isqrt(values: Array) -> Array:
    """The integer parts of square roots of int64."""
    roots = np.array([math.isqrt(v) for v in values.ravel().tolist()], np.int64)
    return roots.reshape(values.shape)
