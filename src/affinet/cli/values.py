"""Conversion and checks of option values."""

from __future__ import annotations

import argparse
import codecs
import math
import os

from affinet.cli.parser import did_you_mean
from affinet.cli.recipes import RECIPES, STDIN, TABLES

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "space": " "}


def widths(text: str) -> tuple[int, ...]:
    """Number of units of each hidden layer.

    Examples
    --------
    >>> widths("64,32"), widths("0"), widths("")
    ((64, 32), (), ())
    """
    if text.strip() in ("", "0"):
        return ()
    try:
        units = tuple(int(part) for part in text.split(","))
    except ValueError:
        units = (0,)
    if min(units) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of widths such as 64 or 64,32")
    return units


def data_source(text: str) -> str:
    """The name of a data set, a file that is read as a table, a folder, or - for standard input.

    Examples
    --------
    >>> data_source("digits"), data_source("my/prices.csv.gz"), data_source("-")
    ('digits', 'my/prices.csv.gz', '-')
    """
    if text in (*RECIPES, STDIN) or text.lower().endswith(TABLES) or os.path.isdir(text):
        return text
    raise argparse.ArgumentTypeError(
        f"{text!r} is neither a data set ({', '.join(RECIPES)}) nor a folder nor - nor a file that "
        f"ends in {', '.join(TABLES)}{did_you_mean([text], RECIPES)}"
    )


def character_encoding(text: str) -> str:
    """A character encoding that Python knows.

    Examples
    --------
    >>> character_encoding("latin-1")
    'latin-1'
    """
    try:
        codecs.lookup(text)
        "".encode(text)  # refused for codecs that are not of texts, such as hex
    except (LookupError, ValueError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a character encoding such as utf-8, latin-1 or cp1252"
        ) from None
    return text


def delimiter(text: str) -> str:
    """The character between cells, given as such or by name.

    Examples
    --------
    >>> delimiter("tab"), delimiter(";")
    ('\\t', ';')
    """
    character = DELIMITERS.get(text, text)
    if len(character) != 1 or character in '\r\n"':
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a single character nor one of {', '.join(DELIMITERS)}"
        )
    return character


def initial_scale(text: str) -> str | float:
    """``"auto"`` or a positive number."""
    return text if text == "auto" else number(text, "auto or a number above 0", above=0.0)


def positive_number(text: str) -> float:
    """A finite number above 0."""
    return number(text, "a number above 0", above=0.0)


def any_number(text: str) -> float:
    """A finite number."""
    return number(text, "a number", low=-math.inf, above=-math.inf)


def numbers(text: str) -> tuple[float, ...]:
    """Finite numbers, separated by commas.

    Examples
    --------
    >>> numbers("0.5"), numbers("-1,2")
    ((0.5,), (-1.0, 2.0))
    """
    return tuple(any_number(part) for part in text.split(","))


def fraction(text: str) -> float:
    """A number p with 0 <= p < 1."""
    return number(text, "a number of at least 0 and below 1", low=0.0, below=1.0)


def strength(text: str) -> float:
    """A finite number of at least 0."""
    return number(text, "a number of at least 0")


def number(
    text: str, wanted: str, low: float = 0.0, above: float = -math.inf, below: float = math.inf
) -> float:
    """A number with ``low <= number``, ``above < number < below``."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (low <= value and above < value < below):
        raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
    return value


def port(text: str) -> int:
    """A port to listen on, 0 for a free one."""
    if not (text.isdecimal() and int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, 0 to 65535")
    return int(text)


def count(text: str) -> int:
    """A whole number, 0 or more."""
    return whole(text, 0)


def positive_count(text: str) -> int:
    """A whole number, 1 or more."""
    return whole(text, 1)


def folds(text: str) -> int:
    """A number of folds, 2 or more."""
    return whole(text, 2)


def whole(text: str, low: int) -> int:
    """A whole number, ``low`` or more."""
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if value < low:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, {low} or more")
    return value
