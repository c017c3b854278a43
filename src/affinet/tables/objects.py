"""Columns of Python's objects: numbers, texts, truth values, dates and missing values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.tables.cells import value_label
from affinet.tables.dates import DAY_SECONDS

TRUTHS = (bool, np.bool_)
WHOLE = (int, np.integer)
NUMBERS = (*WHOLE, float, np.floating, Decimal, Fraction, np.bool_)
DATES = (date, np.datetime64)  # datetime is a date, and pandas' Timestamp a datetime
MISSING = ("NoneType", "NAType", "NaTType")  # by name, for pandas is not imported


def object_column(values: Sequence[Any]) -> list[str] | Array:
    """A column of objects as an array of numbers or dates, or as texts.

    Truth values become ``"True"`` and ``"False"``; so do those among other things.

    Raises
    ------
    TypeError
        If it holds something else; the message names it and its row.

    Examples
    --------
    >>> object_column(["a ", None, "b"]), object_column([1, None]), object_column([True, 2.0, "x"])
    (['a', '', 'b'], array([ 1., nan]), ['True', '2', 'x'])
    """
    kinds = {kind for kind in set(map(type, values)) if kind.__name__ not in MISSING}
    if kinds <= {str}:
        return text_column(values)
    known = [value for value in values if not is_nothing(value)]
    kinds = set(map(type, known))
    if all(issubclass(kind, str) for kind in kinds):
        return text_column(values)
    for kind in kinds:
        if not issubclass(kind, (str, *NUMBERS, *DATES)) or issubclass(kind, np.timedelta64):
            row = next(row for row, value in enumerate(values, 1) if type(value) is kind)
            raise TypeError(f"a value of type {kind.__name__} in row {row}")
    if not all(issubclass(kind, TRUTHS) for kind in kinds):
        if all(issubclass(kind, NUMBERS) for kind in kinds):
            whole = len(known) == len(values) and all(issubclass(kind, WHOLE) for kind in kinds)
            return number_column(values, whole)
        if all(issubclass(kind, DATES) for kind in kinds):
            return np.array([moment_of(value) for value in values], "datetime64[us]")
    return ["" if is_nothing(value) else label_of(value) for value in values]


def is_nothing(value: Any) -> bool:
    """True for None, NaN and NaT, and for pandas' NA.

    Examples
    --------
    >>> [is_nothing(value) for value in (None, float("nan"), 0, "")]
    [True, True, False, False]
    """
    if isinstance(value, str):
        return False
    if isinstance(value, float | np.floating | Decimal | np.datetime64):
        return bool(value != value)
    return type(value).__name__ in MISSING


def text_column(values: Sequence[Any]) -> list[str]:
    """Texts without outer spaces, "" for what is not a text."""
    known = {value: value.strip() for value in {*values} if isinstance(value, str)}
    return [known.get(value, "") for value in values]


def number_column(values: Sequence[Any], whole: bool) -> Array:
    """Numbers as int64 if they are ``whole`` and small enough, else as float64."""
    if whole:
        try:
            return np.array(values, np.int64)
        except OverflowError:
            pass
    return np.array([math.nan if is_nothing(value) else as_float(value) for value in values])


def as_float(value: Any) -> float:
    """A number as float; one beyond its range is infinite, and refused where it is used."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def moment_of(value: Any) -> Any:
    """A date as NumPy takes it; a time with a zone is converted to UTC."""
    if is_nothing(value):
        return np.datetime64("NaT")
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def days_of_durations(durations: Array) -> Array:
    """A timedelta64 array in days, float64; NaN for NaT.

    Examples
    --------
    >>> import numpy as np
    >>> days_of_durations(np.array([36, "NaT"], "timedelta64[h]"))
    array([1.5, nan])
    """
    microseconds = durations.astype("timedelta64[us]")
    days = microseconds.astype(np.int64) / 1e6 / DAY_SECONDS
    days[np.isnat(microseconds)] = np.nan
    return np.asarray(days)


def label_of(value: Any) -> str:
    """What a cell with this value says in a file.

    Examples
    --------
    >>> [label_of(value) for value in (" a", 2.0, True, date(2024, 1, 31))]
    ['a', '2', 'True', '2024-01-31']
    """
    if isinstance(value, TRUTHS):
        return str(bool(value))
    if isinstance(value, float | np.floating) and math.isfinite(value):
        return value_label(float(value))
    if isinstance(value, date):
        return value.isoformat()
    return str(value).strip()
