"""What ``affinet train`` learns from: a named data set, a file, or a folder of arrays."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from affinet import tables
from affinet._validation import Array
from affinet.cli.choices import require_classes, require_taken, settle_model, settle_plain
from affinet.cli.labelled import (
    Examples,
    drop_missing,
    find_target,
    read_file,
    refuse_options_of_files,
    report_unseen,
    rows_in_folder,
)
from affinet.cli.models import load_named
from affinet.cli.output import say
from affinet.cli.recipes import (
    MLP,
    RECIPES,
    SELECTION,
    STDIN,
    TABLE,
    VALIDATION,
    Recipe,
    numbers_l2,
    table_epochs,
)
from affinet.tables import ClassTarget, Encoding, Table, guess_task
from affinet.tables.table import ColumnError, listing
from affinet.tabular import Recipe as TabularRecipe
from affinet.tabular import encode, held_out
from affinet.tabular import recipe_for as tabular_recipe_for
from affinet.training.weights import BALANCED, class_weights_from_counts

PIXELS = 255  # the greatest number in a byte
CLOSE = 2.0**-40  # targets that differ by less than this fraction differ in their last digits
OF_TRAINING = ("train", "selection")  # splits that the network depends on
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
        Rows by their use: ``train`` first, then ``selection``, which select the epoch and the
        temperature, then those held out, if there are any.
    encoding : Encoding or None
        How a table's columns became these numbers.
    meaning : dict
        What the model file records about the data.
    weights : dict of str to array
        Of the training rows and those that select the epoch, if classes have weights.
    plan : affinet.tabular.Recipe or None
        How a model for tables is built and trained; None for a plain network.
    task : str
        The task and why, in words, if it was guessed.
    """

    name: str
    recipe: Recipe
    splits: dict[str, Examples]
    encoding: Encoding | None = None
    meaning: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, Array] = field(default_factory=dict)
    plan: TabularRecipe | None = None
    task: str = ""

    @property
    def train(self) -> Examples:
        """The training rows."""
        return self.splits["train"]

    @property
    def held_out(self) -> Examples | None:
        """The rows that are used neither for training nor for model selection."""
        last = next(reversed(self.splits))
        return None if last in OF_TRAINING else self.splits[last]

    @property
    def watched(self) -> tuple[Any, ...] | None:
        """The rows to evaluate after every epoch: those that select it, else those held out."""
        if "selection" not in self.splits:
            return self.held_out
        weights = self.weights.get("selection")
        return (*self.splits["selection"], *(() if weights is None else (weights,)))


def prepare(options: argparse.Namespace) -> Material:
    """Load the data that ``affinet train`` learns from."""
    if options.dataset in RECIPES:
        material = named_set(options)
    elif options.dataset != STDIN and Path(options.dataset).is_dir():
        material = folder(options)
    else:
        return table_file(options)
    require_classes(options, bool(material.recipe.classes))
    if options.early_stopping is not None and options.cv is None:
        material = with_selection(material, options)
    return weighted(material, options)


def with_selection(material: Material, options: argparse.Namespace) -> Material:
    """The same, with a part of the training rows set apart to select the epoch."""
    x, t = material.train
    groups = np.asarray(t) if material.recipe.classes else None
    train, selection = selection_split(len(t), options, groups)
    parts = {"train": (take(x, train), t[train]), "selection": (take(x, selection), t[selection])}
    return replace(
        material, splits=parts | {k: v for k, v in material.splits.items() if k != "train"}
    )


def selection_split(
    n_rows: int, options: argparse.Namespace, groups: Array | None
) -> tuple[Array, Array]:
    """Places of rows to train on, and to select the epoch by: of few rows none."""
    train, selection = held_out(n_rows, SELECTION, groups, np.random.default_rng(options.seed))
    if options.early_stopping is not None and not selection.size:
        raise ValueError(
            f"argument --early-stopping: {n_rows} training rows are too few to set some apart that "
            "select the epoch"
        )
    return train, selection


def weighted(material: Material, options: argparse.Namespace) -> Material:
    """The same, with the weights that --class-weight gives the rows of training."""
    if options.class_weight != BALANCED:
        return material
    splits = [split for split in OF_TRAINING if split in material.splits]
    parts = {split: np.asarray(material.splits[split][1]) for split in splits}
    every = np.concatenate(list(parts.values()))
    of_class = class_weights_from_counts(BALANCED, every, len(material.recipe.classes))
    return replace(material, weights={split: of_class[t] for split, t in parts.items()})


def take(x: Any, places: Array) -> Any:
    """Rows of an array, or of a folder's arrays, which stay there."""
    return x.select(places) if hasattr(x, "select") else x[places]


def named_set(options: argparse.Namespace) -> Material:
    """A named data set with its official test rows."""
    settle_plain(options)
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
    require_taken(options)
    table = read_file(options.dataset, options)
    target = find_target(table)
    table = drop_missing(table, target, options)
    settle_model(options, table)
    task, why = task_of(table, target, options)
    require_classes(options, task == ClassTarget.task)
    # The classes decide which rows are held out; the other rows decide the columns' statistics.
    groups = None
    if task == ClassTarget.task:
        try:
            groups = ClassTarget.fit(table, target).values(table, target)
        except ColumnError:
            fit_encoding(table, target, task, options)  # reports bad columns of inputs as well
            raise  # pragma: no cover - the line above has raised
    places = table_splits(len(table), options, groups)
    n_rows = len(places["train"])
    plan = plan_of(options, task, n_rows - n_rows // options.cv if options.cv else n_rows)
    encoding = fit_encoding(table, target, task, options, learned_rows(places, plan), plan)
    report_reading(table, encoding, options)
    x, t = encoding.inputs(table, options.dtype or "float32", "zero"), encoding.targets(table)
    if groups is None:
        warn_of_numbers(f"the target {target!r}", table.numbers(target)[places["train"]])
    splits = {split: (x[rows], t[rows]) for split, rows in places.items()}
    classes = encoding.target.classes if isinstance(encoding.target, ClassTarget) else ()
    recipe = recipe_for(classes, (encoding.width,), len(places["train"]), options)
    meaning = {
        "dataset": "stdin" if options.dataset == STDIN else Path(options.dataset).name,
        "task": task,
        "classes": classes or None,
        "input_shape": table.row_shape if len(table.row_shape or ()) > 1 else None,
        "table": encoding.to_json(),
    }
    material = Material(table.source, recipe, splits, encoding, meaning, plan=plan, task=why)
    return weighted(material, options)


def table_splits(
    n_rows: int, options: argparse.Namespace, groups: Array | None
) -> dict[str, Array]:
    """Places of the rows by their use."""
    train, held = split_rows(n_rows, options, groups)
    places = {"train": train}
    if options.cv is None and (options.model != MLP or options.early_stopping is not None):
        own = None if groups is None else groups[train]
        inner, selection = selection_split(len(train), options, own)
        places["train"] = train[inner]
        if selection.size:
            places["selection"] = train[selection]
    if held.size:
        places["validation"] = held
    return places


def learned_rows(places: dict[str, Array], plan: TabularRecipe | None) -> Array:
    """The rows that statistics and categories of the columns come from."""
    if plan is not None or "selection" not in places:
        return places["train"]
    return np.sort(np.concatenate([places["train"], places["selection"]]))


def plan_of(options: argparse.Namespace, task: str, n_rows: int) -> TabularRecipe | None:
    """The recipe of a model for tables, with what the options replace."""
    if options.model == MLP:
        return None
    recipe = tabular_recipe_for(options.model, options.preset or "default", task, n_rows)
    given = {
        "hidden": options.hidden,
        "activation": options.activation,
        "dropout": options.dropout,
        "lr": options.lr,
        "lr_schedule": options.schedule,
        "batch_size": options.batch_size,
        "epochs": options.epochs,
        "patience": options.early_stopping,
        "precision": options.precision,
    }
    recipe = replace(recipe, **{name: value for name, value in given.items() if value is not None})
    if not recipe.dropout or not recipe.hidden:  # no layer whose p a schedule could change
        return replace(recipe, dropout=0.0, dropout_schedule="constant")
    return recipe


def fit_encoding(
    table: Table,
    target: str,
    task: str,
    options: argparse.Namespace,
    rows: Array | None = None,
    plan: TabularRecipe | None = None,
) -> Encoding:
    """The encoding learned from some rows, or all, with the options for columns."""
    ignore = [table.resolve(column) for column in options.ignore]
    categorical = [table.resolve(column) for column in options.categorical]
    if plan is not None:
        return encode(plan, table, target, rows=rows, ignore=ignore, categorical=categorical)
    return Encoding.fit(
        table,
        target,
        rows=rows,
        task=task,
        impute=options.impute,
        ignore=ignore,
        categorical=categorical,
    )


def task_of(table: Table, target: str, options: argparse.Namespace) -> tuple[str, str]:
    """The task, given or guessed, and why, in words: reported now for a plain network."""
    if options.task is not None:
        return str(options.task), f"{options.task} of {target!r}"
    task, reason = guess_task(table, target)
    if options.model == MLP and not options.quiet:
        say(f"the target is {target!r}, the task {task}: {reason} (--task changes it)")
    because = reason if reason.startswith("its ") else f"it has {reason}"
    return task, f"{task} of {target!r}, because {because} (--task changes it)"


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
    if options.model == MLP:
        for unseen in encoding.unknown(table):  # the training rows know all of theirs
            say(f"warning: categories only in rows held out become zeros: {unseen}")
    elif not options.quiet:
        report_unseen(table, encoding)


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
    settle_plain(options)
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
