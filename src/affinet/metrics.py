"""Metrics: how good predictions are, in numbers that a person reads.

Every metric takes predictions ``y``, targets ``t`` and optional row weights. For the metrics of
classes ``y`` is what a network gives: rows (B, C) of scores, of which the highest names the class;
a column (B, 1) of logits, where class 1 stands for a positive one; or class indices (B,) as they
are. ``t`` is class indices (B,) or (B, 1), or indicator rows (B, C).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array, number_array, require_shape, whole_number

__all__ = [
    "accuracy",
    "confusion_matrix",
    "f1_score",
    "mean_absolute_error",
    "r2_score",
    "root_mean_squared_error",
    "top_k_accuracy",
]

Metric: TypeAlias = Callable[..., float]
Metrics: TypeAlias = Iterable[str | Metric] | Mapping[str, str | Metric]

AVERAGES = ("macro", "micro", "binary")
# What a name says about which way is up: a figure whose name holds one of these words.
SMALL_IS_GOOD = ("loss", "error", "mae", "mse", "rmse", "perplexity", "seconds")
LARGE_IS_GOOD = ("accuracy", "f1", "r2", "auc", "precision", "recall", "score")


def accuracy(y: ArrayLike, t: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Share of the rows whose predicted class is the target's.

    Parameters
    ----------
    y : array of shape (B, C), (B, 1) or (B,)
        Scores, logits of class 1, or classes; of equal scores the first counts.
    t : array of shape (B,), (B, 1) or (B, C)
        Targets.
    sample_weight : array of shape (B,), optional
        Weight of each row, 0 or more.

    Returns
    -------
    float
        0..1.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of numbers, or of a shape that does not fit, by name.

    Examples
    --------
    >>> import affinet as an
    >>> an.metrics.accuracy([[0.1, 0.9], [0.8, 0.2]], [1, 1])
    0.5
    >>> an.metrics.accuracy([1, 0], [1, 1], sample_weight=[3, 1])
    0.75
    """
    predicted, wanted = predicted_classes(y), target_classes(t)
    weights = row_weights(sample_weight, predicted, wanted)
    return float(weights[predicted == wanted].sum() / weights.sum())


def top_k_accuracy(
    y: ArrayLike, t: ArrayLike, k: int = 5, sample_weight: ArrayLike | None = None
) -> float:
    """Share of the rows whose target is among the k classes of the highest scores.

    Parameters
    ----------
    y : array of shape (B, C)
        Scores; of equal ones the first counts as higher, so ``k=1`` is :func:`accuracy`.
    t : array of shape (B,), (B, 1) or (B, C)
        Targets.
    k : int
        1 or more; C or more makes every row a hit.
    sample_weight : array of shape (B,), optional
        Weight of each row, 0 or more.

    Returns
    -------
    float
        0..1.

    Raises
    ------
    TypeError, ValueError
        If an argument is of a wrong kind or shape, or a target is no class of y, by name.

    Examples
    --------
    >>> import affinet as an
    >>> an.metrics.top_k_accuracy([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]], [1, 0], k=2)
    0.5
    """
    scores, wanted = number_array("y", y), target_classes(t)
    k = whole_number("k", k, 1)
    if scores.ndim != 2:
        raise ValueError(f"y has shape {scores.shape}, wanted scores (B, C)")
    weights = row_weights(sample_weight, scores, wanted)
    require_classes("t", wanted, scores.shape[1])
    own = np.take_along_axis(scores, wanted[:, np.newaxis], axis=1)
    before = np.arange(scores.shape[1]) < wanted[:, np.newaxis]
    higher = ~(scores <= own) | ((scores == own) & before)  # a NaN counts as higher than all
    return float(weights[higher.sum(axis=1) < k].sum() / weights.sum())


def f1_score(
    y: ArrayLike,
    t: ArrayLike,
    average: str = "macro",
    sample_weight: ArrayLike | None = None,
) -> float:
    """F1: ``2 TP / (2 TP + FP + FN)``, the harmonic mean of precision and recall.

    van Rijsbergen, "Information Retrieval", 2nd edition (1979), chapter 7. A class that is neither
    predicted nor wanted anywhere plays no part.

    Parameters
    ----------
    y : array of shape (B, C), (B, 1) or (B,)
        Scores, logits of class 1, or classes.
    t : array of shape (B,), (B, 1) or (B, C)
        Targets.
    average : str
        "macro": the mean over the classes; "micro": of all classes' counts together, which for
        one class a row is the accuracy; "binary": of class 1, where 0 and 1 are all there is.
    sample_weight : array of shape (B,), optional
        Weight of each row, 0 or more.

    Returns
    -------
    float
        0..1.

    Raises
    ------
    TypeError, ValueError
        If an argument is of a wrong kind or shape, by name.

    Examples
    --------
    >>> import affinet as an
    >>> an.metrics.f1_score([1, 1, 0, 0], [1, 0, 0, 0], average="binary").__round__(4)
    0.6667
    >>> an.metrics.f1_score([1, 1, 0, 0], [1, 0, 0, 0]).__round__(4)
    0.7333
    """
    if average not in AVERAGES:
        raise ValueError(f"average is {average!r}, wanted one of {', '.join(AVERAGES)}")
    matrix = confusion_matrix(y, t, sample_weight=sample_weight).astype(np.float64)
    if average == "binary" and len(matrix) > 2:
        raise ValueError(f"average is 'binary', but there is a class {len(matrix) - 1}")
    hits = matrix.diagonal()
    predicted_or_wanted = matrix.sum(axis=0) + matrix.sum(axis=1)  # 2 TP + FP + FN of each class
    if average == "micro":
        return float(2 * hits.sum() / predicted_or_wanted.sum())
    present = predicted_or_wanted > 0
    scores = np.divide(2 * hits, predicted_or_wanted, out=np.zeros_like(hits), where=present)
    if average == "binary":
        return float(scores[1]) if len(scores) == 2 else 0.0
    return float(scores[present].mean())


def confusion_matrix(
    y: ArrayLike,
    t: ArrayLike,
    n_classes: int | None = None,
    sample_weight: ArrayLike | None = None,
) -> Array:
    """How many rows of class i were predicted to be of class j.

    Parameters
    ----------
    y : array of shape (B, C), (B, 1) or (B,)
        Scores, logits of class 1, or classes.
    t : array of shape (B,), (B, 1) or (B, C)
        Targets.
    n_classes : int, optional
        C; left out it is the number of scores a row, or with classes the highest and one.
    sample_weight : array of shape (B,), optional
        Weight of each row, 0 or more.

    Returns
    -------
    array of shape (C, C)
        A row a target, a column a prediction; integers, or float64 with weights.

    Raises
    ------
    TypeError, ValueError
        If an argument is of a wrong kind or shape or a class is not below ``n_classes``, by name.

    Examples
    --------
    >>> import affinet as an
    >>> an.metrics.confusion_matrix([0, 1, 1], [0, 0, 1])
    array([[1, 1],
           [0, 1]])
    """
    predicted, wanted = predicted_classes(y), target_classes(t)
    weights = row_weights(sample_weight, predicted, wanted)
    if n_classes is None:
        scores = max((np.shape(a)[1] for a in (y, t) if np.ndim(a) == 2), default=1)
        n_classes = max(scores, int(predicted.max()) + 1, int(wanted.max()) + 1)
    n_classes = whole_number("n_classes", n_classes, 1)
    require_classes("y", predicted, n_classes)
    require_classes("t", wanted, n_classes)
    counts = np.bincount(
        wanted * n_classes + predicted,
        None if sample_weight is None else weights,
        minlength=n_classes * n_classes,
    )
    return counts.reshape(n_classes, n_classes)


def mean_absolute_error(
    y: ArrayLike, t: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    """Mean of ``|y - t|`` over all numbers.

    Parameters
    ----------
    y, t : arrays of the same shape (B, ...)
        Predictions and targets; (B,) and (B, 1) count as the same.
    sample_weight : array of shape (B,), optional
        Weight of each row, 0 or more.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If an argument is not of numbers, or of a shape that does not fit, by name.

    Examples
    --------
    >>> import affinet as an
    >>> an.metrics.mean_absolute_error([1.0, 2.0], [0.0, 4.0])
    1.5
    """
    y, t, weights = value_rows(y, t, sample_weight)
    return float(np.average(np.abs(y - t).mean(axis=1), weights=weights))


def root_mean_squared_error(
    y: ArrayLike, t: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    """Root of the mean of ``(y - t)^2`` over the rows; the mean of these over several outputs.

    Parameters
    ----------
    y, t : arrays of the same shape (B, ...)
        Predictions and targets; (B,) and (B, 1) count as the same.
    sample_weight : array of shape (B,), optional
        Weight of each row, 0 or more.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If an argument is not of numbers, or of a shape that does not fit, by name.

    Examples
    --------
    >>> import affinet as an
    >>> an.metrics.root_mean_squared_error([1.0, 2.0], [0.0, 9.0])
    5.0
    """
    y, t, weights = value_rows(y, t, sample_weight)
    return float(np.sqrt(np.average((y - t) ** 2, axis=0, weights=weights)).mean())


def r2_score(y: ArrayLike, t: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Share of the targets' variance that is explained; the mean over several outputs.

    ``1 - sum (y - t)^2 / sum (t - mean of t)^2``: 1 is perfect, 0 no better than the mean. An
    output whose targets are all equal counts 1 if it is met exactly, else 0.

    Parameters
    ----------
    y, t : arrays of the same shape (B, ...)
        Predictions and targets; (B,) and (B, 1) count as the same.
    sample_weight : array of shape (B,), optional
        Weight of each row, 0 or more.

    Returns
    -------
    float
        At most 1.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of numbers, or of a shape that does not fit, by name.

    Examples
    --------
    >>> import affinet as an
    >>> an.metrics.r2_score([1.0, 2.0, 3.0], [1.0, 2.0, 4.0]).__round__(4)
    0.7857
    """
    y, t, weights = value_rows(y, t, sample_weight)
    residual = np.average((y - t) ** 2, axis=0, weights=weights)
    mean = np.average(t, axis=0, weights=weights)
    variance = np.average((t - mean) ** 2, axis=0, weights=weights)
    constant = variance == 0
    share = 1 - residual / np.where(constant, 1, variance)
    return float(np.where(constant, residual == 0, share).mean())


# What fit and evaluate ask for by name, with the short names that are in use everywhere.
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
            raise ValueError(f"metrics: the name {name!r} stands there twice, or is no text")
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
    metrics: Mapping[str, Metric], y: Array, t: Array, sample_weight: Array | None = None
) -> dict[str, float]:
    """The figures of all ``metrics``, as plain numbers."""
    figures = {}
    for name, metric in metrics.items():
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        value = np.asarray(metric(y, t, **weights))
        if value.size != 1 or value.dtype.kind not in "buif":
            raise TypeError(
                f"metrics: {name} gave {value.dtype} of shape {value.shape}, wanted one number"
            )
        figures[name] = float(value.reshape(-1)[0])
    return figures


def larger_is_better(name: str) -> bool:
    """Which way is up for a figure, from its name; ValueError if it does not tell.

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
    raise ValueError(f"monitor is {name!r}, whose name does not tell which way is up: give mode")


class Monitor:
    """Follows one figure and counts for how long it has not become better.

    Parameters
    ----------
    monitor : str
        The figure's name.
    min_delta : float
        By how much more than this it must be better than the best so far.
    mode : str or None
        "min" or "max": what is better; None reads it from the name.
    """

    def __init__(self, monitor: str, min_delta: float, mode: str | None) -> None:
        if not isinstance(monitor, str):
            raise TypeError(f"monitor is {monitor!r}, wanted the name of a figure")
        if mode not in ("min", "max", None):
            raise ValueError(f"mode is {mode!r}, wanted 'min', 'max' or None")
        if not 0 <= float(min_delta) < math.inf:
            raise ValueError(f"min_delta is {min_delta!r}, wanted 0 or more, finite")
        self.monitor = monitor
        self.min_delta = float(min_delta)
        self.upward = larger_is_better(monitor) if mode is None else mode == "max"
        self.best: float | None = None
        self.wait = 0

    def observe(self, figures: Mapping[str, Any]) -> bool:
        """Take over an epoch's figure; True if it is the best so far. NaN never is."""
        if self.monitor not in figures:
            names = ", ".join(name for name in figures if name != "epoch")
            raise ValueError(f"monitor is {self.monitor!r}, but the figures are: {names}")
        value = float(figures[self.monitor])
        better = self.best is None or (value - self.best) * (1 if self.upward else -1) > (
            self.min_delta
        )
        if better and not math.isnan(value):
            self.best, self.wait = value, 0
            return True
        self.wait += 1
        return False

    def reset(self) -> None:
        """Forget everything that was seen."""
        self.best, self.wait = None, 0

    def state_dict(self) -> dict[str, Any]:
        """What was seen, as plain values."""
        return {"best": self.best, "wait": self.wait}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state_dict."""
        self.best, self.wait = state["best"], state["wait"]


def predicted_classes(y: ArrayLike) -> Array:
    """The class of each row of predictions, (B,)."""
    y = number_array("y", y)
    if y.ndim == 2 and y.shape[1] > 1:
        return np.asarray(y.argmax(axis=1))
    if y.ndim == 2 and y.shape[1] == 1:
        return (y[:, 0] > 0).astype(np.intp)
    return class_indices("y", y, "rows of scores")


def target_classes(t: ArrayLike) -> Array:
    """The class of each target, (B,)."""
    t = number_array("t", t)
    if t.ndim == 2 and t.shape[1] > 1:
        return np.asarray(t.argmax(axis=1))
    return class_indices("t", t[:, 0] if t.ndim == 2 and t.shape[1] == 1 else t, "indicator rows")


def class_indices(name: str, values: Array, otherwise: str) -> Array:
    """A vector of whole numbers, 0 or more, as integers; floats will do if they are whole."""
    if values.ndim != 1:
        raise ValueError(f"{name} has shape {values.shape}, wanted class indices or {otherwise}")
    indices = values.astype(np.intp) if values.dtype.kind != "f" else np.rint(values)
    if values.dtype.kind == "f":
        if not (indices == values).all():
            raise TypeError(f"{name} has fractions, wanted class indices or {otherwise}")
        indices = indices.astype(np.intp)
    if indices.size and indices.min() < 0:
        raise ValueError(f"{name} holds {indices.min()}, wanted class indices of 0 or more")
    return indices


def require_classes(name: str, indices: Array, n_classes: int) -> None:
    """Raise unless all class indices lie below ``n_classes``."""
    if indices.max() >= n_classes:
        raise ValueError(f"{name} holds class {indices.max()}, wanted 0..{n_classes - 1}")


def value_rows(
    y: ArrayLike, t: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[Array, Array, Array]:
    """Predictions and targets as float64 (B, numbers a row), and the rows' weights."""
    y, t = number_array("y", y), number_array("t", t)
    y, t = (a[:, np.newaxis] if a.ndim == 1 else a for a in (y, t))
    require_shape("t", t, y.shape)
    weights = row_weights(sample_weight, y, t)
    if y[0].size == 0:
        raise ValueError(f"y has shape {y.shape}, wanted at least one number a row")
    rows = (len(y), -1)
    return y.reshape(rows).astype(np.float64), t.reshape(rows).astype(np.float64), weights


def row_weights(sample_weight: ArrayLike | None, y: Array, t: Array) -> Array:
    """The weight of each row, ones if there are none; y and t must have as many rows."""
    if y.ndim == 0 or len(y) == 0:
        raise ValueError(f"y has shape {y.shape}, wanted at least one row")
    if len(t) != len(y):
        raise ValueError(f"t has {len(t)} rows, wanted {len(y)}, one for each of y")
    if sample_weight is None:
        return np.ones(len(y))
    weights = number_array("sample_weight", sample_weight).astype(np.float64)
    require_shape("sample_weight", weights, (len(y),))
    if not (weights >= 0).all() or not 0 < weights.sum() < math.inf:
        raise ValueError("sample_weight wants finite numbers of 0 or more, not all of them 0")
    return weights
