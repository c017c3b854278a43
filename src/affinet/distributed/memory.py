"""How much memory a process has needed."""

from __future__ import annotations

import sys


def peak_memory() -> int | None:
    """The most memory in bytes that this process has held so far; None where nobody tells.

    What was read from memory maps, of :func:`affinet.datasets.open_shards` too, counts as long as
    the system keeps it: with memory to spare it may be all of it, and goes when others want it.

    Examples
    --------
    >>> peak_memory() > 1_000_000
    True
    """
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
