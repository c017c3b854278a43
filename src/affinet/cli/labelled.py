"""Rows with targets for a saved network, and figures of its predictions."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from affinet._validation import Array
from affinet.cli.files import max_bytes, source_of
from affinet.cli.models import Model, class_names, first_network, require_width
from affinet.cli.output import say
from affinet.cli.recipes import STDIN
from affinet.datasets import open_shards
from affinet.losses import SoftmaxWithLoss
from affinet.tables import ClassTarget, Encoding, NumberColumn, NumberTarget, Table, read_table
from affinet.tables.categories import Categories
from affinet.tables.cells import number_label
from affinet.tables.reading import TEXT_FILES
from affinet.tables.table import listing
from affinet.tables.text import DETECTED

Examples: TypeAlias = tuple[Array, Array]  # inputs and targets
# Options that apply only to files.
OF_FILES = (
    *("target", "target_file", "inputs", "task", "validation", "ignore", "categorical", "impute"),
    *("header", "delimiter", "decimal", "encoding", "max_size", "drop_missing", "unknown"),
)


def refuse_options_of_files(options: argparse.Namespace, *allowed: str) -> None:
    """Raise if an option of files is given for other data; some are allowed."""
    for name in OF_FILES:
        value = getattr(options, name, None)
        if name == "drop_missing":
            value = value or None
        if name not in allowed and value not in (None, []):
            option = f"--{name.replace('_', '-')}"
            raise ValueError(f"argument {option}: {options.dataset} is not a file")


def read_file(
    path: str, options: argparse.Namespace, encoding: Encoding | None = None, labelled: bool = True
) -> Table:
    """Read a file according to the options and to what a model remembers of its training table."""
    target = options.target if labelled else None
    target_file = options.target_file if labelled else None
    if labelled and path.lower().endswith(".npz") and not (target or target_file):
        target = "t"
    decimal, charset = options.decimal, options.encoding
    if encoding is not None:
        decimal = decimal or encoding.decimal
        if encoding.charset not in DETECTED:  # a later file may have another one of these
            charset = charset or encoding.charset
    return read_table(
        source_of(path),
        inputs=options.inputs or "x",
        target=target,
        target_file=target_file,
        header=options.header,
        delimiter=options.delimiter,
        decimal=decimal,
        encoding=charset,
        expected=[] if encoding is None else [column.name for column in encoding.columns],
        max_bytes=max_bytes(options),
    )


def find_target(table: Table) -> str:
    """The column to predict: the one that was named, or the last one of an array."""
    if table.target is not None:
        return table.target
    if table.lines is not None or table.source.lower().endswith((".parquet", *TEXT_FILES)):
        raise ValueError(
            f"{table.source}: no target is given; name the column to predict with --target NAME, "
            f"one of {', '.join(table.names)}"
        )
    return table.names[-1]


def drop_missing(table: Table, target: str, options: argparse.Namespace) -> Table:
    """The table without the rows that have no target, if --drop-missing is given."""
    if not options.drop_missing:
        return table
    kept = table.drop_missing(target)
    if len(kept) == 0:
        raise ValueError(f"{table.source}: the target {target!r} is missing in every row")
    dropped = len(table) - len(kept)
    if dropped and not getattr(options, "quiet", False):
        say(f"note: {dropped:,} of {len(table):,} rows have no target and are left out")
    return kept


def rows_in_folder(options: argparse.Namespace, *allowed: str) -> tuple[Any, Array]:
    """Inputs as shards, and their targets in memory: one number for each row."""
    if options.data_dir is not None:
        raise ValueError(f"argument --data-dir: {options.dataset} is a folder itself")
    refuse_options_of_files(options, *allowed)
    x, t = open_shards(options.dataset)
    if t.ndim == 2 and t.shape[1] == 1:
        return x, np.asarray(t).reshape(-1)
    if t.ndim != 1:
        raise ValueError(
            f"{options.dataset}: targets of shape {t.shape}, wanted one number for each row"
        )
    return x, np.asarray(t)


def encoding_of(net: Model, model: str) -> Encoding | None:
    """The encoding of the table that the model was trained on; None if it was not a table."""
    record = net.metadata.get("table")
    if record is None:
        return None
    try:
        return Encoding.from_json(record)
    except ValueError as error:
        raise ValueError(f"{model}: its metadata 'table' is {error}") from error


def labelled_rows(net: Model, options: argparse.Namespace) -> Examples:
    """Inputs and targets in a file, as the network takes them."""
    encoding = encoding_of(net, options.model)
    if options.dataset != STDIN and Path(options.dataset).is_dir():
        if encoding is not None:
            raise ValueError(
                f"{options.model} was trained on a table, wanted a file with its columns"
            )
        x, t = rows_in_folder(options)
        require_width(net, options.model, options.dataset, x)
        return x, t
    table = read_file(options.dataset, options, encoding)
    if encoding is None:
        return raw_rows(net, table, options)
    table = drop_missing(table, encoding.find_target(table), options)
    return encoded_inputs(encoding, table, net, options), encoding.targets(table)


def encoded_inputs(
    encoding: Encoding, table: Table, net: Model, options: argparse.Namespace
) -> Array:
    """A table's rows as the network takes them; unknown categories are refused or reported."""
    tolerant = any(isinstance(c, Categories) and c.tolerant for c in encoding.columns)
    unknown = options.unknown or ("zero" if tolerant else "error")
    if tolerant and unknown == "error":
        found = encoding.unknown(table)
        if found:
            raise ValueError(
                f"{table.source}: categories unseen in training: {'; '.join(found)}; without "
                "--unknown error they count as unknown"
            )
    x = encoding.inputs(table, first_network(net).dtype, unknown)
    if unknown == "zero":
        report_unseen(table, encoding)
    return x


def report_unseen(table: Table, encoding: Encoding) -> None:
    """Say in one line how many categories the training rows lack."""
    found = encoding.unseen(table)
    n_categories = sum(map(len, found.values()))
    if n_categories:
        what = "1 category" if n_categories == 1 else f"{n_categories:,} categories"
        shown = [f"column {name!r}: {listing(new, 3)}" for name, new in found.items()]
        say(f"note: {what} unseen in training, taken as unknown: {listing(shown, 4)}")


def raw_rows(net: Model, table: Table, options: argparse.Namespace) -> Examples:
    """Rows for a network without an encoding, which takes every number as it is."""
    target = find_target(table)
    table = drop_missing(table, target, options)
    plain = [NumberColumn(name, 0.0, 1.0) for name in table.names if name != target]
    if not plain:
        raise ValueError(f"{table.source}: no column of inputs beside the target {target!r}")
    x = np.hstack([column.transform(table, column.name) for column in plain])
    require_width(net, options.model, options.dataset, x)
    if not isinstance(net.loss, SoftmaxWithLoss):
        return x, NumberTarget(target, 0.0, 1.0).values(table, target)
    classes = tuple(class_names(net, net.predict(x[:1]).shape[1]))
    numeric = all(number_label(name) == name for name in classes)
    return x, ClassTarget(target, classes, numeric).values(table, target)
