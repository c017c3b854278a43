"""Tables on the screen, JSON in a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; the first on the left, the others on the right."""
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
        target.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        if path is not None:
            raise
        print(f"no JSON written: {error}", file=sys.stderr)
    else:
        print(f"written to {target}")
