"""What the operating system reports about this process."""

from __future__ import annotations

import sys


def peak_memory() -> int | None:
    """The peak memory of this process so far in bytes; None where the system does not report it.

    Resident pages of memory maps, such as those of :func:`affinet.datasets.open_shards`, count.
    With enough free memory that may be all pages; the system drops them under memory pressure.

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
