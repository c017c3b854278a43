"""Resets after a fork: the child has neither its parent's threads nor the owners of its locks."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from types import TracebackType


def in_forked_child(reset: Callable[[], None]) -> None:
    """Call ``reset`` in the child of every fork, on systems that can fork."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=reset)


class ForkSafeLock:
    """A lock for ``with`` that is free in the child of a fork.

    Another thread may hold it at the moment of the fork. That thread does not exist in the child,
    which would wait forever.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        _LOCKS.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock.release()

    def renew(self) -> None:
        """Replace a lock that may be held with a free one."""
        self._lock = threading.Lock()


_LOCKS: weakref.WeakSet[ForkSafeLock] = weakref.WeakSet()


def renew_locks() -> None:
    """Free all locks in the child of a fork."""
    for lock in list(_LOCKS):
        lock.renew()


in_forked_child(renew_locks)
