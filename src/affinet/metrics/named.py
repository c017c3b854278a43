"""Metrics by name: what they make of a network's outputs, and whether higher is better."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

from affinet._validation import Array
from affinet.losses import ClassLoss, Loss
from affinet.metrics.classification import (
    accuracy,
    confusion_matrix,
    f1_score,
    top_k_accuracy,
)
from affinet.metrics.regression import mean_absolute_error, r2_score, root_mean_squared_error

Metric: TypeAlias = Callable[..., float]
"""A function ``f(y, t)`` of outputs and targets that returns a number."""
Metrics: TypeAlias = Iterable[str | Metric] | Mapping[str, str | Metric]
"""What ``metrics=`` takes: names and functions, or a mapping of names to record them under."""

# A lower value is better for a figure whose name holds one of these words.
SMALL_IS_GOOD = ("loss", "error", "mae", "mse", "rmse", "perplexity", "seconds")
LARGE_IS_GOOD = ("accuracy", "f1", "r2", "auc", "precision", "recall", "score")
OF_LABELS = (accuracy, f1_score)  # which take several labels a row
OF_CLASSES = (*OF_LABELS, top_k_accuracy, confusion_matrix)
OF_VALUES = (mean_absolute_error, root_mean_squared_error, r2_score)
BY_NAME: dict[str, Metric] = {
    "accuracy": accuracy,
    "top_k_accuracy": top_k_accuracy,
    "f1": f1_score,
    "f1_score": f1_score,
    "mae": mean_absolute_error,
    "mean_absolute_error": mean_absolute_error,
    "rmse": root_mean_squared_error,
    "root_mean_squared_error": root_mean_squared_error,
    "r2": r2_score,
    "r2_score": r2_score,
}
"""The metrics that ``fit`` and ``evaluate`` take by name, with the usual short names."""


def named_metrics(metrics: Metrics) -> dict[str, Metric]:
    """The functions that ``metrics`` stands for, by the names under which they are recorded.

    ``metrics``: names and functions, a function under its own name; or a mapping of names to
    either.

    Examples
    --------
    >>> sorted(named_metrics(["f1", mean_absolute_error]))
    ['f1', 'mean_absolute_error']
    """
    if isinstance(metrics, str) or not isinstance(metrics, Iterable):
        raise TypeError(f"metrics is {metrics!r}, wanted a list of names and functions, or a dict")
    if isinstance(metrics, Mapping):
        pairs = list(metrics.items())
    else:
        pairs = [(name_of(metric), metric) for metric in metrics]
    found: dict[str, Metric] = {}
    for name, metric in pairs:
        if isinstance(metric, str):
            if metric not in BY_NAME:
                raise ValueError(f"metrics: {metric!r} is not one of {', '.join(BY_NAME)}")
            metric = BY_NAME[metric]
        if not callable(metric) or isinstance(metric, type):
            raise TypeError(f"metrics: {metric!r}, wanted a name or a function of (y, t)")
        if not isinstance(name, str) or name in found:
            raise ValueError(f"metrics: the name {name!r} is given twice or is not a string")
        found[name] = metric
    return found


def name_of(metric: Any) -> str:
    """The name under which a metric is recorded: its own, or that of the function it wraps."""
    if isinstance(metric, str):
        return metric
    function = getattr(metric, "func", metric)  # functools.partial
    name = str(getattr(function, "__name__", type(function).__name__))
    if name == "<lambda>":
        raise ValueError("metrics: a lambda has no name, wanted a dict of names and functions")
    return name


def measure(
    metrics: Mapping[str, Metric],
    y: Array,
    t: Array,
    sample_weight: Array | None = None,
    loss: Any = None,
) -> dict[str, float]:
    """The figures of all ``metrics``, as plain numbers.

    Parameters
    ----------
    metrics : dict of name to function
    y, t : arrays
        A network's outputs (B, O), and targets.
    sample_weight : array of shape (B,), optional
    loss : loss object, optional
        Says what y means to affinet's own metrics: logits of classes or of labels, or values.
        A function of the user's receives y as it is.

    Raises
    ------
    TypeError
        If a metric does not return one number.
    ValueError
        If one of affinet's own has no meaning for outputs under this loss.
    """
    figures = {}
    require_meaning(metrics, y, loss)
    for name, metric in metrics.items():
        options: dict[str, Any] = {} if sample_weight is None else {"sample_weight": sample_weight}
        own = getattr(metric, "func", metric)  # functools.partial
        if own in OF_CLASSES and has_several_labels(loss, y):
            options["multilabel"] = True
        outputs = loss.values(y) if own in OF_VALUES and isinstance(loss, Loss) else y
        value = np.asarray(metric(outputs, t, **options))
        if value.size != 1 or value.dtype.kind not in "buif":
            raise TypeError(
                f"metrics: {name} gave {value.dtype} of shape {value.shape}, wanted one number"
            )
        figures[name] = float(value.reshape(-1)[0])
    return figures


def require_meaning(metrics: Mapping[str, Metric], y: Array, loss: Any) -> None:
    """Raise ValueError if one of affinet's own metrics has no meaning for outputs under this loss.

    ``y``: a network's outputs (B, O); one row of them will do.
    """
    for name, metric in metrics.items():
        own = getattr(metric, "func", metric)  # functools.partial
        if own in OF_VALUES:
            require_no_logits(name, loss)
        elif own in OF_CLASSES and has_several_labels(loss, y):
            require_labels(name, own, loss, y)
        elif own in OF_CLASSES:
            require_scores(name, loss, y)


def has_several_labels(loss: Any, y: Array) -> bool:
    """True if each output is the logit of a label."""
    return getattr(loss, "several_labels", False) and y.ndim == 2 and y.shape[1] > 1


def require_labels(name: str, metric: Metric, loss: Any, y: Array) -> None:
    """Raise ValueError unless a metric of classes takes several labels a row."""
    if metric not in OF_LABELS:
        raise ValueError(
            f"metrics: {name} wants one class a row, but {loss!r} with {y.shape[1]} outputs has "
            "several labels; wanted accuracy, f1 or your own function of (outputs, targets)"
        )


def require_scores(name: str, loss: Any, y: Array) -> None:
    """Raise ValueError where a single output is a value, which is not the logit of a class."""
    if isinstance(loss, Loss) and not isinstance(loss, ClassLoss) and y.shape[1:] == (1,):
        raise ValueError(
            f"metrics: {name} wants classes, but the output under {loss!r} is a value; wanted mae, "
            "rmse, r2 or your own function of (outputs, targets)"
        )


def require_no_logits(name: str, loss: Any) -> None:
    """Raise ValueError where outputs are logits, which are not in the unit of the targets."""
    if isinstance(loss, ClassLoss):
        raise ValueError(
            f"metrics: {name} compares values, but outputs under {loss!r} are logits; wanted "
            "accuracy, f1 or your own function of (outputs, targets)"
        )


def larger_is_better(name: str) -> bool:
    """Which way is up for a figure, from its name; ValueError if the name does not say.

    Examples
    --------
    >>> larger_is_better("val_accuracy"), larger_is_better("loss")
    (True, False)
    """
    words = name.lower().split("_")
    if any(word in words for word in SMALL_IS_GOOD):
        return False
    if any(word in words for word in LARGE_IS_GOOD):
        return True
    raise ValueError(
        f"monitor is {name!r}, whose name does not say whether higher is better: give mode"
    )
