"""Files that the shell reads rows from, and places that it writes to."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from affinet._validation import Array
from affinet.datasets import read_idx
from affinet.tables.reading import TEXT_FILES, named_damage, read_arrays, read_records

PICTURES = (".png", ".pdf", ".svg")


def require_writable(option: str, path: Path, suffixes: tuple[str, ...]) -> None:
    """Raise unless a file can be written at ``path``; to be called before work is spent on it.

    Raises
    ------
    ValueError
        If the name has another suffix, or is that of a directory.
    OSError
        If the directory does not exist or takes no file.
    """
    if path.is_dir():
        raise ValueError(f"argument {option}: {path} is a directory")
    if not path.name.lower().endswith(suffixes):
        wanted = " or ".join(suffixes)
        raise ValueError(f"argument {option}: {str(path)!r}, wanted a name that ends in {wanted}")
    try:
        with tempfile.TemporaryFile(dir=path.parent):  # permissions alone do not tell: ask
            pass
    except OSError as error:
        raise OSError(
            f"argument {option}: cannot write in {path.parent}: {error.strerror}"
        ) from None


def read_rows(path: Path) -> Array:
    """The array in a file of numbers, of the shape that the file gives it.

    Raises
    ------
    ValueError
        If the kind of file is unknown, or it is damaged, or something in it is no number; the
        message names the file.
    OSError
        If it cannot be opened.
    """
    reader = reader_of(path.name.lower())
    if reader is None:
        raise ValueError(
            f"{path}: wanted .npy, .npz, .csv, .csv.gz, or images with 'idx' or 'ubyte' in the name"
        )
    with named_damage(path):
        return reader(path)


def reader_of(name: str) -> Callable[[Path], Array] | None:
    """What reads a file of this name, in small letters."""
    if name.endswith((".npy", ".npz")):
        return read_numpy
    if name.endswith(TEXT_FILES):
        return read_text
    return read_idx if re.search("idx|ubyte", name) else None


def read_numpy(path: Path) -> Array:
    """The array in a ``.npy``; the array ``x``, or the only one, in a ``.npz``."""
    return read_arrays(path, ["x"])["x"]


def read_text(path: Path) -> Array:
    """Numbers between delimiters, (rows, columns); a first line without any number is skipped."""
    records = read_records(path)
    if records and not any(is_number(cell) for cell in records[0][1]):
        records = records[1:]  # the columns' names
    if not records:
        raise ValueError("no rows of numbers")
    return np.array([numbers(cells, line) for line, cells in records])


def numbers(cells: list[str], line: int) -> Array:
    """The numbers of one line."""
    try:
        return np.array(cells, dtype=np.float64)
    except ValueError:
        column = next(place for place, cell in enumerate(cells) if not is_number(cell))
    raise ValueError(f"line {line}, column {column + 1}: {cells[column]!r} is no number")


def is_number(text: str) -> bool:
    """True if ``text`` reads as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
