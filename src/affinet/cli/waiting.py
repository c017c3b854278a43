"""A line on the terminal that shows that long work goes on."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

FIRST, EVERY = 1.0, 0.5  # seconds


@contextmanager
def waiting(text: str) -> Iterator[None]:
    """Show ``text`` and the seconds since the start while the body runs, on a terminal only.

    The line appears after a second, is redrawn twice a second, and is erased at the end.
    """
    stream = sys.stderr
    if stream is None or not stream.isatty():
        yield
        return
    start, done = time.monotonic(), threading.Event()

    def draw() -> None:
        pause = FIRST
        while not done.wait(pause):
            pause = EVERY
            stream.write(f"\raffinet: {text} ... {time.monotonic() - start:.0f} s")
            stream.flush()

    thread = threading.Thread(target=draw, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        if time.monotonic() - start >= FIRST:
            stream.write("\r\x1b[K")
            stream.flush()
