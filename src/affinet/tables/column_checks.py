"""Columns that would be misread: numbers or dates among texts, and cells that become one number."""

from __future__ import annotations

import numpy as np

from affinet.tables.cells import foreign_number, has_leading_zero, number_label
from affinet.tables.dates import first_other
from affinet.tables.problems import one_number
from affinet.tables.table import ColumnError, Table

EXACT = 2**53  # float64 holds every whole number up to this one


def require_no_numbers(table: Table, name: str) -> None:
    """Raise if a column of texts holds numbers in another notation: they are not categories."""
    cells = table.columns[name]
    strange = foreign_number(cells, table.decimal) if isinstance(cells, list) else None
    if strange is not None:
        raise ColumnError(
            table.source,
            f"column {name!r} holds numbers such as {strange!r}, which cannot be read with the "
            f"decimal mark {table.decimal!r}",
            "name the mark with decimal=',' (--decimal ,), remove separators of thousands, or "
            f"declare the column as categorical (--categorical {name})",
        )


def require_no_dates(table: Table, name: str) -> None:
    """Raise if most cells of a column of texts are dates: the others are probably mistakes."""
    cells = table.texts(name)
    other = first_other([cell for cell in cells if cell])
    if other is not None:
        raise ColumnError(
            table.source,
            f"{table.row_name(cells.index(other))}, column {name!r}: {other!r} is not a date of "
            "the same form as other cells of the column",
            f"correct it, or declare the column as categorical (--categorical {name})",
        )


def require_distinct(table: Table, name: str) -> None:
    """Raise if cells that differ become one number: codes with leading zeros, huge integers."""
    cells = table.columns[name]
    if not isinstance(cells, list):
        if cells.dtype.kind not in "iu" or not cells.size:
            return
        if max(int(cells.max()), -int(cells.min())) <= EXACT:
            return
        whole = [str(value) for value in np.unique(cells).tolist()]
    else:
        different = {*cells}
        codes = [cell for cell in different if cell[:1] in "+-0" and has_leading_zero(cell)]
        whole = [cell for cell in different if len(cell) > 15 and number_label(cell) == cell]
        same = next((code for code in codes if (code.lstrip("+-0") or "0") in different), None)
        if same is not None:
            raise one_number(table, name, same, same.lstrip("+-0") or "0")
    seen: dict[float, str] = {}
    for text in whole:
        other = seen.setdefault(float(text), text)
        if other != text and "." not in text:
            raise one_number(table, name, *sorted((text, other)))
