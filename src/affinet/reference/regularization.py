"""What happens to a gradient before an update: L2 penalty and clipping."""

from __future__ import annotations

import numpy as np

from affinet.reference._arrays import Array, require_shape

__all__ = [
    "clip_norm",
    "clip_value",
    "l2_penalty",
]


def l2_penalty(W: Array, scale: float, dW: Array) -> tuple[float, Array]:
    """L2 penalty, ``scale / 2 sum W^2``, and the gradient with the penalty's gradient added.

    Parameters
    ----------
    W : array of any shape
        Weights.
    scale : float
        In training, the strength of the penalty divided by the number of rows.
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
    >>> import numpy as np
    >>> from affinet.reference import l2_penalty
    >>> l2_penalty(np.array([2.0, 4.0]), 0.5, np.array([1.0, 0.0]))
    (5.0, array([2., 2.]))
    """
    require_shape("dW", dW, W.shape)
    scale = float(scale)
    loss = 0.5 * scale * float(np.sum(np.square(W, dtype=np.float64)))
    return loss, dW + scale * W


def clip_norm(dW: Array, max_norm: float) -> tuple[float, Array]:
    """A gradient scaled down to a Euclidean norm of ``max_norm`` if its norm is larger.

    Parameters
    ----------
    dW : array of any shape
    max_norm : float
        Above 0.

    Returns
    -------
    norm : float
        ``sqrt(sum dW^2)``, before clipping.
    out : array shaped as dW
        ``dW min(1, max_norm / norm)``. If the norm is not finite, there is no direction
        to keep, and all elements are NaN.

    Raises
    ------
    ValueError
        If max_norm is not above 0.

    Notes
    -----
    Source: Pascanu, Mikolov & Bengio, ICML 2013, algorithm 1; DL, equations 10.48 and 10.49.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import clip_norm
    >>> clip_norm(np.array([3.0, 4.0]), 2.5)
    (5.0, array([1.5, 2. ]))
    """
    if not max_norm > 0:
        raise ValueError(f"max_norm is {max_norm!r}, wanted a number above 0")
    norm = float(np.sqrt(np.sum(np.square(dW, dtype=np.float64))))
    if norm <= max_norm:
        return norm, dW.copy()
    return norm, dW * (float(max_norm) / norm if np.isfinite(norm) else np.nan)


def clip_value(dW: Array, max_value: float) -> Array:
    """A gradient with each element clipped to [-max_value, max_value].

    Parameters
    ----------
    dW : array of any shape
    max_value : float
        Above 0; rounded to the gradient's precision.

    Returns
    -------
    array shaped as dW
        ``min(max(dW, -max_value), max_value)``; NaN stays NaN.

    Raises
    ------
    ValueError
        If max_value is not above 0.

    Notes
    -----
    Source: Mikolov, "Statistical Language Models Based on Neural Networks", PhD thesis, Brno
    2012; DL, section 10.11.1.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import clip_value
    >>> clip_value(np.array([3.0, -0.5, -4.0]), 2.5)
    array([ 2.5, -0.5, -2.5])
    """
    if not max_value > 0:
        raise ValueError(f"max_value is {max_value!r}, wanted a number above 0")
    with np.errstate(over="ignore"):  # beyond the range of float32 it bounds nothing
        most = np.asarray(max_value, dW.dtype)
    return np.clip(dW, -most, most)
