"""Softmax and its cross entropy: the loss as a Python float, then the softmax and the gradient."""

from __future__ import annotations

import numpy as np

from affinet.reference._arrays import Array, require_shape
from affinet.reference._weights import require_elements, weighted_mean

__all__ = [
    "softmax_cross_entropy_labels",
    "softmax_cross_entropy_rows",
    "softmax_forward",
]


def softmax_forward(x: Array) -> Array:
    """Softmax of every row, ``y[i, j] = exp(x[i, j]) / sum_k exp(x[i, k])``.

    Parameters
    ----------
    x : array of shape (B, C)

    Returns
    -------
    array of shape (B, C)
        Every row is positive and sums to 1; a row with a NaN or +inf is NaN.

    Notes
    -----
    The row's maximum is subtracted first: it cancels in the quotient, and no exponential
    overflows. Source: Blanchard, Higham & Higham, IMA J. Numer. Anal. 41, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import softmax_forward
    >>> softmax_forward(np.array([[0.0, 0.0], [1e4, -1e4]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    e = np.exp(_minus_row_maximum(x))
    y: Array = e / np.sum(e, axis=1, keepdims=True)
    return y


def softmax_cross_entropy_labels(
    x: Array, t: Array, weights: Array | None = None, label_smoothing: float = 0.0
) -> tuple[float, Array, Array]:
    """Softmax and the cross entropy of its rows with class indices.

    Parameters
    ----------
    x : array of shape (B, C)
        Logits.
    t : integer array of shape (B,)
        The true class of each row, 0 .. C-1.
    weights : array of shape (B,), optional
        Weights of the rows.
    label_smoothing : float
        s: the targets are ``t' = (1 - s) onehot(t) + s / C``.

    Returns
    -------
    loss : float
        ``sum_i w_i sum_j t'[i, j] (logsumexp(x[i]) - x[i, j]) / sum_i w_i``
    y : array of shape (B, C)
        The softmax of x.
    dx : array of shape (B, C)
        ``w_i (y - t') / sum_i w_i``

    Raises
    ------
    ValueError
        If x is empty, t or weights have the wrong shape, or a label is outside 0 .. C-1.

    Notes
    -----
    Source: DL, sections 6.2.2.3 and 3.13; Szegedy et al., CVPR 2016, section 7.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import softmax_cross_entropy_labels
    >>> loss, y, dx = softmax_cross_entropy_labels(np.zeros((1, 2)), np.array([1]))
    >>> round(loss, 4), y, dx
    (0.6931, array([[0.5, 0.5]]), array([[ 0.5, -0.5]]))
    """
    B, C = x.shape
    require_elements("x", x)
    require_shape("t", t, (B,))
    _require_labels(t, C)
    s, rows = float(label_smoothing), np.arange(B)
    y, costs = softmax_forward(x), _minus_log_softmax(x)
    terms = costs[rows, t]
    if s:
        terms = (1 - s) * terms + s * np.mean(costs, axis=1)
    slopes = y - s / C
    slopes[rows, t] = y[rows, t] - (1 - s + s / C)
    loss, dx = weighted_mean(terms, slopes, weights, B)
    return loss, y, dx


def softmax_cross_entropy_rows(
    x: Array, t: Array, weights: Array | None = None, label_smoothing: float = 0.0
) -> tuple[float, Array, Array]:
    """Softmax and the cross entropy of its rows with rows of target probabilities.

    Parameters
    ----------
    x : array of shape (B, C)
        Logits.
    t : array of shape (B, C)
        Targets, such as one-hot rows or probabilities; a row need not sum to 1.
    weights : array of shape (B,), optional
        Weights of the rows.
    label_smoothing : float
        s: the targets are ``t' = (1 - s) t + s / C``.

    Returns
    -------
    loss : float
        ``sum_i w_i sum_j t'[i, j] (logsumexp(x[i]) - x[i, j]) / sum_i w_i``; where t' is 0, the
        term is 0 even for an infinite logit.
    y : array of shape (B, C)
        The softmax of x.
    dx : array of shape (B, C)
        ``w_i (y[i, j] sum_k t'[i, k] - t'[i, j]) / sum_i w_i``

    Raises
    ------
    ValueError
        If x is empty, t is not shaped as x or weights have the wrong shape.

    Notes
    -----
    Source: DL, section 3.13, with the convention 0 log 0 = 0; Szegedy et al., CVPR 2016, section
    7.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import softmax_cross_entropy_rows
    >>> loss, y, dx = softmax_cross_entropy_rows(np.zeros((1, 2)), np.array([[0.0, 1.0]]))
    >>> round(loss, 4), y, dx
    (0.6931, array([[0.5, 0.5]]), array([[ 0.5, -0.5]]))
    """
    B, C = x.shape
    require_elements("x", x)
    require_shape("t", t, x.shape)
    s = float(label_smoothing)
    t = (1 - s) * t + s / C
    with np.errstate(invalid="ignore"):  # 0 times inf, replaced on the next line
        terms = t * _minus_log_softmax(x)
    terms = np.where(t == 0, 0, terms)
    y = softmax_forward(x)
    slopes = y * np.sum(t, axis=1, keepdims=True) - t
    loss, dx = weighted_mean(terms, slopes, weights, B)
    return loss, y, dx


def _minus_row_maximum(x: Array) -> Array:
    """``x[i, j] - max_k x[i, k]``, at most 0; a row whose maximum is not finite becomes NaN."""
    with np.errstate(invalid="ignore"):  # inf - inf
        z: Array = x - np.max(x, axis=1, keepdims=True, initial=-np.inf)
    return z


def _minus_log_softmax(x: Array) -> Array:
    """``logsumexp(x[i]) - x[i, j]``, never negative.

    The row's maximum is subtracted from both terms, so that no exponential overflows and no two
    large numbers are subtracted.
    """
    z = _minus_row_maximum(x)
    terms: Array = np.log(np.sum(np.exp(z), axis=1, keepdims=True)) - z
    return terms


def _require_labels(t: Array, C: int) -> None:
    bad = np.flatnonzero((t < 0) | (t >= C))
    if bad.size:
        raise ValueError(f"t[{bad[0]}] is {t[bad[0]]}, wanted a class from 0 to {C - 1}")
