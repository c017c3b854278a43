"""Arguments that several commands have."""

from __future__ import annotations

import argparse
from typing import Any, TypeAlias

from affinet.cli.recipes import FROM_FILES, RECIPES, UNKNOWN
from affinet.cli.values import character_encoding, data_source, delimiter, positive_number

DATA = (
    f"{', '.join(RECIPES)}, or a file: .csv, .tsv or .txt, packed as .gz or not, .parquet, .npz or "
    ".npy; or - for standard input; or a folder of arrays, x*.npy with their t*.npy, whose inputs "
    "are read as they are needed"
)
COLUMN = "by name or place, 1 for the first and -1 for the last"

Group: TypeAlias = argparse._ActionsContainer  # a parser, or a group of its options


def add_model(parser: Group) -> None:
    """The argument MODEL."""
    parser.add_argument("model", metavar="MODEL", help="a file written by 'affinet train' or save")


def add_data(parser: Group, default: str = "", **more: Any) -> None:
    """The argument DATASET, and the option --data-dir."""
    text = f"{default}: {DATA}" if default else DATA
    parser.add_argument("dataset", type=data_source, metavar="DATASET", help=text, **more)
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help=f"folder with the files of {' and '.join(FROM_FILES)} (default: the environment "
        "variable AFFINET_DATA_DIR; if it is not set, they are downloaded once)",
    )


def add_target(group: Group, default: str) -> None:
    """The options that say where the targets are."""
    group.add_argument(
        "--target",
        metavar="COLUMN",
        help=f"the column to predict, {COLUMN}; in a .npz an array ({default})",
    )
    group.add_argument(
        "--target-file",
        metavar="FILE",
        help="a file with the targets: one column, the same number of rows",
    )
    group.add_argument(
        "--drop-missing", action="store_true", help="leave out rows whose target is missing"
    )


def add_unknown(group: Group) -> None:
    """The option --unknown."""
    choice(
        group,
        "--unknown",
        UNKNOWN,
        None,
        "error with --model mlp, zero with the other models",
        "how to treat categories unseen in training: as an error, or as zeros, that is as unknown",
    )


def add_reading(group: Group, remembered: bool = True) -> None:
    """The options that say how a file is read; each is None if it is not given.

    ``remembered``: the model knows the decimal mark and the encoding of its training table.
    """
    group.add_argument(
        "--inputs", metavar="NAME", help="the array of inputs in a .npz (default: x)"
    )
    group.add_argument(
        "--header",
        action=argparse.BooleanOptionalAction,
        help="whether the first line holds the names of the columns (default: it does if none of "
        "its cells is a number or a date and no two are equal)",
    )
    option(
        group,
        "--delimiter",
        delimiter,
        "C",
        "character between cells, or its name: comma, semicolon, tab, space (default: detected "
        "among the first three)",
    )
    first = "that of the training table, else " if remembered else ""
    choice(group, "--decimal", (".", ","), None, f"{first}detected", "decimal mark")
    option(
        group,
        "--encoding",
        character_encoding,
        "NAME",
        f"character encoding of text files (default: {first}UTF-8, or else Latin-1)",
    )
    option(
        group,
        "--max-size",
        positive_number,
        "MB",
        "most megabytes that a packed file may hold (default: 100 times its size, at least 67)",
    )


def add_json(group: Group) -> None:
    """The option --json."""
    group.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def option(
    group: Group, name: str, kind: Any, metavar: str, text: str, default: Any = None
) -> None:
    """An option with a value that ``kind`` converts."""
    group.add_argument(name, type=kind, metavar=metavar, default=default, help=text)


def choice(group: Group, name: str, known: Any, default: Any, shown: str, text: str) -> None:
    """An option with one of the ``known`` values; ``shown`` is its default in the help."""
    group.add_argument(name, choices=known, default=default, help=f"{text} (default: {shown})")


def several(group: Group, name: str, text: str) -> None:
    """An option that names a column, and can be repeated."""
    group.add_argument(
        name, action="append", default=[], metavar="COLUMN", help=f"{text}, {COLUMN}; repeatable"
    )
