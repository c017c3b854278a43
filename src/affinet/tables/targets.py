"""Targets: what a column of a table asks a network for, and what its outputs answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np

from affinet._validation import Array
from affinet.tables.columns import require_few, statistics, texts_from_json
from affinet.tables.table import Table, is_missing, listing, number_name

CLASSIFICATION, REGRESSION = "classification", "regression"
TASKS = (CLASSIFICATION, REGRESSION)
MOST_CLASSES = 20  # whole numbers with more values than these are taken for quantities


@dataclass(frozen=True)
class ClassTarget:
    """A column that names classes.

    Attributes
    ----------
    name : str
    classes : tuple of str
        In the order of the class indices: numbers by size, texts by the alphabet.
    numeric : bool
        True if the names are numbers, so that ``1`` and ``1.0`` are one class.

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
        numeric = table.kind(name) == "number"
        labels = class_labels(table, name, numeric)
        classes = sorted(set(labels), key=(lambda text: (float(text), text)) if numeric else None)
        if len(classes) < 2:
            raise ValueError(
                f"{table.source}: the target {name!r} is {classes[0]!r} in every row, "
                "wanted at least two classes"
            )
        require_few(table, name, len(classes), len(labels), "classes")
        return cls(name, tuple(classes), numeric)

    def values(self, table: Table, name: str) -> Array:
        """Class indices (N,) of the rows of a table's column, there called ``name``."""
        places = {text: place for place, text in enumerate(self.classes)}
        labels = class_labels(table, name, self.numeric)
        for row, text in enumerate(labels):
            if text not in places:
                raise ValueError(
                    f"{table.place(row, name)}: {text!r} is none of the classes "
                    f"{listing(self.classes)}"
                )
        return np.array([places[text] for text in labels], dtype=np.int64)


@dataclass(frozen=True)
class NumberTarget:
    """A column of numbers to be predicted, standardised inside: ``(value - mean) / std``.

    Attributes
    ----------
    name : str
    mean, std : float
        Of the training rows; ``std`` is 1 if they are all the same.

    Examples
    --------
    >>> import numpy as np
    >>> table = Table("t", {"price": np.array([1.0, 3.0])})
    >>> target = NumberTarget.fit(table, "price", np.arange(2))
    >>> target.values(table, "price"), target.restore(np.array([[0.5]]))
    (array([-1.,  1.]), array([2.5]))
    """

    task: ClassVar[str] = REGRESSION
    name: str
    mean: float
    std: float

    @classmethod
    def fit(cls, table: Table, name: str, rows: Array) -> NumberTarget:
        """Take the statistics of some rows of a table's column."""
        return cls(name, *statistics(quantities(table, name)[rows]))

    def values(self, table: Table, name: str) -> Array:
        """Standardised targets, float64 (N,), of a table's column, there called ``name``."""
        return (quantities(table, name) - self.mean) / self.std

    def restore(self, y: Array) -> Array:
        """A network's outputs (N, 1) or (N,) in the column's own unit, float64 (N,)."""
        result: Array = y.reshape(-1).astype(np.float64) * self.std + self.mean
        return result


Target: TypeAlias = ClassTarget | NumberTarget


def guess_task(table: Table, name: str) -> tuple[str, str]:
    """What a target column asks for, and the reason in a few words.

    Texts are classes. Numbers are classes if they are whole, at most 20 different ones, and each
    of them occurs twice on average; otherwise they are quantities.

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
    values = table.numbers(name)
    values = values[~np.isnan(values)]
    if (values != np.floor(values)).any():
        return REGRESSION, "its values are numbers, not all whole"
    different = len(np.unique(values))
    if different <= MOST_CLASSES and 2 * different <= len(values):
        return CLASSIFICATION, f"{different} different whole numbers"
    return REGRESSION, f"{different} different numbers"


def class_labels(table: Table, name: str, numeric: bool) -> list[str]:
    """The name of every row's class; a missing one is refused."""
    texts = table.texts(name)
    for row, text in enumerate(texts):
        if is_missing(text):
            raise_no_target(table, name, row)
    if numeric and isinstance(table.columns[name], list):
        return [number_name(value) for value in table.numbers(name).tolist()]
    return texts


def quantities(table: Table, name: str) -> Array:
    """The numbers of a target column; a missing one is refused."""
    values = table.numbers(name)
    missing = np.isnan(values)
    if missing.any():
        raise_no_target(table, name, int(missing.argmax()))
    return values


def raise_no_target(table: Table, name: str, row: int) -> None:
    """Refuse a row without a target: nothing can be learned from it, and none is made up."""
    raise ValueError(f"{table.place(row, name)}: the target is missing; leave the row out")


def target_to_json(target: Target) -> dict[str, Any]:
    """A target as plain values."""
    values = dict(vars(target))
    if isinstance(target, ClassTarget):
        values["classes"] = list(target.classes)
    return {"task": target.task, **values}


def target_from_json(value: Mapping[str, Any]) -> Target:
    """What :func:`target_to_json` wrote; KeyError, TypeError, ValueError if it is not that."""
    if value["task"] == CLASSIFICATION:
        classes = texts_from_json(value["classes"])
        return ClassTarget(str(value["name"]), classes, bool(value["numeric"]))
    if value["task"] != REGRESSION:
        raise ValueError(f"task {value['task']!r}")
    mean, std = float(value["mean"]), float(value["std"])
    if not (math.isfinite(mean) and 0 < std < math.inf):
        raise ValueError(f"mean {mean} and std {std}")
    return NumberTarget(str(value["name"]), mean, std)
