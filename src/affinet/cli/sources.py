"""Where rows come from: a named data set, a file that is read as a table, a folder of arrays."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.cli.figures import QUALITY
from affinet.cli.models import class_names, load_named, require_width
from affinet.cli.output import say
from affinet.cli.recipes import RECIPES, TABLE, VALIDATION, Recipe, numbers_l2, table_epochs
from affinet.datasets import open_shards
from affinet.losses import ElementwiseLoss, SoftmaxWithLoss
from affinet.metrics import measure, named_metrics
from affinet.network import Sequential
from affinet.tables import (
    ClassTarget,
    Encoding,
    NumberColumn,
    NumberTarget,
    Table,
    guess_task,
    read_table,
)
from affinet.tables.reading import TEXT_FILES
from affinet.tables.table import number_of

Rows = tuple[Array, Array]
PIXELS = 255  # the greatest number in a byte
# Options of train that speak of files alone.
OF_FILES = (
    *("target", "target_file", "inputs", "task", "validation", "ignore", "categorical", "impute"),
    *("header", "delimiter", "decimal"),
)


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
        Rows by what they are called: ``train`` first, then those held out, if there are any.
    encoding : Encoding or None
        How a table's columns became these numbers.
    meaning : dict
        What the model file keeps of the data.
    """

    name: str
    recipe: Recipe
    splits: dict[str, Rows]
    encoding: Encoding | None = None
    meaning: dict[str, Any] = field(default_factory=dict)

    @property
    def train(self) -> Rows:
        """The rows to train on."""
        return self.splits["train"]

    @property
    def held_out(self) -> Rows | None:
        """The rows that are looked at after every epoch, and never trained on."""
        return next((rows for split, rows in self.splits.items() if split != "train"), None)

    def measure(self, net: Sequential) -> dict[str, dict[str, float]]:
        """Figures of every split."""
        target = None if self.encoding is None else self.encoding.target
        return {
            split: {"rows": len(t), **figures_of(net, x, t, target)}
            for split, (x, t) in self.splits.items()
        }


def prepare(options: argparse.Namespace) -> Material:
    """Load what ``affinet train`` shall learn from."""
    if options.dataset in RECIPES:
        return named_set(options)
    return folder(options) if Path(options.dataset).is_dir() else table_file(options)


# Named data sets ---------------------------------------------------------------------------------


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


def refuse_options_of_files(options: argparse.Namespace, *taken: str) -> None:
    """Raise if an option is given that means nothing for data that is no file; some are taken."""
    for name in OF_FILES:
        if name not in taken and getattr(options, name, None) not in (None, []):
            option = f"--{name.replace('_', '-')}"
            raise ValueError(f"argument {option}: {options.dataset} is no file")


# Files -------------------------------------------------------------------------------------------


def table_file(options: argparse.Namespace) -> Material:
    """A file, some of its rows held out."""
    if options.data_dir is not None:
        raise ValueError(f"argument --data-dir: {options.dataset} is a file itself")
    table = read_file(options.dataset, options)
    target = find_target(table)
    task = options.task
    if task is None:
        task, reason = guess_task(table, target)
        if not options.quiet:
            say(f"the target is {target!r}, the task {task}: {reason} (--task says otherwise)")
    share = VALIDATION if options.validation is None else options.validation
    # The classes decide which rows are held out, and these what the other columns teach.
    groups = ClassTarget.fit(table, target).values(table, target) if task != "regression" else None
    train, held_out = split(len(table), share, np.random.default_rng(options.seed), groups)
    encoding = Encoding.fit(
        table,
        target,
        rows=train,
        task=task,
        impute=options.impute,
        ignore=[table.resolve(column) for column in options.ignore],
        categorical=[table.resolve(column) for column in options.categorical],
    )
    for found in encoding.unknown(table):  # the rows to train on know all of theirs
        say(f"warning: of the rows held out alone, and taken for zeros: {found}")
    x, t = encoding.inputs(table, options.dtype, "zero"), encoding.targets(table)
    splits = {"train": (x[train], t[train])}
    if len(held_out):
        splits["validation"] = (x[held_out], t[held_out])
    classes = encoding.target.classes if isinstance(encoding.target, ClassTarget) else ()
    batch_size = TABLE.batch_size if options.batch_size is None else options.batch_size
    recipe = replace(
        TABLE,
        classes=classes,
        input_shape=(encoding.width,),
        epochs=table_epochs(len(train), batch_size),
        l2=0.0 if classes else numbers_l2(len(train), batch_size),
    )
    meaning = {
        "dataset": Path(options.dataset).name,
        "task": task,
        "classes": classes or None,
        "input_shape": table.row_shape if len(table.row_shape or ()) > 1 else None,
        "table": encoding.to_json(),
    }
    return Material(options.dataset, recipe, splits, encoding, meaning)


def read_file(
    path: str, options: argparse.Namespace, encoding: Encoding | None = None, labelled: bool = True
) -> Table:
    """Read a file as the options say, and as a model's encoding lets expect."""
    target = options.target if labelled else None
    target_file = options.target_file if labelled else None
    if labelled and path.lower().endswith(".npz") and not (target or target_file):
        target = "t"
    return read_table(
        path,
        inputs=options.inputs or "x",
        target=target,
        target_file=target_file,
        header=options.header,
        delimiter=options.delimiter,
        decimal=options.decimal or ".",
        expected=[] if encoding is None else [column.name for column in encoding.columns],
    )


def find_target(table: Table) -> str:
    """The column to predict: the one that was named, or the last one of an array."""
    if table.target is not None:
        return table.target
    if table.source.lower().endswith(TEXT_FILES):
        raise ValueError(
            f"{table.source}: which column is to be predicted? --target NAME, of "
            f"{', '.join(table.names)}"
        )
    return table.names[-1]


def split(
    n_rows: int, share: float, rng: np.random.Generator, groups: Array | None
) -> tuple[Array, Array]:
    """Places of the rows to train on and of those to hold out, each in ascending order.

    About ``share`` of the rows are held out, and of every group (N,) about the same share; one
    row of each is left to train on.

    Examples
    --------
    >>> import numpy as np
    >>> split(5, 0.4, np.random.default_rng(0), np.array([0, 0, 0, 1, 1]))[1].size
    2
    """
    if share == 0:
        return np.arange(n_rows), np.arange(0)
    if n_rows < 2:
        raise ValueError(f"argument --validation: {n_rows} row is too few to hold one out")
    order = rng.permutation(n_rows)
    if groups is None:
        groups = np.zeros(n_rows, np.int64)
    order = order[np.argsort(groups[order], kind="stable")]
    # Equal strides along the rows, sorted by group, take the same share of each.
    marks = np.floor(np.arange(n_rows + 1) * share + rng.random())
    held = np.zeros(n_rows, bool)
    held[order[np.diff(marks) > 0]] = True
    if not held.any():  # too few rows for the share: one of the largest group
        held[order[groups[order] == np.bincount(groups).argmax()][-1]] = True
    for group in np.unique(groups):
        members = order[groups[order] == group]
        if held[members].all():
            held[members[0]] = False
    if not held.any():
        raise ValueError(
            "argument --validation: every class has a single row; 0 holds none of them out"
        )
    return np.flatnonzero(~held), np.flatnonzero(held)


# Folders -----------------------------------------------------------------------------------------


def folder(options: argparse.Namespace) -> Material:
    """Arrays in a folder, whose inputs stay there; some of the rows held out."""
    x, t = rows_in_folder(options, "task", "validation")
    counts = t.dtype.kind in "bui"
    if options.task == "classification" and not counts:
        raise ValueError(f"argument --task: targets of dtype {t.dtype} are no class indices")
    named = counts and options.task != "regression"
    if named and t.min() < 0:
        raise ValueError(f"{options.dataset}: a target is {t.min()}, wanted classes 0, 1, ...")
    share = VALIDATION if options.validation is None else options.validation
    groups = t.astype(np.int64) if named else None
    train, held_out = split(len(t), share, np.random.default_rng(options.seed), groups)
    t = t.astype(np.int64) if named else t.astype(np.float64)
    splits = {"train": (x.select(train), t[train])}
    if len(held_out):
        splits["validation"] = (x.select(held_out), t[held_out])
    batch_size = TABLE.batch_size if options.batch_size is None else options.batch_size
    recipe = replace(
        TABLE,
        classes=tuple(map(str, range(int(t.max()) + 1))) if named else (),
        input_shape=x.shape[1:],
        maximum=PIXELS if x.dtype == np.uint8 else None,
        l2=0.0 if named else numbers_l2(len(train), batch_size),
        epochs=table_epochs(len(train), batch_size),
    )
    meaning = {
        "dataset": Path(options.dataset).resolve().name,
        "task": "classification" if named else "regression",
        "classes": recipe.classes or None,
        "input_shape": recipe.input_shape,
        "input_range": None if recipe.maximum is None else (0, recipe.maximum),
    }
    return Material(options.dataset, recipe, splits, meaning=meaning)


def rows_in_folder(options: argparse.Namespace, *taken: str) -> tuple[Any, Array]:
    """Inputs as shards, and their targets in memory: one number a row."""
    if options.data_dir is not None:
        raise ValueError(f"argument --data-dir: {options.dataset} is a folder itself")
    refuse_options_of_files(options, *taken)
    x, t = open_shards(options.dataset)
    if t.ndim == 2 and t.shape[1] == 1:
        return x, np.asarray(t).reshape(-1)
    if t.ndim != 1:
        raise ValueError(f"{options.dataset}: targets of shape {t.shape}, wanted one number a row")
    return x, np.asarray(t)


# Rows for a saved network ------------------------------------------------------------------------


def encoding_of(net: Sequential, model: str) -> Encoding | None:
    """How the table became numbers that the model was trained on; None if it was no table."""
    record = net.metadata.get("table")
    if record is None:
        return None
    try:
        return Encoding.from_json(record)
    except ValueError as error:
        raise ValueError(f"{model}: its metadata 'table' is {error}") from error


def labelled_rows(net: Sequential, options: argparse.Namespace) -> Rows:
    """Inputs and targets in a file, as the network takes them."""
    encoding = encoding_of(net, options.model)
    if Path(options.dataset).is_dir():
        if encoding is not None:
            raise ValueError(f"{options.model} was trained on a table, wanted a file as that was")
        x, t = rows_in_folder(options)
        require_width(net, options.model, options.dataset, x)
        return x, t
    table = read_file(options.dataset, options, encoding)
    if encoding is not None:
        return (
            encoding.inputs(table, net.dtype, options.unknown or "error"),
            encoding.targets(table),
        )
    target = find_target(table)
    # A network without an encoding wants every number as it stands.
    plain = [NumberColumn(name, 0.0, 1.0) for name in table.names if name != target]
    x = np.hstack([column.transform(table, column.name) for column in plain])
    require_width(net, options.model, options.dataset, x)
    if not isinstance(net.loss, SoftmaxWithLoss):
        return x, NumberTarget(target, 0.0, 1.0).values(table, target)
    classes = tuple(class_names(net, net.predict(x[:1]).shape[1]))
    numeric = not any(math.isnan(number_of(name, ".")) for name in classes)
    return x, ClassTarget(target, classes, numeric).values(table, target)


def figures_of(
    net: Sequential, x: Array, t: Array, target: ClassTarget | NumberTarget | None
) -> dict[str, float]:
    """The network's own figures, and for numbers the errors in the target's unit."""
    figures = net.evaluate(x, t)
    if not isinstance(net.loss, ElementwiseLoss):
        return figures
    y, t = in_unit(net.predict(x), target), in_unit(t, target)
    return {**figures, **measure(named_metrics(tuple(QUALITY)), y, t)}


def in_unit(y: Array, target: ClassTarget | NumberTarget | None) -> Array:
    """Outputs or targets in the unit of the table's column, (N,)."""
    return target.restore(y) if isinstance(target, NumberTarget) else y.reshape(-1)
