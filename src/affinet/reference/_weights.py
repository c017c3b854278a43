"""Weighted sums and means of losses over rows."""

from __future__ import annotations

import numpy as np

from affinet.reference._arrays import Array, require_shape


def weighted_sum(
    terms: Array, slopes: Array, weights: Array | None, divisor: float = 1.0
) -> tuple[float, Array]:
    """``sum_i w_i terms_i / divisor`` over rows, and ``w_i slopes_i / divisor``.

    A row of weight 0 adds 0 and has the gradient 0, even where its term is not finite.
    """
    w = np.ones(len(terms)) if weights is None else weights
    require_shape("weights", w, (len(terms),))
    of_terms, of_slopes = (w.reshape(-1, *[1] * (array.ndim - 1)) for array in (terms, slopes))
    with np.errstate(invalid="ignore"):  # 0 times inf, replaced below
        loss = np.sum(np.where(of_terms == 0, 0, of_terms * terms), dtype=np.float64) / divisor
        dx = np.where(of_slopes == 0, 0, (of_slopes / divisor).astype(slopes.dtype) * slopes)
    return float(loss), dx


def weighted_mean(
    terms: Array, slopes: Array, weights: Array | None, size: int
) -> tuple[float, Array]:
    """The same divided by the effective batch size, ``size`` times the mean of w.

    0 if all weights are 0.
    """
    divisor = float(size) if weights is None else size * float(np.sum(weights)) / len(terms)
    if divisor == 0:
        return 0.0, np.zeros_like(slopes)
    return weighted_sum(terms, slopes, weights, divisor)


def require_elements(name: str, array: Array) -> None:
    """Reject an empty batch, whose loss is undefined."""
    if array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}, wanted at least one element")
