"""The arguments of ``fit`` for a network of a recipe."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.network import Sequential
from affinet.samplers import MemberBatches, Sampler
from affinet.schedules import FlatCosine
from affinet.tables.targets import CLASSIFICATION
from affinet.tabular.last_best import LastBest
from affinet.tabular.networks import averaged, optimizer_for
from affinet.tabular.recipes import CONSTANT, FLAT_COSINE, Recipe
from affinet.tabular.schedules import named_schedule
from affinet.training.averaging import (
    WeightAverage,
    has_begun,
    of_average,
    take_average,
    warn_not_begun,
)
from affinet.training.callbacks import Callback


def call_of_fit(
    net: Sequential,
    recipe: Recipe,
    validation: tuple[Array, ...] | None,
    *,
    sample_weight: Array | None,
    epochs: int | None,
    callbacks: Iterable[Callback],
    unit: float,
    average: WeightAverage | None,
) -> tuple[LastBest, dict[str, Any]]:
    """What keeps the best epoch, and the arguments of ``fit`` except rows, seed and display.

    ``validation`` has rows for every member of the network, one member after another.
    """
    figure = figure_of(recipe)
    best = LastBest(f"val_{figure}", recipe.patience)
    own: list[Callback] = []
    options = fit_options(recipe, net, sample_weight)
    if validation is not None:
        measures = {figure: partial(error_of, recipe, unit)}
        if average is None:
            options |= {"validation_data": validation, "metrics": measures}
        own = [of_average(average, best, validation, measures)]
    return best, options | {
        "epochs": recipe.epochs if epochs is None else epochs,
        "callbacks": [*own, *callbacks],
        "average": average,
    }


def keep_best(net: Sequential, best: LastBest, average: WeightAverage | None) -> None:
    """Give a trained network the arrays of its best epoch, else those of the average."""
    if best.arrays is None:
        take_average(net, average)
    elif average is not None and not has_begun(average):
        warn_not_begun(average)
    best.restore(net)


def fit_options(recipe: Recipe, net: Sequential, sample_weight: Array | None) -> dict[str, Any]:
    """The arguments of ``fit`` that a recipe determines."""
    members = recipe.members
    own: dict[str, Any] = {}
    if members > 1:
        own["sampler"] = MemberBatches(members, recipe.batch_size)
    elif recipe.whole_batches:
        own["sampler"] = WholeBatches(recipe.batch_size)
    return {
        **own,
        "batch_size": recipe.batch_size * members,
        "optimizer": optimizer_for(recipe, net),
        "sample_weight": sample_weight,
        "clip_norm": recipe.clip_norm,
        **schedules_of(recipe),
    }


class WholeBatches(Sampler):
    """A permutation of the rows without the last ones, which would make a smaller batch.

    With fewer rows than a batch has, all of them.

    Examples
    --------
    >>> WholeBatches(2)(0, 5, np.random.default_rng(0)).shape
    (4,)
    """

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def __call__(self, epoch: int, n_rows: int, rng: np.random.Generator) -> Array:
        """Rows of an epoch."""
        return rng.permutation(n_rows)[: n_rows // self.rows * self.rows or n_rows]

    def config(self) -> dict[str, Any]:
        """Rows of a batch."""
        return {"rows": self.rows}


def schedules_of(recipe: Recipe) -> dict[str, Any]:
    """The arguments of ``fit`` for the schedules of a recipe; constant ones are left out."""
    found: dict[str, Any] = {}
    if recipe.lr_schedule != CONSTANT:
        found["schedule"] = named_schedule(recipe.lr_schedule, recipe.lr)
    for name in ("decay_schedule", "dropout_schedule"):
        if getattr(recipe, name) == FLAT_COSINE:
            found[name] = FlatCosine(1.0)
    return found


def figure_of(recipe: Recipe) -> str:
    """The name of the validation error, without "val_"."""
    return "error" if recipe.task == CLASSIFICATION else "rmse"


def error_of(
    recipe: Recipe, unit: float, raw: Array, t: Array, sample_weight: Array | None = None
) -> float:
    """The share of rows classified wrongly, or the root of the mean squared error times unit."""
    found = averaged(recipe, raw)
    t = t[: len(found)]  # targets are tiled as rows are
    sample_weight = None if sample_weight is None else sample_weight[: len(found)]
    if recipe.task == CLASSIFICATION:
        return float(np.average(found.argmax(axis=1) != t, weights=sample_weight))
    squares = (found.reshape(-1).astype(np.float64) - t) ** 2
    return unit * float(np.sqrt(np.average(squares, weights=sample_weight)))
