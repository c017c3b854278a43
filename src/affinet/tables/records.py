"""Columns of an encoding as plain values, which a model file keeps."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

from affinet.tables.categories import CodeColumn, OneHotColumn, SignColumn
from affinet.tables.columns import CategoryColumn, DateColumn, NumberColumn, texts_from_json
from affinet.tables.columns import Column as ClassicColumn
from affinet.tables.dates import FORMATS
from affinet.tables.scaled import MissingColumn, ScaledColumn, ScaledDateColumn, fill_of

ModernColumn: TypeAlias = (
    ScaledColumn | ScaledDateColumn | MissingColumn | OneHotColumn | SignColumn | CodeColumn
)
Column: TypeAlias = ClassicColumn | ModernColumn
MODERN: dict[str, type[ModernColumn]] = {
    column.kind: column
    for column in (
        *(ScaledColumn, ScaledDateColumn, MissingColumn),
        *(OneHotColumn, SignColumn, CodeColumn),
    )
}


def column_from_json(value: Any) -> Column:
    """The column that :func:`column_to_json` wrote; KeyError, TypeError, ValueError if invalid."""
    if value["kind"] in MODERN:
        return MODERN[value["kind"]].from_json(value)
    kind, name, fill = value["kind"], str(value["name"]), value["fill"]
    if kind == CategoryColumn.kind:
        return CategoryColumn(name, texts_from_json(value["categories"]), fill)
    if kind not in (NumberColumn.kind, DateColumn.kind):
        raise ValueError(f"kind {kind!r}")
    mean, std = float(value["mean"]), float(value["std"])
    if not (math.isfinite(mean) and 0 < std < math.inf):
        raise ValueError(f"mean {mean} and std {std}")
    fill = fill_of(value)
    if kind == NumberColumn.kind:
        return NumberColumn(name, mean, std, fill)
    if value["notation"] not in FORMATS:
        raise ValueError(f"notation {value['notation']!r}")
    return DateColumn(name, value["notation"], mean, std, bool(value["timed"]), fill)


def column_to_json(column: Column) -> dict[str, Any]:
    """A column as plain values."""
    if not isinstance(column, ClassicColumn):
        return column.to_json()
    values = dict(vars(column))
    if isinstance(column, CategoryColumn):
        values["categories"] = list(column.categories)
    return {"kind": column.kind, **values}
