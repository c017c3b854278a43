"""Columns of numbers and dates by a chosen scaling, with indicators of missing values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from affinet._validation import Array
from affinet.tables.date_columns import dates
from affinet.tables.dates import FORMATS, cycles
from affinet.tables.graph import ColumnGraph
from affinet.tables.scaling import Scaling, scaling_from_json
from affinet.tables.statistics import filled
from affinet.tables.table import Table


@dataclass(frozen=True)
class ScaledColumn:
    """A column of numbers, scaled; behind it, if ``indicator``, 1 where the number is missing.

    Attributes
    ----------
    name : str
    scaling : StandardScaling, RobustScaling or QuantileScaling
    fill : float or None
        What replaces a missing value before scaling; None refuses it.
    indicator : bool
        True if training rows had missing values.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.tables.scaling import StandardScaling
    >>> column = ScaledColumn("a", StandardScaling(2.0, 1.0), fill=3.0, indicator=True)
    >>> column.transform(Table("t", {"a": np.array([1.0, np.nan])}), "a").tolist()
    [[-1.0, 0.0], [1.0, 1.0]]
    """

    kind: ClassVar[str] = "scaled number"
    number_inputs: ClassVar[tuple[int, ...]] = (0,)
    code_inputs: ClassVar[tuple[tuple[int, int], ...]] = ()
    name: str
    scaling: Scaling
    fill: float | None = None
    indicator: bool = False

    @property
    def width(self) -> int:
        """Number of inputs that this column makes."""
        return 1 + self.indicator

    def transform(self, table: Table, name: str, unknown: str = "error") -> Array:
        """A table's column, there called ``name``, as float64 (N, width)."""
        values = table.numbers(name)
        missing = np.isnan(values)
        parts = [self.scaling.apply(filled(table, name, values, self.fill))]
        return np.column_stack([*parts, missing] if self.indicator else parts)

    def write_onnx(self, graph: ColumnGraph) -> None:
        """Add the column to a graph."""
        graph.number(self.name, self.scaling, self.fill, self.indicator)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {"kind": self.kind, **vars(self), "scaling": self.scaling.to_json()}

    @classmethod
    def from_json(cls, value: Any) -> ScaledColumn:
        """The column that :meth:`to_json` wrote."""
        return cls(
            str(value["name"]),
            scaling_from_json(value["scaling"]),
            fill_of(value),
            flag_of(value, "indicator"),
        )


@dataclass(frozen=True)
class ScaledDateColumn:
    """A column of dates: days since 1970-01-01, scaled, then cycles as sine and cosine.

    Behind them, if ``indicator``, 1 where the date is missing.

    Attributes
    ----------
    name : str
    notation : str
        Such as ``"YYYY-MM-DD"``; a time of day may follow the date.
    scaling : StandardScaling, RobustScaling or QuantileScaling
        Of the days.
    timed : bool
        True if a training row has a time of day; its cycle is then among the inputs.
    fill : float or None
        Days that replace a missing value; None refuses it.
    indicator : bool
        True if training rows had missing values.

    Examples
    --------
    >>> from affinet.tables.scaling import StandardScaling
    >>> column = ScaledDateColumn("a", "YYYY-MM-DD", StandardScaling(0.0, 1.0), fill=0.0)
    >>> column.width, column.transform(Table("t", {"a": ["1970-01-03", ""]}), "a")[:, 0].tolist()
    (5, [2.0, 0.0])
    """

    kind: ClassVar[str] = "scaled date"
    number_inputs: ClassVar[tuple[int, ...]] = (0,)
    code_inputs: ClassVar[tuple[tuple[int, int], ...]] = ()
    name: str
    notation: str
    scaling: Scaling
    timed: bool = False
    fill: float | None = None
    indicator: bool = False

    @property
    def width(self) -> int:
        """Number of inputs that this column makes."""
        return (7 if self.timed else 5) + self.indicator

    def transform(self, table: Table, name: str, unknown: str = "error") -> Array:
        """A table's column, there called ``name``, as float64 (N, width)."""
        days = dates(table, name, self.notation)
        missing = np.isnan(days)
        days = filled(table, name, days, self.fill)
        parts = [self.scaling.apply(days), cycles(days, self.timed)]
        return np.column_stack([*parts, missing] if self.indicator else parts)

    def write_onnx(self, graph: ColumnGraph) -> None:
        """Add the column to a graph."""
        graph.date(self.name, self.notation, self.scaling, self.fill, self.indicator, self.timed)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {"kind": self.kind, **vars(self), "scaling": self.scaling.to_json()}

    @classmethod
    def from_json(cls, value: Any) -> ScaledDateColumn:
        """The column that :meth:`to_json` wrote."""
        if value["notation"] not in FORMATS:
            raise ValueError(f"notation {value['notation']!r}")
        return cls(
            str(value["name"]),
            value["notation"],
            scaling_from_json(value["scaling"]),
            flag_of(value, "timed"),
            fill_of(value),
            flag_of(value, "indicator"),
        )


@dataclass(frozen=True)
class MissingColumn:
    """A column of one number or date that is missing in some rows: 1 where it is, else 0.

    Attributes
    ----------
    name : str
    dated : bool
        True if it holds dates; files of earlier versions do not say so.

    Examples
    --------
    >>> MissingColumn("a").transform(Table("t", {"a": ["7", "", "7"]}), "a").tolist()
    [[0.0], [1.0], [0.0]]
    """

    kind: ClassVar[str] = "missing"
    number_inputs: ClassVar[tuple[int, ...]] = ()
    code_inputs: ClassVar[tuple[tuple[int, int], ...]] = ()
    width: ClassVar[int] = 1
    name: str
    dated: bool = False

    def transform(self, table: Table, name: str, unknown: str = "error") -> Array:
        """A table's column, there called ``name``, as float64 (N, 1)."""
        missing = [not text for text in table.texts(name)]
        return np.array(missing, np.float64).reshape(-1, 1)

    def write_onnx(self, graph: ColumnGraph) -> None:
        """Add the column to a graph."""
        graph.missing(self.name, self.dated)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        dated = {"dated": True} if self.dated else {}
        return {"kind": self.kind, "name": self.name, **dated}

    @classmethod
    def from_json(cls, value: Any) -> MissingColumn:
        """The column that :meth:`to_json` wrote."""
        return cls(str(value["name"]), "dated" in value and flag_of(value, "dated"))


def fill_of(value: Any) -> float | None:
    """The fill of a record: a finite number, or None."""
    fill = None if value["fill"] is None else float(value["fill"])
    if fill is not None and not math.isfinite(fill):
        raise ValueError(f"fill {fill}")
    return fill


def flag_of(value: Any, name: str) -> bool:
    """A record's true or false."""
    if not isinstance(value[name], bool):
        raise TypeError(f"{name} {value[name]!r}, wanted true or false")
    return bool(value[name])
