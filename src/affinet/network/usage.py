"""The current users of a network: many threads that predict, or one that trains."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from affinet._forks import ForkSafeLock, in_forked_child

_USAGES: weakref.WeakSet[Usage] = weakref.WeakSet()  # of all live networks
_LOCK = ForkSafeLock()


class Usage:
    """Lets many threads predict or one train: a concurrent fit is an error, not a race.

    A reader registers before it checks for a writer, and a writer registers before it checks for
    readers, so if both run at once, at least one sees the other. List append and pop are atomic,
    and cheaper for a prediction than a lock.
    """

    def __init__(self) -> None:
        self.readers: list[None] = []
        self.writer: int | None = None
        with _LOCK:
            _USAGES.add(self)

    def require_own_thread(self) -> None:
        """Raise if another thread trains; the training thread itself may read too."""
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
        """Reset after a fork: only the forking thread exists in the child.

        If that thread is predicting, it removes itself from the old list, where it registered.
        """
        self.readers = []
        if self.writer != threading.get_ident():
            self.writer = None


def forget_other_threads() -> None:
    """In a forked child, release all networks from threads that were not copied."""
    for usage in list(_USAGES):
        usage.forget_other_threads()


in_forked_child(forget_other_threads)
