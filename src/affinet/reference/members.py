"""Layers of an ensemble whose members share a batch.

Of B rows and k members, member m has the rows from m B / k to before (m + 1) B / k; k divides B.
"""

from __future__ import annotations

import numpy as np

from affinet.reference._arrays import Array, require_shape

__all__ = [
    "member_affine_backward",
    "member_affine_forward",
    "member_scale_backward",
    "member_scale_forward",
]


def member_scale_forward(x: Array, s: Array, b: Array | None) -> Array:
    """Factors, and possibly offsets, for each member and column.

    Parameters
    ----------
    x : array of shape (B, O)
    s : array of shape (k, O)
    b : array of shape (k, O), or None
        None adds no offsets.

    Returns
    -------
    array of shape (B, O)
        ``s_m x + b_m`` for the rows of member m.

    Raises
    ------
    ValueError
        If the shapes do not fit, or k does not divide B.

    Notes
    -----
    Source: Wen, Tran & Ba, "BatchEnsemble", ICLR 2020, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import member_scale_forward
    >>> s, b = np.array([[2.0], [3.0]]), np.array([[0.0], [0.5]])
    >>> member_scale_forward(np.array([[1.0], [4.0], [1.0], [4.0]]), s, b)
    array([[ 2. ],
           [ 8. ],
           [ 3.5],
           [12.5]])
    """
    require_shape("s", s, (len(s), x.shape[1]))
    out = s[:, np.newaxis] * _by_member(x, len(s))
    if b is not None:
        require_shape("b", b, s.shape)
        out = out + b[:, np.newaxis]
    return out.reshape(x.shape)


def member_scale_backward(x: Array, dout: Array, s: Array) -> tuple[Array, Array, Array]:
    """Gradients of `member_scale_forward`.

    Parameters
    ----------
    x, dout : arrays of shape (B, O)
    s : array of shape (k, O)

    Returns
    -------
    dx : array of shape (B, O)
        ``s_m dout``
    ds, db : arrays of shape (k, O)
        The sums of ``x dout`` and of ``dout`` over each member's rows.

    Raises
    ------
    ValueError
        If the shapes do not fit, or k does not divide B.

    Notes
    -----
    Source: the chain rule, of `member_scale_forward`.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import member_scale_backward
    >>> x, dout, s = np.array([[1.0], [4.0]]), np.ones((2, 1)), np.array([[2.0], [3.0]])
    >>> member_scale_backward(x, dout, s)[:2]
    (array([[2.],
           [3.]]), array([[1.],
           [4.]]))
    """
    require_shape("dout", dout, x.shape)
    dx = member_scale_forward(dout, s, None)
    ds = np.sum(_by_member(x * dout, len(s)), axis=1)
    return dx, ds, np.sum(_by_member(dout, len(s)), axis=1)


def member_affine_forward(x: Array, W: Array, b: Array) -> Array:
    """An affine map for each member.

    Parameters
    ----------
    x : array of shape (B, I)
    W : array of shape (k, I, O)
    b : array of shape (k, O)

    Returns
    -------
    array of shape (B, O)
        ``x W_m + b_m`` for the rows of member m.

    Raises
    ------
    ValueError
        If the shapes do not fit, or k does not divide B.

    Notes
    -----
    Source: Gorishniy, Kotelnikov & Babenko, "TabM", ICLR 2025, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import member_affine_forward
    >>> W, b = np.array([[[1.0]], [[-1.0]]]), np.array([[0.0], [0.5]])
    >>> member_affine_forward(np.array([[3.0], [3.0]]), W, b)
    array([[ 3. ],
           [-2.5]])
    """
    require_shape("W", W, (len(W), x.shape[1], W.shape[2]))
    require_shape("b", b, (len(W), W.shape[2]))
    out: Array = np.matmul(_by_member(x, len(W)), W) + b[:, np.newaxis]
    return out.reshape(len(x), W.shape[2])


def member_affine_backward(x: Array, dout: Array, W: Array) -> tuple[Array, Array, Array]:
    """Gradients of `member_affine_forward`.

    Parameters
    ----------
    x : array of shape (B, I)
    dout : array of shape (B, O)
    W : array of shape (k, I, O)

    Returns
    -------
    dx : array of shape (B, I)
        ``dout W_m^T`` for the rows of member m.
    dW : array of shape (k, I, O)
        ``x^T dout`` over each member's rows.
    db : array of shape (k, O)
        The sum of ``dout`` over each member's rows.

    Raises
    ------
    ValueError
        If the shapes do not fit, or k does not divide B.

    Notes
    -----
    Source: the chain rule, of `member_affine_forward`.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import member_affine_backward
    >>> W = np.array([[[1.0]], [[-1.0]]])
    >>> dx, dW, db = member_affine_backward(np.array([[3.0], [4.0]]), np.ones((2, 1)), W)
    >>> dx.ravel(), dW.ravel(), db.ravel()
    (array([ 1., -1.]), array([3., 4.]), array([1., 1.]))
    """
    k = len(W)
    require_shape("W", W, (k, x.shape[1], W.shape[2]))
    require_shape("dout", dout, (len(x), W.shape[2]))
    x_m, dout_m = _by_member(x, k), _by_member(dout, k)
    dx = np.matmul(dout_m, W.transpose(0, 2, 1)).reshape(x.shape)
    return dx, np.matmul(x_m.transpose(0, 2, 1), dout_m), np.sum(dout_m, axis=1)


def _by_member(x: Array, k: int) -> Array:
    """(k, B / k, n) of (B, n)."""
    if k < 1 or len(x) % k:
        raise ValueError(f"x has {len(x)} rows, wanted a multiple of the {k} members")
    return x.reshape(k, len(x) // k, x.shape[1])
