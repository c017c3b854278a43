"""The Affine layer, alone and with the ReLU that follows it."""

from __future__ import annotations

import numpy as np

from affinet.reference._arrays import Array, require_shape
from affinet.reference.activations import relu_forward

__all__ = [
    "affine_backward_db",
    "affine_backward_dw",
    "affine_backward_dx",
    "affine_forward",
    "affine_relu_forward",
]


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
    >>> import numpy as np
    >>> from affinet.reference import affine_forward
    >>> affine_forward(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), np.array([0.5]))
    array([[11.5]])
    """
    require_shape("b", b, W.shape[1:])
    return x @ W + b


def affine_relu_forward(x: Array, W: Array, b: Array) -> Array:
    """Fused affine map and ReLU, ``out = max(x W + b, 0)``; NaN stays NaN.

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
    >>> import numpy as np
    >>> from affinet.reference import affine_relu_forward
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
    >>> import numpy as np
    >>> from affinet.reference import affine_backward_dx
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
    >>> import numpy as np
    >>> from affinet.reference import affine_backward_dw
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
    >>> import numpy as np
    >>> from affinet.reference import affine_backward_db
    >>> affine_backward_db(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([4., 6.])
    """
    db: Array = np.sum(dout, axis=0)
    return db
