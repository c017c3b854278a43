"""Tables on the screen, JSON in a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
LINE = 250  # characters in a line of JSON: a contender's figures fit


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; the first is left-aligned, the others right-aligned."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def write_json(path: Path | None, name: str, content: dict[str, Any]) -> None:
    """Write ``content`` to ``path``; without one to results/ here, if that can be written.

    Raises
    ------
    OSError
        If ``path`` was given and cannot be written.
    """
    target = RESULTS / f"{name}.json" if path is None else path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(as_json(content) + "\n", encoding="utf-8")
    except OSError as error:
        if path is not None:
            raise
        print(f"no JSON written: {error}", file=sys.stderr)
    else:
        print(f"written to {target}")


def as_json(value: Any, indent: int = 0, before: int = 0) -> str:
    """``value`` as JSON; what fits into one line is written in one line.

    Parameters
    ----------
    value : dict, list, str, number, bool or None
    indent : int
        Indentation of the line in which ``value`` starts.
    before : int
        Characters in that line already.
    """
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or before + len(line) < LINE:
        return line
    inner = indent + 1
    if isinstance(value, dict):
        opening, closing, items = "{", "}", list(value.values())
        keys = [f"{json.dumps(key, ensure_ascii=False)}: " for key in value]
    else:
        opening, closing, items, keys = "[", "]", value, [""] * len(value)
    lines = ",\n".join(
        " " * inner + key + as_json(item, inner, inner + len(key))
        for key, item in zip(keys, items, strict=True)
    )
    return f"{opening}\n{lines}\n{' ' * indent}{closing}"
