"""What the text of one cell means: a number, a missing value, a label."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from affinet._validation import Array

# Cells, in lower case, that stand for a missing value.
MISSING = frozenset(("", "?", "na", "n/a", "nan", "null"))
LONGEST = max(map(len, MISSING))

# Numbers without leading zeros, plus sign or free exponent; or as NumPy's savetxt writes them.
PLAIN = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?|-?[0-9]\.[0-9]+e[+-][0-9]{2}")
LEADING_ZERO = re.compile(r"[+-]?0[0-9]+")
# 1,5 has a decimal comma; 1,500 may have one, or a separator of thousands.
COMMA = re.compile(r"[+-]?[0-9]+,[0-9]*([eE][+-]?[0-9]+)?")
POINT = re.compile(r"[+-]?[0-9]+\.[0-9]*([eE][+-]?[0-9]+)?")
THOUSANDS = re.compile(
    r"[+-]?[1-9][0-9]{0,2}(?:([.'\u00a0\u202f ])[0-9]{3}(?:\1[0-9]{3})*(?:,[0-9]+)?"
    r"|(?:,[0-9]{3})+(?:\.[0-9]+)?)"
)


def is_missing(cell: str) -> bool:
    """True for a cell that stands for a missing value."""
    if len(cell) > LONGEST and cell.strip() == cell:
        return False
    return cell.strip().lower() in MISSING


def missing_spellings() -> set[str]:
    """All texts without outer spaces that stand for a missing value.

    Examples
    --------
    >>> "N/a" in missing_spellings(), len(missing_spellings())
    (True, 34)
    """
    return {
        "".join(letters)
        for text in MISSING
        for letters in itertools.product(*({letter, letter.upper()} for letter in text))
    }


def number_of(cell: str, decimal: str) -> float:
    """The number in a cell; NaN if it holds none."""
    if cell[:1].isalpha() and cell[0] not in "iInN":  # the first letters of infinity and NaN
        return math.nan
    if "_" in cell or (decimal != "." and "." in cell):
        return math.nan  # Python's 1_000 is not a number elsewhere; 1.000 would be a thousand
    try:
        return float(cell.replace(decimal, "."))
    except ValueError:
        return math.nan


def numbers_of(cells: Sequence[str], decimal: str) -> Array:
    """The numbers in many cells, float64 (N,); NaN where there is none."""
    if decimal == ".":
        try:
            values = np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:  # some cell is not a number, which is common: texts, missing values
            pass
        else:
            if not any("_" in cell for cell in cells):
                return values
    return np.array([number_of(cell, decimal) for cell in cells], np.float64)


def number_label(cell: str, decimal: str = ".") -> str | None:
    """The label of a cell that is plainly a number, without rounding; None for any other cell.

    ``1``, ``1.0`` and ``1.00`` are one label. Cells such as ``007``, ``+1`` and ``1e5`` are not
    plainly numbers: they may be codes, and their label is their text.

    Examples
    --------
    >>> number_label("9007199254740993"), number_label("1.50"), number_label("-0.0")
    ('9007199254740993', '1.5', '0')
    >>> number_label("007"), number_label("1e5"), number_label("1.000e+02")
    (None, None, '100')
    """
    if decimal != ".":
        if "." in cell:
            return None
        cell = cell.replace(decimal, ".")
    if not PLAIN.fullmatch(cell):
        return None
    text = format(Decimal(cell), "f")  # exact, whatever its length
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def value_label(value: float) -> str:
    """A number of an array as a label: 3.0 is ``"3"``, 0.5 is ``"0.5"``.

    Examples
    --------
    >>> value_label(3.0), value_label(0.5)
    ('3', '0.5')
    """
    return str(int(value)) if value == int(value) else repr(float(value))


def has_leading_zero(cell: str) -> bool:
    """True for a whole number with leading zeros, such as a postcode."""
    return LEADING_ZERO.fullmatch(cell) is not None


def decimal_mark(columns: Sequence[Sequence[str]]) -> str:
    """The decimal mark of a file's cells: a comma if its numbers can only be read with one.

    A comma before exactly three digits may separate thousands, so it proves nothing; and where
    some numbers have a point, the file is read with points.

    Examples
    --------
    >>> decimal_mark([["1,5", "2"], ["7", "8"]]), decimal_mark([["1,500", "2"]])
    (',', '.')
    """
    found = False
    for cells in columns:
        if any("." in cell and POINT.fullmatch(cell) for cell in cells):
            return "."
        if not found and any("," in cell for cell in cells):
            known = [cell for cell in cells if not is_missing(cell)]
            found = all(not math.isnan(number_of(cell, ",")) for cell in known) and any(
                COMMA.fullmatch(cell) and not THOUSANDS.fullmatch(cell) for cell in known
            )
    return "," if found else "."


def foreign_number(cells: Sequence[str], decimal: str) -> str | None:
    """A cell of a column of texts in which every known cell is a number in another notation.

    Such a column must not become categories unnoticed.
    """
    known = [cell for cell in dict.fromkeys(cells) if not is_missing(cell)]
    other = "," if decimal == "." else "."
    strange = None
    for cell in known:
        if math.isnan(number_of(cell, decimal)):
            if math.isnan(number_of(cell, other)) and not THOUSANDS.fullmatch(cell):
                return None
            strange = strange or cell
    return strange
