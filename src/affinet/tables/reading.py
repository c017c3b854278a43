"""Reading tables from text files, NumPy's files and Parquet files."""

from __future__ import annotations

import csv
import gzip
import io
import os
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, TypeAlias

from affinet._npy import MAGIC as NPY
from affinet._validation import Array
from affinet.tables.arrays import ZIP, archive_table, array_table, read_arrays, with_target
from affinet.tables.parquet import MAGIC, parquet_table
from affinet.tables.table import Table
from affinet.tables.text import TextOptions, read_content, text_table

TEXT = (".csv", ".tsv", ".txt")
TEXT_FILES = (*TEXT, *(f"{suffix}.gz" for suffix in TEXT))
TABLE_FILES = (*TEXT_FILES, ".npz", ".npy", ".parquet")
STDIN = "standard input"
# What a damaged file makes Python's readers raise.
DAMAGE = (
    *(ValueError, EOFError, KeyError, csv.Error, NotImplementedError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, gzip.BadGzipFile),
)
Source: TypeAlias = str | os.PathLike[str] | IO[bytes]


def read_table(
    path: Source,
    *,
    inputs: str = "x",
    target: str | None = None,
    target_file: str | os.PathLike[str] | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    expected: Collection[str] = (),
    max_bytes: int | None = None,
) -> Table:
    """Read a table.

    In text files the cells may be quoted as in CSV; spaces around them and empty lines are
    ignored. In a ``.npy`` every column of the array is one of the table; in a ``.npz`` those of
    the array ``inputs`` are, and the array ``target``, if one is named, is another column.

    Parameters
    ----------
    path : path or binary file
        A name that ends in .csv, .tsv or .txt, each with .gz or without, .npz, .npy or .parquet
        (which needs pyarrow, the extra ``parquet``). The kind of an open file, such as
        ``sys.stdin.buffer``, is detected from its first bytes.
    inputs : str
        Array of a ``.npz`` that holds the inputs, (N, ...); if there is only one, it may have
        any name.
    target : str, optional
        The column, by name or place, that holds the targets; in a ``.npz`` the array (N,).
    target_file : path, optional
        A file of one column with the targets.
    header : bool, optional
        Whether the first line of a text file names the columns. By default, it does if none of
        its cells is a number or a date and no two are equal.
    delimiter : str, optional
        The character between cells. By default a tab, a semicolon or a comma: the first of these
        that cuts the first lines into equally many cells, and more than one.
    decimal : str, optional
        The decimal mark in text files, ``"."`` or ``","``. By default a comma if the numbers can
        only be read with one; commas that may separate thousands do not count.
    encoding : str, optional
        The character encoding of text files. By default UTF-8; UTF-16 if the file starts with its
        mark; else Latin-1, or Windows' variant of it, cp1252.
    expected : collection of str
        Names that make a first line a header if it contains all of them.
    max_bytes : int, optional
        The most bytes that a packed file may hold, which protects from small files that fill the
        memory. By default 100 times the file's size, at least 64 MiB.

    Returns
    -------
    Table

    Raises
    ------
    ValueError
        If the kind of file is unknown, it is damaged or has no rows, its lines differ in length,
        two columns have the same name, or there is no such target; the message names the file.
    ImportError
        If it is a Parquet file and pyarrow is not installed.
    OSError
        If it cannot be opened.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "shop.csv"
    >>> _ = path.write_text('price;name\\n1,5;"salt; fine"\\n2;sugar\\n')
    >>> table = read_table(path)
    >>> table.decimal, table.numbers("price"), table.texts("name")
    (',', array([1.5, 2. ]), ['salt; fine', 'sugar'])
    """
    if decimal not in (None, ".", ","):
        raise ValueError(f"decimal is {decimal!r}, wanted '.' or ','")
    options = TextOptions(header, delimiter, decimal, encoding, max_bytes)
    with opened(path) as (file, source, stored), named_damage(source):
        kind = kind_of(path, file)
        if kind == "text":
            packed = source.lower().endswith(".gz")
            content = read_content(file, stored, max_bytes, packed)
            table = text_table(content, source, options, expected)
        elif kind == "npz":
            array = None if target_file else target
            table = archive_table(file, stored, source, inputs, array, max_bytes)
        elif kind == "npy":
            table = array_table(source, read_arrays(file, stored, ["x"])["x"])
        else:
            table = parquet_table(file, stored, source, max_bytes)
        if len(table) == 0:
            raise ValueError("no rows")
    if target_file is not None:
        return with_target(table, read_targets(target_file, options))
    if target is not None and table.target is None:
        return replace(table, target=table.resolve(target))
    return table


def read_targets(path: str | os.PathLike[str], options: TextOptions) -> Table:
    """A file of one column; whether it has a header is its own matter."""
    return read_table(
        path,
        delimiter=options.delimiter,
        decimal=options.decimal,
        encoding=options.encoding,
        max_bytes=options.max_bytes,
    )


@contextmanager
def opened(path: Source) -> Iterator[tuple[IO[bytes], str, int]]:
    """A file that can seek, its name for messages, and its size."""
    if isinstance(path, str | os.PathLike):
        with open(path, "rb") as file:
            yield file, str(path), os.fstat(file.fileno()).st_size
    else:
        content = path.read()
        yield io.BytesIO(content), STDIN, len(content)


def kind_of(path: Source, file: IO[bytes]) -> str:
    """``"text"``, ``"npz"``, ``"npy"`` or ``"parquet"``, by the name, else by the first bytes."""
    if isinstance(path, str | os.PathLike):
        name = os.fspath(path).lower()
        if name.endswith(TEXT_FILES):
            return "text"
        if name.endswith((".npz", ".npy", ".parquet")):
            return name.rpartition(".")[2]
        raise ValueError(f"wanted a name that ends in {' or '.join(TABLE_FILES)}")
    head = file.read(len(NPY))
    file.seek(0)
    for start, kind in ((ZIP, "npz"), (NPY, "npy"), (MAGIC, "parquet")):
        if head.startswith(start):
            return kind
    return "text"


@contextmanager
def named_damage(source: Path | str) -> Iterator[None]:
    """Add the file's name to whatever a damaged file raises."""
    try:
        yield
    except DAMAGE as error:
        problem = str(error)
        raise ValueError(problem if str(source) in problem else f"{source}: {problem}") from error


def read_raw_array(file: IO[bytes], stored: int, max_bytes: int | None = None) -> Array:
    """The array in a ``.npy``; the array ``x``, or the only one, in a ``.npz``."""
    return read_arrays(file, stored, ["x"], max_bytes)["x"]
