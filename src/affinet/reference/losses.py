"""Elementwise losses: the loss as a Python float, then the gradient for the first argument."""

from __future__ import annotations

import numpy as np

from affinet.reference._arrays import Array, require_shape
from affinet.reference._weights import require_elements, weighted_mean, weighted_sum

__all__ = [
    "gaussian_loss",
    "huber_loss",
    "log_cosh_loss",
    "mean_absolute_error",
    "mean_squared_error",
    "poisson_loss",
    "quantile_loss",
    "sigmoid_cross_entropy",
    "sum_squared_error",
]


def sigmoid_cross_entropy(x: Array, t: Array, weights: Array | None = None) -> tuple[float, Array]:
    """Logistic function of logits, and the cross entropy of each with its target.

    Parameters
    ----------
    x : array of shape (B, O)
        Logits.
    t : array of shape (B, O)
        Targets.
    weights : array of shape (B,), optional
        Weights of the rows.

    Returns
    -------
    loss : float
        ``sum_i w_i sum_j (log(1 + exp(x)) - t x) / sum_i w_i``
    dx : array of shape (B, O)
        ``w_i (sigmoid(x) - t) / sum_i w_i``

    Raises
    ------
    ValueError
        If there are no elements or the shapes differ.

    Notes
    -----
    Source: DL, section 6.2.2.2. With s the target probability of the class that x does not
    predict, 1 - t where x > 0 and t elsewhere, the element's loss is
    ``log(1 + exp(-|x|)) + s |x|``, without overflow or cancellation. Where s is 0, its term is 0
    even for an infinite logit.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import sigmoid_cross_entropy
    >>> loss, dx = sigmoid_cross_entropy(np.array([[0.0, 0.0]]), np.array([[1.0, 0.0]]))
    >>> round(loss, 4), dx
    (1.3863, array([[-0.5,  0.5]]))
    """
    require_elements("x", x)
    require_shape("t", t, x.shape)
    share = np.where(x > 0, 1 - t, t)
    with np.errstate(invalid="ignore"):  # 0 times inf, replaced below
        against = np.where(share == 0, 0, np.abs(x) * share)
    e = np.exp(-np.abs(x))
    terms = np.log1p(e) + against
    slopes = np.where(x > 0, share - e / (1 + e), e / (1 + e) - share)
    return weighted_mean(terms, slopes, weights, len(x))


def mean_squared_error(y: Array, t: Array, weights: Array | None = None) -> tuple[float, Array]:
    """Mean over all elements of ``(y - t)^2``.

    Parameters
    ----------
    y : array of shape (B, O)
        Predictions.
    t : array of shape (B, O)
        Targets.
    weights : array of shape (B,), optional
        Weights of the rows.

    Returns
    -------
    loss : float
        ``sum_i w_i sum_j (y - t)^2 / (O sum_i w_i)``
    dx : array of shape (B, O)
        ``2 w_i (y - t) / (O sum_i w_i)``

    Raises
    ------
    ValueError
        If there are no elements or the shapes differ.

    Notes
    -----
    Source: DL, section 5.1.4.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import mean_squared_error
    >>> mean_squared_error(np.array([[1.0, 2.0]]), np.array([[1.0, 4.0]]))
    (2.0, array([[ 0., -2.]]))
    """
    require_elements("y", y)
    require_shape("t", t, y.shape)
    difference = y - t
    return weighted_mean(difference * difference, 2 * difference, weights, y.size)


def sum_squared_error(y: Array, t: Array, weights: Array | None = None) -> tuple[float, Array]:
    """Half the sum over all elements of ``(y - t)^2``.

    Parameters
    ----------
    y : array of shape (B, O)
        Predictions.
    t : array of shape (B, O)
        Targets.
    weights : array of shape (B,), optional
        Weights of the rows.

    Returns
    -------
    loss : float
        ``1/2 sum_i w_i sum_j (y - t)^2``
    dx : array of shape (B, O)
        ``w_i (y - t)``

    Raises
    ------
    ValueError
        If there are no elements or the shapes differ.

    Notes
    -----
    Source: Bishop, Pattern Recognition and Machine Learning, Springer 2006, equation 5.11.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import sum_squared_error
    >>> sum_squared_error(np.array([[1.0, 2.0]]), np.array([[1.0, 4.0]]))
    (2.0, array([[ 0., -2.]]))
    """
    require_elements("y", y)
    require_shape("t", t, y.shape)
    difference = y - t
    return weighted_sum(difference * difference / 2, difference, weights)


def mean_absolute_error(y: Array, t: Array, weights: Array | None = None) -> tuple[float, Array]:
    """Mean over all elements of ``|y - t|``.

    Parameters
    ----------
    y : array of shape (B, O)
        Predictions.
    t : array of shape (B, O)
        Targets.
    weights : array of shape (B,), optional
        Weights of the rows.

    Returns
    -------
    loss : float
        ``sum_i w_i sum_j |y - t| / (O sum_i w_i)``
    dx : array of shape (B, O)
        ``w_i sign(y - t) / (O sum_i w_i)``

    Raises
    ------
    ValueError
        If there are no elements or the shapes differ.

    Notes
    -----
    Source: Bloomfield & Steiger, Least Absolute Deviations, Birkhäuser 1983.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import mean_absolute_error
    >>> mean_absolute_error(np.array([[1.0, 2.0]]), np.array([[1.0, 4.0]]))
    (1.0, array([[ 0. , -0.5]]))
    """
    require_elements("y", y)
    require_shape("t", t, y.shape)
    difference = y - t
    return weighted_mean(np.abs(difference), np.sign(difference), weights, y.size)


def huber_loss(
    y: Array, t: Array, weights: Array | None = None, delta: float = 1.0
) -> tuple[float, Array]:
    """Mean over all elements of the Huber function: quadratic near 0, linear beyond.

    Parameters
    ----------
    y : array of shape (B, O)
        Predictions.
    t : array of shape (B, O)
        Targets.
    weights : array of shape (B,), optional
        Weights of the rows.
    delta : float
        Distance at which the loss becomes linear, above 0.

    Returns
    -------
    loss : float
        ``sum_i w_i sum_j h(y - t) / (O sum_i w_i)``
    dx : array of shape (B, O)
        ``w_i clip(y - t, -delta, delta) / (O sum_i w_i)``

    Raises
    ------
    ValueError
        If there are no elements or the shapes differ.

    Notes
    -----
    Source: Huber, Annals of Mathematical Statistics 35, 1964: ``h(d) = d^2 / 2`` where
    ``|d| <= delta``, else ``delta (|d| - delta / 2)``.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import huber_loss
    >>> huber_loss(np.array([[1.0, 2.0]]), np.array([[0.0, 5.0]]))
    (1.5, array([[ 0.5, -0.5]]))
    """
    require_elements("y", y)
    require_shape("t", t, y.shape)
    difference, delta = y - t, float(delta)
    size = np.abs(difference)
    terms = np.where(size > delta, delta * (size - delta / 2), difference * difference / 2)
    return weighted_mean(terms, np.clip(difference, -delta, delta), weights, y.size)


def poisson_loss(y: Array, t: Array, weights: Array | None = None) -> tuple[float, Array]:
    """Mean over all elements of ``exp(y) - t y``: y is the log rate of the count t.

    Parameters
    ----------
    y : array of shape (B, O)
        Predictions.
    t : array of shape (B, O)
        Targets.
    weights : array of shape (B,), optional
        Weights of the rows.

    Returns
    -------
    loss : float
        ``sum_i w_i sum_j (exp(y) - t y) / (O sum_i w_i)``
    dx : array of shape (B, O)
        ``w_i (exp(y) - t) / (O sum_i w_i)``

    Raises
    ------
    ValueError
        If there are no elements or the shapes differ.

    Notes
    -----
    Source: McCullagh & Nelder, Generalized Linear Models, 2nd edition, 1989, chapter 6.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import poisson_loss
    >>> poisson_loss(np.array([[0.0, 0.0]]), np.array([[3.0, 0.0]]))
    (1.0, array([[-1. ,  0.5]]))
    """
    require_elements("y", y)
    require_shape("t", t, y.shape)
    rates = np.exp(y)
    return weighted_mean(rates - t * y, rates - t, weights, y.size)


def quantile_loss(
    y: Array, t: Array, weights: Array | None = None, q: float | tuple[float, ...] = 0.5
) -> tuple[float, Array]:
    """Mean over all elements of ``max(q (t - y), (q - 1) (t - y))``.

    Parameters
    ----------
    y : array of shape (B, O)
        Predictions.
    t : array of shape (B, O)
        Targets.
    weights : array of shape (B,), optional
        Weights of the rows.
    q : float, or tuple of n floats
        The quantile, 0 < q < 1; of several, column j has that number j mod n.

    Returns
    -------
    loss : float
        ``sum_i w_i sum_j max(q (t - y), (q - 1) (t - y)) / (O sum_i w_i)``
    dx : array of shape (B, O)
        ``w_i s / (O sum_i w_i)``

    Raises
    ------
    ValueError
        If there are no elements or the shapes differ.

    Notes
    -----
    Source: Koenker & Bassett, Econometrica 46, 1978. The slope s is ``-q`` where y < t,
    ``1 - q`` where y > t and 0 where they are equal.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import quantile_loss
    >>> quantile_loss(np.array([[1.0, 2.0]]), np.array([[0.0, 4.0]]), q=0.75)
    (0.875, array([[ 0.125, -0.375]]))
    """
    require_elements("y", y)
    require_shape("t", t, y.shape)
    difference = y - t
    levels = np.resize(np.asarray(q, y.dtype), y.shape[1]) if np.ndim(q) else np.asarray(q, y.dtype)
    terms = np.where(difference < 0, -levels * difference, (1 - levels) * difference)
    sign = np.sign(difference)
    slopes = np.where(sign < 0, levels * sign, (1 - levels) * sign)
    return weighted_mean(terms, slopes, weights, y.size)


def gaussian_loss(y: Array, t: Array, weights: Array | None = None) -> tuple[float, Array]:
    """Gaussian negative log-likelihood, of pairs of a mean m and the logarithm s of a variance.

    Parameters
    ----------
    y : array of shape (B, O)
        Pairs (m, s) of neighbouring columns; O is even.
    t : array of shape (B, O)
        Targets, each in both columns of its pair; the second one is ignored.
    weights : array of shape (B,), optional
        Weights of the rows.

    Returns
    -------
    loss : float
        ``sum_i w_i sum_j (s + (m - t)^2 exp(-s)) / (O sum_i w_i)``
    dx : array of shape (B, O)
        ``w_i (2 (m - t) exp(-s), 1 - (m - t)^2 exp(-s)) / (O sum_i w_i)``

    Raises
    ------
    ValueError
        If there are no elements, the shapes differ or O is odd.

    Notes
    -----
    Source: Nix & Weigend, "Estimating the mean and variance of the target probability
    distribution", ICNN 1994, equation 3, with ``s = log sigma^2``.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import gaussian_loss
    >>> gaussian_loss(np.array([[1.0, 0.0]]), np.array([[3.0, 3.0]]))
    (2.0, array([[-2. , -1.5]]))
    """
    require_elements("y", y)
    require_shape("t", t, y.shape)
    if y.shape[1] % 2 != 0:
        raise ValueError(f"y has shape {y.shape}, wanted an even number of columns")
    d, s = (y - t)[:, ::2], y[:, 1::2]
    slopes = np.where(d == 0, 0, d * np.exp(-s))
    terms, both = np.empty_like(y), np.empty_like(y)
    terms[:, ::2], terms[:, 1::2] = d * slopes / 2, s / 2
    both[:, ::2], both[:, 1::2] = slopes, (1 - d * slopes) / 2
    return weighted_mean(terms, both, weights, y.size // 2)


def log_cosh_loss(y: Array, t: Array, weights: Array | None = None) -> tuple[float, Array]:
    """Mean over all elements of ``log(cosh(y - t))``: quadratic near 0, linear far away.

    Parameters
    ----------
    y : array of shape (B, O)
        Predictions.
    t : array of shape (B, O)
        Targets.
    weights : array of shape (B,), optional
        Weights of the rows.

    Returns
    -------
    loss : float
        ``sum_i w_i sum_j log(cosh(y - t)) / (O sum_i w_i)``
    dx : array of shape (B, O)
        ``w_i tanh(y - t) / (O sum_i w_i)``

    Raises
    ------
    ValueError
        If there are no elements or the shapes differ.

    Notes
    -----
    Computed as ``log1p(2 sinh(d / 2)^2)`` for small d, else
    ``|d| + log1p(exp(-2 |d|)) - log(2)``. Source: Green, "Bayesian Reconstructions from Emission
    Tomography Data Using a Modified EM Algorithm", IEEE Transactions on Medical Imaging 9, 1990,
    equation 7.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import log_cosh_loss
    >>> loss, dx = log_cosh_loss(np.array([[1.0, 2.0]]), np.array([[0.0, 2.0]]))
    >>> round(loss, 4), dx.round(4)
    (0.2169, array([[0.3808, 0.    ]]))
    """
    require_elements("y", y)
    require_shape("t", t, y.shape)
    difference = y - t
    size = np.abs(difference)
    near = np.log1p(2 * np.sinh(np.minimum(size, 1) / 2) ** 2)
    far = size + np.log1p(np.exp(-2 * size)) - np.log(2)
    terms = np.where(size < 1, near, far).astype(y.dtype)
    return weighted_mean(terms, np.tanh(difference), weights, y.size)
