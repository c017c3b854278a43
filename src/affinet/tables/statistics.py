"""Mean, deviation and median of columns with missing values, and what replaces these."""

from __future__ import annotations

import math

import numpy as np

from affinet._validation import Array
from affinet.tables.problems import TO_APPLY, TO_LEARN, empty_column, missing_value
from affinet.tables.table import Table

LARGEST = float(np.finfo(np.float64).max)


def statistics(values: Array) -> tuple[float, float]:
    """Mean and standard deviation of some numbers, 1 instead of a deviation of 0.

    Examples
    --------
    >>> import numpy as np
    >>> statistics(np.array([1e300, -1e300])), statistics(np.array([0.1, 0.1, 0.1]))
    ((0.0, 1e+300), (0.1, 1.0))
    """
    low, high = float(values.min()), float(values.max())
    if low == high:  # exactly: the rounded mean of equal numbers may differ from them
        return low, 1.0
    # Scaled by a power of two, which rounds nothing, so that no square is too large or too small.
    peak = math.ldexp(1.0, math.frexp(max(abs(low), abs(high)))[1] - 1)
    scaled = values / peak
    return float(scaled.mean() * peak), float(scaled.std() * peak) or 1.0


def median(values: Array) -> float:
    """The median of finite values; the mean of the middle two does not overflow.

    Examples
    --------
    >>> import numpy as np
    >>> median(np.array([4.0, 1.0, 2.0])), median(np.array([1.5e308, 1.7e308]))
    (2.0, 1.6e+308)
    """
    half = len(values) // 2
    low, high = map(float, np.partition(values, (-1 - half, half))[[-1 - half, half]])
    both = low + high
    return both / 2 if math.isfinite(both) else low / 2 + high / 2


def statistics_of(
    table: Table, name: str, values: Array, rows: Array, impute: str | None
) -> tuple[float, float, float | None]:
    """Mean, standard deviation and fill of some rows of a column's values, NaN where missing."""
    missing = np.isnan(values)
    if missing.any() and impute is None:  # in any row, because all of them are transformed later
        raise missing_value(table, name, int(missing.argmax()), TO_LEARN)
    values = values[rows][~missing[rows]]
    if not values.size:
        raise empty_column(table, name)
    mean, std = statistics(values)
    if impute is None:
        return mean, std, None
    return mean, std, median(values) if impute == "median" else mean


def filled(table: Table, name: str, values: Array, fill: float | None) -> Array:
    """Values with the missing ones replaced, or refused."""
    missing = np.isnan(values)
    if missing.any():
        if fill is None:
            raise missing_value(table, name, int(missing.argmax()), TO_APPLY)
        values[missing] = fill
    return values
