"""Training by a recipe: the best epoch is kept, and training can be fitted into a time limit."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike

from affinet._validation import Array
from affinet.network import Sequential
from affinet.tabular.networks import tiled
from affinet.tabular.options import call_of_fit, keep_best
from affinet.tabular.recipes import Recipe
from affinet.tabular.time_limit import epochs_within
from affinet.thread_limit import thread_limit
from affinet.training.averaging import WeightAverage
from affinet.training.callbacks import Callback
from affinet.training.finite import warn_caller
from affinet.training.history import History


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
    average: WeightAverage | None = None,
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
    average : WeightAverage, optional
        A new :class:`affinet.EMA` or :class:`affinet.SWA`. It is measured in place of the network,
        which ends as the average: that of the best epoch, or the last one.

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
        best, options = call_of_fit(
            net, recipe, validation, sample_weight=sample_weight, epochs=epochs,
            callbacks=callbacks, unit=unit, average=average,
        )  # fmt: skip
        try:
            history = net.fit(x, t, seed=seed, verbose=verbose, resume=resume, **options)
        except KeyboardInterrupt:
            found = net.history
            if found is None or not keep_interrupted:  # None: it had not begun
                raise
            kept = "" if best.arrays is None else "; the best epoch so far is kept"
            warn_caller(f"training was interrupted{kept}", UserWarning)
            history = found
        keep_best(net, best, average)
        return history
