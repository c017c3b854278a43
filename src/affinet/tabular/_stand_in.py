"""Stand-ins for ``Table.from_frame`` and the newer arguments of ``Encoding.fit``.

Delete this file when ``affinet.tables`` has them; its two users are ``affinet.tabular.encoding``
and ``affinet.estimators.tabular_data``.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.tables import Table
from affinet.tables.cells import value_label


def table_from_frame(frame: Any, source: str = "X", categorical: Collection[str] = ()) -> Table:
    """A data frame of pandas or polars, or an array (N, I), as a table."""
    if isinstance(frame, np.ndarray):
        names = [f"column {place + 1}" for place in range(frame.shape[1])]
        values = list(frame.T)
    else:
        names = [str(name) for name in frame.columns]
        values = [values_of(frame[name]) for name in frame.columns]
    columns = {n: cells_of(v, n in categorical) for n, v in zip(names, values, strict=True)}
    return Table(source, columns)


def values_of(column: Any) -> Array:
    """The values of a column; objects if they are not plain numbers."""
    try:
        array = np.asarray(column)
    except (TypeError, ValueError):
        array = np.asarray(column, object)
    plain = array.dtype.kind in "buif" and not str(column.dtype).startswith(("categ", "Categ"))
    return array if plain else array.astype(object)


def cells_of(values: Array, categorical: bool) -> list[str] | Array:
    """Numbers, or texts with "" for a missing value."""
    if values.dtype.kind in "buif" and not categorical:
        return values.astype(np.float64) if values.dtype.kind in "bf" else values
    texts = [text_of(value) for value in values.tolist()]
    wrong = next((v for v in values.tolist() if isinstance(v, dict | list | set)), None)
    if wrong is not None:
        raise TypeError(f"argument must be a string or a number: {wrong!r}")
    return texts


def text_of(value: Any) -> str:
    """A cell's text."""
    if value is None or str(value) in ("<NA>", "NaT", "nan"):
        return ""
    return value_label(value) if isinstance(value, float) and np.isfinite(value) else str(value)
