"""What the shell prints: lines, aligned tables, JSON."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

HUGE = 1e6


class CommandError(Exception):
    """The command ran and its outcome is bad: one line, exit code 1."""


def say(text: str) -> None:
    """One line on standard error, headed by the program's name."""
    print(f"affinet: {' '.join(text.split())}", file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """One JSON value on standard output."""
    print(json.dumps(plain(value), allow_nan=False))


def plain(value: Any) -> Any:
    """``value`` as JSON knows it: tuples as lists, NumPy's numbers as Python's, NaN as null.

    Examples
    --------
    >>> plain({"shape": (8, 8), "loss": float("inf")})
    {'shape': [8, 8], 'loss': None}
    """
    if isinstance(value, Mapping):
        return {str(name): plain(inside) for name, inside in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inside) for inside in value]
    if hasattr(value, "item"):  # a NumPy scalar
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def table(rows: Iterable[Sequence[str]]) -> str:
    """Aligned columns: the first to the left, the others, which hold numbers, to the right.

    Examples
    --------
    >>> print(table([("split", "loss"), ("train", "0.1"), ("test", "10.2")]))
    split  loss
    train   0.1
    test   10.2
    """
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def named_lines(values: Mapping[str, str]) -> str:
    """One line for each entry, the names padded to one width.

    Examples
    --------
    >>> print(named_lines({"level": "avx2", "python": "3.11.2"}))
    level   avx2
    python  3.11.2
    """
    width = max(map(len, values), default=0)
    return "\n".join(f"{name:{width}}  {value}".rstrip() for name, value in values.items())


def figure(value: Any) -> str:
    """A loss or an accuracy in four decimals, few digits if it is huge, "-" if it is no number.

    Examples
    --------
    >>> figure(0.97214), figure(2.5e9), figure(None)
    ('0.9721', '2.5e+09', '-')
    """
    if not isinstance(value, int | float):
        return "-"
    return f"{value:.4f}" if abs(value) < HUGE else f"{value:.4g}"
