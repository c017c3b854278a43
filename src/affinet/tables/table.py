"""A table in memory: named columns of numbers or of text, and where each row came from."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.tables.cells import is_missing, number_of, numbers_of, value_label
from affinet.tables.dates import date_format, date_texts


class ColumnError(ValueError):
    """A column that cannot be used.

    Attributes
    ----------
    source, what, remedy : str
        The table, what is wrong and where, and what helps.
    """

    def __init__(self, source: str, what: str, remedy: str = "") -> None:
        super().__init__(f"{source}: " + "; ".join(filter(None, (what, remedy))))
        self.source, self.what, self.remedy = source, what, remedy


@dataclass(frozen=True)
class Table:
    """Rows and columns as a file has them.

    Attributes
    ----------
    source : str
        The file's name, for error messages.
    columns : mapping of str to list of str or array
        For every name the N cells of a text file, or an array (N,) of numbers or datetime64.
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
    charset : str or None
        The character encoding of a text file, such as ``"utf-8"``; None for arrays.
    categorical : frozenset of str
        Columns whose values are names of categories even if they look like numbers or dates.
    places : sequence of int or None
        The place of each row in the table that it was selected from; None if all are there.

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
    charset: str | None = None
    categorical: frozenset[str] = frozenset()
    places: Sequence[int] | None = None

    @classmethod
    def from_frame(
        cls, frame: Any, source: str = "X", categorical: Collection[str | int] = ()
    ) -> Table:
        """The table of a DataFrame of pandas or polars, or of a two-dimensional array.

        A column means what it would mean in a CSV file of the same data. Numbers and durations
        (in days) are numbers, dates and times are dates. Truth values become the texts ``"True"``
        and ``"False"``. Texts, without outer spaces, are numbers, dates or categories, depending
        on what they look like. None, NaN, NaT and NA are missing, and so are the texts that mean
        this in files: the empty one, ``"?"``, ``"NA"``, ``"N/A"``, ``"nan"`` and ``"null"``.
        Columns of type category are categories whatever they look like.

        Parameters
        ----------
        frame : DataFrame or array of shape (N, columns)
            The columns of an array are called ``x0``, ``x1``, ...; so are those of a DataFrame of
            pandas without names. Indexes of rows are ignored.
        source : str
            Its name in error messages.
        categorical : collection of str or int
            More columns that hold categories: names, places from 0 on, or one bool for each.

        Returns
        -------
        Table

        Raises
        ------
        TypeError, ValueError
            If it is something else, if names of columns are not different texts, or if columns
            hold other things, such as lists or complex numbers; the message names all of them.

        Examples
        --------
        >>> import numpy as np
        >>> table = Table.from_frame(np.array([["4", "cat"], ["30", "dog"]]))
        >>> table.names, table.numbers("x0"), table.kind("x1")
        (['x0', 'x1'], array([ 4., 30.]), 'text')
        """
        from affinet.tables.frames import frame_table

        return frame_table(frame, source, categorical)

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
            If a cell is not a number, or infinite; its line and column are in the message.
        """
        cells = self.columns[name]
        if isinstance(cells, list):
            values = numbers_of(cells, self.decimal)
            for row in map(int, np.flatnonzero(np.isnan(values))):
                if not is_missing(cells[row]):
                    raise ColumnError(
                        self.source,
                        f"{self.row_name(row)}, column {name!r}: {cells[row]!r} is not a number",
                        self.hint(cells[row]).removesuffix(", "),
                    )
        elif cells.dtype.kind == "M":
            raise ColumnError(self.source, f"column {name!r} holds dates, wanted numbers")
        else:
            values = cells.astype(np.float64)
        infinite = np.isinf(values)
        if infinite.any():
            first = int(infinite.argmax())
            raise ColumnError(
                self.source,
                f"{self.row_name(first)}, column {name!r}: {values[first]}, wanted a finite number",
            )
        return values

    def hint(self, cell: str) -> str:
        """The option that makes a cell a number, in words; empty if there is none."""
        other = "," if self.decimal == "." else "."
        if math.isnan(number_of(cell, other)):
            return ""
        return f"if {other!r} is the decimal mark: decimal={other!r} (--decimal {other}), "

    def texts(self, name: str) -> list[str]:
        """A column as texts, empty where a value is missing; numbers of arrays by their labels."""
        cells = self.columns[name]
        if isinstance(cells, list):
            missing = {cell for cell in {*cells} if is_missing(cell)} - {""}
            return ["" if cell in missing else cell for cell in cells] if missing else [*cells]
        if cells.dtype.kind == "M":
            return date_texts(cells)
        if cells.dtype.kind not in "bui":
            cells = self.numbers(name)
        # Whole numbers not through float64, which merges those above 2**53.
        different, places = np.unique(cells, return_inverse=True)
        labels = ["" if value != value else value_label(value) for value in different.tolist()]
        return [labels[place] for place in places.tolist()]

    def kind(self, name: str) -> str:
        """What the cells that are not missing hold.

        Returns
        -------
        str
            ``"number"``, ``"date"``, ``"text"``, or ``"mixed"`` for numbers and texts.
        """
        cells = self.columns[name]
        if not isinstance(cells, list):
            return "date" if cells.dtype.kind == "M" else "number"
        known = [cell for cell in dict.fromkeys(cells) if not is_missing(cell)]
        numeric = len(known) - int(np.isnan(numbers_of(known, self.decimal)).sum())
        if numeric == len(known):
            return "number"
        if numeric:
            return "mixed"
        return "text" if date_format(known) is None else "date"

    def text_cells(self, name: str) -> list[str]:
        """The different cells of a column of text that are neither missing nor a number."""
        return [
            cell
            for cell in dict.fromkeys(self.columns[name])
            if not is_missing(cell) and math.isnan(number_of(cell, self.decimal))
        ]

    def resolve(self, column: str) -> str:
        """The name of a column given by its name, or by its place: 1 the first, -1 the last.

        Raises
        ------
        ValueError
            If there is no such column; the message lists the existing ones.
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
        hint = ""
        near = difflib.get_close_matches(column, names, 1)
        if near:
            hint = f"; did you mean {near[0]!r}?"
        elif not self.named and self.lines is not None:
            hint = "; if its first line holds the names: header=True (--header)"
        raise ValueError(
            f"{self.source}: no column {column!r}, its columns are {listing(names)}{hint}"
        )

    def place(self, row: int, name: str) -> str:
        """Where a cell is, in words."""
        return f"{self.source}: {self.row_name(row)}, column {name!r}"

    def row_name(self, row: int) -> str:
        """A row in words: by its line in a text file, else by its place."""
        if self.lines is not None:
            return f"line {self.lines[row]}"
        return f"row {(row if self.places is None else self.places[row]) + 1}"

    def select(self, rows: Array) -> Table:
        """Some of the rows as another table.

        Parameters
        ----------
        rows : int array of shape (M,)
        """
        places = rows.tolist()
        columns: dict[str, list[str] | Array] = {}
        for name, cells in self.columns.items():
            columns[name] = (
                [cells[row] for row in places] if isinstance(cells, list) else cells[rows]
            )
        lines = None if self.lines is None else [self.lines[row] for row in places]
        if self.places is not None:
            places = [self.places[row] for row in places]
        return replace(self, columns=columns, lines=lines, places=places)

    def drop_missing(self, name: str) -> Table:
        """The rows that have a value in the column ``name``.

        Examples
        --------
        >>> len(Table("t", {"a": ["1", "2", "3"], "t": ["x", "", "NA"]}).drop_missing("t"))
        1
        """
        known = [bool(text.strip()) for text in self.texts(name)]
        return self if all(known) else self.select(np.flatnonzero(known))


def listing(names: Sequence[str], most: int = 12) -> str:
    """Names separated by commas; only the first ones if there are many."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown}, ... ({len(names)} in all)"
