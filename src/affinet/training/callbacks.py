"""Callbacks: plain callables that are handed the state of the training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from affinet.network import Sequential
from affinet.optimizers import Optimizer
from affinet.training.history import History


class StopTraining(Exception):  # noqa: N818 - a signal, as StopIteration is, not an error
    """Raised by a callback to end the training normally.

    Examples
    --------
    >>> import affinet as an
    >>> def stop_at_two(state):
    ...     if state.epoch == 2:
    ...         raise an.StopTraining
    >>> net = an.Sequential(an.Affine.init(1, 1), loss=an.MeanSquaredError())
    >>> len(net.fit([[1.0]], [[2.0]], epochs=9, callbacks=[stop_at_two]).epochs)
    2
    """


@dataclass(frozen=True)
class TrainingState:
    """What a callback sees at the end of an epoch.

    Attributes
    ----------
    net : Sequential
    optimizer : Optimizer
    epoch : int
        The epoch that ended: 1, 2, ...
    step : int
        Updates so far.
    metrics : dict
        The epoch's figures, as in ``history.epochs[-1]``.
    history : History

    Examples
    --------
    >>> import affinet as an
    >>> def halve(state):
    ...     state.optimizer.lr /= 2
    >>> net, sgd = an.Sequential(an.Affine.init(1, 1), loss=an.MeanSquaredError()), an.SGD(lr=0.8)
    >>> history = net.fit([[1.0]], [[2.0]], epochs=3, optimizer=sgd, callbacks=[halve])
    >>> sgd.lr
    0.1
    """

    net: Sequential
    optimizer: Optimizer
    epoch: int
    step: int
    metrics: dict[str, Any]
    history: History
