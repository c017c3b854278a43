"""Parquet files as tables, read by pyarrow."""

from __future__ import annotations

from typing import IO, Any

from affinet._validation import Array
from affinet.tables.table import Table
from affinet.tables.text import require_unique, size_limit, too_large

MAGIC = b"PAR1"


def parquet_table(file: IO[bytes], stored: int, source: str, max_bytes: int | None) -> Table:
    """The table in a Parquet file.

    Numbers and booleans become numbers; texts, categories, decimals and dates become texts; null
    is a missing value.

    Raises
    ------
    ImportError
        If pyarrow is not installed.
    ValueError
        If the file is damaged, or a column holds something else, such as lists; it is named.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(
            'Parquet files need the package pyarrow: pip install "affinet[parquet]"'
        ) from error
    try:
        content = pyarrow.parquet.ParquetFile(file)
        groups = content.metadata
        size = sum(
            groups.row_group(place).total_byte_size for place in range(groups.num_row_groups)
        )
        limit = size_limit(stored, max_bytes)
        if size <= limit:
            columns = content.read()
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise ValueError(f"not a Parquet file, or damaged: {error}") from error
    if size > limit:
        raise ValueError(too_large("it", stored, limit))
    require_unique(columns.column_names)
    return Table(
        source,
        {
            name: cells_of(pyarrow, name, column)
            for name, column in zip(columns.column_names, columns.columns, strict=True)
        },
    )


def cells_of(pyarrow: Any, name: str, column: Any) -> list[str] | Array:
    """A column as an array of numbers, or as texts."""
    types, kind = pyarrow.types, column.type
    if types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = kind.value_type
    if types.is_floating(kind):
        return as_array(column.cast(pyarrow.float64()))  # null is NaN
    if types.is_boolean(kind):
        column, kind = column.cast(pyarrow.uint8()), pyarrow.uint8()
    if types.is_integer(kind) and column.null_count == 0:
        return as_array(column)
    if types.is_null(kind):
        return [""] * len(column)
    if types.is_timestamp(kind) or types.is_date(kind):
        return ["" if moment is None else moment.isoformat() for moment in moments(pyarrow, column)]
    text = (types.is_string, types.is_large_string, types.is_integer, types.is_decimal)
    if not any(known(kind) for known in text):
        raise ValueError(
            f"column {name!r} holds {kind}, wanted numbers, texts or dates; leave it out of the "
            "file"
        )
    return ["" if value is None else str(value) for value in column.to_pylist()]


def as_array(column: Any) -> Array:
    """A column of numbers as NumPy has them."""
    values: Array = column.to_numpy()
    return values


def moments(pyarrow: Any, column: Any) -> list[Any]:
    """Dates, or times to the microsecond, as Python has them."""
    kind = column.type
    if pyarrow.types.is_timestamp(kind) and kind.unit == "ns":
        column = column.cast(pyarrow.timestamp("us", kind.tz), safe=False)
    return list(column.to_pylist())
