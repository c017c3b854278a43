"""Who uses a network now: many threads that predict, or one that trains."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Usage:
    """Lets many threads predict or one train: a fit beside either is an error, not a race.

    A reader announces itself before it looks for a writer, and a writer before it looks for
    readers, so of two that meet at least one sees the other. Appending to a list and popping from
    it are atomic, which costs a prediction less than a lock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.readers: list[None] = []
        self.writer: int | None = None

    def require_own_thread(self) -> None:
        """Raise unless the thread that trains, if there is one, is this one: it may read too."""
        if self.writer not in (None, threading.get_ident()):
            raise RuntimeError("this network is being trained in another thread")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the network for training."""
        with self._lock:
            if self.writer is not None:
                raise RuntimeError("this network is already being trained")
            self.writer = threading.get_ident()
        try:
            if self.readers:
                raise RuntimeError("this network predicts in another thread")
            yield
        finally:
            self.writer = None
