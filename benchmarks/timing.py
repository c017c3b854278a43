"""``affinet.bench.timing`` under the short name that these scripts use."""

from affinet.bench.timing import (
    Runner,
    Sampling,
    interleaved,
    seconds,
    summary,
)

__all__ = [
    "Runner",
    "Sampling",
    "interleaved",
    "seconds",
    "summary",
]
