"""What the shell prints: lines, aligned tables, JSON."""

from __future__ import annotations

import json
import math
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

HUGE = 1e6
# Control and format characters, of which some turn the direction of the text; surrogates; line
# and paragraph separators.
UNPRINTABLE = ("Cc", "Cf", "Cs", "Zl", "Zp")


class CommandError(Exception):
    """The command ran and failed: one line, exit code 1."""


def printable(text: str) -> str:
    """A text for one line of a terminal: characters that would control it are escaped.

    Examples
    --------
    >>> printable("caf\\xe9\\x1b[31m\\n")
    'caf\\xe9\\\\x1b[31m\\\\n'
    """
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode("ascii")
        if unicodedata.category(character) in UNPRINTABLE
        else character
        for character in text
    )


def say(text: str) -> None:
    """One line on standard error, headed by the program's name."""
    print(f"affinet: {printable(' '.join(text.split()))}", file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """One JSON value on standard output."""
    print(json.dumps(plain(value), allow_nan=False))


def plain(value: Any) -> Any:
    """``value`` in JSON's terms: tuples as lists, NumPy's numbers as Python's, NaN as null.

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
    rows = [[printable(cell) for cell in row] for row in rows]
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
    lines = {printable(name): printable(value) for name, value in values.items()}
    width = max(map(len, lines), default=0)
    return "\n".join(f"{name:{width}}  {value}".rstrip() for name, value in lines.items())


def figure(value: Any) -> str:
    """A loss or an accuracy in four decimals, in few digits if it is huge, "-" if not a number.

    Examples
    --------
    >>> figure(0.97214), figure(2.5e9), figure(None)
    ('0.9721', '2.5e+09', '-')
    """
    if not isinstance(value, int | float):
        return "-"
    return f"{value:.4f}" if abs(value) < HUGE else f"{value:.4g}"
