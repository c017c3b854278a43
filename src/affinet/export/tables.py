"""The encoding of a table's columns as C: a row's structure, and the function in front."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.export.steps import single
from affinet.export.text import Writer, comment, quoted
from affinet.tables import Encoding, NumberTarget
from affinet.tables.cells import missing_spellings
from affinet.tables.date_graph import PARTS
from affinet.tables.dates import THURSDAY, WEEK_DAYS, YEAR_DAYS
from affinet.tables.graph import REFUSED
from affinet.tables.quantiles import QuantileScaling
from affinet.tables.scaling import RobustScaling

KEYWORDS = (
    "auto break case char const continue default do double else enum extern float for goto if "
    "inline int long register restrict return short signed sizeof static struct switch typedef "
    "union unsigned void volatile while class new delete this public private template operator "
    "bool true false namespace using try catch throw virtual friend and or not xor"
)

LAST_DAY = 4e6  # far beyond all dates, whose years have four digits


class ColumnCode:
    """Writes columns; see :class:`affinet.tables.graph.ColumnGraph`."""

    def __init__(self, writer: Writer, decimal: str) -> None:
        self.decimal = decimal
        self.writer = writer
        self.fields: list[str] = []
        self.lines: list[str] = []
        self.finders: list[str] = []
        self.declared: list[str] = []
        self._names: set[str] = set()
        self._place = 0

    def field(self, name: str, kind: str, note: str) -> str:
        """A new field of the row for a column, as a C name."""
        stem = re.sub(r"\W", "_", name, flags=re.ASCII) or "column"
        stem = (
            f"c_{stem}" if stem[0].isdigit() or stem in KEYWORDS.split() or stem[0] == "_" else stem
        )
        free, k = stem, len(self._names)
        while free in self._names:
            free, k = f"{stem}_{k}", k + 1
        self._names.add(free)
        self.fields.append(f"    {kind} {free}; /* {comment(name)}: {comment(note)} */")
        return free

    def put(self, expression: str) -> None:
        """Set the next input."""
        self.lines.append(f"    x[{self._place}] = (float)({expression});")
        self._place += 1

    def refuse(self, condition: str) -> None:
        """Return the column's number if a value is refused."""
        self.lines.append(f"    if ({condition}) {{ return {len(self.fields)}; }}")

    def number(self, name: str, scaling: Any, fill: float | None, indicator: bool) -> None:
        """A number, scaled, and its indicator."""
        self._number(self.field(name, "double", "a number; NaN is missing"), fill)
        self._scaled(scaling)
        if indicator:
            self.put("missing")

    def date(
        self,
        name: str,
        notation: str,
        scaling: Any,
        fill: float | None,
        indicator: bool,
        timed: bool,
    ) -> None:
        """The days of a date, scaled, its cycles as sines and cosines, and its indicator."""
        self.writer.uses(["cycle"])
        self._number(self._date(name, notation), fill)
        self.refuse(f"!(v > {-LAST_DAY} && v < {LAST_DAY})")
        self.lines.append("    days = v;")
        self._scaled(scaling)
        weekday = f"@whole(days) + {float(THURSDAY)!r}"
        periods = [("days", YEAR_DAYS), (weekday, WEEK_DAYS), ("days", 1.0)][: 3 if timed else 2]
        for value, period in periods:
            self.lines.append(f"    @cycle({value}, {period!r}, &x[{self._place}]);")
            self._place += 2
        if indicator:
            self.put("missing")

    def missing(self, name: str, dated: bool) -> None:
        """1 where a number, or a date, is missing."""
        kind = "days since 1970-01-01" if dated else "a number"
        own = self.field(name, "double", f"{kind}; only whether it is missing (NaN) matters")
        self.put(f"!(row->{own} == row->{own})")

    def _date(self, name: str, notation: str) -> str:
        """The field of a date, and the function that reads it from a text."""
        own = self.field(name, "double", "days since 1970-01-01 as days returns; NaN is missing")
        mark, *order = PARTS[notation]
        self.writer.uses(["days"])
        head = f"double @days_{own}(const char *text)"
        arguments = ", ".join(map(str, order))
        self.declared += [f"/* Of {notation}, also with a time; 1e30 if it is not a date. */",
                          f"{head};"]  # fmt: skip
        self.finders.append(f"{head} {{ return @days(text, '{mark}', {arguments}); }}\n")
        return own

    def _number(self, own: str, fill: float | None) -> None:
        """Read a number into v, and what replaces a missing one."""
        self.lines += [f"    v = row->{own};", "    missing = !(v == v);"]
        if fill is None:
            self.refuse("missing != 0")
        else:
            self.lines.append(f"    v = missing != 0 ? {float(fill)!r} : v;")

    def _scaled(self, scaling: Any) -> None:
        """Scale v and put it."""
        if isinstance(scaling, RobustScaling):
            self.writer.uses(["robust"])
            self.lines.append(f"    v = @robust(v, {scaling.center!r}, {scaling.spread!r});")
        elif isinstance(scaling, QuantileScaling):
            self.writer.uses(["quantile"])
            table = self.writer.array(np.array(scaling.quantiles))
            self.lines.append(f"    v = @quantile(v, {table}, {len(scaling.quantiles)});")
        else:
            self.lines.append(f"    v = (v - {scaling.mean!r}) / {scaling.std!r};")
        self.refuse("!(v > -3.4028234e38 && v < 3.4028234e38)")
        self.put("v")

    def one_hot(
        self, name: str, places: Mapping[str, int], unknown: int, off: Array, on: Array
    ) -> None:
        """A text as one input for each place."""
        own = self._category(name, places, unknown, len(on))
        for place, (low, high) in enumerate(zip(off.tolist(), on.tolist(), strict=True)):
            self.put(f"row->{own} == {place} ? {high!r} : {low!r}")

    def choice(self, name: str, places: Mapping[str, int], unknown: int, values: Array) -> None:
        """A text as one of some values."""
        own = self._category(name, places, unknown, len(values))
        table = self.writer.array(values.astype(np.float32))
        self.put(f"@FLOAT(&{table}[row->{own}])")

    def codes(self, name: str, codes: Mapping[str, int], unknown: int) -> None:
        """A text as its code."""
        count = 1 + max([*codes.values(), unknown])
        self.put(f"row->{self._category(name, codes, unknown, count)}")

    def _category(self, name: str, places: Mapping[str, int], unknown: int, count: int) -> str:
        """The field of a text's place, and the function that finds it."""
        first: dict[int, str] = {}
        for text, place in places.items():
            if place >= 0:
                first.setdefault(place, text)
        shown = ", ".join(f"{place} {quoted(text)}" for place, text in list(first.items())[:20])
        own = self.field(name, "int32_t", f"what find returns: {shown}")
        least = min((place for place in [*places.values(), unknown] if place > REFUSED), default=0)
        self.refuse(f"row->{own} < {least} || row->{own} >= {count}")
        head = f"int32_t @find_{own}(const char *text)"
        spelled = missing_spellings()
        known = {text: place for text, place in sorted(places.items()) if text not in spelled}
        self.writer.uses(["find", "missing"])
        lines = [f"    if (@missing(text) != 0) {{ return {places.get('', unknown)}; }}"]
        if known:
            texts = self.writer.texts(list(known))
            table = self.writer.array(np.array(list(known.values()), np.int32))
            lines += [
                f"    i = @find(text, {texts}, {len(known)}u);",
                f"    return i < {len(known)}u ? (int32_t)@LONG(&{table}[i]) : {unknown};",
            ]
        else:
            lines.append(f"    return {unknown};")
        self.declared.append(f"{head};")
        declared = ["    size_t i;"] if known else []
        self.finders.append("\n".join([f"{head} {{", *declared, *lines, "}", ""]))
        return own


def write_encoding(writer: Writer, encoding: Encoding, temperature: float) -> tuple[str, str]:
    """Declarations and definitions of the row, ``encode`` and ``answer``.

    Raises
    ------
    ValueError
        If a column has no form in C; the message names it.
    """
    code = ColumnCode(writer, encoding.decimal)
    for column in encoding.columns:
        column.write_onnx(code)
    target = encoding.target
    if isinstance(target, NumberTarget):
        ends = [f"    y[0] = (float)(y[0] * {target.std!r} + {target.mean!r});"]
        if target.low is not None and target.high is not None:
            ends += [
                f"    y[0] = y[0] < (float){target.low!r} ? (float){target.low!r} : y[0];",
                f"    y[0] = y[0] > (float){target.high!r} ? (float){target.high!r} : y[0];",
            ]
        says = f"{target.name}, in its unit"
    else:
        writer.uses(["softmax"])
        ends = [
            "    size_t i;",
            f"    for (i = 0; i < @OUTPUTS; i++) {{ y[i] = y[i] / {single(temperature)}; }}",
        ]
        ends = [*(ends if temperature != 1 else []), "    @softmax(y, @OUTPUTS, y);"]
        says = "the probability of every class"
    used = "\n".join(code.lines)
    declarations = "\n".join([
        "typedef struct {", *code.fields, "} @row;",
        *code.declared,
        "/* A row as the network's inputs: 0, or the number of the field that is refused. */",
        "int @encode(const @row *row, float *x);",
        f"/* {comment(says)}, in y; returns what encode does. */",
        "int @answer(const @row *row, float *y);", "",
    ])  # fmt: skip
    body = [
        *code.finders,
        "int @encode(const @row *row, float *x) {",
        *(f"    {kind} {name};" for kind, name in (("double", "v"), ("double", "days"),
          ("int", "missing")) if f" {name} = " in used),
        *code.lines, "    return 0;", "}", "",
        "static void @finish(float *y) {", *ends, "}", "",
        "int @answer(const @row *row, float *y) {",
        "    float x[@INPUTS];",
        "    const int refused = @encode(row, x);",
        "    if (refused == 0) {", "        @predict(x, y);", "        @finish(y);", "    }",
        "    return refused;", "}", "",
    ]  # fmt: skip
    return declarations, "\n".join(body)
