"""Training by a recipe: the best epoch is kept, and training can be fitted into a time limit."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Mapping
from functools import partial
from os import PathLike
from typing import Any

import numpy as np

from affinet._validation import Array, positive_number, whole_number
from affinet.network import Sequential
from affinet.network.inner import arrays_of, set_arrays
from affinet.samplers import MemberBatches, Sampler
from affinet.schedules import FlatCosine
from affinet.tables.targets import CLASSIFICATION
from affinet.tabular.networks import averaged, optimizer_for, tiled
from affinet.tabular.recipes import CONSTANT, FLAT_COSINE, Recipe
from affinet.tabular.schedules import named_schedule
from affinet.thread_limit import thread_limit
from affinet.training import StopTraining, TrainingState
from affinet.training.batches import steps_per_epoch
from affinet.training.callbacks import Callback
from affinet.training.finite import warn_caller
from affinet.training.history import History

PROBE_SHARE = 0.1  # of the time limit
LONGEST_PROBE = 1.0  # seconds
USED_SHARE = 0.9  # of the time that is left after the probe: steps differ in time


def train(
    net: Sequential,
    recipe: Recipe,
    x: Array,
    t: Array,
    *,
    validation: tuple[Array, ...] | None,
    sample_weight: Array | None = None,
    seed: int = 0,
    epochs: int | None = None,
    time_limit: float | None = None,
    callbacks: Iterable[Callback] = (),
    verbose: int | None = 0,
    n_threads: int | None = None,
    unit: float = 1.0,
    resume: str | PathLike[str] | None = None,
    keep_interrupted: bool = True,
) -> History:
    """Train a network by its recipe, on shuffled batches.

    With validation rows the last of the epochs with the lowest validation error is kept:
    "val_error", the share of rows classified wrongly, or "val_rmse". If the recipe has a patience,
    training stops after that many epochs without a lower error. Ctrl-C ends the training with a
    warning, and the best epoch so far is kept, unless ``keep_interrupted`` is False.

    Parameters
    ----------
    net : Sequential
        From :func:`affinet.tabular.build`.
    recipe : Recipe
    x, t : arrays of shape (N, width) and (N,)
        Encoded rows and targets.
    validation : tuple of arrays, or None
        ``(x, t)`` or ``(x, t, weights)``. Without it the last epoch is kept.
    sample_weight : array of shape (N,), optional
        Weights of the rows.
    seed : int
        Determines the order of the rows and the masks of dropout.
    epochs : int, optional
        Number of epochs; that of the recipe by default. The schedules extend over all of them.
    time_limit : float, optional
        Seconds; see :func:`epochs_within`. ``epochs`` is then the most.
    callbacks : iterable of callables
        As in :func:`affinet.Sequential.fit`; called after the best epoch is known.
    verbose : int, optional
        As in ``fit``: 0 shows nothing, 1 shows progress, None shows it on a terminal.
    n_threads : int, optional
        Number of threads to train with.
    unit : float
        What a difference of 1 between targets means, for "val_rmse": the standard deviation that
        they were divided by.
    resume : path, optional
        A file of :class:`affinet.Checkpoint`, among the callbacks of an interrupted training with
        the same arguments. The best epoch so far is in it.
    keep_interrupted : bool
        False lets the KeyboardInterrupt of a Ctrl-C propagate.

    Returns
    -------
    History
        ``best_epoch`` is the epoch that was kept; None without validation rows.
    """
    with thread_limit(n_threads):
        if time_limit is not None:
            epochs = epochs_within(
                net, recipe, x, t, validation=validation, sample_weight=sample_weight, seed=seed,
                epochs=epochs, seconds=time_limit,
            )  # fmt: skip
        if validation is not None:
            validation = tuple(tiled(recipe, array) for array in validation)
        figure = figure_of(recipe)
        best = LastBest(f"val_{figure}", recipe.patience)
        watching = [best] if validation is not None else []
        measures = {figure: partial(error_of, recipe, unit)} if validation is not None else {}
        options = fit_options(recipe, net, sample_weight)
        try:
            history = net.fit(
                x, t, epochs=recipe.epochs if epochs is None else epochs, seed=seed,
                validation_data=validation, metrics=measures, callbacks=[*watching, *callbacks],
                verbose=verbose, resume=resume, **options,
            )  # fmt: skip
        except KeyboardInterrupt:
            found = net.history
            if found is None or not keep_interrupted:  # None: it had not begun
                raise
            kept = "" if best.arrays is None else "; the best epoch so far is kept"
            warn_caller(f"training was interrupted{kept}", UserWarning)
            history = found
        best.restore(net)
        return history


def epochs_within(
    net: Sequential,
    recipe: Recipe,
    x: Array,
    t: Array,
    *,
    validation: tuple[Array, ...] | None,
    seconds: float,
    sample_weight: Array | None = None,
    seed: int = 0,
    epochs: int | None = None,
    n_threads: int | None = None,
) -> int:
    """The number of epochs for which :func:`train` takes about ``seconds``, this measurement too.

    A copy of the network is trained for a few steps, at most a second or a tenth of the limit.
    Training itself then runs to its end: it does not stop in the middle of its schedules, and the
    same number as ``epochs`` gives the same bits. It takes longer than the limit if the machine
    becomes busy, or if the limit is too short for one epoch.

    Parameters
    ----------
    net, recipe, x, t, validation, sample_weight, seed, n_threads
        As in :func:`train`. ``net`` does not change.
    seconds : float
        The limit.
    epochs : int, optional
        The most; by default that of the recipe.

    Returns
    -------
    int
        1 or more.
    """
    seconds = positive_number("seconds", seconds)
    most = recipe.epochs if epochs is None else whole_number("epochs", epochs, 1)
    begun = time.perf_counter()
    with thread_limit(n_threads):
        trial = copy.deepcopy(net)
        options = fit_options(recipe, trial, sample_weight)
        per_step = seconds_per_step(
            partial(trial.fit, x, t, seed=seed, verbose=0, **options),
            min(PROBE_SHARE * seconds, LONGEST_PROBE),
        )
        n_rows = len(x)
        if recipe.whole_batches:
            n_rows = n_rows // recipe.batch_size * recipe.batch_size or n_rows
        per_epoch = per_step * steps_per_epoch(n_rows, recipe.batch_size)
        if validation is not None:
            measured = time.perf_counter()
            trial.evaluate(*(tiled(recipe, array) for array in validation))
            per_epoch += time.perf_counter() - measured
    left = USED_SHARE * (seconds - (time.perf_counter() - begun))
    return min(most, max(1, int(left / per_epoch)))


def seconds_per_step(fit: Any, seconds: float) -> float:
    """The time that a step of ``fit(steps=n)`` takes, measured within about ``seconds``.

    What a call takes besides its steps, most of a short call, is subtracted.
    """
    begun = time.perf_counter()
    fit(steps=1)  # starts threads and touches the memory
    alone = timed(fit, 1)
    steps = 2
    while True:
        taken = timed(fit, steps)
        if 3 * taken > seconds - (time.perf_counter() - begun):  # twice the steps take too long
            return max(taken - alone, taken / 2) / (steps - 1)
        steps *= 2


def timed(fit: Any, steps: int) -> float:
    """Seconds that a call takes."""
    started = time.perf_counter()
    fit(steps=steps)
    return time.perf_counter() - started


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
