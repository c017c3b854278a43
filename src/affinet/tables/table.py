"""A table in memory: named columns of numbers or of text, and where each row came from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from affinet._validation import Array

# Cells, in small letters, that stand for a value that is not there.
MISSING = frozenset(("", "?", "na", "n/a", "nan", "null"))


@dataclass(frozen=True)
class Table:
    """Rows and columns as a file has them.

    Attributes
    ----------
    source : str
        The file's name, which stands in errors.
    columns : mapping of str to list of str or array
        For every name the N cells of a text file, or an array (N,) of numbers.
    named : bool
        True if the names are the file's own; else they are ``column 1``, ``column 2``, ....
    target : str or None
        The column that is known to hold the targets.
    lines : sequence of int or None
        The line on which each row of a text file ends; None for arrays.
    decimal : str
        The decimal mark of a text file.
    row_shape : tuple of int or None
        Of one row of an array of inputs before it was flattened.

    Examples
    --------
    >>> table = Table("pets.csv", {"weight": ["4", "?"], "fur": ["grey", ""]}, lines=[2, 3])
    >>> len(table), table.names, table.numbers("weight"), table.texts("fur")
    (2, ['weight', 'fur'], array([ 4., nan]), ['grey', ''])
    >>> table.place(1, "fur")
    "pets.csv: line 3, column 'fur'"
    """

    source: str
    columns: Mapping[str, list[str] | Array]
    named: bool = True
    target: str | None = None
    lines: Sequence[int] | None = None
    decimal: str = "."
    row_shape: tuple[int, ...] | None = None

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    @property
    def names(self) -> list[str]:
        """Names of the columns, in the file's order."""
        return list(self.columns)

    def numbers(self, name: str) -> Array:
        """A column as float64 (N,), NaN where a value is missing.

        Raises
        ------
        ValueError
            If a cell is no number or is infinite; it is named by its line and column.
        """
        cells = self.columns[name]
        if isinstance(cells, list):
            values = np.array([number_of(cell, self.decimal) for cell in cells], np.float64)
            bad = np.flatnonzero(np.isnan(values))
            for row in map(int, bad):  # few, or none: missing cells and those that are no numbers
                if not is_missing(cells[row]):
                    raise ValueError(f"{self.place(row, name)}: {cells[row]!r} is no number")
        else:
            values = cells.astype(np.float64)
        infinite = np.isinf(values)
        if infinite.any():
            first = int(infinite.argmax())
            raise ValueError(f"{self.place(first, name)}: {values[first]}, wanted a finite number")
        return values

    def texts(self, name: str) -> list[str]:
        """A column as texts, empty where a value is missing; numbers of arrays by their names."""
        cells = self.columns[name]
        if isinstance(cells, list):
            return ["" if is_missing(cell) else cell for cell in cells]
        values = self.numbers(name).tolist()
        return ["" if math.isnan(value) else number_name(value) for value in values]

    def kind(self, name: str) -> str:
        """``"number"`` or ``"text"``, by the cells that are not missing; "mixed" if both occur."""
        cells = self.columns[name]
        if not isinstance(cells, list):
            return "number"
        known = [cell for cell in cells if not is_missing(cell)]
        numeric = sum(not math.isnan(number_of(cell, self.decimal)) for cell in known)
        if numeric == len(known):
            return "number"
        return "mixed" if numeric else "text"

    def first_text(self, name: str) -> int:
        """The first row of a column whose cell is neither missing nor a number."""
        for row, cell in enumerate(self.columns[name]):
            if not is_missing(cell) and math.isnan(number_of(cell, self.decimal)):
                return row
        raise ValueError(f"{self.source}: column {name!r} holds numbers only")

    def resolve(self, column: str) -> str:
        """The name of a column given by its name, or by its place: 1 the first, -1 the last.

        Raises
        ------
        ValueError
            If there is no such column; the message lists those that are there.
        """
        if column in self.columns:
            return column
        names = self.names
        try:
            place = int(column)
        except ValueError:
            place = 0
        if place != 0 and -len(names) <= place <= len(names):
            return names[place - 1 if place > 0 else place]
        raise ValueError(f"{self.source}: no column {column!r}, its columns are {listing(names)}")

    def place(self, row: int, name: str) -> str:
        """Where a cell stands, in words."""
        where = f"row {row + 1}" if self.lines is None else f"line {self.lines[row]}"
        return f"{self.source}: {where}, column {name!r}"


def number_of(cell: str, decimal: str) -> float:
    """The number in a cell; NaN if it holds none."""
    if "_" in cell or (decimal != "." and "." in cell):
        return math.nan  # Python's 1_000 is no number elsewhere; 1.000 would be a thousand
    try:
        return float(cell.replace(decimal, "."))
    except ValueError:
        return math.nan


def is_missing(cell: str) -> bool:
    """True for a cell that stands for a value that is not there."""
    return cell.lower() in MISSING


def number_name(value: float) -> str:
    """A number as the name of a class or category: 3.0 is ``"3"``, 0.5 is ``"0.5"``.

    Examples
    --------
    >>> number_name(3.0), number_name(0.5)
    ('3', '0.5')
    """
    return str(int(value)) if value == int(value) else repr(float(value))


def listing(names: Sequence[str], most: int = 12) -> str:
    """Names with commas between them, the first ones if they are many."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown}, ... ({len(names)} in all)"
