"""Columns in increasing order."""

from __future__ import annotations

import numpy as np

from affinet.reference._arrays import Array, require_shape
from affinet.reference.activations import softplus_backward, softplus_forward

__all__ = ["increasing_backward", "increasing_forward"]


def increasing_forward(x: Array, n: int) -> Array:
    """In groups of n columns, the first and then the sums of it and softplus of the others.

    Parameters
    ----------
    x : array of shape (B, O)
    n : int
        Columns of a group; it divides O.

    Returns
    -------
    array of shape (B, O)
        ``y_0 = x_0`` and ``y_j = y_(j-1) + log(1 + exp(x_j))`` in each group.

    Raises
    ------
    ValueError
        If n does not divide O.

    Notes
    -----
    Source: Gasthaus et al., "Probabilistic forecasting with spline quantile function RNNs", AISTATS
    2019, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import increasing_forward
    >>> increasing_forward(np.array([[1.0, 0.0]]), 2).round(4)
    array([[1.    , 1.6931]])
    """
    groups = in_groups(x, n).copy()
    groups[..., 1:] = softplus_forward(groups[..., 1:])
    return np.cumsum(groups, axis=-1, dtype=x.dtype).reshape(x.shape)


def increasing_backward(x: Array, dout: Array, n: int) -> Array:
    """The gradient with respect to x.

    Parameters
    ----------
    x, dout : arrays of shape (B, O)
    n : int
        Columns of a group.

    Returns
    -------
    array of shape (B, O)
        ``s_j (dout_j + ... + dout_(n-1))`` with ``s_0 = 1`` and ``s_j = 1 / (1 + exp(-x_j))``.

    Raises
    ------
    ValueError
        If the shapes differ or n does not divide O.

    Notes
    -----
    Source: the derivative of :func:`increasing_forward`.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import increasing_backward
    >>> increasing_backward(np.array([[1.0, 0.0]]), np.array([[1.0, 1.0]]), 2)
    array([[2. , 0.5]])
    """
    require_shape("dout", dout, x.shape)
    groups = in_groups(x, n)
    sums = np.cumsum(in_groups(dout, n)[..., ::-1], axis=-1, dtype=x.dtype)[..., ::-1].copy()
    sums[..., 1:] = softplus_backward(groups[..., 1:], sums[..., 1:])
    return sums.reshape(x.shape)


def in_groups(x: Array, n: int) -> Array:
    """x as (B, O / n, n)."""
    if not 1 <= n <= x.shape[1] or x.shape[1] % n != 0:
        raise ValueError(f"n is {n}, wanted a number that divides the {x.shape[1]} columns")
    return x.reshape(len(x), x.shape[1] // n, n)
