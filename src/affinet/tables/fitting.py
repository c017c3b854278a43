"""How an encoding's columns are learned from the training rows, by the options of ``fit``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from operator import index

import numpy as np

from affinet._validation import Array
from affinet.tables.categories import CodeColumn, OneHotColumn, SignColumn
from affinet.tables.column_checks import require_distinct, require_no_dates, require_no_numbers
from affinet.tables.columns import IMPUTATIONS, fit_column
from affinet.tables.date_columns import dates, notation_of
from affinet.tables.problems import (
    FEW,
    TO_LEARN,
    empty_column,
    missing_value,
    mixed_column,
    require_few,
    require_one_of,
)
from affinet.tables.records import Column
from affinet.tables.scaled import MissingColumn, ScaledColumn, ScaledDateColumn
from affinet.tables.scaling import SCALINGS, Scaling
from affinet.tables.statistics import median, statistics
from affinet.tables.table import ColumnError, Table, listing

MISSING_VALUES = ("error", "indicator")
MOST_CODES = 10_000  # categories of a column that have their own code
SHOWN = 40  # characters of a value in a message
MISTAKES = 20  # one text among more than this many numbers is probably a mistake


@dataclass(frozen=True)
class Dropped:
    """A column that is not used because it carries no information.

    Attributes
    ----------
    name, reason : str

    Examples
    --------
    >>> print(Dropped("id", "every value differs"))
    column 'id': every value differs
    """

    name: str
    reason: str

    def __str__(self) -> str:
        return f"column {self.name!r}: {self.reason}"


@dataclass(frozen=True)
class Options:
    """The options of :meth:`Encoding.fit` that concern the inputs, checked."""

    scaling: str = "standard"
    one_hot: int | None = None
    missing: str = "error"
    impute: str | None = None
    scale_categories: bool = False

    def __post_init__(self) -> None:
        require_one_of("scaling", self.scaling, SCALINGS)
        require_one_of("missing", self.missing, MISSING_VALUES)
        require_one_of("impute", self.impute, (None, *IMPUTATIONS))
        if self.one_hot is not None and not is_count(self.one_hot):
            raise ValueError(f"one_hot is {self.one_hot!r}, wanted None or a non-negative integer")
        if not isinstance(self.scale_categories, bool):
            raise TypeError(f"scale_categories is {self.scale_categories!r}, wanted True or False")
        if self.scale_categories and self.one_hot is None:
            raise ValueError("scale_categories is True, but one_hot is None: give both or neither")
        if self.tolerant and self.impute is not None:
            raise ValueError(
                f"impute is {self.impute!r}, but missing='indicator' imputes the median: leave "
                "one of them out"
            )

    @property
    def tolerant(self) -> bool:
        """True if no missing value is an error."""
        return self.missing == "indicator"

    @property
    def classic(self) -> bool:
        """True if numbers are standardised, texts one-hot and no column is dropped."""
        return (self.scaling, self.one_hot, self.missing) == ("standard", None, "error")


def fit_inputs(
    table: Table, names: list[str], rows: Array | None, options: Options, categorical: set[str]
) -> tuple[list[Column], list[Dropped], list[ColumnError]]:
    """The columns learned from some rows of a table, those dropped, and those with problems."""
    if not options.classic:
        if rows is not None:
            table = table.select(np.arange(len(table))[rows] if rows.size else np.arange(0))
        if not len(table):
            raise ValueError(f"{table.source}: no training rows to learn from")
    columns: list[Column] = []
    drops: list[Dropped] = []
    problems: list[ColumnError] = []
    for name in names:
        try:
            if options.classic:
                places = np.arange(len(table)) if rows is None else rows
                found: Column | Dropped = fit_column(
                    table, name, places, options.impute, name in categorical
                )
            else:
                found = fit_input(table, name, options, name in categorical)
        except ColumnError as problem:  # go on, to report all of them at once
            problems.append(problem)
            continue
        if isinstance(found, Dropped):
            drops.append(found)
        else:
            columns.append(found)
    if not columns and not problems:
        dropped = listing([str(drop) for drop in drops])
        raise ValueError(
            f"{table.source}: no column is left to learn from, all of them were dropped: {dropped}"
        )
    return columns, drops, problems


def fit_input(
    table: Table, name: str, options: Options, categorical: bool = False
) -> Column | Dropped:
    """What all rows of a table say about one of its columns.

    Examples
    --------
    >>> table = Table("t", {"a": ["1", "2", ""], "b": ["x", "y", ""], "c": ["4", "4", "4"]})
    >>> options = Options(scaling="robust", one_hot=9, missing="indicator")
    >>> fit_input(table, "a", options)
    ScaledColumn(name='a', scaling=RobustScaling(center=1.5, spread=0.5), fill=1.5, indicator=True)
    >>> fit_input(table, "b", options)
    SignColumn(name='b', categories=('x', 'y'), fill=None, tolerant=True, scalings=())
    >>> fit_input(table, "c", options)
    Dropped(name='c', reason='4 in every row')
    """
    kind = "text" if categorical else table.kind(name)
    if kind == "number":
        require_distinct(table, name)
        return fit_numbers(
            *(table, name, table.numbers(name), options),
            lambda scaling, fill, indicator: ScaledColumn(name, scaling, fill, indicator),
        )
    if kind == "date":
        notation = notation_of(table, name)
        days = dates(table, name, notation)
        known = days[~np.isnan(days)]
        timed = bool((known != np.floor(known)).any())
        return fit_numbers(
            *(table, name, days, options),
            lambda *learned: ScaledDateColumn(name, notation, learned[0], timed, *learned[1:]),
        )
    if kind == "mixed":
        require_categories(table, name, options)
    elif not categorical:
        require_no_numbers(table, name)
        require_no_dates(table, name)
    return fit_categories(table, name, options)


def fit_numbers(
    table: Table,
    name: str,
    values: Array,
    options: Options,
    column: Callable[[Scaling, float | None, bool], Column],
) -> Column | Dropped:
    """The column that scales values (N,), NaN where they are missing."""
    missing = np.isnan(values)
    if missing.any() and not options.tolerant and options.impute is None:
        raise missing_value(table, name, int(missing.argmax()), TO_LEARN)
    known = values[~missing]
    if not known.size:
        return no_value(table, name, options)
    if known.min() == known.max():
        if options.tolerant and missing.any():
            return MissingColumn(name, dated=table.kind(name) == "date")
        return one_value(name, table.texts(name)[int((~missing).argmax())])
    fill = None
    if options.tolerant or options.impute == "median":
        fill = median(known)
    elif options.impute == "mean":
        fill, _ = statistics(known)
    indicator = bool(options.tolerant and missing.any())
    return column(SCALINGS[options.scaling].fit(known), fill, indicator)


def fit_categories(table: Table, name: str, options: Options) -> Column | Dropped:
    """The column of categories that suits the number of them."""
    texts = table.texts(name)
    counts = Counter(texts)
    n_missing = counts.pop("", 0)
    if n_missing and not options.tolerant and options.impute is None:
        raise missing_value(table, name, texts.index(""), TO_LEARN)
    if not counts:
        return no_value(table, name, options)
    if len(counts) == 1 and not (n_missing and options.tolerant):
        return one_value(name, next(iter(counts)))
    n_known = len(texts) - n_missing
    if len(counts) == n_known > FEW and options.tolerant:
        return Dropped(name, "every value differs, as in IDs, names and remarks")
    if options.one_hot is None or len(counts) == n_known:
        require_few(
            *(table, name, len(counts), n_known, "categories"),
            "encode them as codes with one_hot=9, or leave the column out with ignore "
            f"(--ignore {name})",
        )
    # The most frequent one; of several, the first in alphabetical order.
    by_count = sorted(counts, key=lambda text: (-counts[text], text))
    fill = None if options.impute is None else by_count[0]
    if options.one_hot is None or len(counts) <= options.one_hot:
        pair = options.one_hot is not None and len(counts) == 2
        kind: type[SignColumn | OneHotColumn] = SignColumn if pair else OneHotColumn
        column = kind(name, tuple(sorted(counts)), fill, options.tolerant)
        return column.scaled_by(table, name) if options.scale_categories else column
    others = len(counts) > min(MOST_CODES, max(FEW, n_known / 2))
    if others:
        by_count = [text for text in by_count if counts[text] > 1][:MOST_CODES]
    return CodeColumn(name, tuple(sorted(by_count)), fill, options.tolerant, others)


def one_value(name: str, text: str) -> Dropped:
    """What becomes of a column with the same value in every row."""
    shown = text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
    return Dropped(name, f"{shown} in every row")


def no_value(table: Table, name: str, options: Options) -> Dropped:
    """What becomes of a column without any value."""
    if options.tolerant:
        return Dropped(name, "no value in any row")
    raise empty_column(table, name)


def require_categories(table: Table, name: str, options: Options) -> None:
    """Raise for numbers and texts in one column, unless they look like categories.

    With ``missing="indicator"`` they do if at most 20 values differ, or if more than one cell in
    20 is a text. Fewer texts among more numbers are probably mistakes.
    """
    if not options.tolerant:
        raise mixed_column(table, name)
    counts = Counter(text for text in table.texts(name) if text)
    n_texts = sum(counts[cell] for cell in table.text_cells(name))
    if len(counts) > FEW and MISTAKES * n_texts <= sum(counts.values()):
        raise mixed_column(table, name)


def is_count(value: object) -> bool:
    """True for a non-negative integer that is not a bool."""
    try:
        return not isinstance(value, bool) and index(value) >= 0  # type: ignore[arg-type]
    except TypeError:
        return False
