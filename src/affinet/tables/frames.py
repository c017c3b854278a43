"""DataFrames of pandas and polars, and two-dimensional arrays, as tables.

Neither package is imported: a DataFrame that is given has brought its own. Columns mean the same
as in a file of the same data, so that a model trained on either takes both.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from affinet._validation import Array, require_plain
from affinet.tables.objects import days_of_durations, label_of, object_column, text_column
from affinet.tables.problems import all_problems
from affinet.tables.table import ColumnError, Table, listing

Values: TypeAlias = list[str] | Array
WANTED = "wanted numbers, texts, categories or dates"
TRUTHS = np.array(["False", "True", ""], object)


@dataclass(frozen=True)
class Frame:
    """The columns of a DataFrame or array: their names, and what each of them holds."""

    names: list[Any]
    columns: list[Any]
    values_of: Callable[[Any], Values]
    is_categorical: Callable[[Any], bool]
    named: bool = True


def frame_table(frame: Any, source: str, categorical: Collection[str | int]) -> Table:
    """The table of a DataFrame or an array; see :meth:`Table.from_frame`."""
    parts = frame_of(frame, source)
    names = names_of(parts.names, source)
    declared = declared_names(names, source, categorical)
    columns: dict[str, Values] = {}
    problems = []
    for name, column in zip(names, parts.columns, strict=True):
        if parts.is_categorical(column):
            declared.add(name)
        try:
            columns[name] = parts.values_of(column)
        except TypeError as error:
            problems.append(
                ColumnError(source, f"column {name!r} holds {error}", f"{WANTED}, or leave it out")
            )
    if problems:
        raise all_problems(problems)
    return Table(source, columns, named=parts.named, categorical=frozenset(declared))


def frame_of(frame: Any, source: str) -> Frame:
    """The parts of whatever kind of frame this is."""
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if pandas is not None and isinstance(frame, pandas.DataFrame):
        names = list(frame.columns)
        columns = [frame.iloc[:, place] for place in range(len(names))]
        if names == list(range(len(names))):  # none were given
            return Frame(numbered(len(names)), columns, of_pandas, pandas_categories, named=False)
        return Frame(names, columns, of_pandas, pandas_categories)
    if polars is not None and isinstance(frame, polars.DataFrame):
        return Frame(list(frame.columns), frame.get_columns(), of_polars, polars_categories)
    if isinstance(frame, np.ndarray):
        require_plain(source, frame)
        if frame.ndim != 2:
            raise ValueError(f"{source} has shape {frame.shape}, wanted rows and columns")
        columns = [column.copy() for column in np.asarray(frame).T]
        return Frame(numbered(len(columns)), columns, of_array, lambda column: False, named=False)
    kind = type(frame).__name__
    hint = {"LazyFrame": ": call its collect() first"}.get(kind, "")
    if hasattr(frame, "toarray"):
        hint = ": call its toarray() first"
    raise TypeError(
        f"{source} is of type {kind}, wanted a DataFrame of pandas or polars or a "
        f"two-dimensional array{hint}"
    )


def numbered(n: int) -> list[str]:
    """Names of columns that have none, as in an array."""
    return [f"x{place}" for place in range(n)]


def names_of(given: Sequence[Any], source: str) -> list[str]:
    """The names of columns without outer spaces, an empty one by its place, as in files."""
    if not given:
        raise ValueError(f"{source} has no columns")
    names: dict[str, None] = {}
    for place, name in enumerate(given, 1):
        if not isinstance(name, str):
            raise TypeError(
                f"{source}: the name of column {place} is {name!r} of type {type(name).__name__}, "
                "wanted a text: rename the columns, for example with X.columns.map(str)"
            )
        name = name.strip() or f"column {place}"
        if name in names:
            raise ValueError(f"{source}: two columns have the name {name!r}")
        names[name] = None
    return list(names)


def declared_names(
    names: Sequence[str], source: str, categorical: Collection[str | int]
) -> set[str]:
    """The names of columns given by names, by places from 0 on, or by a mask of all columns."""
    given = [categorical] if isinstance(categorical, str) else list(categorical)
    if given and all(isinstance(column, bool | np.bool_) for column in given):
        if len(given) != len(names):
            raise ValueError(
                f"categorical is a mask of {len(given)} columns, {source} has {len(names)}"
            )
        return {name for name, chosen in zip(names, given, strict=True) if chosen}
    declared = set()
    for column in given:
        if isinstance(column, str):
            if column.strip() not in names:
                raise ValueError(
                    f"categorical names {column!r}, the columns of {source} are {listing(names)}"
                )
            declared.add(column.strip())
        elif isinstance(column, int | np.integer) and -len(names) <= column < len(names):
            declared.add(names[column])
        else:
            raise ValueError(
                f"categorical holds {column!r}, wanted names or places below {len(names)}"
            )
    return declared


# Columns -----------------------------------------------------------------------------------------


def of_array(values: Array) -> Values:
    """A column of a NumPy array."""
    kind = values.dtype.kind
    if kind == "b":
        return truths(values.astype(np.int64))
    if kind in "iuf":
        return values if values.dtype.itemsize <= 8 else values.astype(np.float64)
    if kind == "M":
        return values.astype("datetime64[us]")
    if kind == "m":
        return days_of_durations(values)
    if kind == "U":
        return text_column(values.tolist())
    if kind == "O":
        return object_column(values.tolist())
    raise TypeError(f"values of dtype {values.dtype}")


def of_pandas(series: Any) -> Values:
    """A column of a DataFrame of pandas."""
    dtype, kind = series.dtype, type(series.dtype).__name__
    if kind == "SparseDtype":
        return of_pandas(series.sparse.to_dense())
    if kind == "CategoricalDtype":
        return chosen(map(label_of, series.cat.categories), series.cat.codes.to_numpy())
    if kind == "PeriodDtype":
        series = series.dt.to_timestamp()
        dtype = series.dtype
    if dtype.kind == "M":
        return of_array(series.to_numpy(dtype="datetime64[us]"))  # in UTC
    if dtype.kind == "m":
        return of_array(series.to_numpy(dtype="timedelta64[us]"))
    if isinstance(dtype, np.dtype) and dtype.kind != "O":
        return of_array(series.to_numpy())
    if dtype.kind == "b":
        codes = series.to_numpy(dtype=np.float64, na_value=2.0)
        return truths(codes.astype(np.int64))
    if dtype.kind in "iuf":
        if series.isna().any():
            return of_array(series.to_numpy(dtype=np.float64, na_value=np.nan))
        return of_array(series.to_numpy(dtype=dtype.numpy_dtype))
    if kind == "StringDtype":
        return text_column(series.tolist())
    return object_column(series.tolist())


def pandas_categories(series: Any) -> bool:
    """True for a column of pandas' categories, whatever they look like."""
    return type(series.dtype).__name__ == "CategoricalDtype"


def of_polars(series: Any) -> Values:
    """A column of a DataFrame of polars."""
    kind = series.dtype.base_type().__name__
    if kind in ("String", "Categorical", "Enum"):
        return text_column(series.to_list())
    if kind == "Boolean":
        return truths(np.array(series.cast(int).fill_null(2).to_numpy()))
    if kind == "Decimal":
        return of_array(series.cast(float).to_numpy())
    if kind == "Null":
        return [""] * len(series)
    if kind == "Object":
        return object_column(series.to_list())
    if kind in ("Date", "Datetime", "Duration") or series.dtype.is_numeric():
        return of_array(np.array(series.to_numpy()))  # times in UTC, missing ones NaT or NaN
    raise TypeError(f"values of type {series.dtype}")


def polars_categories(series: Any) -> bool:
    """True for a column of polars' categories, whatever they look like."""
    return series.dtype.base_type().__name__ in ("Categorical", "Enum")


def truths(codes: Array) -> list[str]:
    """Texts of truth values: 0 False, 1 True, 2 missing."""
    result: list[str] = TRUTHS[codes].tolist()
    return result


def chosen(labels: Any, codes: Array) -> list[str]:
    """Labels by their places, "" for -1."""
    result: list[str] = np.array([*labels, ""], object)[codes].tolist()
    return result
