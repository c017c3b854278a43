"""Files that the shell reads rows from, and places that it writes to."""

from __future__ import annotations

import csv
import gzip
import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

import numpy as np

from affinet._validation import Array
from affinet.datasets import read_idx

PICTURES = (".png", ".pdf", ".svg")
DAMAGE = (
    *(ValueError, EOFError, KeyError, csv.Error),
    *(zipfile.BadZipFile, zlib.error, gzip.BadGzipFile),
)


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
    if path.suffix.lower() not in suffixes:
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
    try:
        return reader(path)
    except DAMAGE as error:
        problem = str(error)
        raise ValueError(problem if str(path) in problem else f"{path}: {problem}") from error


def reader_of(name: str) -> Callable[[Path], Array] | None:
    """What reads a file of this name, in small letters."""
    if name.endswith((".npy", ".npz")):
        return read_numpy
    if name.endswith((".csv", ".csv.gz")):
        return read_csv
    return read_idx if re.search("idx|ubyte", name) else None


def read_numpy(path: Path) -> Array:
    """The array in a ``.npy``; the array ``x``, or the only one, in a ``.npz``."""
    with open(path, "rb") as file:
        try:
            content = np.load(file, allow_pickle=False)
        except ValueError as error:
            # NumPy takes every file that it does not know for a pickle.
            raise ValueError("not a NumPy file of numbers, or damaged") from error
        if isinstance(content, np.ndarray):
            return content
        names = content.files
        if "x" not in names and len(names) != 1:
            raise ValueError(f"arrays {', '.join(names) or '(none)'}, wanted x or a single one")
        return cast(Array, content["x" if "x" in names else names[0]])


def read_csv(path: Path) -> Array:
    """Numbers between commas, (rows, columns); a first line without any number is skipped."""
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    rows: list[Array] = []
    with cast("IO[str]", opened(path, "rt", encoding="utf-8-sig", newline="")) as file:
        reader = csv.reader(file)
        for place, cells in enumerate(reader):
            if not any(cell.strip() for cell in cells):
                continue
            if place == 0 and not any(is_number(cell) for cell in cells):
                continue  # the columns' names
            row = numbers(cells, reader.line_num)
            if rows and len(row) != len(rows[0]):
                raise ValueError(
                    f"line {reader.line_num} has {len(row)} columns, wanted {len(rows[0])}"
                )
            rows.append(row)
    if not rows:
        raise ValueError("no rows of numbers")
    return np.array(rows)


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
