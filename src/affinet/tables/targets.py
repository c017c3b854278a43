"""Targets: what a network predicts, and how its outputs become a column's values again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, NoReturn, TypeAlias

import numpy as np

from affinet._validation import Array
from affinet.tables.cells import has_leading_zero, number_label
from affinet.tables.columns import texts_from_json
from affinet.tables.problems import require_few
from affinet.tables.statistics import statistics
from affinet.tables.table import ColumnError, Table, listing

CLASSIFICATION, REGRESSION = "classification", "regression"
TASKS = (CLASSIFICATION, REGRESSION)
MOST_CLASSES = 20  # whole numbers with more values than this are treated as quantities
LARGEST = 1e150  # the square of anything larger may overflow float64


@dataclass(frozen=True)
class ClassTarget:
    """A column that names classes.

    Attributes
    ----------
    name : str
    classes : tuple of str
        In the order of the class indices: numbers by size, texts by the alphabet.
    numeric : bool
        True if the names are plainly numbers, so that ``1`` and ``1.0`` are one class. Cells such
        as ``007`` or ``1e5`` are not: then every class is the text of its cells.

    Examples
    --------
    >>> table = Table("t", {"kind": ["dog", "cat", "dog"]}, lines=[1, 2, 3])
    >>> target = ClassTarget.fit(table, "kind")
    >>> target.classes, target.values(table, "kind")
    (('cat', 'dog'), array([1, 0, 1]))
    """

    task: ClassVar[str] = CLASSIFICATION
    name: str
    classes: tuple[str, ...]
    numeric: bool = False

    @classmethod
    def fit(cls, table: Table, name: str) -> ClassTarget:
        """Take the classes of all rows of a table's column."""
        labels = class_labels(table, name, numeric=True)
        numeric = all_plain(table, name)
        if not numeric:
            labels = class_labels(table, name, numeric=False)
        classes = sorted(set(labels), key=(lambda text: (Decimal(text), text)) if numeric else None)
        if len(classes) < 2:
            raise ColumnError(
                table.source,
                f"the target {name!r} is {classes[0]!r} in every row, wanted at least two classes",
            )
        require_few(
            *(table, name, len(classes), len(labels), "classes"),
            "task='regression' (--task regression) predicts numbers",
        )
        return cls(name, tuple(classes), numeric)

    def values(self, table: Table, name: str) -> Array:
        """Class indices (N,) of the rows of a table's column, there called ``name``."""
        places = {text: place for place, text in enumerate(self.classes)}
        labels = class_labels(table, name, self.numeric)
        for row, text in enumerate(labels):
            if text not in places:
                raise ValueError(
                    f"{table.place(row, name)}: {text!r} is not one of the classes "
                    f"{listing(self.classes)}"
                )
        return np.array([places[text] for text in labels], dtype=np.int64)


@dataclass(frozen=True)
class NumberTarget:
    """A column of numbers to predict, standardised internally: ``(value - mean) / std``.

    Attributes
    ----------
    name : str
    mean, std : float
        Of the training rows; ``std`` is 1 if they are all equal.
    low, high : float or None
        The least and the greatest value of the training rows, to which predictions are clamped;
        None does not clamp them.

    Examples
    --------
    >>> import numpy as np
    >>> table = Table("t", {"price": np.array([1.0, 3.0])})
    >>> target = NumberTarget.fit(table, "price", np.arange(2))
    >>> target.values(table, "price"), target.restore(np.array([[0.5]]))
    (array([-1.,  1.]), array([2.5]))
    >>> NumberTarget.fit(table, "price", np.arange(2), clamp=True).restore(np.array([0.5, 1.5]))
    array([2.5, 3. ])
    """

    task: ClassVar[str] = REGRESSION
    name: str
    mean: float
    std: float
    low: float | None = None
    high: float | None = None

    @classmethod
    def fit(cls, table: Table, name: str, rows: Array, clamp: bool = False) -> NumberTarget:
        """Take the statistics of some rows of a table's column."""
        values = quantities(table, name)
        largest = float(np.abs(values).max())
        if largest > LARGEST:
            raise ColumnError(
                table.source,
                f"the target {name!r} reaches {largest:g}, and squared errors of numbers beyond "
                f"{LARGEST:g} overflow float64",
                "rescale it",
            )
        values = values[rows]
        ends = (float(values.min()), float(values.max())) if clamp else ()
        return cls(name, *statistics(values), *ends)

    def values(self, table: Table, name: str) -> Array:
        """Standardised targets, float64 (N,), of a table's column, there called ``name``."""
        return (quantities(table, name) - self.mean) / self.std

    def restore(self, y: Array) -> Array:
        """A network's outputs (N, 1) or (N,) in the column's own unit, float64 (N,)."""
        result: Array = y.reshape(-1).astype(np.float64) * self.std + self.mean
        if self.low is None or self.high is None:
            return result
        return np.clip(result, self.low, self.high)


Target: TypeAlias = ClassTarget | NumberTarget


def guess_task(table: Table, name: str) -> tuple[str, str]:
    """The task that suits a target column, and the reason in a few words.

    Texts are classes, and so are whole numbers with leading zeros, which are codes. Other numbers
    are classes if they are whole, at most 20 of them differ, and each occurs twice on average;
    otherwise they are quantities.

    Parameters
    ----------
    table : Table
    name : str
        Of the column.

    Returns
    -------
    task : str
        ``"classification"`` or ``"regression"``.
    reason : str

    Examples
    --------
    >>> guess_task(Table("t", {"a": ["x", "y", "x"]}), "a")
    ('classification', 'its values are texts')
    >>> guess_task(Table("t", {"a": ["1", "2", "1", "2"]}), "a")
    ('classification', '2 different whole numbers')
    >>> guess_task(Table("t", {"a": ["1.5", "2", "1", "2"]}), "a")
    ('regression', 'its values are numbers, not all whole')
    """
    if table.kind(name) != "number":
        return CLASSIFICATION, "its values are texts"
    cells = table.columns[name]
    if isinstance(cells, list) and any(map(has_leading_zero, cells)):
        return CLASSIFICATION, "its values have leading zeros, as codes do"
    values = table.numbers(name)
    values = values[~np.isnan(values)]
    if (values != np.floor(values)).any():
        return REGRESSION, "its values are numbers, not all whole"
    different = len({*labels_of(table, name, numeric=True)} - {""})
    if different <= MOST_CLASSES and 2 * different <= len(values):
        return CLASSIFICATION, f"{different} different whole numbers"
    return REGRESSION, f"{different} different numbers"


def labels_of(table: Table, name: str, numeric: bool) -> list[str]:
    """The label of every row, "" where it is missing.

    If ``numeric``, cells that are plainly numbers have the number as label; all others, their text.
    """
    texts = table.texts(name)
    if numeric and isinstance(table.columns[name], list):
        known = {text: number_label(text, table.decimal) or text for text in {*texts}}
        return [known[text] for text in texts]
    return texts


def class_labels(table: Table, name: str, numeric: bool) -> list[str]:
    """The label of every row; a missing one is refused."""
    labels = labels_of(table, name, numeric)
    if "" in labels:
        raise_no_target(table, name, labels.index(""), labels.count(""))
    return labels


def all_plain(table: Table, name: str) -> bool:
    """True if every cell of a column is plainly a number."""
    cells = table.columns[name]
    if not isinstance(cells, list):
        return True
    return all(number_label(text, table.decimal) is not None for text in {*cells})


def quantities(table: Table, name: str) -> Array:
    """The numbers of a target column; a missing one is refused."""
    values = table.numbers(name)
    missing = np.isnan(values)
    if missing.any():
        raise_no_target(table, name, int(missing.argmax()), int(missing.sum()))
    return values


def raise_no_target(table: Table, name: str, row: int, n_rows: int) -> NoReturn:
    """Refuse rows without a target: nothing can be learned from them, and none is made up."""
    more = f", and in {n_rows - 1} more rows" if n_rows > 1 else ""
    raise ColumnError(
        table.source,
        f"{table.row_name(row)}, column {name!r}: the target is missing{more}",
        "leave such rows out with drop_missing (--drop-missing)",
    )


def target_to_json(target: Target) -> dict[str, Any]:
    """A target as plain values."""
    values = {name: value for name, value in vars(target).items() if value is not None}
    if isinstance(target, ClassTarget):
        values["classes"] = list(target.classes)
    return {"task": target.task, **values}


def target_from_json(value: Mapping[str, Any]) -> Target:
    """The target that :func:`target_to_json` wrote; KeyError, TypeError, ValueError if invalid."""
    if value["task"] == CLASSIFICATION:
        classes = texts_from_json(value["classes"])
        return ClassTarget(str(value["name"]), classes, bool(value["numeric"]))
    if value["task"] != REGRESSION:
        raise ValueError(f"task {value['task']!r}")
    mean, std = float(value["mean"]), float(value["std"])
    if not (math.isfinite(mean) and 0 < std < math.inf):
        raise ValueError(f"mean {mean} and std {std}")
    if "low" not in value and "high" not in value:
        return NumberTarget(str(value["name"]), mean, std)
    low, high = float(value["low"]), float(value["high"])
    if not -math.inf < low <= high < math.inf:
        raise ValueError(f"low {low} and high {high}")
    return NumberTarget(str(value["name"]), mean, std, low, high)
