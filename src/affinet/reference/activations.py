"""Activations; backward takes the layer's output y or, where that is not enough, its input x."""

from __future__ import annotations

import numpy as np

from affinet.reference._arrays import Array, require_shape

__all__ = [
    "leaky_relu_backward",
    "leaky_relu_forward",
    "relu_backward",
    "relu_forward",
    "selu_backward",
    "selu_forward",
    "sigmoid_backward",
    "sigmoid_forward",
    "softplus_backward",
    "softplus_forward",
    "tanh_backward",
    "tanh_forward",
]


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
    >>> import numpy as np
    >>> from affinet.reference import relu_forward
    >>> relu_forward(np.array([-1.0, 0.0, 2.0, np.nan]))
    array([ 0.,  0.,  2., nan])
    """
    return np.where(x < 0, 0, x)


def relu_backward(y: Array, dout: Array) -> Array:
    """Gradient of the rectifier, 0 where y <= 0, dout elsewhere; a NaN in y passes dout through.

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
    At the kink, x = 0, this is the left derivative. Source: DL, section 6.3.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import relu_backward
    >>> relu_backward(np.array([0.0, 2.0]), np.array([5.0, 5.0]))
    array([0., 5.])
    """
    require_shape("dout", dout, y.shape)
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
    >>> import numpy as np
    >>> from affinet.reference import leaky_relu_forward
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
    >>> import numpy as np
    >>> from affinet.reference import leaky_relu_backward
    >>> leaky_relu_backward(np.array([-0.25, 2.0]), np.array([4.0, 4.0]), 0.25)
    array([1., 4.])
    """
    require_shape("dout", dout, y.shape)
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
    For x < 0 it is computed as ``exp(x) / (1 + exp(x))``, so that no exponential overflows.
    Source: DL, section 3.10.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import sigmoid_forward
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
    >>> import numpy as np
    >>> from affinet.reference import sigmoid_backward
    >>> sigmoid_backward(np.array([0.5, 1.0]), np.array([2.0, 2.0]))
    array([0.5, 0. ])
    """
    require_shape("dout", dout, y.shape)
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
    >>> import numpy as np
    >>> from affinet.reference import tanh_forward
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
    >>> import numpy as np
    >>> from affinet.reference import tanh_backward
    >>> tanh_backward(np.array([0.5, 1.0]), np.array([4.0, 4.0]))
    array([3., 0.])
    """
    require_shape("dout", dout, y.shape)
    dx: Array = dout * (1 - y * y)
    return dx


SELU_SCALE, SELU_LIMIT = 1.0507009873554805, 1.7580993408473769  # lambda, lambda alpha


def selu_forward(x: Array) -> Array:
    """Scaled exponential linear unit: ``lambda x``, or ``lambda alpha (exp(x) - 1)`` below 0.

    Parameters
    ----------
    x : array of any shape

    Returns
    -------
    array shaped as x

    Notes
    -----
    Source: Klambauer, Unterthiner, Mayr & Hochreiter, "Self-Normalizing Neural Networks", NeurIPS
    2017, equation 2, with lambda = 1.0507 and alpha = 1.6733, for which mean 0 and variance 1 are a
    fixed point.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import selu_forward
    >>> selu_forward(np.array([-np.inf, 0.0, 1.0])).round(4)
    array([-1.7581,  0.    ,  1.0507])
    """
    below = SELU_LIMIT * np.expm1(np.minimum(x, 0))
    out: Array = np.where(x < 0, below, SELU_SCALE * x).astype(x.dtype)
    return out


def selu_backward(x: Array, dout: Array) -> Array:
    """Gradient of the scaled exponential linear unit.

    Parameters
    ----------
    x : array of any shape
        What `selu_forward` was given.
    dout : array shaped as x

    Returns
    -------
    array shaped as x
        ``dout lambda`` where x > 0, else ``dout lambda alpha exp(x)``.

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    Source: Klambauer, Unterthiner, Mayr & Hochreiter, "Self-Normalizing Neural Networks", NeurIPS
    2017, equation 2.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import selu_backward
    >>> selu_backward(np.array([-np.inf, 0.0, 1.0]), np.ones(3)).round(4)
    array([0.    , 1.7581, 1.0507])
    """
    require_shape("dout", dout, x.shape)
    below = SELU_LIMIT * np.exp(np.minimum(x, 0))
    dx: Array = (dout * np.where(x <= 0, below, SELU_SCALE)).astype(dout.dtype)
    return dx


def softplus_forward(x: Array) -> Array:
    """Softplus, ``log(1 + exp(x))``.

    Parameters
    ----------
    x : array of any shape

    Returns
    -------
    array shaped as x

    Notes
    -----
    Computed as ``max(x, 0) + log1p(exp(-|x|))``, which does not overflow. Source: Dugas, Bengio,
    Bélisle, Nadeau & Garcia, NIPS 2000, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import softplus_forward
    >>> softplus_forward(np.array([-np.inf, 0.0, 100.0])).round(4)
    array([  0.    ,   0.6931, 100.    ])
    """
    out: Array = np.maximum(x, 0) + np.log1p(np.exp(-abs(x)))
    return out


def softplus_backward(x: Array, dout: Array) -> Array:
    """Gradient of softplus, ``dx = dout s(x)``, s the logistic function.

    Parameters
    ----------
    x : array of any shape
        What `softplus_forward` was given.
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
    Source: Dugas, Bengio, Bélisle, Nadeau & Garcia, NIPS 2000, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import softplus_backward
    >>> softplus_backward(np.array([0.0, 100.0]), np.array([4.0, 4.0]))
    array([2., 4.])
    """
    require_shape("dout", dout, x.shape)
    dx: Array = dout * sigmoid_forward(x)
    return dx
