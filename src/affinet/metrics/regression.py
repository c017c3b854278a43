"""Metrics of values: predictions ``y`` and targets ``t`` of one shape."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array, number_array, require_shape
from affinet.metrics.rows import row_weights


def mean_absolute_error(
    y: ArrayLike, t: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    """Mean of ``|y - t|`` over all numbers.

    Parameters
    ----------
    y, t : arrays of the same shape (B, ...)
        Predictions and targets; (B,) and (B, 1) count as the same.
    sample_weight : array of shape (B,), optional
        Weight of each row, 0 or more.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If an argument is not of numbers, or of a shape that does not fit, by name.

    Examples
    --------
    >>> import affinet as an
    >>> an.metrics.mean_absolute_error([1.0, 2.0], [0.0, 4.0])
    1.5
    """
    y, t, weights = value_rows(y, t, sample_weight)
    return float(np.average(np.abs(y - t).mean(axis=1), weights=weights))


def root_mean_squared_error(
    y: ArrayLike, t: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    """Root of the mean of ``(y - t)^2`` over the rows; the mean of these over several outputs.

    Parameters
    ----------
    y, t : arrays of the same shape (B, ...)
        Predictions and targets; (B,) and (B, 1) count as the same.
    sample_weight : array of shape (B,), optional
        Weight of each row, 0 or more.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If an argument is not of numbers, or of a shape that does not fit, by name.

    Examples
    --------
    >>> import affinet as an
    >>> an.metrics.root_mean_squared_error([1.0, 2.0], [0.0, 9.0])
    5.0
    """
    y, t, weights = value_rows(y, t, sample_weight)
    return float(np.sqrt(np.average((y - t) ** 2, axis=0, weights=weights)).mean())


def r2_score(y: ArrayLike, t: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Share of the targets' variance that is explained; the mean over several outputs.

    ``1 - sum (y - t)^2 / sum (t - mean of t)^2``: 1 is perfect, 0 no better than the mean. An
    output whose targets are all equal counts 1 if every prediction equals them, else 0. Of a
    single row there is no variance to explain: NaN, as in scikit-learn.

    Parameters
    ----------
    y, t : arrays of the same shape (B, ...)
        Predictions and targets; (B,) and (B, 1) count as the same.
    sample_weight : array of shape (B,), optional
        Weight of each row, 0 or more.

    Returns
    -------
    float
        At most 1, or NaN for one row.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of numbers, or of a shape that does not fit, by name.

    Examples
    --------
    >>> import affinet as an
    >>> an.metrics.r2_score([1.0, 2.0, 3.0], [1.0, 2.0, 4.0]).__round__(4)
    0.7857
    """
    y, t, weights = value_rows(y, t, sample_weight)
    if len(t) < 2:
        return math.nan
    residual = np.average((y - t) ** 2, axis=0, weights=weights)
    mean = np.average(t, axis=0, weights=weights)
    variance = np.average((t - mean) ** 2, axis=0, weights=weights)
    counted = t[weights > 0]
    constant = (counted == counted[0]).all(axis=0)  # the mean of equal numbers may be rounded
    share = 1 - residual / np.where(constant, 1, variance)
    return float(np.where(constant, residual == 0, share).mean())


def value_rows(
    y: ArrayLike, t: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[Array, Array, Array]:
    """Predictions and targets as float64 (B, numbers a row), and the rows' weights."""
    y, t = number_array("y", y), number_array("t", t)
    y, t = (a[:, np.newaxis] if a.ndim == 1 else a for a in (y, t))
    require_shape("t", t, y.shape)
    weights = row_weights(sample_weight, y, t)
    if y[0].size == 0:
        raise ValueError(f"y has shape {y.shape}, wanted at least one number a row")
    rows = (len(y), -1)
    return y.reshape(rows).astype(np.float64), t.reshape(rows).astype(np.float64), weights
