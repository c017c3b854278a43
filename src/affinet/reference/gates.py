"""Gates: x times a function of x that grows from 0 to 1, element by element."""

from __future__ import annotations

import math

import numpy as np

from affinet.reference._arrays import Array, require_shape
from affinet.reference.activations import sigmoid_forward, softplus_forward

__all__ = [
    "gelu_backward",
    "gelu_forward",
    "mish_backward",
    "mish_forward",
    "silu_backward",
    "silu_forward",
]


def gelu_forward(x: Array) -> Array:
    """Gaussian error linear unit, ``x Phi(x)`` with Phi the standard normal CDF.

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
    section 2, without the approximations given there.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import gelu_forward
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
    >>> import numpy as np
    >>> from affinet.reference import gelu_backward
    >>> gelu_backward(np.array([0.0, 10.0]), np.array([4.0, 4.0]))
    array([2., 4.])
    """
    require_shape("dout", dout, x.shape)
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
    >>> import numpy as np
    >>> from affinet.reference import silu_forward
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
    ``1 - s(x)`` is computed as ``s(-x)``. Source: Elfwing, Uchibe & Doya, Neural Networks 107,
    2018, equation 9.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import silu_backward
    >>> silu_backward(np.array([0.0, 100.0]), np.array([4.0, 4.0]))
    array([2., 4.])
    """
    require_shape("dout", dout, x.shape)
    finite = np.clip(x, -1e4, 1e4)
    dx: Array = dout * (sigmoid_forward(x) * (1 + finite * sigmoid_forward(-x)))
    return dx


def mish_forward(x: Array) -> Array:
    """Mish, ``x tanh(log(1 + exp(x)))``.

    Parameters
    ----------
    x : array of any shape

    Returns
    -------
    array shaped as x
        0 where x is -inf, which is the limit.

    Notes
    -----
    Source: Misra, "Mish: A Self Regularized Non-Monotonic Activation Function", BMVC 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import mish_forward
    >>> mish_forward(np.array([-np.inf, 0.0, 100.0]))
    array([ -0.,   0., 100.])
    """
    out: Array = np.maximum(x, -1e4) * np.tanh(softplus_forward(x))
    return out


def mish_backward(x: Array, dout: Array) -> Array:
    """Gradient of Mish, ``dx = dout (t + x (1 - t^2) s(x))``, s the logistic function.

    Parameters
    ----------
    x : array of any shape
        What `mish_forward` was given.
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
    ``t = tanh(log(1 + exp(x)))``, and ``1 - t^2`` is computed as ``1 / cosh(log(1 + exp(x)))^2``.
    Source: Misra, "Mish: A Self Regularized Non-Monotonic Activation Function", BMVC 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import mish_backward
    >>> mish_backward(np.array([0.0, 100.0]), np.array([1.0, 4.0]))
    array([0.6, 4. ])
    """
    require_shape("dout", dout, x.shape)
    softplus = softplus_forward(x)
    near = np.clip(x, -1e4, 1e4)
    rest = (1 / np.cosh(np.minimum(softplus, 40))) ** 2
    dx: Array = dout * (np.tanh(softplus) + near * (rest * sigmoid_forward(x)))
    return dx


def _normal_distribution(x: Array) -> Array:
    """The integral of exp(-s^2 / 2) / sqrt(2 pi) up to x, in the dtype of x.

    Uses the complementary error function, which stays accurate where it is small, in double
    precision, element by element.
    """
    erfc = np.frompyfunc(math.erfc, 1, 1)
    scaled = -np.asarray(x, np.float64) / math.sqrt(2)
    p: Array = (np.asarray(erfc(scaled), np.float64) / 2).astype(x.dtype)
    return p
