"""How many epochs of a recipe fit into a time limit."""

from __future__ import annotations

import copy
import time
from functools import partial
from typing import Any

from affinet._validation import Array, positive_number, whole_number
from affinet.network import Sequential
from affinet.tabular.networks import tiled
from affinet.tabular.options import fit_options
from affinet.tabular.recipes import Recipe
from affinet.thread_limit import thread_limit
from affinet.training.batches import steps_per_epoch

PROBE_SHARE = 0.1  # of the time limit
LONGEST_PROBE = 1.0  # seconds
USED_SHARE = 0.9  # of the time that is left after the probe: steps differ in time


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
