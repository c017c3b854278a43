"""What can be wrong with a table's columns, in words: each error names what helps."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from affinet.tables.table import ColumnError, Table, listing

FEW = 20  # this many categories are never too many
SHOWN_PROBLEMS = 12
# What to do about a missing value in the training rows, and about one in later rows.
TO_LEARN = "fill it in, or impute it with impute='median' (--impute median)"
TO_APPLY = (
    "fill it in, or train with impute='median' (--impute median): this model imputes no values"
)


def all_problems(problems: Sequence[ColumnError]) -> ValueError:
    """One error for several columns, grouped by what helps."""
    if len(problems) == 1:
        return problems[0]
    groups: dict[str, list[str]] = {}
    for problem in problems:
        groups.setdefault(problem.remedy, []).append(problem.what)
    parts = []
    for remedy, found in groups.items():
        shown = "; ".join(found[:SHOWN_PROBLEMS])
        more = f"; ... ({len(found)} columns in all)" if len(found) > SHOWN_PROBLEMS else ""
        parts.append("; ".join(filter(None, (shown + more, remedy))))
    return ValueError(f"{problems[0].source}: {'; '.join(parts)}")


def mixed_column(table: Table, name: str) -> ColumnError:
    """The error for a column of numbers and texts."""
    cell = table.text_cells(name)[0]
    row = list(table.columns[name]).index(cell)
    return ColumnError(
        table.source,
        f"{table.row_name(row)}, column {name!r}: {cell!r} is not a number, but other cells of "
        "the column are",
        f"{table.hint(cell)}correct it, or declare the column as categorical "
        f"(--categorical {name})",
    )


def unknown_categories(
    table: Table, name: str, categories: Sequence[str], new: Mapping[str, int]
) -> ColumnError:
    """The error for categories unseen in training, each with its first row."""
    text, row = next(iter(new.items()))
    more = f", nor are {len(new) - 1} more" if len(new) > 1 else ""
    return ColumnError(
        table.source,
        f"{table.row_name(row)}, column {name!r}: {text!r} is not one of the categories of "
        f"the training rows ({listing(categories)}){more}",
        "unknown='zero' (--unknown zero) turns unknown categories into zeros",
    )


def one_number(table: Table, name: str, one: str, other: str) -> ColumnError:
    """The error for two cells that float64 cannot tell apart."""
    return ColumnError(
        table.source,
        f"column {name!r}: {one} and {other} would become the same number",
        f"if it holds codes, declare it as categorical (--categorical {name}) or leave it out with "
        f"ignore (--ignore {name})",
    )


def missing_value(table: Table, name: str, row: int, remedy: str) -> ColumnError:
    """The error for a missing value."""
    what = f"{table.row_name(row)}, column {name!r}: the value is missing"
    return ColumnError(table.source, what, remedy)


def empty_column(table: Table, name: str) -> ColumnError:
    """The error for a column that holds nothing."""
    return ColumnError(
        table.source,
        f"column {name!r} has no value to learn from in the training rows",
        f"leave it out with ignore (--ignore {name})",
    )


def require_one_of(name: str, value: Any, known: Collection[Any]) -> None:
    """Raise unless ``value`` is one of the known ones."""
    if value not in known:
        wanted = ", ".join(repr(other) for other in known)
        raise ValueError(f"{name} is {value!r}, wanted one of {wanted}")


def require_few(
    table: Table, name: str, n_values: int, n_rows: int, what: str, remedy: str
) -> None:
    """Raise if a column has about as many values as rows: names and remarks are not categories."""
    if n_values > max(FEW, n_rows / 2):
        raise ColumnError(
            table.source,
            f"column {name!r} has {n_values} different values in {n_rows} rows, too many for "
            f"{what}",
            remedy,
        )
