"""Scores of predictions, and what several of them say together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
SMALLEST = 1e-7  # probability in the log-loss: what float32 can say, the same for all


def scores(y: Array, predicted: Array, classes: Array | None) -> dict[str, float]:
    """RMSE of numbers (N,); or error rate and log-loss of probabilities (N, C)."""
    if classes is None:
        squares = (np.asarray(y, float) - np.asarray(predicted, float)) ** 2
        return {"rmse": float(np.sqrt(squares.mean()))}
    p = np.clip(np.asarray(predicted, float), SMALLEST, None)
    p /= p.sum(axis=1, keepdims=True)
    names = np.asarray(classes).astype(str)
    truth = np.asarray(y).astype(str)
    wrong = names[p.argmax(axis=1)] != truth
    given = np.where(names[None, :] == truth[:, None], p, 0.0).sum(axis=1)
    loss = -np.log(np.maximum(given, SMALLEST))  # 0 for a class that training lacks
    return {"error": float(wrong.mean()), "log_loss": float(loss.mean())}


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean, and its standard error; NaN for a single value."""
    spread = float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return float(np.mean(values)), spread


def ratio(
    ours: Sequence[float], theirs: Sequence[float], floor: float = 0.0
) -> tuple[float, float]:
    """The ratio of two means, and its standard error over the seeds of both.

    Means below ``floor`` count as ``floor``.
    """
    (a, error_a), (b, error_b) = mean_and_error(ours), mean_and_error(theirs)
    a, b = max(a, floor), max(b, floor)
    return a / b, a / b * math.hypot(error_a / a, error_b / b)


def geometric_mean(values: Iterable[float]) -> float:
    """The exponential of the mean logarithm."""
    return float(np.exp(np.mean(np.log(list(values)))))


def ranks(values: Sequence[float]) -> list[float]:
    """1 for the lowest value; equal values share the mean of their places."""
    array = np.asarray(values)
    return [float((array < v).sum() + ((array == v).sum() + 1) / 2) for v in array]
