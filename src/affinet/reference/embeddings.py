"""Embeddings of columns: numbers by waves of them, categories by tables.

Embedded columns stand in ``columns``, ascending. Each becomes several; the others stay as they
are, and all keep their order.
"""

from __future__ import annotations

import math

import numpy as np

from affinet.reference._arrays import Array, require_shape
from affinet.reference._columns import divided, joined

__all__ = [
    "embedding_backward",
    "embedding_forward",
    "periodic_embedding_backward",
    "periodic_embedding_forward",
]


def periodic_embedding_forward(
    x: Array,
    w: Array,
    b: Array,
    V: Array,
    c: Array,
    columns: Array,
    sines: bool,
    with_x: bool,
    rectified: bool,
) -> Array:
    """Numbers as linear combinations of their waves.

    Parameters
    ----------
    x : array of shape (B, I)
    w, b : arrays of shape (n, K)
        Frequencies in turns per unit, and phases in radians.
    V : array of shape (n, M, K), or (n, M, 2 K) with sines
    c : array of shape (n, M)
    columns : int64 array of shape (n,)
    sines : bool
        True: the waves are the K cosines and then the K sines of ``2 pi w x``. False: they are
        ``cos(2 pi w x + b)``.
    with_x : bool
        True puts x itself before the M values of its column.
    rectified : bool
        True applies relu to the values.

    Returns
    -------
    array of shape (B, I + n (M - 1)), or (B, I + n M) with x
        A column's values are ``c + V waves``.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    Source: Gorishniy, Rubachev & Babenko, "On embeddings for numerical features in tabular deep
    learning", NeurIPS 2022 (with sines, rectified); Holzmüller, Grinsztajn & Steinwart, "Better by
    default", NeurIPS 2024 (without sines, with x).

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import periodic_embedding_forward
    >>> x, w, b = np.array([[5.0, 0.0], [5.0, 2.0]]), np.array([[0.25]]), np.array([[0.0]])
    >>> V, c = np.array([[[2.0]]]), np.array([[1.0]])
    >>> periodic_embedding_forward(x, w, b, V, c, np.array([1]), False, True, False)
    array([[ 5.,  0.,  3.],
           [ 5.,  2., -1.]])
    """
    _require_waves(x, w, b, V, c, columns, sines)
    waves = _waves(x, w, b, columns, sines)[:, :, np.newaxis]  # (B, n, 1, K)
    values = c + (waves * V).sum(axis=-1)
    if rectified:
        values = np.maximum(values, 0)
    pieces = {
        column: np.concatenate([x[:, [column]], values[:, p]] if with_x else [values[:, p]], axis=1)
        for p, column in enumerate(columns)
    }
    return joined(x, pieces)


def periodic_embedding_backward(
    x: Array,
    y: Array,
    dout: Array,
    w: Array,
    b: Array,
    V: Array,
    c: Array,
    columns: Array,
    sines: bool,
    with_x: bool,
    rectified: bool,
) -> tuple[Array, Array, Array, Array, Array]:
    """Gradients of `periodic_embedding_forward`, whose output was y.

    Parameters
    ----------
    x : array of shape (B, I)
    y, dout : arrays of the shape of the output
    w, b, V, c, columns, sines, with_x, rectified
        As for `periodic_embedding_forward`.

    Returns
    -------
    dx, dw, db, dV, dc : arrays of the shapes of x, w, b, V and c
        With ``dz`` the gradient before relu, ``dV = sum of dz waves`` and ``dc = sum of dz`` over
        the rows; the gradient of the angle ``2 pi w x + b`` is the waves' derivative times
        ``V^T dz``, and ``dw`` and ``dx`` follow from it. db is 0 with sines.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    Source: the chain rule, of `periodic_embedding_forward`.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import periodic_embedding_backward
    >>> x, w, b = np.array([[0.5]]), np.array([[0.5]]), np.array([[0.0]])
    >>> V, c, y, dout = np.array([[[2.0]]]), np.zeros((1, 1)), np.zeros((1, 1)), np.ones((1, 1))
    >>> dx, dw, *_ = periodic_embedding_backward(
    ...     x, y, dout, w, b, V, c, np.array([0]), False, False, False
    ... )
    >>> dx.round(3), dw.round(3)
    (array([[-6.283]]), array([[-6.283]]))
    """
    _require_waves(x, w, b, V, c, columns, sines)
    (n, K), M, before = w.shape, V.shape[1], int(with_x)
    require_shape("dout", dout, (len(x), x.shape[1] + n * (M + before - 1)))
    require_shape("y", y, dout.shape)
    dx, pieces = divided(x, dout, columns, M + before)
    _, outputs = divided(x, y, columns, M + before)
    dz = pieces[:, :, before:]
    if rectified:
        dz = np.where(outputs[:, :, before:] <= 0, 0, dz).astype(dout.dtype)
    waves = _waves(x, w, b, columns, sines)
    dwaves = np.einsum("bpm,pmk->bpk", dz, V)
    if sines:
        slope = dwaves[:, :, K:] * waves[:, :, :K] - dwaves[:, :, :K] * waves[:, :, K:]
    else:
        slope = -dwaves * np.sin(_angle(x, w, b, columns))
    dx[:, columns] = 2 * math.pi * np.sum(slope * w, axis=2)
    if with_x:
        dx[:, columns] += pieces[:, :, 0]
    dw = 2 * math.pi * np.einsum("bpk,bp->pk", slope, x[:, columns])
    db = np.zeros_like(b) if sines else np.sum(slope, axis=0)
    return dx, dw, db, np.einsum("bpm,bpk->pmk", dz, waves), np.sum(dz, axis=0)


def embedding_forward(x: Array, E: Array, columns: Array, firsts: Array) -> Array:
    """Categories as rows of tables.

    Parameters
    ----------
    x : array of shape (B, I)
        The embedded columns hold codes: whole numbers from 0 on, below the rows of their table.
    E : array of shape (R, d)
        The tables of all embedded columns, behind each other.
    columns, firsts : int64 arrays of shape (n,)
        The embedded columns, and the first row of each one's table; ascending, the first row is 0.

    Returns
    -------
    array of shape (B, I + n (d - 1))
        A code is replaced by its row of the table, what is not a code by NaN.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    Source: Guo & Berkhahn, "Entity embeddings of categorical variables", 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import embedding_forward
    >>> E = np.array([[0.0, 0.1], [1.0, 1.1]])
    >>> embedding_forward(np.array([[1.0, 7.0], [0.0, 8.0]]), E, np.array([0]), np.array([0]))
    array([[1. , 1.1, 7. ],
           [0. , 0.1, 8. ]])
    """
    require_shape("firsts", firsts, columns.shape)
    pieces = {}
    for column, rows in zip(columns, _rows(x, E, columns, firsts), strict=True):
        pieces[column] = np.where(rows[:, np.newaxis] < 0, np.nan, E[rows]).astype(x.dtype)
    return joined(x, pieces)


def embedding_backward(
    x: Array, dout: Array, columns: Array, firsts: Array, dE: Array
) -> tuple[Array, Array]:
    """Gradients of `embedding_forward`.

    Parameters
    ----------
    x : array of shape (B, I)
    dout : array of the shape of the output
    columns, firsts
        As for `embedding_forward`.
    dE : array of shape (R, d)
        Only its shape counts.

    Returns
    -------
    dx : array of shape (B, I)
        dout, and 0 for codes.
    dE : array of shape (R, d)
        For each row of the tables, the sum of dout over the rows that looked it up.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    Source: the chain rule, of `embedding_forward`.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import embedding_backward
    >>> x, dout = np.array([[1.0, 7.0], [1.0, 8.0]]), np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> embedding_backward(x, dout, np.array([0]), np.array([0]), np.empty((2, 1)))
    (array([[0., 2.],
           [0., 4.]]), array([[0.],
           [4.]]))
    """
    require_shape("firsts", firsts, columns.shape)
    d = dE.shape[1]
    require_shape("dout", dout, (len(x), x.shape[1] + len(columns) * (d - 1)))
    dx, pieces = divided(x, dout, columns, d)
    new = np.zeros_like(dE)
    for p, rows in enumerate(_rows(x, dE, columns, firsts)):
        known = rows >= 0
        np.add.at(new, rows[known], pieces[known, p])
    return dx, new


def _require_waves(
    x: Array, w: Array, b: Array, V: Array, c: Array, columns: Array, sines: bool
) -> None:
    n, K = w.shape
    require_shape("columns", columns, (n,))
    require_shape("b", b, (n, K))
    require_shape("V", V, (n, V.shape[1], 2 * K if sines else K))
    require_shape("c", c, (n, V.shape[1]))


def _angle(x: Array, w: Array, b: Array, columns: Array) -> Array:
    """(B, n, K)"""
    return 2 * math.pi * (x[:, columns, np.newaxis] * w) + b


def _waves(x: Array, w: Array, b: Array, columns: Array, sines: bool) -> Array:
    """(B, n, K) or with sines (B, n, 2 K)"""
    if not sines:
        return np.cos(_angle(x, w, b, columns))
    angle = _angle(x, w, np.zeros_like(b), columns)
    return np.concatenate([np.cos(angle), np.sin(angle)], axis=2)


def _rows(x: Array, E: Array, columns: Array, firsts: Array) -> list[Array]:
    """For each embedded column the rows of E that its codes look up, -1 for what is not a code."""
    found = []
    for column, first, end in zip(columns, firsts, [*firsts[1:], len(E)], strict=True):
        codes = x[:, column]
        known = (codes >= 0) & (codes < end - first) & (codes == np.floor(codes))
        found.append(np.where(known, first + np.where(known, codes, 0).astype(np.int64), -1))
    return found
