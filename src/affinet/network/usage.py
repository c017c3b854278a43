"""Who uses a network now: many threads that predict, or one that trains."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from affinet._forks import ForkSafeLock, in_forked_child

_USAGES: weakref.WeakSet[Usage] = weakref.WeakSet()  # of the living networks
_LOCK = ForkSafeLock()


class Usage:
    """Lets many threads predict or one train: a fit beside either is an error, not a race.

    A reader announces itself before it looks for a writer, and a writer before it looks for
    readers, so of two that meet at least one sees the other. Appending to a list and popping from
    it are atomic, which costs a prediction less than a lock.
    """

    def __init__(self) -> None:
        self.readers: list[None] = []
        self.writer: int | None = None
        with _LOCK:
            _USAGES.add(self)

    def require_own_thread(self) -> None:
        """Raise unless the thread that trains, if there is one, is this one: it may read too."""
        if self.writer not in (None, threading.get_ident()):
            raise RuntimeError("this network is being trained in another thread")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the network for training."""
        with _LOCK:
            if self.writer is not None:
                raise RuntimeError("this network is already being trained")
            self.writer = threading.get_ident()
        try:
            if self.readers:
                raise RuntimeError("this network predicts in another thread")
            yield
        finally:
            self.writer = None

    def forget_other_threads(self) -> None:
        """After a fork: the child has the forking thread and no other.

        If that thread is predicting, it withdraws from the old list, in which it announced itself.
        """
        self.readers = []
        if self.writer != threading.get_ident():
            self.writer = None


def forget_other_threads() -> None:
    """Free all networks, in the child of a fork, of threads that it does not have."""
    for usage in list(_USAGES):
        usage.forget_other_threads()


in_forked_child(forget_other_threads)
