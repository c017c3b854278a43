"""Some rows of a data set, by their indices: what one of many networks trains on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from affinet._validation import Array, array_of, in_files


class Selected:
    """Rows of an array in memory, which is shared and never copied.

    It has the interface of rows in files (:func:`affinet._validation.in_files`): indexing returns
    a new array. The compiled step gathers from ``array`` itself.

    Parameters
    ----------
    array : array of shape (N, ...)
    rows : int64 array of shape (M,)
        Indices 0 .. N - 1 in the desired order; one may come several times.

    Examples
    --------
    >>> rows = Selected(np.array([[0.0], [1.0], [2.0]]), np.array([2, 2, 0]))
    >>> rows.shape, rows[1:]
    ((3, 1), array([[2.],
           [0.]]))
    """

    in_files = True

    def __init__(self, array: Array, rows: Array) -> None:
        self.array, self.rows = array, rows
        self.dtype = array.dtype
        self.shape: tuple[int, ...] = (len(rows), *array.shape[1:])

    @property
    def ndim(self) -> int:
        """Number of dimensions, including the row dimension."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Array:
        """Rows as a new array: ``index`` is what an array of M rows takes."""
        found: Array = self.array[self.rows[index]]
        return found

    def select(self, index: Array) -> Selected:
        """Some of these rows, without copying any."""
        return Selected(self.array, self.rows[index])

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("selected rows can only be copied into a separate array")
        return self[:].astype(dtype or self.dtype, copy=False)

    def __repr__(self) -> str:
        return f"Selected({len(self)} of {len(self.array)} rows)"


def selected(data: Any, rows: Array | None) -> Any:
    """``data`` itself without ``rows``, else these rows of it, without a copy."""
    if rows is None:
        return data
    return data.select(rows) if in_files(data) else Selected(data, rows)


def whole(data: Any) -> Any:
    """The array that selected rows are rows of; other data as it is."""
    return data.array if isinstance(data, Selected) else data


def spread(weights: Array, data: Any) -> Array:
    """Weights of selected rows as weights of the whole array's rows, 0 for all others.

    A row that was selected several times has the same weight each time.
    """
    if not isinstance(data, Selected):
        return weights
    found = np.zeros(len(data.array))
    found[data.rows] = weights
    return found


def require_row_indices(name: str, value: Any, n_rows: int) -> Array:
    """``value`` as indices of rows, (M,) of int64 with M >= 1; an int64 array is not copied.

    Raises
    ------
    TypeError
        If it does not hold integers.
    ValueError
        If it has another shape, or an index is not one of 0 .. n_rows - 1.
    """
    rows = array_of(name, value)
    if rows.size and rows.dtype.kind not in "iu":
        advice = "; numpy.flatnonzero turns a mask into them" if rows.dtype.kind == "b" else ""
        raise TypeError(
            f"{name} has dtype {rows.dtype}, wanted integers, the indices of rows{advice}"
        )
    if rows.ndim != 1 or rows.size == 0:
        raise ValueError(f"{name} has shape {rows.shape}, wanted (n,) with n of at least 1")
    bad = np.flatnonzero((rows < 0) | (rows >= n_rows))
    if bad.size:
        raise ValueError(
            f"{name} has the row {rows[bad[0]]} at place {bad[0]}, wanted 0..{n_rows - 1}"
        )
    return rows.astype(np.int64, copy=False)
