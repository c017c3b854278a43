"""What ``affinet train`` learns from: a named data set, a file, or a folder of arrays."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from affinet import tables
from affinet._validation import Array
from affinet.cli.labelled import (
    Examples,
    drop_missing,
    figures_of,
    find_target,
    read_file,
    refuse_options_of_files,
    rows_in_folder,
)
from affinet.cli.models import load_named
from affinet.cli.output import say
from affinet.cli.recipes import (
    RECIPES,
    STDIN,
    TABLE,
    VALIDATION,
    Recipe,
    numbers_l2,
    table_epochs,
)
from affinet.network import Sequential
from affinet.tables import ClassTarget, Encoding, Table, guess_task
from affinet.tables.table import ColumnError, listing

PIXELS = 255  # the greatest number in a byte
CLOSE = 2.0**-40  # targets that differ by less than this fraction differ in their last digits
LARGE = 1e4  # targets of a folder, which are not standardised, should be smaller


@dataclass
class Material:
    """What a training learns from, and what is measured after it.

    Attributes
    ----------
    name : str
        The data set, or the file.
    recipe : Recipe
        Defaults, and the classes; without any, one number is predicted.
    splits : dict of str to pair of arrays
        Rows by their use: ``train`` first, then those held out, if there are any.
    encoding : Encoding or None
        How a table's columns became these numbers.
    meaning : dict
        What the model file records about the data.
    """

    name: str
    recipe: Recipe
    splits: dict[str, Examples]
    encoding: Encoding | None = None
    meaning: dict[str, Any] = field(default_factory=dict)

    @property
    def train(self) -> Examples:
        """The training rows."""
        return self.splits["train"]

    @property
    def held_out(self) -> Examples | None:
        """The rows that are evaluated after every epoch, and never trained on."""
        return next((rows for split, rows in self.splits.items() if split != "train"), None)

    def measure(self, net: Sequential) -> dict[str, dict[str, float]]:
        """Figures of every split."""
        target = None if self.encoding is None else self.encoding.target
        return {
            split: {"rows": len(t), **figures_of(net, x, t, target)}
            for split, (x, t) in self.splits.items()
        }


def prepare(options: argparse.Namespace) -> Material:
    """Load the data that ``affinet train`` learns from."""
    if options.dataset in RECIPES:
        return named_set(options)
    if options.dataset != STDIN and Path(options.dataset).is_dir():
        return folder(options)
    return table_file(options)


def named_set(options: argparse.Namespace) -> Material:
    """A named data set with its official test rows."""
    refuse_options_of_files(options)
    name, recipe = options.dataset, RECIPES[options.dataset]
    train, test = load_named(name, options.data_dir, raw=recipe.maximum is not None)
    meaning = {
        "dataset": name,
        "classes": recipe.classes,
        "input_shape": recipe.input_shape,
        "input_range": None if recipe.maximum is None else (0, recipe.maximum),
    }
    return Material(name, recipe, {"train": train, "test": test}, meaning=meaning)


# Files -------------------------------------------------------------------------------------------


def table_file(options: argparse.Namespace) -> Material:
    """A file; some of its rows are held out."""
    if options.data_dir is not None:
        raise ValueError(f"argument --data-dir: {options.dataset} is a file itself")
    table = read_file(options.dataset, options)
    target = find_target(table)
    table = drop_missing(table, target, options)
    task = task_of(table, target, options)
    # The classes decide which rows are held out; the other rows decide the columns' statistics.
    groups = None
    if task == ClassTarget.task:
        try:
            groups = ClassTarget.fit(table, target).values(table, target)
        except ColumnError:
            fit_encoding(table, target, task, options)  # reports bad columns of inputs as well
            raise
    train, held_out = split_rows(len(table), options, groups)
    encoding = fit_encoding(table, target, task, options, train)
    report_reading(table, encoding, options)
    x, t = encoding.inputs(table, options.dtype, "zero"), encoding.targets(table)
    if groups is None:
        warn_of_numbers(f"the target {target!r}", table.numbers(target)[train])
    splits = {"train": (x[train], t[train])}
    if len(held_out):
        splits["validation"] = (x[held_out], t[held_out])
    classes = encoding.target.classes if isinstance(encoding.target, ClassTarget) else ()
    recipe = recipe_for(classes, (encoding.width,), len(train), options)
    meaning = {
        "dataset": "stdin" if options.dataset == STDIN else Path(options.dataset).name,
        "task": task,
        "classes": classes or None,
        "input_shape": table.row_shape if len(table.row_shape or ()) > 1 else None,
        "table": encoding.to_json(),
    }
    return Material(table.source, recipe, splits, encoding, meaning)


def fit_encoding(
    table: Table, target: str, task: str, options: argparse.Namespace, rows: Array | None = None
) -> Encoding:
    """The encoding learned from some rows, or all, with the options for columns."""
    return Encoding.fit(
        table,
        target,
        rows=rows,
        task=task,
        impute=options.impute,
        ignore=[table.resolve(column) for column in options.ignore],
        categorical=[table.resolve(column) for column in options.categorical],
    )


def task_of(table: Table, target: str, options: argparse.Namespace) -> str:
    """The task: given, or guessed and reported."""
    if options.task is not None:
        return str(options.task)
    task, reason = guess_task(table, target)
    if not options.quiet:
        say(f"the target is {target!r}, the task {task}: {reason} (--task changes it)")
    return task


def report_reading(table: Table, encoding: Encoding, options: argparse.Namespace) -> None:
    """Report what was detected in a text file and may surprise, and what held-out rows add."""
    found = []
    if table.charset not in (None, "utf-8") and options.encoding is None:
        found.append(f"the encoding {table.charset} (--encoding changes it)")
    if table.decimal != "." and options.decimal is None:
        found.append(f"the decimal mark {table.decimal!r} (--decimal changes it)")
    dates = [column.name for column in encoding.columns if column.kind.endswith("date")]
    if dates:
        found.append(f"dates in {listing(dates)} (--categorical changes it)")
    if found and not options.quiet:
        say(f"note: {table.source} has {' and '.join(found)}")
    for unseen in encoding.unknown(table):  # the training rows know all of theirs
        say(f"warning: categories only in rows held out become zeros: {unseen}")


def split_rows(
    n_rows: int, options: argparse.Namespace, groups: Array | None
) -> tuple[Array, Array]:
    """Places of the training rows and of those held out, by --validation and --seed."""
    fraction = VALIDATION if options.validation is None else options.validation
    return split(n_rows, fraction, np.random.default_rng(options.seed), groups)


def split(
    n_rows: int, fraction: float, rng: np.random.Generator, groups: Array | None
) -> tuple[Array, Array]:
    """:func:`affinet.tables.split`; an error names the option."""
    try:
        return tables.split(n_rows, fraction, rng, groups)
    except ValueError as error:
        raise ValueError(f"argument --validation: {error}") from None


def recipe_for(
    classes: tuple[str, ...],
    input_shape: tuple[int, ...],
    n_rows: int,
    options: argparse.Namespace,
    maximum: int | None = None,
) -> Recipe:
    """The defaults for a file or a folder of ``n_rows`` training rows."""
    batch_size = TABLE.batch_size if options.batch_size is None else options.batch_size
    return replace(
        TABLE,
        classes=classes,
        input_shape=input_shape,
        maximum=maximum,
        epochs=table_epochs(n_rows, batch_size),
        l2=0.0 if classes else numbers_l2(n_rows, batch_size),
    )


def warn_of_numbers(what: str, values: Array) -> None:
    """Warn of numbers to predict that a network cannot learn, or hardly."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        say(f"warning: {what} is {low:g} in all training rows, so nothing else can be learned")
    elif high - low < CLOSE * max(abs(low), abs(high)):
        say(
            f"warning: {what} goes from {low:.17g} to {high:.17g}, so float64 holds few digits of "
            "the differences; subtract an offset"
        )


# Folders -----------------------------------------------------------------------------------------


def folder(options: argparse.Namespace) -> Material:
    """Arrays in a folder, whose inputs stay there; some of the rows are held out."""
    x, t = rows_in_folder(options, "task", "validation")
    counts = t.dtype.kind in "bui"
    if options.task == "classification" and not counts:
        raise ValueError(
            f"argument --task: targets of dtype {t.dtype} are not class indices, wanted integers"
        )
    named = counts and options.task != "regression"
    if named:
        require_indices(options.dataset, t)
    train, held_out = split_rows(len(t), options, t.astype(np.int64) if named else None)
    t = t.astype(np.int64) if named else t.astype(np.float64)
    if not named:
        warn_of_numbers("the target", t[train])
        warn_of_scale(t)
    splits = {"train": (x.select(train), t[train])}
    if len(held_out):
        splits["validation"] = (x.select(held_out), t[held_out])
    classes = tuple(map(str, range(int(t.max()) + 1))) if named else ()
    maximum = PIXELS if x.dtype == np.uint8 else None
    recipe = recipe_for(classes, x.shape[1:], len(train), options, maximum)
    meaning = {
        "dataset": Path(options.dataset).resolve().name,
        "task": "classification" if named else "regression",
        "classes": recipe.classes or None,
        "input_shape": recipe.input_shape,
        "input_range": None if maximum is None else (0, maximum),
    }
    return Material(options.dataset, recipe, splits, meaning=meaning)


def require_indices(source: str, t: Array) -> None:
    """Raise unless integers are class indices 0, 1, ... of at least two classes."""
    low, high = int(t.min()), int(t.max())
    if low < 0:
        raise ValueError(f"{source}: a target is {low}, wanted classes 0, 1, ...")
    if low == high:
        raise ValueError(f"{source}: the target is {low} in every row, wanted at least two classes")
    if high >= len(t):
        raise ValueError(
            f"{source}: a target is {high}, but there are only {len(t)} rows; wanted classes 0, 1, "
            "..., or --task regression"
        )


def warn_of_scale(t: Array) -> None:
    """Warn of large numbers in a folder, which are not standardised."""
    largest = float(np.abs(t).max())
    if largest > LARGE:
        say(
            f"warning: targets of a folder are not standardised, and these reach {largest:g}; "
            "rescale them to about 1"
        )
