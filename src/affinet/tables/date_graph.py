"""Dates in ONNX: the days since 1970-01-01 of texts, and the cycles of days."""

from __future__ import annotations

import re

import numpy as np

from affinet.tables.dates import (
    DAY_POINT,
    DAY_SECONDS,
    DAY_SLASH,
    ISO,
    MONTH_SLASH,
    PATTERNS,
    THURSDAY,
    WEEK_DAYS,
    YEAR_DAYS,
    YEAR_SLASH,
)
from affinet.tables.graph import FLOAT64, INT64, NodeGraph

DATE_OPSET = 20  # the first one with operators that match and split texts
PARTS = {  # the mark between a date's parts, and the places of year, month and day among them
    ISO: ("-", 0, 1, 2),
    YEAR_SLASH: ("/", 0, 1, 2),
    DAY_POINT: (".", 2, 1, 0),
    MONTH_SLASH: ("/", 2, 0, 1),
    DAY_SLASH: ("/", 2, 1, 0),
}
SAMPLES = ("{}T00:00:00 +00:00", "{}T00:00:00 -00:00")  # together with every part of a moment
LENGTHS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
EPOCH_DAYS = 719468  # from 0000-03-01 to 1970-01-01


def write_days(graph: NodeGraph, text: str, notation: str) -> str:
    """Add what :func:`affinet.tables.dates.days_of` computes of texts (B, 1), float64 (B, 1).

    NaN where a text is not a date. Samples follow the rows up to the end, so that a split always
    has all its parts, also for a table without rows.
    """
    mark, *order = PARTS[notation]
    epoch = mark.join("1970" if place == order[0] else "01" for place in range(3))
    samples = [[sample.format(epoch)] for sample in SAMPLES]
    fitting = graph.add("RegexFullMatch", text, pattern=plain_pattern(notation))
    graph.add("Where", fitting, text, graph.texts("epoch", epoch))
    graph.add("Concat", graph.tensor, graph.texts("samples", samples), axis=0)
    date, clock, ahead, behind = split_moment(graph, graph.tensor)
    parts = graph.add("Cast", pieces(graph, date, mark), to=INT64)
    year, month, day = (part_of(graph, parts, place) for place in order)
    days = graph.add("Cast", write_civil(graph, year, month, day), to=FLOAT64)
    known = write_validity(graph, year, month, day)
    seconds, fits = write_clock(graph, clock)
    midnight = graph.add("Mul", days, graph.constant("day", DAY_SECONDS))
    total = graph.add("Add", midnight, seconds)
    known = graph.add("And", known, fits)
    for zone, op in ((ahead, "Sub"), (behind, "Add")):
        offset, fits = write_offset(graph, zone)
        total, known = graph.add(op, total, offset), graph.add("And", known, fits)
    graph.add("Div", total, graph.constant("day", DAY_SECONDS))
    graph.add("Where", known, graph.tensor, graph.constant("none", np.nan))
    start, end = graph.indices("start", [0]), graph.indices("end", [-len(SAMPLES)])
    graph.add("Slice", graph.tensor, start, end, start)
    return graph.add("Where", fitting, graph.tensor, graph.constant("none", np.nan))


def plain_pattern(notation: str) -> str:
    """The pattern of a notation without names of groups.

    Examples
    --------
    >>> plain_pattern("DD.MM.YYYY")[:38]
    '([0-9]{1,2})\\\\.([0-9]{1,2})\\\\.([0-9]{4})'
    """
    return re.sub(r"\(\?(P<\w+>|:)", "(", PATTERNS[notation].pattern).replace(r"\d", "[0-9]")


def split_moment(graph: NodeGraph, text: str) -> tuple[str, str, str, str]:
    """Texts (B, 1) of the date, the clock, and an offset ahead of and behind UTC; "" if absent."""
    parts = pieces(graph, text, "T")
    date, rest = part_of(graph, parts, 0), part_of(graph, parts, 1)
    graph.add("StringConcat", date, graph.texts("space", " "))
    graph.add("StringConcat", graph.tensor, rest)
    parts = pieces(graph, graph.tensor, "")  # at spaces
    date, clock, zone = (part_of(graph, parts, place) for place in range(3))
    graph.add("StringConcat", clock, zone)
    clock = part_of(graph, pieces(graph, graph.tensor, "Z"), 0)
    parts = pieces(graph, clock, "+")
    clock, ahead = part_of(graph, parts, 0), part_of(graph, parts, 1)
    parts = pieces(graph, clock, "-")
    return date, part_of(graph, parts, 0), ahead, part_of(graph, parts, 1)


def pieces(graph: NodeGraph, text: str, delimiter: str) -> str:
    """Add the pieces (B, 1, n) between delimiters, "" where a row has fewer than another one."""
    return graph.add("StringSplit", text, n_outputs=2, delimiter=delimiter)


def part_of(graph: NodeGraph, parts: str, place: int) -> str:
    """One of the parts (B, 1, n) of all rows, (B, 1)."""
    return graph.add("Gather", parts, whole(graph, place), axis=2)


def whole(graph: NodeGraph, number: int) -> str:
    """A constant int64."""
    return graph.indices(f"whole {number}", number)


def combined(graph: NodeGraph, op: str, value: str, number: int) -> str:
    """Add an operator on whole numbers and a constant one."""
    return graph.add(op, value, whole(graph, number))


def write_civil(graph: NodeGraph, year: str, month: str, day: str) -> str:
    """Add the days since 1970-01-01 of a date, int64.

    H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2013: years begin in March, so the
    days before a month are ``(153 m + 2) / 5``, and 400 years are 146,097 days.
    """
    early = graph.add("Cast", combined(graph, "Less", month, 3), to=INT64)
    year = graph.add("Sub", year, early)
    era = combined(graph, "Div", year, 400)
    year = combined(graph, "Mod", year, 400)
    month = combined(graph, "Mod", combined(graph, "Add", month, 9), 12)
    month = combined(graph, "Add", combined(graph, "Mul", month, 153), 2)
    days = graph.add("Add", combined(graph, "Div", month, 5), day)
    days = graph.add("Add", days, combined(graph, "Mul", year, 365))
    days = graph.add("Add", days, combined(graph, "Div", year, 4))
    days = graph.add("Sub", days, combined(graph, "Div", year, 100))
    days = graph.add("Add", days, combined(graph, "Mul", era, 146097))
    return combined(graph, "Sub", days, EPOCH_DAYS + 1)


def write_validity(graph: NodeGraph, year: str, month: str, day: str) -> str:
    """Add whether there is such a date."""
    by_4, by_100, by_400 = (
        combined(graph, "Equal", combined(graph, "Mod", year, n), 0) for n in (4, 100, 400)
    )
    leap = graph.add("Or", graph.add("And", by_4, graph.add("Not", by_100)), by_400)
    leap = graph.add("And", leap, combined(graph, "Equal", month, 2))
    place = combined(graph, "Min", month, 12)
    length = graph.add("Gather", graph.indices("lengths", LENGTHS), place)
    length = graph.add("Add", length, graph.add("Cast", leap, to=INT64))
    known = graph.add("LessOrEqual", day, length)
    for value, op, number in (
        *((day, "GreaterOrEqual", 1), (year, "GreaterOrEqual", 1)),
        (month, "LessOrEqual", 12),  # month 0 has no day
    ):
        known = graph.add("And", known, combined(graph, op, value, number))
    return known


def write_clock(graph: NodeGraph, clock: str) -> tuple[str, str]:
    """Add the seconds of ``HH:MM:SS.f``, float64, and whether there is such a time."""
    parts = pieces(graph, clock, ":")
    total, known = "", ""
    for place, (length, most) in enumerate(((3600.0, 24), (60.0, 60), (1.0, 60))):
        graph.add("StringConcat", graph.texts("nought", "0"), part_of(graph, parts, place))
        value = graph.add("Cast", to=FLOAT64)
        fits = graph.add("Less", value, graph.constant(f"most {most}", most))
        seconds = graph.add("Mul", value, graph.constant(f"length {length}", length))
        total = graph.add("Add", total, seconds) if total else seconds
        known = graph.add("And", known, fits) if known else fits
    return total, known


def write_offset(graph: NodeGraph, zone: str) -> tuple[str, str]:
    """Add the seconds of ``HH:MM`` or ``HHMM``, float64, and whether there is such an offset."""
    parts = pieces(graph, zone, ":")
    graph.add("StringConcat", part_of(graph, parts, 0), part_of(graph, parts, 1))
    graph.add("StringConcat", graph.texts("nought", "0"), graph.tensor)
    number = graph.add("Cast", to=INT64)
    hours, minutes = combined(graph, "Div", number, 100), combined(graph, "Mod", number, 100)
    minutes = graph.add("Add", combined(graph, "Mul", hours, 60), minutes)
    known = combined(graph, "Less", minutes, 24 * 60)
    seconds = graph.add("Cast", combined(graph, "Mul", minutes, 60), to=FLOAT64)
    return seconds, known


def write_cycles(graph: NodeGraph, days: str, timed: bool) -> list[str]:
    """Add the sines and cosines of :func:`affinet.tables.dates.cycles`, each (B, n) as the days."""
    graph.add("Floor", days)
    weekday = graph.add("Add", graph.tensor, graph.constant("thursday", THURSDAY))
    periods = [("year", days, YEAR_DAYS), ("week", weekday, WEEK_DAYS)]
    if timed:
        periods.append(("time", days, 1.0))
    parts = []
    for name, value, length in periods:
        period = graph.constant(name, length)
        rest = graph.add("Mod", value, period, fmod=1)  # of the sign of the value
        below = graph.add("Less", rest, graph.constant("zero", 0.0))
        graph.add("Where", below, graph.add("Add", rest, period), rest)
        graph.add("Mul", graph.tensor, graph.constant("turn", 2 * np.pi))
        angle = graph.add("Div", graph.tensor, period)
        parts += [graph.add("Sin", angle), graph.add("Cos", angle)]
    return parts
