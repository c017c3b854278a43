"""Weighted quantiles of a few values."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array, number_array


def usable_levels(q: ArrayLike) -> Array:
    """The levels of quantiles, one number or (Q,); ValueError unless each is from 0 to 1."""
    levels = number_array("q", q)
    if levels.ndim > 1 or levels.size == 0:
        raise ValueError(f"q has shape {levels.shape}, wanted one number or (Q,)")
    bad = np.flatnonzero(~((levels >= 0) & (levels <= 1)))
    if bad.size:
        raise ValueError(f"q is {levels.reshape(-1)[bad[0]]}, wanted 0 <= q <= 1")
    return levels


def weighted_quantiles(values: Array, weights: Array, levels: Array) -> Array:
    """Quantiles over the first axis of values (K, ...): the inverse of the distribution function.

    Returns an array of shape (...) for one level, (Q, ...) for several. NaN comes out as NaN.
    """
    held = weights > 0
    order = np.argsort(values[held], axis=0, kind="stable")
    ordered = np.take_along_axis(values[held], order, axis=0)
    reached = np.cumsum(weights[held][order], axis=0)
    reached = reached + len(order) * np.finfo(np.float64).eps  # what rounding may have lost
    results = []
    for level in levels.reshape(-1):
        places = np.minimum((reached < level).sum(axis=0), len(order) - 1)
        found = np.take_along_axis(ordered, places[np.newaxis], axis=0)[0]
        results.append(np.where(np.isnan(ordered[-1]), np.nan, found))
    return np.asarray(results[0] if levels.ndim == 0 else np.stack(results))
