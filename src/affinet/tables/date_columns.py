"""A table's column of dates: its notation, and its days."""

from __future__ import annotations

import math

import numpy as np

from affinet._validation import Array
from affinet.tables.cells import is_missing
from affinet.tables.dates import AMBIGUOUS, ISO, date_format, days_in, days_of
from affinet.tables.table import ColumnError, Table


def notation_of(table: Table, name: str) -> str:
    """The notation of a column of dates; that of ISO for an array of them."""
    if not isinstance(table.columns[name], list):
        return ISO
    notation = date_format([text for text in dict.fromkeys(table.texts(name)) if text])
    if notation is None or notation == AMBIGUOUS:
        raise ColumnError(
            table.source,
            f"column {name!r} holds dates that may have the month or the day first, or none",
            "write them as YYYY-MM-DD, or leave the column out with ignore (--ignore NAME)",
        )
    return notation


def dates(table: Table, name: str, notation: str) -> Array:
    """A column as days since 1970-01-01, float64 (N,), NaN where a value is missing."""
    column = table.columns[name]
    if not isinstance(column, list) and column.dtype.kind == "M":
        return days_in(column)
    cells = table.texts(name)
    known = {cell: days_of(cell, notation) if cell else math.nan for cell in {*cells}}
    days = np.array([known[cell] for cell in cells], np.float64)
    for row in map(int, np.flatnonzero(np.isnan(days))):
        if not is_missing(cells[row]):
            raise ColumnError(
                table.source,
                f"{table.row_name(row)}, column {name!r}: {cells[row]!r} is not a date of the "
                f"form {notation}",
            )
    return days
