"""Files that the shell reads rows from, and places that it writes to."""

from __future__ import annotations

import argparse
import io
import math
import re
import sys
import tempfile
from pathlib import Path
from typing import IO

import numpy as np

from affinet._validation import Array
from affinet.cli.recipes import STDIN
from affinet.datasets import read_idx
from affinet.tables.cells import decimal_mark, number_of
from affinet.tables.reading import (
    TEXT_FILES,
    Source,
    kind_of,
    named_damage,
    opened,
    read_raw_array,
)
from affinet.tables.text import charset_of, read_columns, read_content

PICTURES = (".png", ".pdf", ".svg")
MEGABYTE = 10**6


def require_writable(option: str, path: Path, suffixes: tuple[str, ...]) -> None:
    """Raise unless a file can be written at ``path``; to be called before the work starts.

    Raises
    ------
    ValueError
        If the name has another suffix, or is that of a directory.
    OSError
        If the directory does not exist or cannot be written to.
    """
    if path.is_dir():
        raise ValueError(f"argument {option}: {path} is a directory")
    if not path.name.lower().endswith(suffixes):
        wanted = " or ".join(suffixes)
        raise ValueError(f"argument {option}: {str(path)!r}, wanted a name that ends in {wanted}")
    try:
        with tempfile.TemporaryFile(dir=path.parent):  # permissions alone do not settle it: try
            pass
    except OSError as error:
        raise OSError(
            f"argument {option}: cannot write in {path.parent}: {error.strerror}"
        ) from None


def source_of(name: str) -> str | IO[bytes]:
    """A file by its name, or standard input for ``-``.

    Raises
    ------
    ValueError
        If standard input is closed.
    """
    if name != STDIN:
        return name
    if sys.stdin is None or sys.stdin.closed:
        raise ValueError("standard input is closed, so - cannot be read")
    if hasattr(sys.stdin, "buffer"):
        return sys.stdin.buffer
    return io.BytesIO(sys.stdin.read().encode())


def max_bytes(options: argparse.Namespace) -> int | None:
    """The option --max-size in bytes."""
    return None if options.max_size is None else int(options.max_size * MEGABYTE)


def read_rows(name: str, options: argparse.Namespace) -> Array:
    """The array in a file of numbers, of the shape that the file gives it.

    Raises
    ------
    ValueError
        If the kind of file is unknown, or it is damaged, or holds anything but numbers; the
        message names the file.
    OSError
        If it cannot be opened.
    """
    low = name.lower()
    source: Source = source_of(name)
    if name != STDIN and not low.endswith((".npy", ".npz", *TEXT_FILES)):
        if re.search("idx|ubyte", Path(low).name):
            return read_idx(Path(name))
        raise ValueError(
            f"{name}: wanted .npy, .npz, .csv, .csv.gz, or images with 'idx' or 'ubyte' in the name"
        )
    with opened(source) as (file, shown, stored), named_damage(shown):
        if kind_of(source, file) != "text":
            file.seek(0)
            return read_raw_array(file, stored, max_bytes(options))
        content = read_content(file, stored, max_bytes(options), low.endswith(".gz"))
        return text_numbers(content, options)


def text_numbers(content: bytes, options: argparse.Namespace) -> Array:
    """Numbers between delimiters, (rows, columns); a first line without any number is skipped."""
    charset = charset_of(content, options.encoding)
    columns, lines = read_columns(content, charset, options.delimiter)
    marks = options.decimal or ".,"
    header = options.header
    if header is None:
        header = not any(is_number(cells[0], mark) for cells in columns for mark in marks)
    start = 1 if header else 0
    if len(lines) <= start:
        raise ValueError("no rows of numbers")
    columns = [cells[start:] for cells in columns]
    mark = options.decimal or decimal_mark(columns)
    for place, cells in enumerate(columns, 1):
        for line, cell in zip(lines[start:], cells, strict=True):
            if not is_number(cell, mark):
                raise ValueError(f"line {line}, column {place}: {cell!r} is not a number")
    return np.column_stack([[number_of(cell, mark) for cell in cells] for cells in columns])


def is_number(text: str, decimal: str) -> bool:
    """True if ``text`` is a number, or NaN, which is refused later by its place."""
    return not math.isnan(number_of(text, decimal)) or text.lower() == "nan"
