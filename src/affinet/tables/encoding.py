"""Encoding: a table's columns as a network's inputs and targets."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from affinet._validation import Array
from affinet.tables.categories import Categories
from affinet.tables.columns import CategoryColumn
from affinet.tables.fitting import Dropped, Options, fit_inputs
from affinet.tables.problems import all_problems, require_one_of
from affinet.tables.records import Column, column_from_json, column_to_json
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
    (:class:`DateColumn`). Targets are class indices, or standardised numbers. Options of
    :meth:`fit` choose other scalings, codes for categories, and indicators of missing values.

    Attributes
    ----------
    columns : tuple of objects, each for one column
        The inputs, in the table's order: ``NumberColumn``, ``CategoryColumn`` and ``DateColumn``,
        or, by the options of :meth:`fit`, those of ``affinet.tables.scaled`` and
        ``affinet.tables.categories``.
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
    drops : tuple of Dropped
        Columns that are not used because they carry no information, each with the reason.

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

    Numbers as in RealMLP, categories of more than two values as codes, missing values allowed:

    >>> table = Table("t", {"a": ["1", "", "4"], "b": ["x", "y", "z"], "c": ["7", "7", "7"],
    ...                     "t": ["1.5", "2", "3"]})
    >>> encoding = Encoding.fit(
    ...     table, "t", scaling="robust", one_hot=2, missing="indicator", clamp=True
    ... )
    >>> encoding.inputs(table).round(2)
    array([[-0.95,  0.  ,  1.  ],
           [ 0.  ,  1.  ,  2.  ],
           [ 0.95,  0.  ,  3.  ]], dtype=float32)
    >>> encoding.number_inputs, encoding.code_inputs, encoding.dropped
    ((0,), ((2, 4),), ("column 'c': 7 in every row",))
    """

    columns: tuple[Column, ...]
    target: Target
    names: tuple[str, ...]
    named: bool = True
    decimal: str = "."
    charset: str | None = None
    drops: tuple[Dropped, ...] = ()

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
        scaling: str = "standard",
        one_hot: int | None = None,
        missing: str = "error",
        clamp: bool = False,
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
            Columns whose cells are names of categories even if they look like numbers or dates,
            in addition to those that the table itself declares.
        scaling : str
            How numbers and the days of dates are scaled: ``"standard"``, ``"robust"`` by median
            and quartiles with smooth clipping (``RobustScaling``), or ``"quantile"``, to normal
            scores (``QuantileScaling``).
        one_hot : int, optional
            The greatest number of categories that become one input each. If it is given, two
            categories become one input, -1 or 1, and more than this many one input of codes for
            an embedding (``CodeColumn``): 1 to n, and 0 for missing or unknown ones. If there are
            more than 10,000 categories, or more than 20 and more than one for every two values,
            then only those that occur at least twice get a code, at most the 10,000 most frequent
            ones; all others, and unknown ones, share the code n + 1. If left out, every category
            becomes an input.
        missing : str
            ``"error"`` refuses missing values, or imputes them by ``impute``. With
            ``"indicator"``, missing values and unknown categories are never an error. The median
            replaces missing numbers and dates, and if training rows have some, an input behind
            the column is 1 where they are missing, else 0; missing or unknown categories become
            zeros or the code 0. Columns of numbers and texts become categories, unless a few
            texts among many numbers look like mistakes.
        clamp : bool
            True if predicted numbers are clamped to the range of the training rows' targets.

        Returns
        -------
        Encoding

        Raises
        ------
        ValueError
            If columns cannot be used; the message names all of them, with their lines.

        Notes
        -----
        If ``scaling``, ``one_hot`` or ``missing`` is not the default, only the training rows are
        examined, and columns with the same value in all of them are dropped: see ``dropped``.
        With ``missing="indicator"``, so are columns without any value, and columns of more than
        20 texts that all differ. A column of one value that is missing in some rows becomes one
        input, which says where it is missing.
        """
        require_one_of("task", task, (None, *TASKS))
        options = Options(scaling, one_hot, missing, impute)
        for name in (target, *ignore, *categorical):
            table.resolve(name)
        ignore, categorical = {*ignore}, {*categorical} | table.categorical
        left = [name for name in table.names if name != target and name not in ignore]
        if not left:
            raise ValueError(f"{table.source}: no column is left to learn from")
        places = None if rows is None else np.asarray(rows)
        columns, drops, problems = fit_inputs(table, left, places, options, categorical)
        try:
            fitted = fit_target(table, target, task, places, clamp)
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
            drops=tuple(drops),
        )

    @property
    def width(self) -> int:
        """Number of inputs of the network."""
        return sum(column.width for column in self.columns)

    @property
    def number_inputs(self) -> tuple[int, ...]:
        """Places of the inputs that are scaled numbers, or days of dates.

        Neither indicators nor categories nor the sine and cosine of dates are among them.
        """
        return tuple(
            start + place for start, column in self.starts() for place in column.number_inputs
        )

    @property
    def code_inputs(self) -> tuple[tuple[int, int], ...]:
        """Places of the inputs that are codes of categories, each with the number of its codes."""
        return tuple(
            (start + place, n_codes)
            for start, column in self.starts()
            for place, n_codes in column.code_inputs
        )

    @property
    def dropped(self) -> tuple[str, ...]:
        """Columns that are not used because they carry no information, in words with the reason."""
        return tuple(map(str, self.drops))

    def starts(self) -> Iterator[tuple[int, Column]]:
        """Every column with the place of its first input."""
        start = 0
        for column in self.columns:
            yield start, column
            start += column.width

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
            ``"error"`` refuses categories unseen in training, ``"zero"`` turns them into zeros,
            as an encoding with ``missing="indicator"`` always does.

        Raises
        ------
        ValueError
            If a column is missing or a value cannot be used; the message names all such columns.
        """
        require_one_of("unknown", unknown, UNKNOWN)
        out = np.empty((len(table), self.width), dtype)
        problems = []
        for (start, column), name in zip(self.starts(), self.find(table), strict=True):
            block = out[:, start : start + column.width]
            try:
                with np.errstate(over="ignore"):
                    block[...] = column.transform(table, name, unknown)
            except ColumnError as problem:
                problems.append(problem)
                continue
            if not np.isfinite(block).all():
                row = int(np.isfinite(block).all(axis=1).argmin())
                mean = getattr(getattr(column, "scaling", column), "mean", 0)
                raise ValueError(
                    f"{table.place(row, name)}: {table.texts(name)[row]} is too large for a column "
                    f"of mean {mean:g} and {out.dtype}"
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
        found = self.unseen(table)
        return [f"column {name!r}: {listing(new)}" for name, new in found.items()]

    def unseen(self, table: Table) -> dict[str, list[str]]:
        """Categories of the table that are unseen in training, by the names of their columns."""
        found = {}
        for column, name in zip(self.columns, self.find(table), strict=True):
            if isinstance(column, CategoryColumn | Categories):
                new = column.unseen(table, name)
                if new:
                    found[name] = new
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
        if len(there) == len(wanted) + len(self.drops):
            if not self.drops:
                return there
            learned = {*wanted}.union(drop.name for drop in self.drops)
            inputs = [name for name in self.names if name in learned]
            found = dict(zip(inputs, there, strict=True))
            return [found[name] for name in wanted]
        if len(there) == len(self.names):
            places = {name: place for place, name in enumerate(self.names)}
            return [there[places[name]] for name in wanted]
        raise ValueError(
            f"{table.source}: {len(there)} columns, wanted {len(wanted) + len(self.drops)} of "
            f"inputs or all {len(self.names)} of the training table"
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
        record = {
            "columns": [column_to_json(column) for column in self.columns],
            "target": target_to_json(self.target),
            "names": list(self.names),
            "named": self.named,
            "decimal": self.decimal,
            "charset": self.charset,
        }
        if self.drops:
            record["dropped"] = [vars(drop).copy() for drop in self.drops]
        return record

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
                drops=tuple(
                    Dropped(str(drop["name"]), str(drop["reason"]))
                    for drop in value.get("dropped", ())
                ),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"not the record of an encoding: {error!r}") from error


def fit_target(
    table: Table, name: str, task: str | None, rows: Array | None, clamp: bool
) -> Target:
    """The target's classes or statistics, for the given task or the one the column suggests."""
    task = guess_task(table, name)[0] if task is None else task
    if task == ClassTarget.task:
        return ClassTarget.fit(table, name)
    return NumberTarget.fit(table, name, np.arange(len(table)) if rows is None else rows, clamp)
