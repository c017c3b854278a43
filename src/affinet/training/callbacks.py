"""Callbacks: plain callables that receive the state of the training.

A callback is called at the end of every epoch; one with an attribute ``every_steps = k``, or
wrapped by :func:`every_steps`, after every k-th step instead. All other methods are optional:
``begin(state)`` is called before the first step and ``end(state)`` after a training that ended
normally; ``state_dict() -> dict`` and ``load_state_dict(dict)`` save and restore the callback's
state, see :class:`affinet.Checkpoint`. To be called after single steps as well as at the ends of
epochs, define ``next_step(step) -> int``, which returns the later step after which
``after_step(state)`` is called; it is called again after every run of steps. A callback that
changes neither the network nor the optimizer can set ``only_looks = True``: the compiled step then
continues without rereading them. If training is split across processes, each process calls its
callbacks; those with ``on_one_rank = True``, because they write files or show output, are called
on rank 0 only. :func:`affinet.fit_many` gives every network a copy of a callback that has one of
these methods; ``for_network(number) -> callback`` makes such a copy in place of
``copy.deepcopy``, and a callback with ``for_one_network = True`` is refused there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from affinet._validation import whole_number
from affinet.network import Sequential
from affinet.optimizers import Optimizer
from affinet.training.history import History


class StopTraining(Exception):  # noqa: N818 - a signal, as StopIteration is, not an error
    """Raised by a callback to end the training normally; its message goes into the history.

    Examples
    --------
    >>> import affinet as an
    >>> def stop_at_two(state):
    ...     if state.epoch == 2:
    ...         raise an.StopTraining("two are enough")
    >>> net = an.Sequential(an.Affine.init(1, 1, rng=0), loss=an.MeanSquaredError())
    >>> history = net.fit([[1.0]], [[2.0]], epochs=9, callbacks=[stop_at_two])
    >>> len(history.epochs), history.stopped_by
    (2, 'stop_at_two: two are enough')
    """


@dataclass(frozen=True)
class TrainingState:
    """The state passed to a callback at the end of an epoch or after a step.

    Attributes
    ----------
    net : Sequential
    optimizer : Optimizer
    epoch : int
        The finished epoch, or the epoch of the step: 1, 2, ...
    step : int
        Updates so far.
    metrics : dict
        The epoch's figures, as in ``history.epochs[-1]``; after a step those of the epoch so far.
    history : History
    snapshot : callable
        ``snapshot()`` returns everything needed to continue from here, as a dict of plain values
        and arrays; the arrays are not copies, so they change as training continues.
    data : pair of arrays
        The training rows and targets. Values changed in place take effect from the next step.
    totals : (float, float, float)
        Of the epoch so far: the total weight of its rows (by default their number), and the
        weighted sums of their losses and of their hits.

    Examples
    --------
    >>> import affinet as an
    >>> def halve(state):
    ...     state.optimizer.lr /= 2
    >>> net = an.Sequential(an.Affine.init(1, 1, rng=0), loss=an.MeanSquaredError())
    >>> sgd = an.SGD(lr=0.8)
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
    snapshot: Callable[[], dict[str, Any]] = field(default=dict, repr=False)
    data: tuple[Any, Any] = field(default=((), ()), repr=False)
    totals: tuple[float, float, float] = (0.0, 0.0, 0.0)


Callback = Callable[[TrainingState], None]


def every_steps(k: int, callback: Callback) -> Callback:
    """Make a callback that is called every k steps instead of at the end of each epoch.

    Steps are counted over the whole training: k, 2k, .... ``fit`` still runs all steps between two
    calls at once.

    Parameters
    ----------
    k : int
        1 or more.
    callback : callable
        Called with a :class:`TrainingState`.

    Returns
    -------
    callable
        For ``fit(..., callbacks=[...])``. Other attributes are those of ``callback``.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> net, steps = an.Sequential(an.Affine.init(1, 1, rng=0), loss=an.MeanSquaredError()), []
    >>> note = an.every_steps(4, lambda state: steps.append((state.epoch, state.step)))
    >>> history = net.fit(np.ones((5, 1)), np.ones(5), epochs=2, batch_size=1, callbacks=[note])
    >>> steps
    [(1, 4), (2, 8)]
    """
    k = whole_number("k", k, 1)
    if not callable(callback) or isinstance(callback, type):
        raise TypeError(f"callback is {callback!r}, wanted a callable")
    return EverySteps(k, callback)


class EverySteps:
    """A callback wrapped with its own ``every_steps``; see :func:`every_steps`."""

    def __init__(self, k: int, callback: Callback) -> None:
        self.every_steps = k
        self.callback = callback

    def __call__(self, state: TrainingState) -> None:
        self.callback(state)

    def __getattr__(self, name: str) -> Any:
        if name == "callback" or name.startswith("__"):  # not set yet while being copied
            raise AttributeError(name)
        return getattr(self.callback, name)

    def __repr__(self) -> str:
        return f"every_steps({self.every_steps}, {self.callback!r})"


def due_step(callback: Any, step: int) -> int:
    """The next step after ``step`` at which a step callback is due."""
    every = getattr(callback, "every_steps", None)
    if every is None:
        return max(int(callback.next_step(step)), step + 1)
    return step - step % int(every) + int(every)


def name_of(callback: Any) -> str:
    """A callback's name in the history and in errors."""
    inner = callback.callback if isinstance(callback, EverySteps) else callback
    return str(getattr(inner, "__name__", type(inner).__name__))
