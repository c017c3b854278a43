"""The arguments of ``fit`` for a network of a recipe, and the best epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

from affinet._validation import Array, whole_number
from affinet.network import Sequential
from affinet.network.inner import arrays_of, set_arrays
from affinet.samplers import MemberBatches, Sampler
from affinet.schedules import FlatCosine
from affinet.tables.targets import CLASSIFICATION
from affinet.tabular.networks import averaged, optimizer_for
from affinet.tabular.recipes import CONSTANT, FLAT_COSINE, Recipe
from affinet.tabular.schedules import named_schedule
from affinet.training import StopTraining, TrainingState
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
        nothing_dropped = name == "dropout_schedule" and not recipe.dropout  # no layer to set
        if getattr(recipe, name) == FLAT_COSINE and not nothing_dropped:
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


class LastBest:
    """A callback that keeps the arrays of the last epoch whose figure is the lowest.

    Of several equal epochs the last one has learned most: with the error of classes there are
    many such epochs. Patience counts the epochs since the figure became lower.
    """

    only_looks = True

    def __init__(self, figure: str, patience: int | None) -> None:
        self.figure, self.patience = figure, patience
        self.lowest = np.inf
        self.waited = 0
        self.arrays: dict[str, Array] | None = None
        self.shapes: dict[str, tuple[int, ...]] = {}  # of the network's arrays

    def begin(self, state: TrainingState) -> None:
        """Learn the shapes that a checkpoint must have."""
        self.shapes = {name: array.shape for name, array in arrays_of(state.net).items()}

    def __call__(self, state: TrainingState) -> None:
        """Compare an epoch with the best so far; StopTraining if patience is exhausted."""
        value = state.metrics[self.figure]
        self.waited = 0 if value < self.lowest else self.waited + 1
        if value <= self.lowest:  # never for NaN
            self.lowest = value
            self.arrays = {name: array.copy() for name, array in arrays_of(state.net).items()}
            state.history.best_epoch = state.epoch
        if self.patience is not None and self.waited >= self.patience:
            raise StopTraining(f"{self.figure} has not decreased for {self.waited} epochs")

    def state_dict(self) -> dict[str, Any]:
        """The state to save in a checkpoint."""
        return {"lowest": float(self.lowest), "waited": self.waited, "arrays": self.arrays}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state_dict; nothing changes if it is refused."""
        lowest, waited = float(state["lowest"]), whole_number("waited", state["waited"], 0)
        arrays = state["arrays"]
        if arrays is not None:
            shapes = {name: getattr(array, "shape", None) for name, array in arrays.items()}
            if shapes != self.shapes:
                raise ValueError(f"the best epoch has arrays of {shapes}, wanted {self.shapes}")
        self.lowest, self.waited, self.arrays = lowest, waited, arrays

    def restore(self, net: Sequential) -> None:
        """Give the network the arrays of the best epoch, if there is one."""
        if self.arrays is not None:
            set_arrays(net, self.arrays)
