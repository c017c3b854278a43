"""Muon: steps of matrices along the nearest orthogonal matrix."""

from __future__ import annotations

import math

import numpy as np

from affinet.reference._arrays import Array, require_shape

__all__ = ["muon_update"]


def muon_update(
    dW: Array, lr: float, momentum: float, weight_decay: float, v: Array, W: Array
) -> tuple[Array, Array]:
    """Muon for a matrix, ``v = momentum v + dW``, then a step along the nearest orthogonal matrix.

    ``W = W - lr (weight_decay W + max(1, O / I)^0.5 orthogonal(dW + momentum v))``.

    Parameters
    ----------
    dW : array of shape (I, O)
        The gradient of the loss with respect to W.
    lr, momentum, weight_decay : float
        Learning rate, the share of the momentum that is kept, and strength of the decay.
    v, W : arrays shaped as dW
        Momentum (zeros at first) and parameters.

    Returns
    -------
    v, W : arrays shaped as dW

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    The orthogonal matrix is approximate: from ``X = G / (|G| + 1e-7)``, with ``|G|`` the Frobenius
    norm, five times ``A = X X^T``, ``X = 3.4445 X + (-4.7750 A + 2.0315 A^2) X``, on the transpose
    if that has fewer rows. Source: Jordan et al., "Muon", 2024, whose matrices have the shape
    (O, I).

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import muon_update
    >>> v, W = muon_update(np.diag([3.0, 0.5]), 0.1, 0.9, 0.0, np.zeros((2, 2)), np.zeros((2, 2)))
    >>> W.round(1)
    array([[-0.1,  0. ],
           [ 0. , -0.1]])
    """
    require_shape("v", v, dW.shape)
    require_shape("W", W, dW.shape)
    v = float(momentum) * v + dW
    if dW.size == 0:
        return v, W.copy()
    X = dW + float(momentum) * v
    X = X / (np.sqrt(np.sum(X * X)) + 1e-7)
    tall = X.shape[0] > X.shape[1]
    X = X.T if tall else X
    for _ in range(5):
        A = X @ X.T
        X = 3.4445 * X + (-4.7750 * A + 2.0315 * (A @ A)) @ X
    X = X.T if tall else X
    rate = float(lr) * math.sqrt(max(1.0, W.shape[1] / W.shape[0]))
    return v, W - rate * X - float(lr) * float(weight_decay) * W
