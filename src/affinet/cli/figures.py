"""Figures of the quality of predictions, and their tables."""

from __future__ import annotations

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
