"""Stand-ins for ``Table.from_frame``, the newer arguments of ``Encoding.fit`` and two schedules.

Delete this file when ``affinet.tables`` and ``affinet.schedules`` have them. Its users are
``affinet.tabular.encoding`` (``fit_encoding`` is ``Encoding.fit``), ``affinet.tabular.training``
(``CosLog4`` and ``FlatCosine`` of ``affinet.schedules``) and ``affinet.estimators.tabular_data``
(``table_from_frame`` is ``Table.from_frame``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.schedules import Progress, Schedule
from affinet.tables import Encoding, Table
from affinet.tables.cells import value_label


def table_from_frame(frame: Any, source: str = "X", categorical: Collection[int] = ()) -> Table:
    """A data frame of pandas or polars, or an array (N, I), as a table."""
    if isinstance(frame, np.ndarray):
        names = [f"column {place + 1}" for place in range(frame.shape[1])]
        values = list(frame.T)
    else:
        names = [str(name) for name in frame.columns]
        values = [values_of(frame[name]) for name in frame.columns]
    cells = [cells_of(column, place in categorical) for place, column in enumerate(values)]
    return Table(source, dict(zip(names, cells, strict=True)))


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


def fit_encoding(
    table: Table,
    target: str,
    *,
    rows: Array | None,
    task: str,
    scaling: str,
    one_hot: int | None,
    missing: str,
    clamp: bool,
    categorical: Collection[str],
) -> Encoding:
    """Impute, standardise and make every category one-hot, whatever was asked for."""
    places = np.arange(len(table)) if rows is None else rows
    useless = []
    for name in table.names:
        if name == target:
            continue
        texts = table.texts(name)
        counts = Counter(texts[row] for row in places)
        known = len(places) - counts.pop("", 0)
        text = name in categorical or table.kind(name) not in ("number", "date")
        if not known or (text and len(counts) > max(20, known / 2)):
            useless.append(name)
    mixed = [n for n in table.names if n != target and table.kind(n) in ("mixed", "text")]
    return Encoding.fit(
        table,
        target,
        rows=places,
        task=task,
        impute="median",
        ignore=useless,
        categorical=[*categorical, *mixed],
    )


class CosLog4(Schedule):
    """``lr (1 - cos(2 pi log2(1 + 15 s))) / 2``, s the share of the updates that are done."""

    def __init__(self, lr: float) -> None:
        self.lr = lr

    def rates(self, progress: Progress, n: int) -> Array:
        """The rates of n updates."""
        turns = np.log2(1 + 15 * shares(progress, n))
        return np.asarray(self.lr * (1 - np.cos(2 * np.pi * turns)) / 2)


class FlatCosine(Schedule):
    """``lr`` for the first half of the updates, then a cosine that falls to 0."""

    def __init__(self, lr: float) -> None:
        self.lr = lr

    def rates(self, progress: Progress, n: int) -> Array:
        """The rates of n updates."""
        falling = np.maximum(2 * shares(progress, n) - 1, 0)
        return np.asarray(self.lr * (1 + np.cos(np.pi * falling)) / 2)


def shares(progress: Progress, n: int) -> Array:
    """The share of all updates that is done before each of the next n."""
    done: Array = np.arange(progress.step, progress.step + n) / progress.steps
    return done
