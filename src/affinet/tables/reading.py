"""Reading tables from text files and from NumPy's files."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import math
import os
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from affinet._validation import Array, number_array
from affinet.tables.table import Table, is_missing, listing, number_of

TEXT = (".csv", ".tsv", ".txt")
TEXT_FILES = (*TEXT, *(f"{suffix}.gz" for suffix in TEXT))
TABLE_FILES = (*TEXT_FILES, ".npz", ".npy")
# A comma comes last: between semicolons it may be a decimal mark.
DELIMITERS = ("\t", ";", ",")
SAMPLE = 20  # records that the delimiter is judged by
# What a damaged file makes Python's readers raise.
DAMAGE = (
    *(ValueError, EOFError, KeyError, csv.Error),
    *(zipfile.BadZipFile, zlib.error, gzip.BadGzipFile),
)
Record = tuple[int, list[str]]  # the line on which a record ends, its cells


def read_table(
    path: str | os.PathLike[str],
    *,
    inputs: str = "x",
    target: str | None = None,
    target_file: str | os.PathLike[str] | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    decimal: str = ".",
    expected: Collection[str] = (),
) -> Table:
    """Read a table.

    In text files the cells may be quoted as in CSV; spaces around them do not count, nor do empty
    lines. In a ``.npy`` every column of the array is one of the table; in a ``.npz`` those of the
    array ``inputs`` are, and the array ``target``, if one is named, is a column of its own.

    Parameters
    ----------
    path : path
        A name that ends in .csv, .tsv or .txt, each with .gz or without, .npz or .npy.
    inputs : str
        Array of a ``.npz`` that holds the inputs, (N, ...); if there is only one, it may have
        any name.
    target : str, optional
        The column, by name or place, that holds the targets; in a ``.npz`` the array (N,).
    target_file : path, optional
        A file of one column with the targets.
    header : bool, optional
        Whether the first line of a text file names the columns. Left out, it does if none of its
        cells is a number and no two are the same.
    delimiter : str, optional
        The character between cells. Left out, it is a tab, a semicolon or a comma: the first of
        these that cuts the first lines into equally many cells, and more than one.
    decimal : str
        The decimal mark in text files, ``"."`` or ``","``.
    expected : collection of str
        Names that a first line must have to be a header, if it cannot be told otherwise.

    Returns
    -------
    Table

    Raises
    ------
    ValueError
        If the kind of file is unknown, it is damaged or has no rows, its lines differ in length,
        two columns have one name, or there is no such target; the message names the file.
    OSError
        If it cannot be opened.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "shop.csv"
    >>> _ = path.write_text('price;name\\n1,5;"salt; fine"\\n2;sugar\\n')
    >>> table = read_table(path, decimal=",")
    >>> table.numbers("price"), table.texts("name")
    (array([1.5, 2. ]), ['salt; fine', 'sugar'])
    """
    source = Path(path)
    name = source.name.lower()
    with named_damage(source):
        if name.endswith(TEXT_FILES):
            table = text_table(source, header, delimiter, decimal, expected)
        elif name.endswith(".npz"):
            table = archive_table(source, inputs, None if target_file else target)
        elif name.endswith(".npy"):
            table = array_table(str(source), read_arrays(source, ["x"])["x"])
        else:
            raise ValueError(f"wanted a name that ends in {' or '.join(TABLE_FILES)}")
        if len(table) == 0:
            raise ValueError("no rows")
    if target_file is not None:
        return with_target(table, read_table(target_file, delimiter=delimiter, decimal=decimal))
    if target is not None and table.target is None:
        return replace(table, target=table.resolve(target))
    return table


@contextmanager
def named_damage(source: Path) -> Iterator[None]:
    """Give whatever a damaged file raises the file's name."""
    try:
        yield
    except DAMAGE as error:
        problem = str(error)
        raise ValueError(problem if str(source) in problem else f"{source}: {problem}") from error


# Text --------------------------------------------------------------------------------------------


def text_table(
    source: Path,
    header: bool | None,
    delimiter: str | None,
    decimal: str,
    expected: Collection[str],
) -> Table:
    """The table in a text file."""
    records = read_records(source, delimiter)
    if not records:
        raise ValueError("no rows")
    first = records[0][1]
    if header is None:
        header = bool(expected and set(expected) <= set(first)) or is_header(first, decimal)
    names = column_names(first) if header else numbered(len(first))
    records = records[1:] if header else records
    cells = [list(column) for column in zip(*(cells for _, cells in records), strict=True)]
    return Table(
        source=str(source),
        columns=dict(zip(names, cells or [[] for _ in names], strict=True)),
        named=header,
        lines=[line for line, _ in records],
        decimal=decimal,
    )


def read_records(source: Path, delimiter: str | None = None) -> list[Record]:
    """The records of a text file that are not empty, all of one length.

    Raises
    ------
    ValueError
        If one is longer or shorter than the first; the message names its line.
    """
    opened = gzip.open if source.suffix.lower() == ".gz" else open
    with opened(source, "rb") as file:
        text = file.read().decode("utf-8-sig")
    records = list(parse(text, sniff(text) if delimiter is None else delimiter))
    for line, cells in records:
        if len(cells) != len(records[0][1]):
            raise ValueError(f"line {line} has {len(cells)} columns, wanted {len(records[0][1])}")
    return records


def parse(text: str, delimiter: str, strict: bool = True) -> Iterator[Record]:
    """Records of a text, without the empty ones and without spaces around cells.

    ``strict`` refuses a quote that does not end, which would swallow the rest of the file.
    """
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=strict)
    for cells in reader:
        stripped = [cell.strip() for cell in cells]
        if any(stripped):
            yield reader.line_num, stripped


def sniff(text: str) -> str:
    """The character that cuts the first records into equally many cells, and more than one.

    Examples
    --------
    >>> sniff("a;b\\n1,5;2,5\\n"), sniff("a,b\\n1;x,2\\n"), sniff("a\\n1\\n")
    (';', ',', ',')
    """
    widest, most = ",", 1
    for delimiter in DELIMITERS:
        records = parse(text, delimiter, strict=False)
        widths = [len(cells) for _, cells in itertools.islice(records, SAMPLE)]
        if widths and widths[0] > 1 and len(set(widths)) == 1:
            return delimiter
        if widths and widths[0] > most:
            widest, most = delimiter, widths[0]
    return widest


def is_header(cells: Sequence[str], decimal: str = ".") -> bool:
    """True if a first line looks like names: none is a number, none stands there twice.

    Examples
    --------
    >>> is_header(["", "age"]), is_header(["4", "grey"]), is_header(["p", "x", "x"])
    (True, False, False)
    """
    if any(not math.isnan(number_of(cell, decimal)) for cell in cells):
        return False
    if all(is_missing(cell) for cell in cells):
        return False
    return len(set(cells)) == len(cells)


def column_names(cells: Sequence[str]) -> list[str]:
    """The names in a first line, each of them once; an empty one is named by its place."""
    names = [cell or f"column {place}" for place, cell in enumerate(cells, 1)]
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise ValueError(f"two columns have the name {twice!r}")
    return names


def numbered(n: int) -> list[str]:
    """Names of columns that have none."""
    return [f"column {place}" for place in range(1, n + 1)]


# Arrays ------------------------------------------------------------------------------------------


def read_arrays(source: Path, names: Sequence[str]) -> dict[str, Array]:
    """The array of a ``.npy`` under the first name; of a ``.npz`` those of the names it has.

    The first one must be there, or else a ``.npz`` must have a single array.
    """
    with open(source, "rb") as file:
        try:
            content = np.load(file, allow_pickle=False)
        except ValueError as error:
            # NumPy takes every file that it does not know for a pickle.
            raise ValueError("not a NumPy file of numbers, or damaged") from error
        if isinstance(content, np.ndarray):
            return {names[0]: content}
        there = content.files
        if names[0] not in there and len(there) != 1:
            raise ValueError(
                f"arrays {listing(there) or '(none)'}, wanted {names[0]} or a single one"
            )
        found = {name: content[name] for name in names if name in there}
        return found if names[0] in found else {names[0]: content[there[0]]}


def archive_table(source: Path, inputs: str, target: str | None) -> Table:
    """The table in a ``.npz``: the columns of one array, and another one beside them."""
    arrays = read_arrays(source, [inputs] if target is None else [inputs, target])
    table = array_table(str(source), arrays[inputs])
    if target is None:
        return table
    if target not in arrays or target == inputs:
        raise ValueError(f"no array {target!r} for the targets")
    return with_target(table, target_table(str(source), target, arrays[target]))


def array_table(source: str, x: Array) -> Table:
    """The table of an array (N, ...): every row flattened, every place a column."""
    x = number_array("the array", x)
    if x.ndim == 0:
        raise ValueError("a single number, wanted rows")
    rows = x.reshape(len(x), -1) if x.size else x.reshape(0, 0)
    return Table(
        source=source,
        columns=dict(zip(numbered(rows.shape[1]), rows.T, strict=True)),
        named=False,
        row_shape=x.shape[1:],
    )


def target_table(source: str, name: str, t: Array) -> Table:
    """The table of one column that an array (N,) or (N, 1) of numbers or texts makes."""
    if t.ndim not in (1, 2) or t.size != len(t):
        raise ValueError(f"array {name!r} has shape {t.shape}, wanted one target a row")
    t = t.reshape(-1)
    if t.dtype.kind == "U":
        return Table(source, {name: [text.strip() for text in t.tolist()]})
    return Table(source, {name: number_array(f"array {name!r}", t)})


def with_target(table: Table, targets: Table) -> Table:
    """A table with the only column of another one as its target."""
    if len(targets.names) != 1:
        raise ValueError(f"{targets.source}: {len(targets.names)} columns, wanted one of targets")
    if len(targets) != len(table):
        raise ValueError(
            f"{targets.source}: {len(targets)} targets for the {len(table)} rows of {table.source}"
        )
    (name,) = targets.names
    name = name if targets.named else "target"
    while name in table.columns:
        name += " (target)"
    column = targets.columns[targets.names[0]]
    return replace(table, columns={**table.columns, name: column}, target=name)
