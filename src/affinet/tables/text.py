"""Text files as columns of cells: packed or not, in any common encoding, with any delimiter."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import itertools
import math
import re
from array import array
from collections.abc import Collection, Iterator, Sequence
from typing import IO, NamedTuple

from affinet.tables.cells import decimal_mark, is_missing, number_of
from affinet.tables.dates import date_format
from affinet.tables.table import Table

# A comma comes last: between semicolons it may be a decimal mark.
DELIMITERS = ("\t", ";", ",")
SAMPLE, SAMPLE_BYTES = 20, 1 << 22  # records, and their bytes, to detect the delimiter from
CHUNK = 100_000  # cells that are kept as records before they go to their columns
GZIP = b"\x1f\x8b"
# A packed file may grow this many times, and any file to this many bytes.
MOST_RATIO, ALWAYS_ALLOWED = 100, 1 << 26
LATIN = ("latin-1", "cp1252")
DETECTED = ("utf-8", "utf-16", *LATIN)
CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
LATIN_CONTROLS = re.compile(rb"[\x80-\x9f]")


class TextOptions(NamedTuple):
    """How to read a text file; what is None is detected."""

    header: bool | None = None
    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    max_bytes: int | None = None


def text_table(
    content: bytes, source: str, options: TextOptions, expected: Collection[str] = ()
) -> Table:
    """The table in a text file's content."""
    charset = charset_of(content, options.encoding)
    columns, lines = read_columns(content, charset, options.delimiter)
    if not lines:
        raise ValueError("no rows")
    first = [cells[0] for cells in columns]
    marks = (options.decimal,) if options.decimal else (".", ",")
    header = options.header
    if header is None:
        header = bool(expected and {*expected} <= {*first}) or all(
            is_header(first, mark) for mark in marks
        )
    names = column_names(first) if header else numbered(len(first))
    if header:
        columns, lines = [cells[1:] for cells in columns], lines[1:]
    return Table(
        source=source,
        columns=dict(zip(names, columns, strict=True)),
        named=header,
        lines=lines,
        decimal=options.decimal or decimal_mark(columns),
        charset=charset,
    )


# Bytes -------------------------------------------------------------------------------------------


def read_content(
    file: IO[bytes], stored: int, max_bytes: int | None, packed: bool = False
) -> bytes:
    """All bytes of a file, unpacked if it is a gzip file.

    Parameters
    ----------
    file : binary file that can seek
    stored : int
        Its size.
    max_bytes : int or None
        The most bytes that a packed file may hold; None means 100 times its size, at least 64 MiB.
    packed : bool
        True if it must be a gzip file, because its name says so.

    Raises
    ------
    ValueError
        If a packed file holds more.
    """
    packed |= file.read(len(GZIP)) == GZIP
    file.seek(0)
    if not packed:
        return file.read()
    limit = size_limit(stored, max_bytes)
    with gzip.GzipFile(fileobj=file) as unpacked:
        content = unpacked.read(limit + 1)
    if len(content) > limit:
        raise ValueError(too_large("it", stored, limit))
    return content


def size_limit(stored: int, max_bytes: int | None) -> int:
    """The most bytes that a packed file of ``stored`` bytes may hold."""
    return max(ALWAYS_ALLOWED, MOST_RATIO * stored) if max_bytes is None else max_bytes


def too_large(what: str, stored: int, limit: int) -> str:
    """The message for a packed file that holds more than it may."""
    return (
        f"unpacked, {what} is larger than {limit:,} bytes, from a file of {stored:,}; if that is "
        f"intended, raise max_bytes (--max-size, in megabytes)"
    )


def charset_of(content: bytes, asked: str | None) -> str:
    """The character encoding of a text: the given one, or UTF-8, UTF-16 by its mark, or Latin-1.

    An encoding of the Latin-1 family is only used where the text is not UTF-8.

    Raises
    ------
    ValueError
        If it is not text in this encoding.

    Examples
    --------
    >>> charset_of(b"a,b", None), charset_of(b"M\\xfcnchen", None), charset_of(b"5 \\x80", None)
    ('utf-8', 'latin-1', 'cp1252')
    """
    if asked is not None:
        try:
            charset = codecs.lookup(asked).name
            require_text(content.decode(charset), charset)
        except LookupError:
            raise ValueError(f"encoding {asked!r} is unknown (--encoding)") from None
        except UnicodeError as error:
            raise ValueError(
                f"not text in the encoding {asked!r}: {error}; choose another with encoding "
                "(--encoding)"
            ) from None
        return "utf-8" if charset == "utf-8-sig" else charset
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return charset_of(content, "utf-16")
    try:
        charset, text = "utf-8", content.decode("utf-8")
    except UnicodeDecodeError:
        charset = LATIN[0] if LATIN_CONTROLS.search(content) is None else LATIN[1]
        try:
            text = content.decode(charset)
        except UnicodeDecodeError as error:
            raise ValueError(
                f"neither UTF-8 nor Latin-1 text: {error}; name its encoding (--encoding)"
            ) from None
    require_text(text, charset)
    return charset


def require_text(text: str, charset: str) -> None:
    """Raise if a text has control characters, as other kinds of files have."""
    found = CONTROLS.search(text)
    if found is not None:
        raise ValueError(
            f"not a text file in {charset}: it holds the control character {found[0]!r}; if it is "
            "in another encoding, name it (--encoding)"
        )


# Cells -------------------------------------------------------------------------------------------


def read_columns(
    content: bytes, charset: str, delimiter: str | None
) -> tuple[list[list[str]], array[int]]:
    """The cells of every column, and the line on which each record ends; no empty records.

    Raises
    ------
    ValueError
        If a record is longer or shorter than the first; the message names its line.
    """
    if delimiter is None:
        sample = content[:SAMPLE_BYTES]
        if b"\n" not in sample:  # a very wide table
            sample = content
        delimiter = sniff(text_lines(sample, charset, partial=len(sample) < len(content)))
    columns: list[list[str]] = []
    lines = array("q")
    chunk: list[list[str]] = []
    for line, cells in parse(text_lines(content, charset), delimiter):
        if not columns:
            columns = [[] for _ in cells]
        if len(cells) != len(columns):
            raise ValueError(f"line {line} has {len(cells)} columns, wanted {len(columns)}")
        lines.append(line)
        chunk.append(cells)
        if len(chunk) * len(cells) >= CHUNK:
            move(chunk, columns)
    move(chunk, columns)
    return columns, lines


def move(chunk: list[list[str]], columns: list[list[str]]) -> None:
    """Add records to the columns: lists of columns take a fraction of the records' memory."""
    for column, cells in zip(columns, zip(*chunk, strict=True), strict=False):
        column.extend(cells)
    chunk.clear()


def text_lines(content: bytes, charset: str, partial: bool = False) -> Iterator[str]:
    """The lines of a text; of a partial one without the last, which may be cut off."""
    if charset == "utf-8":
        charset = "utf-8-sig"
    errors = "replace" if partial else "strict"
    with io.TextIOWrapper(io.BytesIO(content), charset, errors, newline="") as file:
        before: str | None = None
        for line in file:
            if before is not None:
                yield before
            before = line
        if before is not None and not partial:
            yield before


def parse(
    lines: Iterator[str], delimiter: str, strict: bool = True
) -> Iterator[tuple[int, list[str]]]:
    """Records of a text and the lines they end on, without empty records and outer spaces.

    ``strict`` refuses a quote that does not end, which would swallow the rest of the file.
    """
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=strict)
    for cells in reader:
        stripped = [cell.strip() for cell in cells]
        if any(stripped):
            yield reader.line_num, stripped


def sniff(lines: Iterator[str]) -> str:
    """The character that cuts the first records into equally many cells, and more than one.

    Examples
    --------
    >>> sniff(["a;b", "1,5;2,5"]), sniff(["a,b", "1;x,2"]), sniff(["a", "1"])
    (';', ',', ',')
    """
    sample = list(itertools.islice(lines, 50 * SAMPLE))
    widest, most = ",", 1
    for delimiter in DELIMITERS:
        try:
            records = itertools.islice(parse(iter(sample), delimiter, strict=False), SAMPLE)
            widths = [len(cells) for _, cells in records]
        except csv.Error:  # a wide table's line as one cell is longer than csv's limit
            continue
        if widths and widths[0] > 1 and len(set(widths)) == 1:
            return delimiter
        if widths and widths[0] > most:
            widest, most = delimiter, widths[0]
    return widest


def is_header(cells: Sequence[str], decimal: str = ".") -> bool:
    """True if a first line looks like names: no number or date, and no two are equal.

    Examples
    --------
    >>> is_header(["", "age"]), is_header(["4", "grey"]), is_header(["p", "x", "x"])
    (True, False, False)
    >>> is_header(["2024-01-31", "grey"])
    False
    """
    if any(not math.isnan(number_of(cell, decimal)) or date_format([cell]) for cell in cells):
        return False
    if all(is_missing(cell) for cell in cells):
        return False
    return len(set(cells)) == len(cells)


def column_names(cells: Sequence[str]) -> list[str]:
    """The names in a first line, no two of them equal; an empty one is named by its place."""
    names = [cell or f"column {place}" for place, cell in enumerate(cells, 1)]
    require_unique(names)
    return names


def require_unique(names: Sequence[str]) -> None:
    """Raise if two columns have the same name."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"two columns have the name {name!r}")
        seen.add(name)


def numbered(n: int) -> list[str]:
    """Names of columns that have none."""
    return [f"column {place}" for place in range(1, n + 1)]
