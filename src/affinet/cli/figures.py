"""Figures that say how good predictions are, and their tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.cli.output import figure, table

QUALITY = {"mae": "MAE", "rmse": "RMSE", "r2": "R2"}  # names in JSON and in words


def regression_figures(y: Array, t: Array) -> dict[str, float]:
    """Mean absolute error, root of the mean squared error, and R², of predictions y (N,) for t.

    R² = 1 - sum (t - y)² / sum (t - mean t)², NaN if all of t are the same.

    Examples
    --------
    >>> import numpy as np
    >>> regression_figures(np.array([1.0, 2.0, 6.0]), np.array([1.0, 3.0, 5.0]))["r2"]
    0.75
    """
    error = t - y
    spread = float(np.sum((t - t.mean()) ** 2))
    return {
        "mae": float(np.abs(error).mean()),
        "rmse": math.sqrt(float(np.mean(error**2))),
        "r2": 1 - float(np.sum(error**2)) / spread if spread else math.nan,
    }


def confusion_counts(t: Array, found: Array, n_classes: int) -> Array:
    """Rows (C, C) by true class, down, and found class, across.

    Examples
    --------
    >>> import numpy as np
    >>> confusion_counts(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    array([[1, 1],
           [0, 1]])
    """
    pairs = np.bincount(t * n_classes + found, minlength=n_classes * n_classes)
    return pairs.reshape(n_classes, n_classes)


def by_class(counts: Array, names: Sequence[str]) -> list[dict[str, Any]]:
    """For every class how many rows have it, how many of these are found, and their share."""
    rows, correct = counts.sum(axis=1), counts.diagonal()
    return [
        {"class": name, "rows": int(n), "correct": int(k), "accuracy": k / n if n else None}
        for name, n, k in zip(names, rows, correct, strict=True)
    ]


def class_table(classes: Sequence[Mapping[str, Any]]) -> str:
    """What :func:`by_class` counted, as text."""
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
    """The figures of several splits as text, a line each."""
    names = ("loss", "accuracy", *QUALITY)
    shown = [name for name in names if any(name in part for part in results.values())]
    rows = [["split", "rows", *(QUALITY.get(name, name) for name in shown)]]
    rows += [
        [split, str(part["rows"]), *(figure(part.get(name)) for name in shown)]
        for split, part in results.items()
    ]
    return table(rows)


def headline(split: str, part: Mapping[str, Any]) -> str:
    """The one figure that matters, as the last line of what is printed.

    Examples
    --------
    >>> headline("test", {"accuracy": 0.97}), headline("", {"r2": 0.5})
    ('test accuracy 0.9700', 'R2 0.5000')
    """
    name = next(name for name in ("accuracy", "r2", "loss") if name in part)
    return f"{split} {QUALITY.get(name, name)} {figure(part[name])}".lstrip()
