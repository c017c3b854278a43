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
    column_from_json,
    column_to_json,
    fit_column,
)
from affinet.tables.table import Table, listing
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
    """How columns become inputs and a target, learned from the rows that are trained on.

    Numbers are standardised with the training rows' mean and standard deviation; texts become one
    input for each category. Targets are class indices, or standardised numbers.

    Attributes
    ----------
    columns : tuple of NumberColumn or CategoryColumn
        The inputs, in the table's order.
    target : ClassTarget or NumberTarget
    names : tuple of str
        All columns of the table that was learned from, in its order.
    named : bool
        True if these names are the file's own: tables with names are then read by them, and only
        tables without names by their places.

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
            Name of the column that is to be predicted.
        rows : array of int, optional
            Places of the rows to take statistics and categories from; all if left out. Classes
            are those of all rows.
        task : str, optional
            ``"classification"`` or ``"regression"``; guessed if left out, see
            :func:`guess_task`.
        impute : str, optional
            ``"mean"`` or ``"median"``: what fills in missing numbers, in these rows and in later
            ones; texts are filled in with the most frequent one. Left out, a missing value is
            refused. Missing targets always are.
        ignore : collection of str
            Columns to leave out.
        categorical : collection of str
            Columns whose cells are names of categories even if they look like numbers.

        Returns
        -------
        Encoding

        Raises
        ------
        ValueError
            If a column cannot be used; its name and the line are in the message.
        """
        require_one_of("task", task, (None, *TASKS))
        require_one_of("impute", impute, (None, *IMPUTATIONS))
        for name in (target, *ignore, *categorical):
            table.resolve(name)
        left = [name for name in table.names if name != target and name not in ignore]
        if not left:
            raise ValueError(f"{table.source}: no column is left to learn from")
        places = np.arange(len(table)) if rows is None else np.asarray(rows)
        return cls(
            columns=tuple(
                fit_column(table, name, places, impute, name in categorical) for name in left
            ),
            target=fit_target(table, target, task, places),
            names=tuple(table.names),
            named=table.named,
        )

    @property
    def width(self) -> int:
        """Inputs of the network."""
        return sum(column.width for column in self.columns)

    def inputs(self, table: Table, dtype: DTypeLike = np.float32, unknown: str = "error") -> Array:
        """The inputs (N, width) that a table's rows make.

        Parameters
        ----------
        table : Table
            With these columns by name, in any order and among others; or, if it or this encoding
            knows no names, with these columns alone or with all those of the training's table.
        dtype : dtype
            float32 or float64.
        unknown : str
            ``"error"`` refuses a category that the training did not have, ``"zero"`` gives its
            row zeros.

        Raises
        ------
        ValueError
            If a column is absent or a value cannot be used.
        """
        require_one_of("unknown", unknown, UNKNOWN)
        out = np.empty((len(table), self.width), dtype)
        start = 0
        for column, name in zip(self.columns, self.find(table), strict=True):
            block = out[:, start : start + column.width]
            with np.errstate(over="ignore"):
                block[...] = column.transform(table, name, unknown)
            if not np.isfinite(block).all():
                row = int(np.isfinite(block).all(axis=1).argmin())
                raise ValueError(
                    f"{table.place(row, name)}: {table.texts(name)[row]} is too large for a column "
                    f"of mean {getattr(column, 'mean', 0):g} and {out.dtype}"
                )
            start += column.width
        return out

    def targets(self, table: Table) -> Array:
        """Class indices, int64 (N,), or standardised numbers, float64 (N,).

        Raises
        ------
        ValueError
            If the column is absent, or a row has no target or one of an unknown class.
        """
        return self.target.values(table, self.find_target(table))

    def unknown(self, table: Table) -> list[str]:
        """What the table's columns of texts hold that the training did not, in words."""
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
            absent = [name for name in wanted if name not in there]
            if absent:
                raise ValueError(
                    f"{table.source}: no column {listing(absent)}; its columns are {listing(there)}"
                )
            return wanted
        if len(there) == len(wanted):
            return there
        if len(there) == len(self.names):
            return [there[self.names.index(name)] for name in wanted]
        raise ValueError(
            f"{table.source}: {len(there)} columns, wanted {len(wanted)} of inputs or all "
            f"{len(self.names)} of the training's table"
        )

    def find_target(self, table: Table) -> str:
        """The name that the target's column has in a table."""
        if table.target is not None:
            return table.target
        if table.named and self.target.name in table.columns:
            return self.target.name
        if not (table.named and self.named) and len(table.names) == len(self.names):
            return table.names[self.names.index(self.target.name)]
        raise ValueError(f"{table.source}: no column {self.target.name!r} for the targets")

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values that JSON can hold."""
        return {
            "columns": [column_to_json(column) for column in self.columns],
            "target": target_to_json(self.target),
            "names": list(self.names),
            "named": self.named,
        }

    @classmethod
    def from_json(cls, value: Any) -> Encoding:
        """The encoding that :meth:`to_json` wrote.

        Raises
        ------
        ValueError
            If the value is something else.
        """
        try:
            return cls(
                columns=tuple(column_from_json(column) for column in value["columns"]),
                target=target_from_json(value["target"]),
                names=tuple(map(str, value["names"])),
                named=bool(value["named"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"not the record of an encoding: {error!r}") from error


def fit_target(table: Table, name: str, task: str | None, rows: Array) -> Target:
    """The target's classes or statistics, as the task says or the column suggests."""
    task = guess_task(table, name)[0] if task is None else task
    if task == ClassTarget.task:
        return ClassTarget.fit(table, name)
    return NumberTarget.fit(table, name, rows)


def require_one_of(name: str, value: Any, known: Collection[Any]) -> None:
    """Raise unless ``value`` is one of those that are known."""
    if value not in known:
        wanted = ", ".join(repr(other) for other in known)
        raise ValueError(f"{name} is {value!r}, wanted one of {wanted}")
