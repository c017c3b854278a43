"""``affinet.bench.affinet_networks`` under the short name that these scripts use."""

from affinet.bench.affinet_networks import (
    ClassicNetwork,
    Recorder,
    SequentialNetwork,
    fit_order,
)

__all__ = [
    "ClassicNetwork",
    "Recorder",
    "SequentialNetwork",
    "fit_order",
]
