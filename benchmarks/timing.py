"""``affinet.bench.timing`` under the short name that these scripts use."""

from affinet.bench.timing import (
    Plan,
    Runner,
    interleaved,
    seconds,
    summary,
)

__all__ = [
    "Plan",
    "Runner",
    "interleaved",
    "seconds",
    "summary",
]
