"""Columns as inputs of a network: numbers standardised, texts as one column for each category."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn, TypeAlias

import numpy as np

from affinet._validation import Array
from affinet.tables.table import Table, listing

IMPUTATIONS = ("mean", "median")
FEW = 20  # so many categories are never too many
# What may be done about a missing value in the training rows, and about one in later rows.
TO_LEARN = "fill it in, or impute the mean or the median"
TO_APPLY = "fill it in: the training imputed no values"


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers, standardised: ``(value - mean) / std``.

    Attributes
    ----------
    name : str
    mean, std : float
        Of the training rows, with ``std`` the root of the mean squared deviation; 1 for a column
        that is constant, which thereby becomes 0.
    fill : float or None
        What stands in for a missing value; None refuses it.

    Examples
    --------
    >>> import numpy as np
    >>> table = Table("t", {"a": np.array([1.0, 3.0, np.nan])})
    >>> column = NumberColumn.fit(table, "a", np.arange(3), "mean")
    >>> column
    NumberColumn(name='a', mean=2.0, std=1.0, fill=2.0)
    >>> column.transform(table, "a").tolist()
    [[-1.0], [1.0], [0.0]]
    """

    kind: ClassVar[str] = "number"
    name: str
    mean: float
    std: float
    fill: float | None = None

    @classmethod
    def fit(cls, table: Table, name: str, rows: Array, impute: str | None) -> NumberColumn:
        """Take the statistics of some rows of a table's column."""
        values = table.numbers(name)
        missing = np.isnan(values)
        if missing.any() and impute is None:  # in any row: these are to be transformed as well
            raise_missing(table, name, int(missing.argmax()), TO_LEARN)
        values = values[rows][~missing[rows]]
        if not values.size:
            raise ValueError(f"{table.source}: column {name!r} has no value to learn from")
        mean, std = statistics(values)
        if impute is None:
            return cls(name, mean, std)
        return cls(name, mean, std, float(np.median(values)) if impute == "median" else mean)

    @property
    def width(self) -> int:
        """Inputs that this column makes."""
        return 1

    def transform(self, table: Table, name: str, unknown: str = "error") -> Array:
        """A table's column, there called ``name``, as float64 (N, 1)."""
        values = table.numbers(name)
        missing = np.isnan(values)
        if missing.any():
            if self.fill is None:
                raise_missing(table, name, int(missing.argmax()), TO_APPLY)
            values[missing] = self.fill
        return ((values - self.mean) / self.std).reshape(-1, 1)


@dataclass(frozen=True)
class CategoryColumn:
    """A column of texts: one input for each category, 1 where a row has it and 0 elsewhere.

    Attributes
    ----------
    name : str
    categories : tuple of str
        Those of the training rows, in alphabetical order.
    fill : str or None
        The category that stands in for a missing value; None refuses it.

    Examples
    --------
    >>> import numpy as np
    >>> table = Table("t", {"a": ["cat", "dog", "cat"]}, lines=[1, 2, 3])
    >>> column = CategoryColumn.fit(table, "a", np.arange(3), None)
    >>> column.transform(table, "a").tolist()
    [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    """

    kind: ClassVar[str] = "category"
    name: str
    categories: tuple[str, ...]
    fill: str | None = None

    @classmethod
    def fit(cls, table: Table, name: str, rows: Array, impute: str | None) -> CategoryColumn:
        """Take the categories of some rows of a table's column."""
        texts = table.texts(name)
        counts = Counter(texts[row] for row in rows)
        missing = counts.pop("", 0)
        if impute is None and "" in texts:
            raise_missing(table, name, texts.index(""), TO_LEARN)
        if not counts:
            raise ValueError(f"{table.source}: column {name!r} has no value to learn from")
        require_few(table, name, len(counts), len(rows) - missing, "categories; ignore it")
        # The most frequent one; of several, the first in the alphabet.
        fill = None if impute is None else min(counts, key=lambda text: (-counts[text], text))
        return cls(name, tuple(sorted(counts)), fill)

    @property
    def width(self) -> int:
        """Inputs that this column makes."""
        return len(self.categories)

    def transform(self, table: Table, name: str, unknown: str = "error") -> Array:
        """A table's column, there called ``name``, as float64 (N, width).

        An unknown category is an error, or with ``unknown="zero"`` a row of zeros.
        """
        places = {text: place for place, text in enumerate(self.categories)}
        out = np.zeros((len(table), self.width))
        for row, text in enumerate(table.texts(name)):
            if not text:
                if self.fill is None:
                    raise_missing(table, name, row, TO_APPLY)
                text = self.fill
            place = places.get(text)
            if place is not None:
                out[row, place] = 1.0
            elif unknown == "error":
                raise ValueError(
                    f"{table.place(row, name)}: {text!r} is none of the categories that were "
                    f"trained on ({listing(self.categories)}); with unknown 'zero' it makes zeros"
                )
        return out


Column: TypeAlias = NumberColumn | CategoryColumn


def fit_column(
    table: Table, name: str, rows: Array, impute: str | None, categorical: bool
) -> Column:
    """The column's statistics or categories, as its cells are numbers or texts."""
    kind = "text" if categorical else table.kind(name)
    if kind == "mixed":
        row = table.first_text(name)
        raise ValueError(
            f"{table.place(row, name)}: {table.texts(name)[row]!r} is no number, and other cells "
            "of the column are; mend it, or declare the column as categorical"
        )
    if kind == "text":
        return CategoryColumn.fit(table, name, rows, impute)
    return NumberColumn.fit(table, name, rows, impute)


def raise_missing(table: Table, name: str, row: int, remedy: str) -> NoReturn:
    """Refuse a missing value."""
    raise ValueError(f"{table.place(row, name)}: the value is missing; {remedy}")


def require_few(table: Table, name: str, n_values: int, n_rows: int, what: str) -> None:
    """Raise if a column has about as many values as rows: names and remarks are no categories."""
    if n_values > max(FEW, n_rows / 2):
        raise ValueError(
            f"{table.source}: column {name!r} has {n_values} different values in {n_rows} rows, "
            f"too many for {what}"
        )


def statistics(values: Array) -> tuple[float, float]:
    """Mean and standard deviation of some numbers, 1 in place of a deviation of 0.

    Examples
    --------
    >>> import numpy as np
    >>> statistics(np.array([1e300, -1e300])), statistics(np.array([0.1, 0.1, 0.1]))
    ((0.0, 1e+300), (0.1, 1.0))
    """
    low, high = float(values.min()), float(values.max())
    if low == high:  # exactly: the rounded mean of equal numbers may differ from them
        return low, 1.0
    # Scaled by a power of two, which rounds nothing, so that no square is too large or too small.
    peak = math.ldexp(1.0, math.frexp(max(abs(low), abs(high)))[1] - 1)
    scaled = values / peak
    return float(scaled.mean() * peak), float(scaled.std() * peak) or 1.0


def column_from_json(value: Any) -> Column:
    """The column that :func:`column_to_json` wrote; KeyError, TypeError, ValueError if none."""
    fill = value["fill"]
    if value["kind"] == NumberColumn.kind:
        mean, std = float(value["mean"]), float(value["std"])
        if not (math.isfinite(mean) and 0 < std < math.inf):
            raise ValueError(f"mean {mean} and std {std}")
        return NumberColumn(str(value["name"]), mean, std, None if fill is None else float(fill))
    if value["kind"] != CategoryColumn.kind:
        raise ValueError(f"kind {value['kind']!r}")
    return CategoryColumn(str(value["name"]), texts_from_json(value["categories"]), fill)


def texts_from_json(value: Any) -> tuple[str, ...]:
    """A list of texts."""
    if not isinstance(value, Sequence) or not all(isinstance(text, str) for text in value):
        raise TypeError(f"{value!r} is no list of texts")
    return tuple(value)


def column_to_json(column: Column) -> dict[str, Any]:
    """A column as plain values."""
    values = dict(vars(column))
    if isinstance(column, CategoryColumn):
        values["categories"] = list(column.categories)
    return {"kind": column.kind, **values}
