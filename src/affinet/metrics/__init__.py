"""Metrics: how good predictions are, in numbers that a person reads.

Every metric takes predictions ``y``, targets ``t`` and optional row weights. For the metrics of
classes ``y`` is what a network puts out: rows (B, C) of scores, of which the highest names the
class; a column (B, 1) of logits, where class 1 stands for a positive one; or class indices (B,).
``t`` is class indices (B,) or (B, 1), or one-hot rows (B, C). Where each row may have several
labels, ``multilabel=True`` reads ``y`` as rows of logits, one a label, and ``t`` as rows of 0 and
1. A metric that such outputs and targets have no meaning for raises an error.
"""

from importlib import import_module
from typing import Any

from affinet.metrics.classification import (
    accuracy,
    confusion_matrix,
    f1_score,
    top_k_accuracy,
)
from affinet.metrics.named import (
    BY_NAME,
    Metric,
    Metrics,
    larger_is_better,
    measure,
    named_metrics,
)
from affinet.metrics.regression import mean_absolute_error, r2_score, root_mean_squared_error

__all__ = [
    "BY_NAME",
    "Metric",
    "Metrics",
    "accuracy",
    "confusion_matrix",
    "f1_score",
    "larger_is_better",
    "mean_absolute_error",
    "measure",
    "named_metrics",
    "r2_score",
    "root_mean_squared_error",
    "top_k_accuracy",
]


def __getattr__(name: str) -> Any:
    """The name under which early pickles of callbacks hold a :class:`affinet.plateau.Plateau`."""
    if name != "Monitor":
        raise AttributeError(f"module 'affinet.metrics' has no attribute {name!r}")
    return import_module("affinet.plateau").Plateau  # which is above this room
