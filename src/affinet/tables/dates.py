"""Columns of dates: the notations that are recognised, and the numbers made of them.

A date becomes its days since 1970-01-01, standardised like any other number, and its place in the
year and in the week, each as sine and cosine, so that December is near January and Sunday near
Monday. A column with times of day has a sine and a cosine of that as well.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from affinet._validation import Array

ISO, YEAR_SLASH, DAY_POINT, MONTH_SLASH, DAY_SLASH = (
    *("YYYY-MM-DD", "YYYY/MM/DD", "DD.MM.YYYY"),
    *("MM/DD/YYYY", "DD/MM/YYYY"),
)
FORMATS = (ISO, YEAR_SLASH, DAY_POINT, MONTH_SLASH, DAY_SLASH)
AMBIGUOUS = "ambiguous"  # every cell is a date both with the month and with the day first

TIME = r"(?:[T ](?P<clock>\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)(?P<zone> ?Z|[+-]\d{2}:?\d{2})?)?"
YEAR, MONTH, DAY = r"(?P<year>\d{4})", r"(?P<month>\d{1,2})", r"(?P<day>\d{1,2})"
PATTERNS = {
    ISO: re.compile(f"{YEAR}-{MONTH}-{DAY}{TIME}", re.ASCII),
    YEAR_SLASH: re.compile(f"{YEAR}/{MONTH}/{DAY}{TIME}", re.ASCII),
    DAY_POINT: re.compile(rf"{DAY}\.{MONTH}\.{YEAR}{TIME}", re.ASCII),
    MONTH_SLASH: re.compile(f"{MONTH}/{DAY}/{YEAR}{TIME}", re.ASCII),
    DAY_SLASH: re.compile(f"{DAY}/{MONTH}/{YEAR}{TIME}", re.ASCII),
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_SECONDS, YEAR_DAYS, WEEK_DAYS = 86400.0, 365.2425, 7.0
THURSDAY = 3  # 1970-01-01, counted from Monday = 0


def days_of(cell: str, notation: str) -> float:
    """Days from 1970-01-01 to a date, a time of day as a fraction; NaN if it is not a date.

    A time with an offset is converted to UTC; without one it counts as UTC.

    Examples
    --------
    >>> days_of("1970-01-02 12:00", "YYYY-MM-DD"), days_of("31.12.1969", "DD.MM.YYYY")
    (1.5, -1.0)
    >>> days_of("2023-02-30", "YYYY-MM-DD")
    nan
    """
    found = PATTERNS[notation].fullmatch(cell)
    if found is None:
        return math.nan
    year, month, day = int(found["year"]), int(found["month"]), int(found["day"])
    text = f"{year:04d}-{month:02d}-{day:02d}"
    if found["clock"]:
        hour, rest = found["clock"].split(":", 1)
        text += f"T{int(hour):02d}:{rest}{(found['zone'] or '').strip()}"
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment - EPOCH).total_seconds() / DAY_SECONDS
    except (ValueError, OverflowError):
        return math.nan


def date_format(cells: Sequence[str]) -> str | None:
    """The notation in which all cells are dates; None if there is none.

    ``"ambiguous"`` if both 3/4/2024 and 4/3/2024 could be meant throughout.

    Examples
    --------
    >>> date_format(["2024-03-01", "2024-12-31"]), date_format(["1/31/2024", "2/1/2024"])
    ('YYYY-MM-DD', 'MM/DD/YYYY')
    >>> date_format(["1/2/2024"]), date_format(["2024-03-01", "soon"])
    ('ambiguous', None)
    """
    if not cells:
        return None
    fitting = [notation for notation in FORMATS if not math.isnan(days_of(cells[0], notation))]
    for cell in cells:
        if not fitting:
            return None
        fitting = [notation for notation in fitting if not math.isnan(days_of(cell, notation))]
    if len(fitting) > 1:
        same = [days_of(cell, fitting[0]) == days_of(cell, fitting[1]) for cell in cells]
        return fitting[0] if all(same) else AMBIGUOUS
    return fitting[0] if fitting else None


def first_other(cells: Sequence[str]) -> str | None:
    """The cell that keeps a column from being dates, if more than half of its cells are dates.

    Examples
    --------
    >>> first_other(["2024-01-01", "2024-01-02", "soon"]), first_other(["a", "2024-01-01"])
    ('soon', None)
    """
    counts = Counter(cells)  # in the order of the cells
    likely = [cell for cell in counts if "0" <= cell[:1] <= "9"]
    like = {form: [cell for cell in likely if PATTERNS[form].fullmatch(cell)] for form in FORMATS}
    if 2 * sum(counts[cell] for cell in set().union(*like.values())) <= len(cells):
        return None
    notation = max(FORMATS, key=lambda form: sum(counts[cell] for cell in like[form]))
    return next((cell for cell in counts if math.isnan(days_of(cell, notation))), None)


def days_in(dates: Array) -> Array:
    """Days from 1970-01-01 to the dates of a datetime64 array, float64; NaN for NaT.

    Examples
    --------
    >>> import numpy as np
    >>> days_in(np.array(["1970-01-02T12:00", "NaT"], "datetime64[m]"))
    array([1.5, nan])
    """
    microseconds = dates.astype("datetime64[us]")
    days = microseconds.astype(np.int64) / 1e6 / DAY_SECONDS  # rounded as days_of does
    days[np.isnat(microseconds)] = np.nan
    return days


def date_texts(dates: Array) -> list[str]:
    """The dates of a datetime64 array in ISO form, with the time if some have one; "" for NaT.

    Examples
    --------
    >>> import numpy as np
    >>> date_texts(np.array(["2024-01-31T00:00", "NaT"], "datetime64[m]"))
    ['2024-01-31', '']
    """
    known = dates[~np.isnat(dates)]
    whole = (known.astype("datetime64[D]") == known).all()
    texts = np.datetime_as_string(dates, unit="D" if whole else "us").tolist()
    return ["" if text == "NaT" else text for text in texts]


def cycles(days: Array, timed: bool) -> Array:
    """Sine and cosine of the place in the year, in the week and, if ``timed``, in the day.

    Parameters
    ----------
    days : array of shape (N,)
        Days since 1970-01-01.
    timed : bool

    Returns
    -------
    float64 array of shape (N, 4) or (N, 6)
    """
    periods = [(days, YEAR_DAYS), (np.floor(days) + THURSDAY, WEEK_DAYS)]
    if timed:
        periods.append((days, 1.0))
    parts = []
    for value, period in periods:
        angle = 2 * np.pi * np.mod(value, period) / period
        parts += [np.sin(angle), np.cos(angle)]
    return np.column_stack(parts)
