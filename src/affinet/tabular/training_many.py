"""Training of several networks by one recipe, at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from affinet._validation import Array
from affinet.network import Sequential
from affinet.tabular.networks import tiled
from affinet.tabular.options import call_of_fit, keep_best
from affinet.tabular.recipes import Recipe
from affinet.training.averaging import WeightAverage, fresh
from affinet.training.callbacks import Callback
from affinet.training.history import History
from affinet.training.many import fit_kept


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
    validations: Sequence[tuple[Array, ...] | None] | None = None,
    average: WeightAverage | None = None,
    keep_interrupted: bool = True,
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
    validations : sequence of n tuples of arrays or None, optional
        The validation rows of each network, in place of ``validation``.
    average : WeightAverage, optional
        As in :func:`train`; each network gets its own.
    keep_interrupted : bool
        False keeps after Ctrl-C only networks whose training had ended.

    Returns
    -------
    list of History or None
        After Ctrl-C, of which a warning tells, None for a network that is not kept: those that
        were in training keep their best epoch so far.

    Raises
    ------
    KeyboardInterrupt
        If no network is kept.
    affinet.FitManyError
        If networks failed, in a callback for example.
    """
    held = [validation] * len(nets) if validations is None else validations
    tiles = {id(own): own and tuple(tiled(recipe, array) for array in own) for own in held}
    averages = [fresh(average) for _ in nets]
    prepared = [
        call_of_fit(
            net, recipe, tiles[id(own)], sample_weight=sample_weight, epochs=epochs,
            callbacks=callbacks, unit=unit, average=mean,
        )
        for net, own, mean in zip(nets, held, averages, strict=True)
    ]  # fmt: skip
    calls = [options | {"seed": s} for (_, options), s in zip(prepared, seeds, strict=True)]
    histories = fit_kept(
        nets, x, t, calls, rows=rows, verbose=verbose, keep_interrupted=keep_interrupted
    )
    for net, (best, _), mean, history in zip(nets, prepared, averages, histories, strict=True):
        if history is not None:
            keep_best(net, best, mean)
    return histories
