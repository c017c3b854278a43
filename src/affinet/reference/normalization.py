"""Batch and layer normalization."""

from __future__ import annotations

import numpy as np

from affinet.reference._arrays import Array, require_shape

__all__ = [
    "batch_norm_backward",
    "batch_norm_forward",
    "batch_norm_predict",
    "batch_norm_update",
    "layer_norm_backward",
    "layer_norm_forward",
]


def batch_norm_forward(
    x: Array, gamma: Array, beta: Array, eps: float
) -> tuple[Array, Array, Array]:
    """Normalization of a batch's columns by their own mean and variance.

    Parameters
    ----------
    x : array of shape (B, O)
    gamma, beta : arrays of shape (O,)
    eps : float
        Above 0; keeps the divisor away from 0.

    Returns
    -------
    out : array of shape (B, O)
        ``gamma (x - mean) / sqrt(variance + eps) + beta``
    mean, variance : arrays of shape (O,)
        Over the rows; the variance is biased (division by B). 0 for an empty batch.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    Source: Ioffe & Szegedy, ICML 2015, algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import batch_norm_forward
    >>> x = np.array([[1.0], [3.0]])
    >>> batch_norm_forward(x, np.array([10.0]), np.array([5.0]), 3.0)
    (array([[ 0.],
           [10.]]), array([2.]), array([1.]))
    """
    _require_columns(x, gamma=gamma, beta=beta)
    mean, variance = _mean_and_variance(x, axis=0)
    return _normalized(x, mean, variance, eps) * gamma + beta, mean, variance


def batch_norm_predict(
    x: Array, gamma: Array, beta: Array, mean: Array, variance: Array, eps: float
) -> Array:
    """Normalization of columns by a given mean and variance.

    Parameters
    ----------
    x : array of shape (B, O)
    gamma, beta, mean, variance : arrays of shape (O,)
    eps : float
        Above 0.

    Returns
    -------
    array of shape (B, O)
        ``scale x + (beta - scale mean)`` with ``scale = gamma / sqrt(variance + eps)``

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    Source: Ioffe & Szegedy, ICML 2015, algorithm 2, steps 11 and 12.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import batch_norm_predict
    >>> one = np.array([1.0])
    >>> batch_norm_predict(np.array([[1.0], [3.0]]), 10 * one, 5 * one, 2 * one, one, 3.0)
    array([[ 0.],
           [10.]])
    """
    _require_columns(x, gamma=gamma, beta=beta, mean=mean, variance=variance)
    scale = gamma / np.sqrt(variance + float(eps))
    return x * scale + (beta - mean * scale)


def batch_norm_backward(
    x: Array, dout: Array, gamma: Array, mean: Array, variance: Array, eps: float, train: bool
) -> tuple[Array, Array, Array]:
    """Gradients of the normalization of columns.

    Parameters
    ----------
    x, dout : arrays of shape (B, O)
    gamma : array of shape (O,)
    mean, variance : arrays of shape (O,)
        Those of x's columns, as `batch_norm_forward` returned them, or fixed ones.
    eps : float
        Above 0.
    train : bool
        True: mean and variance depend on x. False: they are constants.

    Returns
    -------
    dx : array of shape (B, O)
        With ``n = (x - mean) / sqrt(variance + eps)`` and sums over the rows:
        ``gamma / sqrt(variance + eps) (dout - dbeta / B - n dgamma / B)``, without the last two
        terms if train is False
    dgamma, dbeta : arrays of shape (O,)
        ``sum dout n`` and ``sum dout``

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    Source: the chain rule of Ioffe & Szegedy, ICML 2015, section 3, simplified.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import batch_norm_backward
    >>> one = np.array([1.0])
    >>> x, dout = np.array([[1.0], [3.0]]), np.array([[1.0], [2.0]])
    >>> batch_norm_backward(x, dout, one, 2 * one, one, 3.0, False)
    (array([[0.5],
           [1. ]]), array([0.5]), array([3.]))
    """
    require_shape("dout", dout, x.shape)
    _require_columns(x, gamma=gamma, mean=mean, variance=variance)
    n = _normalized(x, mean, variance, eps)
    dgamma, dbeta = np.sum(dout * n, axis=0), np.sum(dout, axis=0)
    through_statistics = (dbeta + n * dgamma) / len(x) if train and len(x) else 0
    dx = gamma / np.sqrt(variance + float(eps)) * (dout - through_statistics)
    return dx, dgamma, dbeta


def batch_norm_update(
    mean: Array,
    variance: Array,
    momentum: float,
    rows: int,
    running_mean: Array,
    running_var: Array,
) -> tuple[Array, Array]:
    """Update of the running statistics: an exponential moving average with weight ``momentum``.

    Parameters
    ----------
    mean, variance : arrays of shape (O,)
        Of a batch, as `batch_norm_forward` returned them.
    momentum : float
        From 0 to 1.
    rows : int
        Number of rows of that batch, 2 or more.
    running_mean, running_var : arrays of shape (O,)
        The statistics so far.

    Returns
    -------
    running_mean, running_var : arrays of shape (O,)
        ``(1 - momentum) old + momentum new``, where the new variance is the unbiased one:
        ``variance rows / (rows - 1)``

    Raises
    ------
    ValueError
        If there are fewer than two rows.

    Notes
    -----
    Source: Ioffe & Szegedy, ICML 2015, section 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import batch_norm_update
    >>> one = np.array([1.0])
    >>> batch_norm_update(4 * one, one, 0.5, 2, 2 * one, one)
    (array([3.]), array([1.5]))
    """
    if rows < 2:
        raise ValueError(f"rows is {rows}, wanted 2 or more")
    kept, share = 1 - float(momentum), float(momentum)
    unbiased = variance * (rows / (rows - 1))
    return kept * running_mean + share * mean, kept * running_var + share * unbiased


def layer_norm_forward(
    x: Array, gamma: Array, beta: Array, eps: float
) -> tuple[Array, Array, Array]:
    """Normalization of each row by its own mean and variance.

    Parameters
    ----------
    x : array of shape (B, O)
    gamma, beta : arrays of shape (O,)
    eps : float
        Above 0; keeps the divisor away from 0.

    Returns
    -------
    out : array of shape (B, O)
        ``gamma (x - mean) / sqrt(variance + eps) + beta``
    mean, variance : arrays of shape (B,)
        Over the elements of a row; the variance is biased (division by O).

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    Source: Ba, Kiros & Hinton, arXiv 1607.06450, 2016, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import layer_norm_forward
    >>> ones = np.ones(2)
    >>> layer_norm_forward(np.array([[1.0, 3.0]]), 10 * ones, 5 * ones, 3.0)
    (array([[ 0., 10.]]), array([2.]), array([1.]))
    """
    _require_columns(x, gamma=gamma, beta=beta)
    mean, variance = _mean_and_variance(x, axis=1)
    n = _normalized(x, mean[:, np.newaxis], variance[:, np.newaxis], eps)
    return n * gamma + beta, mean, variance


def layer_norm_backward(
    x: Array, dout: Array, gamma: Array, mean: Array, variance: Array, eps: float
) -> tuple[Array, Array, Array]:
    """Gradients of the normalization of rows.

    Parameters
    ----------
    x, dout : arrays of shape (B, O)
    gamma : array of shape (O,)
    mean, variance : arrays of shape (B,)
        As `layer_norm_forward` returned them.
    eps : float
        Above 0.

    Returns
    -------
    dx : array of shape (B, O)
        With ``n = (x - mean) / sqrt(variance + eps)``, ``d = dout gamma`` and means over the
        elements of a row: ``(d - mean(d) - n mean(d n)) / sqrt(variance + eps)``
    dgamma, dbeta : arrays of shape (O,)
        ``sum dout n`` and ``sum dout``, over the rows

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    Source: the chain rule on the formulas of Ba, Kiros & Hinton, arXiv 1607.06450, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import layer_norm_backward
    >>> ones = np.ones(2)
    >>> dx, dgamma, dbeta = layer_norm_backward(
    ...     np.array([[1.0, 3.0]]), np.array([[4.0, 8.0]]), ones, 2 * ones[:1], ones[:1], 3.0
    ... )
    >>> dx, dgamma, dbeta
    (array([[-0.75,  0.75]]), array([-2.,  4.]), array([4., 8.]))
    """
    require_shape("dout", dout, x.shape)
    _require_columns(x, gamma=gamma)
    _require_columns(x.T, mean=mean, variance=variance)
    n = _normalized(x, mean[:, np.newaxis], variance[:, np.newaxis], eps)
    d = dout * gamma
    count = max(x.shape[1], 1)
    mean_d = np.sum(d, axis=1, keepdims=True) / count
    mean_dn = np.sum(d * n, axis=1, keepdims=True) / count
    dx = (d - mean_d - n * mean_dn) / np.sqrt(variance + float(eps))[:, np.newaxis]
    return dx, np.sum(dout * n, axis=0), np.sum(dout, axis=0)


def _require_columns(x: Array, **arrays: Array) -> None:
    """Reject arrays that do not have one element per column of x."""
    for name, array in arrays.items():
        require_shape(name, array, x.shape[1:])


def _mean_and_variance(x: Array, axis: int) -> tuple[Array, Array]:
    """Mean and variance along an axis, in two passes; 0 for an empty axis."""
    count = max(x.shape[axis], 1)
    mean = np.sum(x, axis=axis, keepdims=True) / count
    variance = np.sum((x - mean) ** 2, axis=axis) / count
    return np.squeeze(mean, axis), variance


def _normalized(x: Array, mean: Array, variance: Array, eps: float) -> Array:
    n: Array = (x - mean) / np.sqrt(variance + float(eps))
    return n
