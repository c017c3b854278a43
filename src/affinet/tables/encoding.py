"""Encoding: a table's columns as a network's inputs and targets."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from affinet._validation import Array
from affinet.tables.columns import (
    IMPUTATIONS,
    CategoryColumn,
    Column,
    all_problems,
    column_from_json,
    column_to_json,
    fit_column,
)
from affinet.tables.table import ColumnError, Table, listing
from affinet.tables.targets import (
    TASKS,
    ClassTarget,
    NumberTarget,
    Target,
    guess_task,
    target_from_json,
    target_to_json,
)

UNKNOWN = ("error", "zero")


@dataclass(frozen=True)
class Encoding:
    """How columns become inputs and a target, learned from the training rows.

    Numbers are standardised with the training rows' mean and standard deviation; texts become one
    input for each category; dates become days and their place in year and week
    (:class:`DateColumn`). Targets are class indices, or standardised numbers.

    Attributes
    ----------
    columns : tuple of NumberColumn, CategoryColumn or DateColumn
        The inputs, in the table's order.
    target : ClassTarget or NumberTarget
    names : tuple of str
        All columns of the training table, in its order.
    named : bool
        True if these names are the file's own: columns of tables with names are then found by
        name, and only those of tables without names by their places.
    decimal : str
        The decimal mark of the training table's text.
    charset : str or None
        The character encoding of that text.

    Examples
    --------
    >>> import numpy as np
    >>> table = Table("t", {"a": np.array([0.0, 2.0]), "b": np.array([5.0, 5.0]),
    ...                     "t": np.array([10.0, 20.0])})
    >>> encoding = Encoding.fit(table, "t", task="regression")
    >>> encoding.inputs(table)
    array([[-1.,  0.],
           [ 1.,  0.]], dtype=float32)
    >>> encoding.target.restore(encoding.targets(table))
    array([10., 20.])
    >>> Encoding.from_json(encoding.to_json()) == encoding
    True
    """

    columns: tuple[Column, ...]
    target: Target
    names: tuple[str, ...]
    named: bool = True
    decimal: str = "."
    charset: str | None = None

    @classmethod
    def fit(
        cls,
        table: Table,
        target: str,
        *,
        rows: ArrayLike | None = None,
        task: str | None = None,
        impute: str | None = None,
        ignore: Collection[str] = (),
        categorical: Collection[str] = (),
    ) -> Encoding:
        """Learn from a table.

        Parameters
        ----------
        table : Table
        target : str
            Name of the column to predict.
        rows : array of int, optional
            Places of the training rows, which statistics and categories come from; all if left
            out. Classes are those of all rows.
        task : str, optional
            ``"classification"`` or ``"regression"``; guessed if left out, see
            :func:`guess_task`.
        impute : str, optional
            ``"mean"`` or ``"median"``: what replaces missing numbers and dates, in these rows and
            in later ones; missing texts are replaced by the most frequent one. If left out, a
            missing value is refused. Missing targets always are; see :meth:`Table.drop_missing`.
        ignore : collection of str
            Columns to leave out.
        categorical : collection of str
            Columns whose cells are names of categories even if they look like numbers or dates.

        Returns
        -------
        Encoding

        Raises
        ------
        ValueError
            If columns cannot be used; the message names all of them, with their lines.
        """
        require_one_of("task", task, (None, *TASKS))
        require_one_of("impute", impute, (None, *IMPUTATIONS))
        for name in (target, *ignore, *categorical):
            table.resolve(name)
        ignore, categorical = {*ignore}, {*categorical}
        left = [name for name in table.names if name != target and name not in ignore]
        if not left:
            raise ValueError(f"{table.source}: no column is left to learn from")
        places = np.arange(len(table)) if rows is None else np.asarray(rows)
        columns, problems = [], []
        for name in left:
            try:
                columns.append(fit_column(table, name, places, impute, name in categorical))
            except ColumnError as problem:  # go on, to report all of them at once
                problems.append(problem)
        try:
            fitted = fit_target(table, target, task, places)
        except ColumnError as problem:
            problems.append(problem)
        if problems:
            raise all_problems(problems)
        return cls(
            columns=tuple(columns),
            target=fitted,
            names=tuple(table.names),
            named=table.named,
            decimal=table.decimal,
            charset=table.charset,
        )

    @property
    def width(self) -> int:
        """Number of inputs of the network."""
        return sum(column.width for column in self.columns)

    def inputs(self, table: Table, dtype: DTypeLike = np.float32, unknown: str = "error") -> Array:
        """The inputs (N, width) that a table's rows become.

        Parameters
        ----------
        table : Table
            With these columns by name, in any order and among others; or, if it or this encoding
            has no names, with only these columns or all those of the training table.
        dtype : dtype
            float32 or float64.
        unknown : str
            ``"error"`` refuses categories unseen in training, ``"zero"`` turns them into zeros.

        Raises
        ------
        ValueError
            If a column is missing or a value cannot be used; the message names all such columns.
        """
        require_one_of("unknown", unknown, UNKNOWN)
        out = np.empty((len(table), self.width), dtype)
        start, problems = 0, []
        for column, name in zip(self.columns, self.find(table), strict=True):
            block = out[:, start : start + column.width]
            start += column.width
            try:
                with np.errstate(over="ignore"):
                    block[...] = column.transform(table, name, unknown)
            except ColumnError as problem:
                problems.append(problem)
                continue
            if not np.isfinite(block).all():
                row = int(np.isfinite(block).all(axis=1).argmin())
                raise ValueError(
                    f"{table.place(row, name)}: {table.texts(name)[row]} is too large for a column "
                    f"of mean {getattr(column, 'mean', 0):g} and {out.dtype}"
                )
        if problems:
            raise all_problems(problems)
        return out

    def targets(self, table: Table) -> Array:
        """Class indices, int64 (N,), or standardised numbers, float64 (N,).

        Raises
        ------
        ValueError
            If the column is missing, or a row has no target or one of an unknown class.
        """
        return self.target.values(table, self.find_target(table))

    def unknown(self, table: Table) -> list[str]:
        """Categories of the table that are unseen in training, in words, a text for each column."""
        found = []
        for column, name in zip(self.columns, self.find(table), strict=True):
            if isinstance(column, CategoryColumn):
                new = sorted({*table.texts(name)} - {*column.categories, ""})
                if new:
                    found.append(f"column {name!r}: {listing(new)}")
        return found

    def find(self, table: Table) -> list[str]:
        """Names that the input columns have in a table."""
        wanted = [column.name for column in self.columns]
        there = [name for name in table.names if name != table.target]
        if self.named and table.named:
            known = {*there}
            absent = [name for name in wanted if name not in known]
            if absent:
                raise ValueError(
                    f"{table.source}: no column {listing(absent)}; its columns are {listing(there)}"
                )
            return wanted
        if len(there) == len(wanted):
            return there
        if len(there) == len(self.names):
            places = {name: place for place, name in enumerate(self.names)}
            return [there[places[name]] for name in wanted]
        raise ValueError(
            f"{table.source}: {len(there)} columns, wanted {len(wanted)} of inputs or all "
            f"{len(self.names)} of the training table"
        )

    def find_target(self, table: Table) -> str:
        """The name that the target's column has in a table."""
        if table.target is not None:
            return table.target
        if table.named and self.target.name in table.columns:
            return self.target.name
        if not (table.named and self.named) and len(table.names) == len(self.names):
            return table.names[self.names.index(self.target.name)]
        raise ValueError(
            f"{table.source}: no column {self.target.name!r} for the targets; if they have another "
            "name, give it with target (--target NAME)"
        )

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values that JSON can hold."""
        return {
            "columns": [column_to_json(column) for column in self.columns],
            "target": target_to_json(self.target),
            "names": list(self.names),
            "named": self.named,
            "decimal": self.decimal,
            "charset": self.charset,
        }

    @classmethod
    def from_json(cls, value: Any) -> Encoding:
        """The encoding that :meth:`to_json` wrote.

        Raises
        ------
        ValueError
            If the value is not such a record.
        """
        try:
            decimal, charset = value.get("decimal", "."), value.get("charset")
            if decimal not in (".", ",") or not isinstance(charset, str | None):
                raise ValueError(f"decimal {decimal!r} and charset {charset!r}")
            return cls(
                columns=tuple(column_from_json(column) for column in value["columns"]),
                target=target_from_json(value["target"]),
                names=tuple(map(str, value["names"])),
                named=bool(value["named"]),
                decimal=decimal,
                charset=charset,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"not the record of an encoding: {error!r}") from error


def fit_target(table: Table, name: str, task: str | None, rows: Array) -> Target:
    """The target's classes or statistics, for the given task or the one the column suggests."""
    task = guess_task(table, name)[0] if task is None else task
    if task == ClassTarget.task:
        return ClassTarget.fit(table, name)
    return NumberTarget.fit(table, name, rows)


def require_one_of(name: str, value: Any, known: Collection[Any]) -> None:
    """Raise unless ``value`` is one of the known ones."""
    if value not in known:
        wanted = ", ".join(repr(other) for other in known)
        raise ValueError(f"{name} is {value!r}, wanted one of {wanted}")
