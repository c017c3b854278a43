"""A limit on the kernels' threads while a block runs; blocks in several threads may overlap."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from affinet._forks import ForkSafeLock, in_forked_child
from affinet.threads import get_num_threads, set_num_threads

LOCK = ForkSafeLock()
INSIDE: list[tuple[int, int]] = []  # those who are inside a block: thread, and its number
BEFORE: list[int] = []  # the number before the first of them came


@contextmanager
def thread_limit(n: int | None) -> Iterator[None]:
    """At most n threads inside the block; None keeps the current number.

    The number belongs to the process. Where blocks overlap, the last to begin decides, and the last
    to end restores the number from before the first, in whatever order they end.
    """
    if n is None:
        yield
        return
    own = threading.get_ident(), n
    with LOCK:
        if not INSIDE:
            BEFORE[:] = [get_num_threads()]
        INSIDE.append(own)
        set_num_threads(n)
    try:
        yield
    finally:
        with LOCK:
            INSIDE.remove(own)
            set_num_threads(INSIDE[-1][1] if INSIDE else BEFORE[0])


def forget_other_threads() -> None:
    """Lift, in the child of a fork, the limits of threads that it does not have."""
    if INSIDE:
        INSIDE[:] = [inside for inside in INSIDE if inside[0] == threading.get_ident()]
        set_num_threads(INSIDE[-1][1] if INSIDE else BEFORE[0])


in_forked_child(forget_other_threads)
