"""Exclusive use of a training's stateful parts: no other training may use them meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from affinet._forks import ForkSafeLock, in_forked_child
from affinet.network.inner import parameter_names, walk
from affinet.training.callbacks import EverySteps
from affinet.training.record import Training

# A callback or schedule with one of these methods keeps state about its training.
REMEMBERS = ("begin", "end", "observe", "next_step", "state_dict", "load_state_dict")

_LOCK = ForkSafeLock()
_CLAIMS: list[Claim] = []  # of all running trainings


class Claim(NamedTuple):
    """An object that a training uses.

    Attributes
    ----------
    part, name : object and str
        The object, and its role in the training.
    thread : int
        The thread that runs the training.
    alone : bool
        False allows sharing with other claims that are not exclusive either.
    nests : bool
        True also allows a training inside a callback of the first one, which waits for it.
    """

    part: Any
    name: str
    thread: int
    alone: bool = True
    nests: bool = False

    def excludes(self, other: Claim) -> bool:
        """True unless both trainings may use the object."""
        if self.part is not other.part or not (self.alone or other.alone):
            return False
        return self.thread != other.thread or not self.nests


@contextmanager
def claimed(training: Training, fused: bool) -> Iterator[None]:
    """A context in which this training has exclusive use of its stateful parts.

    Raises
    ------
    RuntimeError
        If another running training uses one of them.
    """
    own = list(claims_of(training, fused))
    with _LOCK:
        for claim in own:
            if any(claim.excludes(other) for other in _CLAIMS):
                raise RuntimeError(
                    f"{claim.name} {claim.part!r} is in use by another training that runs now: "
                    "give each training its own object, such as copy.deepcopy(...)"
                )
        _CLAIMS.extend(own)
    try:
        yield
    finally:
        with _LOCK:
            _CLAIMS[:] = [claim for claim in _CLAIMS if not any(claim is one for one in own)]


def claims_of(training: Training, fused: bool) -> Iterator[Claim]:
    """The objects that this training must not share while it runs.

    In the layer-by-layer step, layers and the loss store what their backward needs, and schedules
    set the optimizer's learning rate and weight decay before every step.
    """
    thread = threading.get_ident()
    for callback in training.callbacks:
        while isinstance(callback, EverySteps):
            callback = callback.callback
        if remembers(callback):
            yield Claim(callback, "the callback", thread)
    for name, schedule in training.schedules.items():
        if remembers(schedule):
            yield Claim(schedule, f"the {name}", thread)
    if training.average is not None:
        yield Claim(training.average, "the average", thread)
    changes = not training.schedules.keys().isdisjoint({"schedule", "decay_schedule"})
    yield Claim(training.optimizer, "the optimizer", thread, alone=changes, nests=True)
    if fused:
        return
    yield Claim(training.net.loss, "the loss", thread, nests=True)
    for path, layer in walk(training.net.layers):
        if not parameter_names(layer):
            yield Claim(layer, f"layer {path}", thread, nests=True)


def remembers(part: Any) -> bool:
    """True for an object that keeps state during a training."""
    return any(callable(getattr(part, name, None)) for name in REMEMBERS)


def forget_other_threads() -> None:
    """In a forked child, drop the claims of threads that were not copied."""
    _CLAIMS[:] = [claim for claim in _CLAIMS if claim.thread == threading.get_ident()]


in_forked_child(forget_other_threads)
