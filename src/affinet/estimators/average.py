"""Estimators that predict by an average of the weights, and go on training without it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from zlib import crc32

from affinet.estimators.building import weight_views
from affinet.network import Sequential
from affinet.training.averaging import WeightAverage, averaged, fresh, warn_not_begun


def average_of(model: Any) -> WeightAverage | None:
    """The average of the network ``net_`` that is about to be trained, new or continued."""
    if model.average is None:
        return None
    average = vars(model).get("_averaging", (None, None))[1] or fresh(model.average)
    model._averaging = model.net_, average
    return average


def train_again(model: Any) -> None:
    """Make ``net_`` the network whose average it is, for ``partial_fit``.

    Raises
    ------
    ValueError
        If ``average`` or the weights that predict have changed since the last call.
    """
    if "_averaging" not in vars(model):
        return
    trained, average = model._averaging
    if repr(model.average) != repr(average):
        raise ValueError(f"average is {model.average!r}, wanted {average!r} as at the first call")
    if model.net_ is trained:
        return
    if crc32(model._network().params.flat.data) != model._shown:
        raise ValueError(
            "coefs_ or intercepts_ have changed since the last training: with average, "
            "partial_fit continues the network behind them, wanted them unchanged"
        )
    use(model, trained)


def show_average(model: Any, ended: bool = False) -> None:
    """Make ``net_`` the average, if it has begun and ``net_`` is the network that is trained.

    If the training has ended before that, it warns.
    """
    trained, average = vars(model).get("_averaging", (None, None))
    if trained is None or model.net_ is not trained:
        return
    net = averaged(trained, average)
    if net is not trained:
        net.loss, net.history = trained.loss, trained.history
        use(model, net)
        model._shown = crc32(net.params.flat.data)
    elif ended:
        warn_not_begun(average)


@contextmanager
def showing_average(model: Any) -> Iterator[None]:
    """A context after which ``net_`` is the average, whatever happens in it."""
    try:
        yield
    finally:
        show_average(model)


def use(model: Any, net: Sequential) -> None:
    """Make a network the one of the model."""
    model.net_ = net
    model.coefs_, model.intercepts_ = weight_views(net)
