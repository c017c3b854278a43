"""Losses: the value as a Python float, then the gradient with respect to the first argument."""

from __future__ import annotations

import numpy as np

from affinet.reference._arrays import Array, require_shape

__all__ = [
    "huber_loss",
    "mean_absolute_error",
    "mean_squared_error",
    "poisson_loss",
    "quantile_loss",
    "sigmoid_cross_entropy",
    "softmax_cross_entropy_labels",
    "softmax_cross_entropy_rows",
    "softmax_forward",
    "sum_squared_error",
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
    The row's largest element is subtracted first: that cancels in the quotient, and then no
    exponential overflows. Source: Blanchard, Higham & Higham, IMA J. Numer. Anal. 41, 2021.

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
        The right class of each row, 0 .. C-1.
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
        If x is empty, t or weights have a wrong shape, or a label lies outside 0 .. C-1.

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
    _require_elements("x", x)
    require_shape("t", t, (B,))
    _require_labels(t, C)
    s, rows = float(label_smoothing), np.arange(B)
    y, costs = softmax_forward(x), _minus_log_softmax(x)
    terms = costs[rows, t]
    if s:
        terms = (1 - s) * terms + s * np.mean(costs, axis=1)
    slopes = y - s / C
    slopes[rows, t] = y[rows, t] - (1 - s + s / C)
    loss, dx = _weighted_mean(terms, slopes, weights, B)
    return loss, y, dx


def softmax_cross_entropy_rows(
    x: Array, t: Array, weights: Array | None = None, label_smoothing: float = 0.0
) -> tuple[float, Array, Array]:
    """Softmax and the cross entropy of its rows with rows of target weights.

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
        If x is empty, t is not shaped as x or weights have a wrong shape.

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
    _require_elements("x", x)
    require_shape("t", t, x.shape)
    s = float(label_smoothing)
    t = (1 - s) * t + s / C
    with np.errstate(invalid="ignore"):  # 0 times inf, which the next line replaces
        terms = t * _minus_log_softmax(x)
    terms = np.where(t == 0, 0, terms)
    y = softmax_forward(x)
    slopes = y * np.sum(t, axis=1, keepdims=True) - t
    loss, dx = _weighted_mean(terms, slopes, weights, B)
    return loss, y, dx


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
    Source: DL, section 6.2.2.2. With s the share of the answer that x speaks against, 1 - t where
    x > 0 and else t, the element's loss is ``log(1 + exp(-|x|)) + s |x|``: nothing overflows or
    cancels. Where s is 0 its term is 0 even for an infinite logit.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import sigmoid_cross_entropy
    >>> loss, dx = sigmoid_cross_entropy(np.array([[0.0, 0.0]]), np.array([[1.0, 0.0]]))
    >>> round(loss, 4), dx
    (1.3863, array([[-0.5,  0.5]]))
    """
    _require_elements("x", x)
    require_shape("t", t, x.shape)
    share = np.where(x > 0, 1 - t, t)
    with np.errstate(invalid="ignore"):  # 0 times inf, which is replaced
        against = np.where(share == 0, 0, np.abs(x) * share)
    e = np.exp(-np.abs(x))
    terms = np.log1p(e) + against
    slopes = np.where(x > 0, share - e / (1 + e), e / (1 + e) - share)
    return _weighted_mean(terms, slopes, weights, len(x))


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
    _require_elements("y", y)
    require_shape("t", t, y.shape)
    difference = y - t
    return _weighted_mean(difference * difference, 2 * difference, weights, y.size)


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
    _require_elements("y", y)
    require_shape("t", t, y.shape)
    difference = y - t
    return _weighted_sum(difference * difference / 2, difference, weights)


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
    _require_elements("y", y)
    require_shape("t", t, y.shape)
    difference = y - t
    return _weighted_mean(np.abs(difference), np.sign(difference), weights, y.size)


def huber_loss(
    y: Array, t: Array, weights: Array | None = None, delta: float = 1.0
) -> tuple[float, Array]:
    """Mean over all elements of a square near 0 that goes on as a straight line.

    Parameters
    ----------
    y : array of shape (B, O)
        Predictions.
    t : array of shape (B, O)
        Targets.
    weights : array of shape (B,), optional
        Weights of the rows.
    delta : float
        Where the straight lines begin, above 0.

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
    _require_elements("y", y)
    require_shape("t", t, y.shape)
    difference, delta = y - t, float(delta)
    size = np.abs(difference)
    terms = np.where(size > delta, delta * (size - delta / 2), difference * difference / 2)
    return _weighted_mean(terms, np.clip(difference, -delta, delta), weights, y.size)


def poisson_loss(y: Array, t: Array, weights: Array | None = None) -> tuple[float, Array]:
    """Mean over all elements of ``exp(y) - t y``: y are logarithms of the rates of counts t.

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
    _require_elements("y", y)
    require_shape("t", t, y.shape)
    rates = np.exp(y)
    return _weighted_mean(rates - t * y, rates - t, weights, y.size)


def quantile_loss(
    y: Array, t: Array, weights: Array | None = None, q: float = 0.5
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
    q : float
        The quantile, 0 < q < 1.

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
    _require_elements("y", y)
    require_shape("t", t, y.shape)
    difference, q = y - t, float(q)
    terms = np.where(difference < 0, -q * difference, (1 - q) * difference)
    sign = np.sign(difference)
    slopes = np.where(sign < 0, q * sign, (1 - q) * sign)
    return _weighted_mean(terms, slopes, weights, y.size)


def _minus_row_maximum(x: Array) -> Array:
    """``x[i, j] - max_k x[i, k]``, at most 0; a row whose maximum is not finite becomes NaN."""
    with np.errstate(invalid="ignore"):  # inf - inf
        z: Array = x - np.max(x, axis=1, keepdims=True, initial=-np.inf)
    return z


def _minus_log_softmax(x: Array) -> Array:
    """``logsumexp(x[i]) - x[i, j]``, never negative.

    The row's maximum is taken from both terms, so that no exponential overflows and two large
    numbers are not subtracted.
    """
    z = _minus_row_maximum(x)
    terms: Array = np.log(np.sum(np.exp(z), axis=1, keepdims=True)) - z
    return terms


def _weighted_sum(
    terms: Array, slopes: Array, weights: Array | None, divisor: float = 1.0
) -> tuple[float, Array]:
    """``sum_i w_i terms_i / divisor`` over rows, and ``w_i slopes_i / divisor``.

    A row of weight 0 adds 0 and has the gradient 0, even where its term is not finite.
    """
    w = np.ones(len(terms)) if weights is None else weights
    require_shape("weights", w, (len(terms),))
    of_terms, of_slopes = (w.reshape(-1, *[1] * (array.ndim - 1)) for array in (terms, slopes))
    with np.errstate(invalid="ignore"):  # 0 times inf, which is replaced
        loss = np.sum(np.where(of_terms == 0, 0, of_terms * terms), dtype=np.float64) / divisor
        dx = np.where(of_slopes == 0, 0, (of_slopes / divisor).astype(slopes.dtype) * slopes)
    return float(loss), dx


def _weighted_mean(
    terms: Array, slopes: Array, weights: Array | None, size: int
) -> tuple[float, Array]:
    """The same divided by the size of a batch whose rows count ``w_i`` times: by ``size`` mean w.

    0 where no row has a weight.
    """
    divisor = float(size) if weights is None else size * float(np.sum(weights)) / len(terms)
    if divisor == 0:
        return 0.0, np.zeros_like(slopes)
    return _weighted_sum(terms, slopes, weights, divisor)


def _require_elements(name: str, array: Array) -> None:
    if array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}, wanted at least one element")


def _require_labels(t: Array, C: int) -> None:
    bad = np.flatnonzero((t < 0) | (t >= C))
    if bad.size:
        raise ValueError(f"t[{bad[0]}] is {t[bad[0]]}, wanted a class from 0 to {C - 1}")
