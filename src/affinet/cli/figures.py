"""Figures of the quality of predictions, and their tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from affinet._validation import Array
from affinet.cli.output import figure, table

QUALITY = {"mae": "MAE", "rmse": "RMSE", "r2": "R2"}  # names in JSON and in words


def by_class(counts: Array, names: Sequence[str]) -> list[dict[str, Any]]:
    """For every class its number of rows, how many of them are hits, and their fraction."""
    rows, correct = counts.sum(axis=1), counts.diagonal()
    return [
        {"class": name, "rows": int(n), "correct": int(k), "accuracy": k / n if n else None}
        for name, n, k in zip(names, rows, correct, strict=True)
    ]


def class_table(classes: Sequence[Mapping[str, Any]]) -> str:
    """The counts of :func:`by_class` as text."""
    rows = [("class", "rows", "correct", "accuracy")]
    rows += [
        (part["class"], str(part["rows"]), str(part["correct"]), figure(part["accuracy"]))
        for part in classes
    ]
    return table(rows)


def confusion_table(counts: Sequence[Sequence[int]], names: Sequence[str]) -> str:
    """A confusion matrix as text.

    Examples
    --------
    >>> print(confusion_table([[9, 1], [0, 10]], ["cat", "dog"]))
    true / found  cat  dog
    cat             9    1
    dog             0   10
    """
    rows = [["true / found", *names]]
    rows += [[name, *map(str, row)] for name, row in zip(names, counts, strict=True)]
    return table(rows)


def in_natural_order(part: Mapping[str, Any]) -> tuple[list[str], list[list[int]]]:
    """Class names with numbers in them by size, and the confusion matrix in that order.

    Examples
    --------
    >>> part = {"classes": [{"class": "0"}, {"class": "10"}, {"class": "2"}],
    ...         "confusion": [[5, 1, 0], [0, 6, 0], [2, 0, 7]]}
    >>> in_natural_order(part)
    (['0', '2', '10'], [[5, 0, 1], [2, 7, 0], [0, 0, 6]])
    """
    names = [each["class"] for each in part["classes"]]
    order = sorted(range(len(names)), key=lambda k: natural_key(names[k]))
    counts = [[part["confusion"][row][column] for column in order] for row in order]
    return [names[k] for k in order], counts


def natural_key(name: str) -> list[tuple[int, float, str]]:
    """A sort key that compares the numbers in a name by size, before any text."""
    if re.fullmatch(r"[-+]?[0-9]+(\.[0-9]*)?", name):
        return [(0, float(name), "")]
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(0, float(part), "") if part.isdecimal() else (1, 0.0, part) for part in parts]


def split_table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The figures of several splits as text, one line for each."""
    names = ("loss", "accuracy", *QUALITY)
    shown = [name for name in names if any(name in part for part in results.values())]
    rows = [["split", "rows", *(QUALITY.get(name, name) for name in shown)]]
    rows += [
        [split, str(part["rows"]), *(figure(part.get(name)) for name in shown)]
        for split, part in results.items()
    ]
    return table(rows)


def headline(split: str, part: Mapping[str, Any]) -> str:
    """The main figure, for the last line of the output.

    Examples
    --------
    >>> headline("test", {"accuracy": 0.97}), headline("", {"r2": 0.5})
    ('test accuracy 0.9700', 'R2 0.5000')
    """
    name = next(name for name in ("accuracy", "r2", "loss") if name in part)
    return f"{split} {QUALITY.get(name, name)} {figure(part[name])}".lstrip()
