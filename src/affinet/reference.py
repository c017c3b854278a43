"""Every kernel once more, as a textbook would write it, in NumPy alone.

The functions carry the names of the compiled kernels and take the same inputs and scalars, but
return their results instead of writing them into arguments. They are the oracle of the tests and
a place to read how each step works; affinet never falls back on them.

Letters: B rows of a batch, I inputs, O outputs, C classes, n elements of any shape. ``dout`` is
the gradient that comes in, ``dx`` the one that goes out. Everything is computed in the dtype of
the arrays (scalars are taken as Python floats, which never widen it), inputs are never modified,
and only the sum over a loss's rows or elements is carried in double precision.

Losses take weights of their rows, a float64 array w of shape (B,), or None for weights of 1. Means
divide by the sum of the weights, a row of weight 0 counts nothing, whatever it holds, and where no
row has a weight the loss and its gradient are 0.

"DL" below is Goodfellow, Bengio & Courville, Deep Learning, MIT Press 2016.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

__all__ = [
    "adagrad_update",
    "adam_update",
    "adamw_update",
    "affine_backward_db",
    "affine_backward_dw",
    "affine_backward_dx",
    "affine_forward",
    "affine_relu_forward",
    "batch_norm_backward",
    "batch_norm_forward",
    "batch_norm_predict",
    "batch_norm_update",
    "clip_norm",
    "dropout_backward",
    "dropout_forward",
    "gelu_backward",
    "gelu_forward",
    "gemm_nn",
    "gemm_nt",
    "gemm_tn",
    "huber_loss",
    "l2_penalty",
    "layer_norm_backward",
    "layer_norm_forward",
    "leaky_relu_backward",
    "leaky_relu_forward",
    "mean_absolute_error",
    "mean_squared_error",
    "momentum_update",
    "nesterov_update",
    "poisson_loss",
    "quantile_loss",
    "relu_backward",
    "relu_forward",
    "rmsprop_update",
    "sgd_update",
    "sigmoid_backward",
    "sigmoid_cross_entropy",
    "sigmoid_forward",
    "silu_backward",
    "silu_forward",
    "softmax_cross_entropy_labels",
    "softmax_cross_entropy_rows",
    "softmax_forward",
    "sum_squared_error",
    "tanh_backward",
    "tanh_forward",
]


# Matrix products ---------------------------------------------------------------------------------


def gemm_nn(A: Array, B: Array) -> Array:
    """Matrix product ``A B``.

    Parameters
    ----------
    A : array of shape (M, K)
    B : array of shape (K, N)

    Returns
    -------
    array of shape (M, N)
        ``out[i, j] = sum_k A[i, k] B[k, j]``

    Notes
    -----
    Source: the definition of the product; DL, section 2.2.

    Examples
    --------
    >>> gemm_nn(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    return A @ B


def gemm_nt(A: Array, B: Array) -> Array:
    """Matrix product ``A B^T``: the second operand is given transposed.

    Parameters
    ----------
    A : array of shape (M, K)
    B : array of shape (N, K)

    Returns
    -------
    array of shape (M, N)
        ``out[i, j] = sum_k A[i, k] B[j, k]``

    Notes
    -----
    Source: DL, section 2.2.

    Examples
    --------
    >>> gemm_nt(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]))
    array([[11.]])
    """
    return A @ B.T


def gemm_tn(A: Array, B: Array) -> Array:
    """Matrix product ``A^T B``: the first operand is given transposed.

    Parameters
    ----------
    A : array of shape (K, M)
    B : array of shape (K, N)

    Returns
    -------
    array of shape (M, N)
        ``out[i, j] = sum_k A[k, i] B[k, j]``

    Notes
    -----
    Source: DL, section 2.2.

    Examples
    --------
    >>> gemm_tn(np.array([[1.0], [2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    return A.T @ B


# Affine layer ------------------------------------------------------------------------------------


def affine_forward(x: Array, W: Array, b: Array) -> Array:
    """Affine map of every row, ``out = x W + b``.

    Parameters
    ----------
    x : array of shape (B, I)
    W : array of shape (I, O)
    b : array of shape (O,)

    Returns
    -------
    array of shape (B, O)

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    Source: DL, section 6.3.

    Examples
    --------
    >>> affine_forward(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), np.array([0.5]))
    array([[11.5]])
    """
    _require_shape("b", b, W.shape[1:])
    return x @ W + b


def affine_relu_forward(x: Array, W: Array, b: Array) -> Array:
    """Affine map and ReLU in one, ``out = max(x W + b, 0)``; NaN stays NaN.

    Parameters
    ----------
    x : array of shape (B, I)
    W : array of shape (I, O)
    b : array of shape (O,)

    Returns
    -------
    array of shape (B, O)

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    Source: DL, section 6.3.1.

    Examples
    --------
    >>> W = np.array([[1.0, -1.0]])
    >>> affine_relu_forward(np.array([[2.0]]), W, np.array([0.5, 0.5]))
    array([[2.5, 0. ]])
    """
    return relu_forward(affine_forward(x, W, b))


def affine_backward_dx(dout: Array, W: Array) -> Array:
    """Gradient of ``out = x W + b`` with respect to x, ``dx = dout W^T``.

    Parameters
    ----------
    dout : array of shape (B, O)
    W : array of shape (I, O)

    Returns
    -------
    array of shape (B, I)

    Notes
    -----
    Source: chain rule on ``out[i, j] = sum_k x[i, k] W[k, j] + b[j]``; DL, section 6.5.6.

    Examples
    --------
    >>> affine_backward_dx(np.array([[1.0]]), np.array([[3.0], [4.0]]))
    array([[3., 4.]])
    """
    return dout @ W.T


def affine_backward_dw(x: Array, dout: Array) -> Array:
    """Gradient of ``out = x W + b`` with respect to W, ``dW = x^T dout``.

    Parameters
    ----------
    x : array of shape (B, I)
    dout : array of shape (B, O)

    Returns
    -------
    array of shape (I, O)
        Zeros where the batch has no rows.

    Notes
    -----
    Source: chain rule on ``out[i, j] = sum_k x[i, k] W[k, j] + b[j]``; DL, section 6.5.6.

    Examples
    --------
    >>> affine_backward_dw(np.array([[1.0, 2.0]]), np.array([[3.0]]))
    array([[3.],
           [6.]])
    """
    return x.T @ dout


def affine_backward_db(dout: Array) -> Array:
    """Gradient of ``out = x W + b`` with respect to b, the sum of dout over its rows.

    Parameters
    ----------
    dout : array of shape (B, O)

    Returns
    -------
    array of shape (O,)
        Zeros where the batch has no rows.

    Notes
    -----
    Source: chain rule; b is added to every row, so the rows' gradients add up.

    Examples
    --------
    >>> affine_backward_db(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([4., 6.])
    """
    db: Array = np.sum(dout, axis=0)
    return db


# Activations: backward takes the layer's output y, where that does not do its input x ------------


def relu_forward(x: Array) -> Array:
    """Rectifier, 0 where x < 0, x elsewhere; NaN stays NaN.

    Parameters
    ----------
    x : array of any shape

    Returns
    -------
    array shaped as x

    Notes
    -----
    Source: Glorot, Bordes & Bengio, AISTATS 2011; DL, section 6.3.1.

    Examples
    --------
    >>> relu_forward(np.array([-1.0, 0.0, 2.0, np.nan]))
    array([ 0.,  0.,  2., nan])
    """
    return np.where(x < 0, 0, x)


def relu_backward(y: Array, dout: Array) -> Array:
    """Gradient of the rectifier, 0 where y <= 0, dout elsewhere; a NaN in y lets dout pass.

    Parameters
    ----------
    y : array of any shape
        What `relu_forward` returned.
    dout : array shaped as y

    Returns
    -------
    array shaped as y

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    At the kink, x = 0, the derivative from the left is taken. Source: DL, section 6.3.

    Examples
    --------
    >>> relu_backward(np.array([0.0, 2.0]), np.array([5.0, 5.0]))
    array([0., 5.])
    """
    _require_shape("dout", dout, y.shape)
    return np.where(y <= 0, 0, dout)


def leaky_relu_forward(x: Array, slope: float) -> Array:
    """Rectifier with a slope on the negative side, ``slope * x`` where x < 0, x elsewhere.

    Parameters
    ----------
    x : array of any shape
    slope : float
        Positive, so that the sign of the output is the sign of x.

    Returns
    -------
    array shaped as x

    Notes
    -----
    Source: Maas, Hannun & Ng, ICML workshop 2013.

    Examples
    --------
    >>> leaky_relu_forward(np.array([-1.0, 0.0, 2.0]), 0.25)
    array([-0.25,  0.  ,  2.  ])
    """
    return np.where(x < 0, float(slope) * x, x)


def leaky_relu_backward(y: Array, dout: Array, slope: float) -> Array:
    """Gradient of the leaky rectifier, ``slope * dout`` where y <= 0, dout elsewhere.

    Parameters
    ----------
    y : array of any shape
        What `leaky_relu_forward` returned.
    dout : array shaped as y
    slope : float
        The slope of the forward pass.

    Returns
    -------
    array shaped as y

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    Source: Maas, Hannun & Ng, ICML workshop 2013.

    Examples
    --------
    >>> leaky_relu_backward(np.array([-0.25, 2.0]), np.array([4.0, 4.0]), 0.25)
    array([1., 4.])
    """
    _require_shape("dout", dout, y.shape)
    return np.where(y <= 0, float(slope) * dout, dout)


def sigmoid_forward(x: Array) -> Array:
    """Logistic function, ``1 / (1 + exp(-x))``.

    Parameters
    ----------
    x : array of any shape

    Returns
    -------
    array shaped as x

    Notes
    -----
    For x < 0 it is written ``exp(x) / (1 + exp(x))``, so that no exponential overflows.
    Source: DL, section 3.10.

    Examples
    --------
    >>> sigmoid_forward(np.array([-1e4, 0.0, 1e4]))
    array([0. , 0.5, 1. ])
    """
    e = np.exp(-np.abs(x))
    out: Array = np.where(x < 0, e, 1) / (1 + e)
    return out


def sigmoid_backward(y: Array, dout: Array) -> Array:
    """Gradient of the logistic function, ``dx = dout y (1 - y)``.

    Parameters
    ----------
    y : array of any shape
        What `sigmoid_forward` returned.
    dout : array shaped as y

    Returns
    -------
    array shaped as y

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    Source: DL, section 3.10.

    Examples
    --------
    >>> sigmoid_backward(np.array([0.5, 1.0]), np.array([2.0, 2.0]))
    array([0.5, 0. ])
    """
    _require_shape("dout", dout, y.shape)
    dx: Array = dout * y * (1 - y)
    return dx


def tanh_forward(x: Array) -> Array:
    """Hyperbolic tangent.

    Parameters
    ----------
    x : array of any shape

    Returns
    -------
    array shaped as x

    Notes
    -----
    Source: DL, section 6.3.2.

    Examples
    --------
    >>> tanh_forward(np.array([-1e4, 0.0, 1e4]))
    array([-1.,  0.,  1.])
    """
    return np.tanh(x)


def tanh_backward(y: Array, dout: Array) -> Array:
    """Gradient of the hyperbolic tangent, ``dx = dout (1 - y^2)``.

    Parameters
    ----------
    y : array of any shape
        What `tanh_forward` returned.
    dout : array shaped as y

    Returns
    -------
    array shaped as y

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    Source: ``d tanh(x) / dx = 1 - tanh(x)^2``.

    Examples
    --------
    >>> tanh_backward(np.array([0.5, 1.0]), np.array([4.0, 4.0]))
    array([3., 0.])
    """
    _require_shape("dout", dout, y.shape)
    dx: Array = dout * (1 - y * y)
    return dx


def gelu_forward(x: Array) -> Array:
    """Gaussian error linear unit, ``x Phi(x)`` with Phi the normal distribution's function.

    Parameters
    ----------
    x : array of any shape

    Returns
    -------
    array shaped as x
        0 where x is -inf, which is the limit.

    Notes
    -----
    ``Phi(x) = erfc(-x / sqrt(2)) / 2``. Source: Hendrycks & Gimpel, arXiv 1606.08415, 2016,
    section 2, without the approximations named there.

    Examples
    --------
    >>> gelu_forward(np.array([-np.inf, 0.0, 1.0])).round(4)
    array([-0.    ,  0.    ,  0.8413])
    """
    finite = np.maximum(x, -1e4)
    out: Array = finite * _normal_distribution(x)
    return out


def gelu_backward(x: Array, dout: Array) -> Array:
    """Gradient of the Gaussian error linear unit, ``dx = dout (Phi(x) + x phi(x))``.

    Parameters
    ----------
    x : array of any shape
        What `gelu_forward` was given.
    dout : array shaped as x

    Returns
    -------
    array shaped as x

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    ``phi(x) = exp(-x^2 / 2) / sqrt(2 pi)`` is the derivative of Phi. Source: the product rule.

    Examples
    --------
    >>> gelu_backward(np.array([0.0, 10.0]), np.array([4.0, 4.0]))
    array([2., 4.])
    """
    _require_shape("dout", dout, x.shape)
    finite = np.clip(x, -1e4, 1e4)
    density = np.exp(-finite * finite / 2) / math.sqrt(2 * math.pi)
    dx: Array = dout * (_normal_distribution(x) + finite * density)
    return dx


def silu_forward(x: Array) -> Array:
    """Sigmoid linear unit, also called swish, ``x s(x)`` with s the logistic function.

    Parameters
    ----------
    x : array of any shape

    Returns
    -------
    array shaped as x
        0 where x is -inf, which is the limit.

    Notes
    -----
    Source: Hendrycks & Gimpel, arXiv 1606.08415, 2016, section 2.1; Elfwing, Uchibe & Doya,
    Neural Networks 107, 2018.

    Examples
    --------
    >>> silu_forward(np.array([-np.inf, 0.0, 100.0]))
    array([ -0.,   0., 100.])
    """
    finite = np.maximum(x, -1e4)
    out: Array = finite * sigmoid_forward(x)
    return out


def silu_backward(x: Array, dout: Array) -> Array:
    """Gradient of the sigmoid linear unit, ``dx = dout s(x) (1 + x (1 - s(x)))``.

    Parameters
    ----------
    x : array of any shape
        What `silu_forward` was given.
    dout : array shaped as x

    Returns
    -------
    array shaped as x

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    ``1 - s(x)`` is written ``s(-x)``. Source: Elfwing, Uchibe & Doya, Neural Networks 107, 2018,
    equation 9.

    Examples
    --------
    >>> silu_backward(np.array([0.0, 100.0]), np.array([4.0, 4.0]))
    array([2., 4.])
    """
    _require_shape("dout", dout, x.shape)
    finite = np.clip(x, -1e4, 1e4)
    dx: Array = dout * (sigmoid_forward(x) * (1 + finite * sigmoid_forward(-x)))
    return dx


# Normalization -----------------------------------------------------------------------------------


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
        Over the rows; the variance is the mean of the squared distances. 0 for no rows.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    Source: Ioffe & Szegedy, ICML 2015, algorithm 1.

    Examples
    --------
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
        Those of x's columns, as `batch_norm_forward` returned them, or given ones.
    eps : float
        Above 0.
    train : bool
        True: mean and variance follow x. False: they are given numbers.

    Returns
    -------
    dx : array of shape (B, O)
        With ``n = (x - mean) / sqrt(variance + eps)``, the sums over the rows:
        ``gamma / sqrt(variance + eps) (dout - dbeta / B - n dgamma / B)``, without the two last
        terms if train is False
    dgamma, dbeta : arrays of shape (O,)
        ``sum dout n`` and ``sum dout``

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    Source: the chain rule of Ioffe & Szegedy, ICML 2015, section 3, with its sums carried out.

    Examples
    --------
    >>> one = np.array([1.0])
    >>> x, dout = np.array([[1.0], [3.0]]), np.array([[1.0], [2.0]])
    >>> batch_norm_backward(x, dout, one, 2 * one, one, 3.0, False)
    (array([[0.5],
           [1. ]]), array([0.5]), array([3.]))
    """
    _require_shape("dout", dout, x.shape)
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
    """Running statistics: they go to those of a batch by the share ``momentum`` of the way.

    Parameters
    ----------
    mean, variance : arrays of shape (O,)
        Of a batch, as `batch_norm_forward` returned them.
    momentum : float
        From 0 to 1.
    rows : int
        Of that batch, 2 or more.
    running_mean, running_var : arrays of shape (O,)
        The statistics so far.

    Returns
    -------
    running_mean, running_var : arrays of shape (O,)
        ``(1 - momentum) old + momentum new``, where the new variance is made unbiased:
        ``variance rows / (rows - 1)``

    Raises
    ------
    ValueError
        If there are less than two rows.

    Notes
    -----
    Source: Ioffe & Szegedy, ICML 2015, section 3.1.

    Examples
    --------
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
        Over the numbers of a row; the variance is the mean of the squared distances.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    Source: Ba, Kiros & Hinton, arXiv 1607.06450, 2016, section 3.

    Examples
    --------
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
        numbers of a row: ``(d - mean(d) - n mean(d n)) / sqrt(variance + eps)``
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
    >>> ones = np.ones(2)
    >>> dx, dgamma, dbeta = layer_norm_backward(
    ...     np.array([[1.0, 3.0]]), np.array([[4.0, 8.0]]), ones, 2 * ones[:1], ones[:1], 3.0
    ... )
    >>> dx, dgamma, dbeta
    (array([[-0.75,  0.75]]), array([-2.,  4.]), array([4., 8.]))
    """
    _require_shape("dout", dout, x.shape)
    _require_columns(x, gamma=gamma)
    _require_columns(x.T, mean=mean, variance=variance)
    n = _normalized(x, mean[:, np.newaxis], variance[:, np.newaxis], eps)
    d = dout * gamma
    count = max(x.shape[1], 1)
    mean_d = np.sum(d, axis=1, keepdims=True) / count
    mean_dn = np.sum(d * n, axis=1, keepdims=True) / count
    dx = (d - mean_d - n * mean_dn) / np.sqrt(variance + float(eps))[:, np.newaxis]
    return dx, np.sum(dout * n, axis=0), np.sum(dout, axis=0)


# Losses: the value as a Python float, then the gradient with respect to the first argument -------


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
    >>> loss, y, dx = softmax_cross_entropy_labels(np.zeros((1, 2)), np.array([1]))
    >>> round(loss, 4), y, dx
    (0.6931, array([[0.5, 0.5]]), array([[ 0.5, -0.5]]))
    """
    B, C = x.shape
    _require_elements("x", x)
    _require_shape("t", t, (B,))
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
    >>> loss, y, dx = softmax_cross_entropy_rows(np.zeros((1, 2)), np.array([[0.0, 1.0]]))
    >>> round(loss, 4), y, dx
    (0.6931, array([[0.5, 0.5]]), array([[ 0.5, -0.5]]))
    """
    B, C = x.shape
    _require_elements("x", x)
    _require_shape("t", t, x.shape)
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
    >>> loss, dx = sigmoid_cross_entropy(np.array([[0.0, 0.0]]), np.array([[1.0, 0.0]]))
    >>> round(loss, 4), dx
    (1.3863, array([[-0.5,  0.5]]))
    """
    _require_elements("x", x)
    _require_shape("t", t, x.shape)
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
    >>> mean_squared_error(np.array([[1.0, 2.0]]), np.array([[1.0, 4.0]]))
    (2.0, array([[ 0., -2.]]))
    """
    _require_elements("y", y)
    _require_shape("t", t, y.shape)
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
    >>> sum_squared_error(np.array([[1.0, 2.0]]), np.array([[1.0, 4.0]]))
    (2.0, array([[ 0., -2.]]))
    """
    _require_elements("y", y)
    _require_shape("t", t, y.shape)
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
    >>> mean_absolute_error(np.array([[1.0, 2.0]]), np.array([[1.0, 4.0]]))
    (1.0, array([[ 0. , -0.5]]))
    """
    _require_elements("y", y)
    _require_shape("t", t, y.shape)
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
    >>> huber_loss(np.array([[1.0, 2.0]]), np.array([[0.0, 5.0]]))
    (1.5, array([[ 0.5, -0.5]]))
    """
    _require_elements("y", y)
    _require_shape("t", t, y.shape)
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
    >>> poisson_loss(np.array([[0.0, 0.0]]), np.array([[3.0, 0.0]]))
    (1.0, array([[-1. ,  0.5]]))
    """
    _require_elements("y", y)
    _require_shape("t", t, y.shape)
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
    >>> quantile_loss(np.array([[1.0, 2.0]]), np.array([[0.0, 4.0]]), q=0.75)
    (0.875, array([[ 0.125, -0.375]]))
    """
    _require_elements("y", y)
    _require_shape("t", t, y.shape)
    difference, q = y - t, float(q)
    terms = np.where(difference < 0, -q * difference, (1 - q) * difference)
    sign = np.sign(difference)
    slopes = np.where(sign < 0, q * sign, (1 - q) * sign)
    return _weighted_mean(terms, slopes, weights, y.size)


# Dropout -----------------------------------------------------------------------------------------


def dropout_forward(x: Array, p: float, key: int, step: int, row: int) -> tuple[Array, Array]:
    """Inverted dropout: each element is zeroed with probability p, the others grow by 1 / (1-p).

    Parameters
    ----------
    x : array of shape (B, O)
    p : float
        Probability of dropping an element, 0 <= p < 1.
    key, step : int
        Unsigned 64-bit numbers that choose the mask.
    row : int
        The place of ``x[0]`` in the whole batch, so that a part of a batch gets its part of the
        mask.

    Returns
    -------
    out : array of shape (B, O)
        ``x * (1 / (1 - p))`` where mask is 1, 0 elsewhere.
    mask : uint8 array of shape (B, O)
        1 where the element was kept.

    Raises
    ------
    ValueError
        If p lies outside 0 <= p < 1.

    Notes
    -----
    The mask is a function of (key, step, row, column) and of nothing else: element (r, column)
    owns word ``column % 4`` of Philox4x32-10 under the counter (column // 4, row + r, low half
    of step, high half of step), and is kept where that word is at least ``p * 2**32``.
    Sources: Srivastava et al., JMLR 15, 2014; Salmon et al., SC 2011.

    Examples
    --------
    >>> out, mask = dropout_forward(np.ones((1, 8)), 0.5, key=7, step=0, row=0)
    >>> mask
    array([[1, 1, 0, 0, 0, 1, 0, 1]], dtype=uint8)
    >>> out
    array([[2., 2., 0., 0., 0., 2., 0., 2.]])
    """
    if not 0 <= p < 1:
        raise ValueError(f"p is {p!r}, wanted 0 <= p < 1")
    B, O = x.shape  # noqa: E741
    counter = np.empty((B, -(-O // 4), 4), dtype=np.uint64)
    counter[..., 0] = np.arange(counter.shape[1], dtype=np.uint64)
    counter[..., 1] = ((row % 2**32 + np.arange(B)) % 2**32)[:, np.newaxis]
    counter[..., 2] = step % 2**32
    counter[..., 3] = step >> 32
    words = _philox4x32_10(counter, (key % 2**32, key >> 32))
    mask = words.reshape(B, 4 * counter.shape[1])[:, :O] >= round(p * 2**32)
    return np.where(mask, x * (1 / (1 - float(p))), 0), mask.astype(np.uint8)


def dropout_backward(dout: Array, mask: Array, p: float) -> Array:
    """Gradient of inverted dropout, ``dout / (1 - p)`` where mask is 1, 0 elsewhere.

    Parameters
    ----------
    dout : array of shape (B, O)
    mask : uint8 array of shape (B, O)
        What `dropout_forward` returned.
    p : float
        The p of the forward pass.

    Returns
    -------
    array of shape (B, O)

    Raises
    ------
    ValueError
        If the shapes differ or p lies outside 0 <= p < 1.

    Notes
    -----
    Source: Srivastava et al., JMLR 15, 2014.

    Examples
    --------
    >>> dropout_backward(np.array([[3.0, 3.0]]), np.array([[0, 1]], dtype=np.uint8), 0.5)
    array([[0., 6.]])
    """
    if not 0 <= p < 1:
        raise ValueError(f"p is {p!r}, wanted 0 <= p < 1")
    _require_shape("mask", mask, dout.shape)
    return np.where(mask == 1, dout * (1 / (1 - float(p))), 0)


# What is done to a gradient before an update -----------------------------------------------------


def l2_penalty(W: Array, scale: float, dW: Array) -> tuple[float, Array]:
    """L2 penalty, ``scale / 2 sum W^2``, and the gradient with the penalty's share added.

    Parameters
    ----------
    W : array of any shape
        Weights.
    scale : float
        In training the strength of the penalty divided by the number of rows.
    dW : array shaped as W
        The gradient of the loss with respect to W.

    Returns
    -------
    loss : float
        The penalty.
    dW : array shaped as W
        ``dW + scale W``

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    Source: DL, section 7.1.1, equations 7.2 and 7.3.

    Examples
    --------
    >>> l2_penalty(np.array([2.0, 4.0]), 0.5, np.array([1.0, 0.0]))
    (5.0, array([2., 2.]))
    """
    _require_shape("dW", dW, W.shape)
    scale = float(scale)
    loss = 0.5 * scale * float(np.sum(np.square(W, dtype=np.float64)))
    return loss, dW + scale * W


def clip_norm(dW: Array, max_norm: float) -> tuple[float, Array]:
    """A gradient scaled down to a Euclidean norm of ``max_norm``, if it is longer than that.

    Parameters
    ----------
    dW : array of any shape
    max_norm : float
        Above 0.

    Returns
    -------
    norm : float
        ``sqrt(sum dW^2)``, that of the gradient as it came.
    out : array shaped as dW
        ``dW min(1, max_norm / norm)``. Where the norm is not finite there is no direction to
        keep, and all of it is NaN.

    Raises
    ------
    ValueError
        If max_norm is not above 0.

    Notes
    -----
    Source: Pascanu, Mikolov & Bengio, ICML 2013, algorithm 1; DL, equations 10.48 and 10.49.

    Examples
    --------
    >>> clip_norm(np.array([3.0, 4.0]), 2.5)
    (5.0, array([1.5, 2. ]))
    """
    if not max_norm > 0:
        raise ValueError(f"max_norm is {max_norm!r}, wanted a number above 0")
    norm = float(np.sqrt(np.sum(np.square(dW, dtype=np.float64))))
    if norm <= max_norm:
        return norm, dW.copy()
    return norm, dW * (float(max_norm) / norm if np.isfinite(norm) else np.nan)


# Optimizers: the new state, then the new parameters ----------------------------------------------


def sgd_update(dW: Array, lr: float, weight_decay: float, W: Array) -> Array:
    """Gradient descent, ``W - lr (dW + weight_decay W)``.

    Parameters
    ----------
    dW : array of any shape
        The gradient of the loss with respect to W.
    lr : float
        Learning rate.
    weight_decay : float
        Strength of the pull towards 0; at 0 there is none, whatever W is.
    W : array shaped as dW

    Returns
    -------
    array shaped as dW
        The new W.

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    Sources: DL, section 8.3.1, algorithm 8.1; for the decay section 7.1.1, equation 7.4.

    Examples
    --------
    >>> sgd_update(np.array([2.0]), 0.25, 0.0, np.array([1.0]))
    array([0.5])
    >>> sgd_update(np.array([2.0]), 0.25, 0.5, np.array([1.0]))
    array([0.375])
    """
    _require_shape("W", W, dW.shape)
    if weight_decay:
        dW = dW + float(weight_decay) * W
    return W - float(lr) * dW


def momentum_update(
    dW: Array, lr: float, momentum: float, v: Array, W: Array
) -> tuple[Array, Array]:
    """Gradient descent with momentum, ``v = momentum v - lr dW``, then ``W = W + v``.

    Parameters
    ----------
    dW : array of any shape
        The gradient of the loss with respect to W.
    lr, momentum : float
        Learning rate, and the share of the velocity that is kept.
    v, W : arrays shaped as dW
        Velocity (zeros at first) and parameters.

    Returns
    -------
    v, W : arrays shaped as dW

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    Sources: Polyak, 1964; Sutskever et al., ICML 2013, equations 1 and 2; DL, algorithm 8.2.

    Examples
    --------
    >>> momentum_update(np.array([2.0]), 0.25, 0.5, np.array([1.0]), np.array([1.0]))
    (array([0.]), array([1.]))
    """
    _require_shape("v", v, dW.shape)
    _require_shape("W", W, dW.shape)
    v = float(momentum) * v - float(lr) * dW
    return v, W + v


def nesterov_update(
    dW: Array, lr: float, momentum: float, v: Array, W: Array
) -> tuple[Array, Array]:
    """Nesterov's momentum, ``v = momentum v - lr dW``, then ``W = W + momentum v - lr dW``.

    Parameters
    ----------
    dW : array of any shape
        The gradient of the loss with respect to W.
    lr, momentum : float
        Learning rate, and the share of the velocity that is kept.
    v, W : arrays shaped as dW
        Velocity (zeros at first) and parameters.

    Returns
    -------
    v, W : arrays shaped as dW

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    W stands one look ahead, ``momentum v``, of the parameters of Sutskever et al., ICML 2013,
    equations 3 and 4, so that dW is taken at W itself; the same form as in scikit-learn's
    ``MLPClassifier``. Source: Nesterov, 1983; Bengio, Boulanger-Lewandowski & Pascanu, ICASSP
    2013, equations 6 and 7.

    Examples
    --------
    >>> nesterov_update(np.array([2.0]), 0.25, 0.5, np.array([2.0]), np.array([1.0]))
    (array([0.5]), array([0.75]))
    """
    _require_shape("v", v, dW.shape)
    _require_shape("W", W, dW.shape)
    lr, momentum = float(lr), float(momentum)
    v = momentum * v - lr * dW
    return v, W + momentum * v - lr * dW


def adagrad_update(dW: Array, lr: float, eps: float, h: Array, W: Array) -> tuple[Array, Array]:
    """AdaGrad, ``h = h + dW^2``, then ``W = W - lr dW / (sqrt(h) + eps)``.

    Parameters
    ----------
    dW : array of any shape
        The gradient of the loss with respect to W.
    lr, eps : float
        Learning rate, and the small number that keeps the quotient finite where h is 0.
    h, W : arrays shaped as dW
        Sum of the squared gradients (zeros at first) and parameters.

    Returns
    -------
    h, W : arrays shaped as dW

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    Source: Duchi, Hazan & Singer, JMLR 12, 2011, in its diagonal form; DL, algorithm 8.4.

    Examples
    --------
    >>> adagrad_update(np.array([4.0]), 0.5, 1.0, np.array([9.0]), np.array([1.0]))
    (array([25.]), array([0.66666667]))
    """
    _require_shape("h", h, dW.shape)
    _require_shape("W", W, dW.shape)
    h = h + dW * dW
    return h, W - float(lr) * dW / (np.sqrt(h) + float(eps))


def rmsprop_update(
    dW: Array, lr: float, decay: float, eps: float, h: Array, W: Array
) -> tuple[Array, Array]:
    """RMSprop, ``h = decay h + (1 - decay) dW^2``, then ``W = W - lr dW / (sqrt(h) + eps)``.

    Parameters
    ----------
    dW : array of any shape
        The gradient of the loss with respect to W.
    lr : float
        Learning rate.
    decay : float
        Share of the running mean that is kept, 0 <= decay < 1.
    eps : float
        Added outside the root.
    h, W : arrays shaped as dW
        Running mean of the squared gradient (zeros at first) and parameters.

    Returns
    -------
    h, W : arrays shaped as dW

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    Source: Tieleman & Hinton, Neural Networks for Machine Learning, 2012, lecture 6.5; with eps
    where PyTorch's ``RMSprop`` has it.

    Examples
    --------
    >>> rmsprop_update(np.array([4.0]), 0.5, 0.75, 1.0, np.array([0.0]), np.array([1.0]))
    (array([4.]), array([0.33333333]))
    """
    _require_shape("h", h, dW.shape)
    _require_shape("W", W, dW.shape)
    h = float(decay) * h + (1 - float(decay)) * dW * dW
    return h, W - float(lr) * dW / (np.sqrt(h) + float(eps))


def adam_update(
    dW: Array,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    step: int,
    m: Array,
    v: Array,
    W: Array,
) -> tuple[Array, Array, Array]:
    """Adam: a step along the mean gradient, divided by the root of the mean squared gradient.

    Parameters
    ----------
    dW : array of any shape
        The gradient of the loss with respect to W.
    lr : float
        Learning rate.
    beta1, beta2 : float
        Shares of the two running means that are kept, 0 <= beta < 1.
    eps : float
        Added outside the root.
    step : int
        Number of this update: 1 for the first.
    m, v, W : arrays shaped as dW
        Running means of the gradient and of its square (zeros at first), and parameters.

    Returns
    -------
    m, v, W : arrays shaped as dW
        ``m = beta1 m + (1 - beta1) dW``, ``v = beta2 v + (1 - beta2) dW^2`` and
        ``W = W - lr m^ / (sqrt(v^) + eps)`` with the means freed of their start at 0,
        ``m^ = m / (1 - beta1^step)`` and ``v^ = v / (1 - beta2^step)``.

    Raises
    ------
    ValueError
        If the shapes differ or step is less than 1.

    Notes
    -----
    Source: Kingma & Ba, ICLR 2015, algorithm 1.

    Examples
    --------
    >>> zero = np.zeros(1)
    >>> m, v, W = adam_update(np.array([5.0]), 0.1, 0.9, 0.999, 1e-8, 1, zero, zero, zero)
    >>> W
    array([-0.1])
    """
    if step < 1:
        raise ValueError(f"step is {step!r}, wanted 1 or more")
    for name, state in (("m", m), ("v", v), ("W", W)):
        _require_shape(name, state, dW.shape)
    beta1, beta2 = float(beta1), float(beta2)
    m = beta1 * m + (1 - beta1) * dW
    v = beta2 * v + (1 - beta2) * dW * dW
    m_hat = m / (1 - beta1**step)
    v_hat = v / (1 - beta2**step)
    return m, v, W - float(lr) * m_hat / (np.sqrt(v_hat) + float(eps))


def adamw_update(
    dW: Array,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    step: int,
    m: Array,
    v: Array,
    W: Array,
) -> tuple[Array, Array, Array]:
    """Adam with decoupled weight decay: ``W = W - lr weight_decay W`` before Adam's step.

    Parameters
    ----------
    dW : array of any shape
        The gradient of the loss with respect to W.
    lr, beta1, beta2, eps : float
        See :func:`adam_update`.
    weight_decay : float
        Strength of the decay; at 0 the rule is Adam, whatever W is.
    step : int
        Number of this update: 1 for the first.
    m, v, W : arrays shaped as dW
        Running means of the gradient and of its square (zeros at first), and parameters.

    Returns
    -------
    m, v, W : arrays shaped as dW

    Raises
    ------
    ValueError
        If the shapes differ or step is less than 1.

    Notes
    -----
    Source: Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2,
    with the decay multiplied by the learning rate as in PyTorch's ``AdamW``.

    Examples
    --------
    >>> zero = np.zeros(1)
    >>> m, v, W = adamw_update(
    ...     np.array([5.0]), 0.1, 0.9, 0.999, 1e-8, 0.5, 1, zero, zero, np.ones(1)
    ... )
    >>> W
    array([0.85])
    """
    if weight_decay:
        W = W - float(lr) * float(weight_decay) * W
    return adam_update(dW, lr, beta1, beta2, eps, step, m, v, W)


# Helpers -----------------------------------------------------------------------------------------


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


def _philox4x32_10(counter: Array, key: tuple[int, int]) -> Array:
    """Ten rounds of Philox on four 32-bit words: a random function of counter and key.

    Parameters
    ----------
    counter : uint64 array of shape (..., 4)
        Four words below 2^32 each. 64 bits hold the product of two of them without overflow.
    key : two ints below 2^32

    Returns
    -------
    uint64 array of shape (..., 4)
        Four words below 2^32.

    Notes
    -----
    Source: Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011;
    the constants are those of its companion library, Random123.

    Examples
    --------
    >>> [f"{word:08x}" for word in _philox4x32_10(np.zeros(4, dtype=np.uint64), (0, 0))]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    half, low_half = np.uint64(32), np.uint64(2**32 - 1)
    c0, c1, c2, c3 = np.moveaxis(counter, -1, 0)
    k0, k1 = key
    for _ in range(10):
        product0 = np.uint64(0xD2511F53) * c0
        product1 = np.uint64(0xCD9E8D57) * c2
        c0 = (product1 >> half) ^ c1 ^ np.uint64(k0)
        c1 = product1 & low_half
        c2 = (product0 >> half) ^ c3 ^ np.uint64(k1)
        c3 = product0 & low_half
        k0 = (k0 + 0x9E3779B9) % 2**32  # the golden ratio
        k1 = (k1 + 0xBB67AE85) % 2**32  # the square root of 3, minus 1
    return np.stack([c0, c1, c2, c3], axis=-1)


def _weighted_sum(
    terms: Array, slopes: Array, weights: Array | None, divisor: float = 1.0
) -> tuple[float, Array]:
    """``sum_i w_i terms_i / divisor`` over rows, and ``w_i slopes_i / divisor``.

    A row of weight 0 adds 0 and has the gradient 0, even where its term is not finite.
    """
    w = np.ones(len(terms)) if weights is None else weights
    _require_shape("weights", w, (len(terms),))
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


def _require_columns(x: Array, **arrays: Array) -> None:
    """Refuse arrays that are not one number for each column of x."""
    for name, array in arrays.items():
        _require_shape(name, array, x.shape[1:])


def _normal_distribution(x: Array) -> Array:
    """The integral of exp(-s^2 / 2) / sqrt(2 pi) up to x, in the dtype of x.

    By way of the complementary error function, which keeps its digits where it is small; it is
    found in double precision, number by number.
    """
    erfc = np.frompyfunc(math.erfc, 1, 1)
    scaled = -np.asarray(x, np.float64) / math.sqrt(2)
    p: Array = (np.asarray(erfc(scaled), np.float64) / 2).astype(x.dtype)
    return p


def _mean_and_variance(x: Array, axis: int) -> tuple[Array, Array]:
    """Of the numbers along an axis, in two passes; 0 where there are none."""
    count = max(x.shape[axis], 1)
    mean = np.sum(x, axis=axis, keepdims=True) / count
    variance = np.sum((x - mean) ** 2, axis=axis) / count
    return np.squeeze(mean, axis), variance


def _normalized(x: Array, mean: Array, variance: Array, eps: float) -> Array:
    n: Array = (x - mean) / np.sqrt(variance + float(eps))
    return n


def _require_shape(name: str, array: Array, shape: tuple[int, ...]) -> None:
    """Refuse what NumPy would broadcast in silence."""
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, wanted {shape}")


def _require_elements(name: str, array: Array) -> None:
    if array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}, wanted at least one element")


def _require_labels(t: Array, C: int) -> None:
    bad = np.flatnonzero((t < 0) | (t >= C))
    if bad.size:
        raise ValueError(f"t[{bad[0]}] is {t[bad[0]]}, wanted a class from 0 to {C - 1}")
