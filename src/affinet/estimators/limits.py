"""The number of threads kernels use while estimators work, perhaps several at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from affinet.threads import get_num_threads, set_num_threads

LOCK = threading.Lock()
INSIDE: list[int] = []  # those who are inside a block
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
    with LOCK:
        if not INSIDE:
            BEFORE[:] = [get_num_threads()]
        INSIDE.append(n)
        set_num_threads(n)
    try:
        yield
    finally:
        with LOCK:
            INSIDE.remove(n)
            set_num_threads(INSIDE[-1] if INSIDE else BEFORE[0])
