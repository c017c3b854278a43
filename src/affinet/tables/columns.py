"""Columns as inputs of a network: numbers standardised, categories one-hot, dates as numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np

from affinet._validation import Array
from affinet.tables.cells import missing_spellings
from affinet.tables.column_checks import require_distinct, require_no_dates, require_no_numbers
from affinet.tables.date_columns import dates, notation_of
from affinet.tables.dates import cycles
from affinet.tables.graph import REFUSED, ColumnGraph
from affinet.tables.problems import (
    TO_APPLY,
    TO_LEARN,
    empty_column,
    missing_value,
    mixed_column,
    require_few,
    unknown_categories,
)
from affinet.tables.scaling import Scaling, StandardScaling
from affinet.tables.statistics import filled, statistics_of
from affinet.tables.table import Table

IMPUTATIONS = ("mean", "median")


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers, standardised: ``(value - mean) / std``.

    Attributes
    ----------
    name : str
    mean, std : float
        Of the training rows, with ``std`` the square root of the mean squared deviation; 1 for a
        constant column, which becomes 0.
    fill : float or None
        What replaces a missing value; None refuses it.

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
    number_inputs: ClassVar[tuple[int, ...]] = (0,)
    code_inputs: ClassVar[tuple[tuple[int, int], ...]] = ()
    name: str
    mean: float
    std: float
    fill: float | None = None

    @classmethod
    def fit(cls, table: Table, name: str, rows: Array, impute: str | None) -> NumberColumn:
        """Take the statistics of some rows of a table's column."""
        require_distinct(table, name)
        mean, std, fill = statistics_of(table, name, table.numbers(name), rows, impute)
        return cls(name, mean, std, fill)

    @property
    def width(self) -> int:
        """Number of inputs that this column makes."""
        return 1

    def transform(self, table: Table, name: str, unknown: str = "error") -> Array:
        """A table's column, there called ``name``, as float64 (N, 1)."""
        values = filled(table, name, table.numbers(name), self.fill)
        return ((values - self.mean) / self.std).reshape(-1, 1)

    def write_onnx(self, graph: ColumnGraph) -> None:
        """Add the column to a graph."""
        graph.number(self.name, standard(self), self.fill, indicator=False)


@dataclass(frozen=True)
class DateColumn:
    """A column of dates: days since 1970-01-01, standardised, then cycles as sine and cosine.

    Attributes
    ----------
    name : str
    notation : str
        Such as ``"YYYY-MM-DD"``; a time of day may follow the date.
    mean, std : float
        Of the training rows, in days.
    timed : bool
        True if a training row has a time of day. Then the inputs are the days, the place in the
        year, in the week and in the day (7 in all); otherwise without the last (5).
    fill : float or None
        Days that replace a missing value; None refuses it.

    Examples
    --------
    >>> import numpy as np
    >>> table = Table("t", {"a": ["2024-01-01", "2024-01-03"]}, lines=[1, 2])
    >>> column = DateColumn.fit(table, "a", np.arange(2), None)
    >>> column.notation, column.width, column.transform(table, "a")[:, 0].tolist()
    ('YYYY-MM-DD', 5, [-1.0, 1.0])
    """

    kind: ClassVar[str] = "date"
    number_inputs: ClassVar[tuple[int, ...]] = (0,)
    code_inputs: ClassVar[tuple[tuple[int, int], ...]] = ()
    name: str
    notation: str
    mean: float
    std: float
    timed: bool = False
    fill: float | None = None

    @classmethod
    def fit(cls, table: Table, name: str, rows: Array, impute: str | None) -> DateColumn:
        """Take the notation and the statistics of some rows of a table's column."""
        notation = notation_of(table, name)
        days = dates(table, name, notation)
        mean, std, fill = statistics_of(table, name, days, rows, impute)
        known = days[rows][~np.isnan(days[rows])]
        return cls(name, notation, mean, std, bool((known != np.floor(known)).any()), fill)

    @property
    def width(self) -> int:
        """Number of inputs that this column makes."""
        return 7 if self.timed else 5

    def transform(self, table: Table, name: str, unknown: str = "error") -> Array:
        """A table's column, there called ``name``, as float64 (N, width)."""
        days = filled(table, name, dates(table, name, self.notation), self.fill)
        return np.column_stack([(days - self.mean) / self.std, cycles(days, self.timed)])

    def write_onnx(self, graph: ColumnGraph) -> None:
        """Add the column to a graph."""
        graph.date(self.name, self.notation, standard(self), self.fill, False, self.timed)


@dataclass(frozen=True)
class CategoryColumn:
    """A column of texts, one-hot: one input for each category, 1 where a row has it, else 0.

    Attributes
    ----------
    name : str
    categories : tuple of str
        Those of the training rows, in alphabetical order.
    fill : str or None
        The category that replaces a missing value; None refuses it.

    Examples
    --------
    >>> import numpy as np
    >>> table = Table("t", {"a": ["cat", "dog", "cat"]}, lines=[1, 2, 3])
    >>> column = CategoryColumn.fit(table, "a", np.arange(3), None)
    >>> column.transform(table, "a").tolist()
    [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    """

    kind: ClassVar[str] = "category"
    number_inputs: ClassVar[tuple[int, ...]] = ()
    code_inputs: ClassVar[tuple[tuple[int, int], ...]] = ()
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
            raise missing_value(table, name, texts.index(""), TO_LEARN)
        if not counts:
            raise empty_column(table, name)
        require_few(
            *(table, name, len(counts), len(rows) - missing, "categories"),
            f"leave the column out with ignore (--ignore {name})",
        )
        # The most frequent one; of several, the first in alphabetical order.
        fill = None if impute is None else min(counts, key=lambda text: (-counts[text], text))
        return cls(name, tuple(sorted(counts)), fill)

    @property
    def width(self) -> int:
        """Number of inputs that this column makes."""
        return len(self.categories)

    def transform(self, table: Table, name: str, unknown: str = "error") -> Array:
        """A table's column, there called ``name``, as float64 (N, width).

        An unknown category is an error, or with ``unknown="zero"`` a row of zeros.
        """
        places = {text: place for place, text in enumerate(self.categories)}
        out = np.zeros((len(table), self.width))
        new: dict[str, int] = {}  # unknown categories, with the first row of each
        for row, text in enumerate(table.texts(name)):
            if not text:
                if self.fill is None:
                    raise missing_value(table, name, row, TO_APPLY)
                text = self.fill
            place = places.get(text)
            if place is not None:
                out[row, place] = 1.0
            else:
                new.setdefault(text, row)
        if new and unknown == "error":
            raise unknown_categories(table, name, self.categories, new)
        return out

    def unseen(self, table: Table, name: str) -> list[str]:
        """Categories of a table's column that the training rows lack, in alphabetical order."""
        return sorted({*table.texts(name)} - {*self.categories, ""})

    def write_onnx(self, graph: ColumnGraph) -> None:
        """Add the column to a graph."""
        places = {text: place for place, text in enumerate(self.categories)}
        fill = REFUSED if self.fill is None else places.get(self.fill, REFUSED)
        places |= dict.fromkeys(missing_spellings(), fill)
        graph.one_hot(self.name, places, REFUSED, np.zeros(self.width), np.ones(self.width))


Column: TypeAlias = NumberColumn | CategoryColumn | DateColumn


def standard(column: NumberColumn | DateColumn) -> Scaling:
    """The scaling of a column of numbers or dates."""
    return StandardScaling(column.mean, column.std)


def fit_column(
    table: Table, name: str, rows: Array, impute: str | None, categorical: bool
) -> Column:
    """The column's statistics or categories, depending on what its cells are."""
    kind = "text" if categorical else table.kind(name)
    if kind == "mixed":
        raise mixed_column(table, name)
    if kind == "date":
        return DateColumn.fit(table, name, rows, impute)
    if kind == "number":
        return NumberColumn.fit(table, name, rows, impute)
    if not categorical:
        require_no_numbers(table, name)
        require_no_dates(table, name)
    return CategoryColumn.fit(table, name, rows, impute)


def texts_from_json(value: Any) -> tuple[str, ...]:
    """A list of texts."""
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        raise TypeError(f"{value!r} is not a list of texts")
    return tuple(value)
