"""``affinet.bench.nets`` under the short name that these scripts use."""

from affinet.bench.nets import (
    NETS,
    Array,
    Net,
    first_parameters,
    training_data,
)

__all__ = [
    "NETS",
    "Array",
    "Net",
    "first_parameters",
    "training_data",
]
