"""Training of several networks by one recipe, at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from affinet._validation import Array
from affinet.network import Sequential
from affinet.tabular.networks import optimizer_for, tiled
from affinet.tabular.recipes import Recipe
from affinet.tabular.training import LastBest, error_of, figure_of, fit_options
from affinet.training.callbacks import Callback
from affinet.training.finite import warn_caller
from affinet.training.history import History
from affinet.training.many import fit_many


def train_many(
    nets: Sequence[Sequential],
    recipe: Recipe,
    x: Array,
    t: Array,
    *,
    validation: tuple[Array, ...] | None,
    seeds: Sequence[int],
    rows: Sequence[Array] | None = None,
    sample_weight: Array | None = None,
    epochs: int | None = None,
    callbacks: Iterable[Callback] = (),
    verbose: int | None = 0,
    unit: float = 1.0,
) -> list[History | None]:
    """Train several networks by one recipe, each on one thread and as :func:`train` would.

    Parameters
    ----------
    nets : sequence of n Sequential
        From :func:`affinet.tabular.build`, all for the same encoding.
    recipe, x, t, validation, sample_weight, epochs, callbacks, verbose, unit
        As in :func:`train`. A callback that keeps a state can be given for one network only.
    seeds : sequence of n ints
        The seed of each network.
    rows : sequence of n int arrays, optional
        The rows of x that each network is trained on, such as bootstrap samples.

    Returns
    -------
    list of History or None
        None for a network that Ctrl-C, of which a warning tells, came before; networks that were
        in training keep their best epoch so far.

    Raises
    ------
    KeyboardInterrupt
        If no network has completed an epoch.
    affinet.FitManyError
        If networks failed, in a callback for example.
    """
    figure = figure_of(recipe)
    lists: dict[str, Any] = {}
    bests = [LastBest(f"val_{figure}", recipe.patience) for _ in nets]
    if validation is not None:
        validation = tuple(tiled(recipe, array) for array in validation)
        lists["metrics"] = {figure: partial(error_of, recipe, unit)}
    watching = [[best] if validation is not None else [] for best in bests]
    options = fit_options(recipe, nets[0], sample_weight)
    del options["optimizer"]
    before = [net.history for net in nets]
    try:
        fit_many(
            nets, x, t, rows=rows, epochs=recipe.epochs if epochs is None else epochs,
            seeds=list(seeds), optimizers=[optimizer_for(recipe, net) for net in nets],
            validation_data=validation, verbose=verbose,
            callback_lists=[[*own, *callbacks] for own in watching], **lists, **options,
        )  # fmt: skip
    except KeyboardInterrupt:
        found = [begun(net, old) for net, old in zip(nets, before, strict=True)]
        if not any(found):
            raise
        count = sum(history is not None for history in found)
        warn_caller(
            f"training was interrupted; {count} of {len(nets)} networks are kept", UserWarning
        )
    for net, best in zip(nets, bests, strict=True):
        best.restore(net)
    return [begun(net, old) for net, old in zip(nets, before, strict=True)]


def begun(net: Sequential, before: History | None) -> History | None:
    """The history of a training after ``before`` with at least one epoch, or None."""
    history = net.history
    return None if history is before or history is None or not history.epochs else history
