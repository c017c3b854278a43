"""Numbers as values that are linear in bins of them."""

from __future__ import annotations

import numpy as np

from affinet.reference._arrays import Array, require_shape
from affinet.reference._columns import divided, joined

__all__ = ["piecewise_embedding_backward", "piecewise_embedding_forward"]


def piecewise_embedding_forward(
    x: Array, w: Array, b: Array, W: Array, edges: Array, columns: Array, counts: Array
) -> Array:
    """Numbers as piecewise-linear functions of them.

    Parameters
    ----------
    x : array of shape (B, I)
    w, b : arrays of shape (n, d)
    W : array of shape (n, T, d)
    edges : array of shape (n, T + 1)
        Of the bins of each embedded column, ascending; a column uses the first ``count + 1``.
    columns, counts : int64 arrays of shape (n,)
        The embedded columns, ascending, and the number of bins of each.

    Returns
    -------
    array of shape (B, I + n (d - 1))
        A column with the value x in bin s, or outside of all next to it, becomes
        ``w x + b + W_0 + ... + W_(s-1) + (x - e_s) / (e_(s+1) - e_s) W_s``.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    Source: Gorishniy, Rubachev & Babenko, "On embeddings for numerical features in tabular deep
    learning", NeurIPS 2022, section 3.2; version B of the package rtdl_num_embeddings.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import piecewise_embedding_forward
    >>> w, b, W = np.zeros((1, 1)), np.array([[10.0]]), np.array([[[1.0], [4.0]]])
    >>> edges, columns, counts = np.array([[0.0, 1.0, 3.0]]), np.array([1]), np.array([2])
    >>> x = np.array([[7.0, 0.5], [7.0, 2.0], [7.0, 5.0]])
    >>> piecewise_embedding_forward(x, w, b, W, edges, columns, counts)
    array([[ 7. , 10.5],
           [ 7. , 13. ],
           [ 7. , 19. ]])
    """
    _require_bins(w, W, edges, columns, counts)
    require_shape("b", b, w.shape)
    pieces = {}
    for p, column in enumerate(columns):
        value = x[:, [column]]
        s, share, _ = _bins(value[:, 0], edges[p], counts[p])
        out = w[p] * value + b[p]
        for t in range(counts[p]):
            out = np.where((s > t)[:, np.newaxis], out + W[p, t], out)
        pieces[column] = out + share[:, np.newaxis] * W[p, s]
    return joined(x, pieces)


def piecewise_embedding_backward(
    x: Array, dout: Array, w: Array, W: Array, edges: Array, columns: Array, counts: Array
) -> tuple[Array, Array, Array, Array]:
    """Gradients of `piecewise_embedding_forward`.

    Parameters
    ----------
    x : array of shape (B, I)
    dout : array of the shape of the output
    w, W, edges, columns, counts
        As for `piecewise_embedding_forward`.

    Returns
    -------
    dx, dw, db, dW : arrays of the shapes of x, w, b and W
        A column's part of dx is ``sum of (w + W_s / (e_(s+1) - e_s)) dout``. dW_t is the sum of
        dout over the rows in later bins, and of dout times the share of the bin over the rows in
        bin t.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    Source: the chain rule, of `piecewise_embedding_forward`.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import piecewise_embedding_backward
    >>> w, W = np.zeros((1, 1)), np.array([[[1.0], [4.0]]])
    >>> edges, columns, counts = np.array([[0.0, 1.0, 3.0]]), np.array([0]), np.array([2])
    >>> x, dout = np.array([[0.5], [2.0]]), np.ones((2, 1))
    >>> dx, dw, db, dW = piecewise_embedding_backward(x, dout, w, W, edges, columns, counts)
    >>> dx.ravel(), dW.ravel()
    (array([1., 2.]), array([1.5, 0.5]))
    """
    _require_bins(w, W, edges, columns, counts)
    d = w.shape[1]
    require_shape("dout", dout, (len(x), x.shape[1] + len(columns) * (d - 1)))
    dx, pieces = divided(x, dout, columns, d)
    dW = np.zeros_like(W)
    for p, column in enumerate(columns):
        g = pieces[:, p]
        s, share, width = _bins(x[:, column], edges[p], counts[p])
        dx[:, column] = np.sum(w[p] * g, axis=1) + np.sum(W[p, s] * g, axis=1) / width
        for t in range(counts[p]):
            here = share[s == t, np.newaxis] * g[s == t]
            dW[p, t] = np.sum(g[s > t], axis=0) + np.sum(here, axis=0)
    dw = np.sum(x[:, columns, np.newaxis] * pieces, axis=0)
    return dx, dw, np.sum(pieces, axis=0), dW


def _bins(x: Array, edges: Array, count: int) -> tuple[Array, Array, Array]:
    """For each value its bin s, ``(x - e_s) / (e_(s+1) - e_s)`` and the width of the bin."""
    s = np.sum(x[:, np.newaxis] >= edges[1:count], axis=1)  # 0 for NaN
    width = edges[s + 1] - edges[s]
    return s, (x - edges[s]) / width, width


def _require_bins(w: Array, W: Array, edges: Array, columns: Array, counts: Array) -> None:
    n, d = w.shape
    require_shape("W", W, (n, W.shape[1], d))
    require_shape("edges", edges, (n, W.shape[1] + 1))
    require_shape("columns", columns, (n,))
    require_shape("counts", counts, (n,))
