"""Weights of the training rows and of their classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array, any_number, require_some_weight, row_weights
from affinet.losses import SigmoidWithLoss, SoftmaxWithLoss

BALANCED = "balanced"


def training_weights(
    loss: Any,
    t: Array,
    n_outputs: int,
    sample_weight: ArrayLike | None,
    class_weight: Mapping[int, float] | str | None,
) -> Array | None:
    """One weight per row, ``sample_weight`` times its class weight; None if neither is given.

    Parameters
    ----------
    loss : loss object
    t : array of N targets
    n_outputs : int
        Number of outputs of the network.
    sample_weight : array of shape (N,), optional
    class_weight : dict of class to weight, or "balanced", optional
        Classes missing in the dict have weight 1. "balanced" gives a class with ``count`` of the N
        rows the weight ``N / (C count)``, where C is the number of classes that occur: King and
        Zeng, "Logistic Regression in Rare Events Data", Political Analysis 9, 2001.

    Raises
    ------
    TypeError
        If class_weight is neither a dict nor a string, or a class or its weight is not a number.
    ValueError
        If a weight is negative or not finite, all are 0, a class does not exist or the targets are
        not classes.
    """
    weights = None
    if sample_weight is not None:
        weights = row_weights("sample_weight", sample_weight, len(t)).copy()  # fixed from now on
        require_some_weight("sample_weight", weights)
    if class_weight is None:
        return weights
    classes, n_classes = classes_of(loss, np.asarray(t), n_outputs)
    by_class = class_weights_from_counts(class_weight, classes, n_classes)[classes]
    weights = by_class if weights is None else weights * by_class
    require_some_weight("sample_weight times class_weight", weights)
    return weights


def classes_of(
    loss: Any, t: Array, n_outputs: int, what: str = "class_weight"
) -> tuple[Array, int]:
    """Each row's class, and the number of classes; ValueError if the targets are not classes.

    ``what`` names the argument that needs the classes.
    """
    if isinstance(loss, SoftmaxWithLoss):
        if t.ndim == 1:
            return t.astype(np.int64), n_outputs
        if is_one_hot(t):
            return t.argmax(axis=1), n_outputs
        raise ValueError(f"{what} wants class indices or one-hot rows, t holds soft rows")
    if isinstance(loss, SigmoidWithLoss) and n_outputs == 1:
        answers = t.reshape(-1)
        if np.isin(answers, (0, 1)).all():
            return answers.astype(np.int64), 2
        raise ValueError(f"{what} wants targets of 0 and 1, t holds probabilities")
    raise ValueError(f"{what} wants classes, {loss!r} with {n_outputs} outputs has none")


def is_one_hot(t: Array) -> bool:
    """True if every row of t (N, C) has a single 1 and zeros elsewhere."""
    return bool(((t != 0).sum(axis=1) == 1).all() and (t.max(axis=1) == 1).all())


def class_weights_from_counts(
    class_weight: Mapping[int, float] | str, classes: Array, n_classes: int
) -> Array:
    """The weight of each class, from a dict or from the number of its rows.

    "balanced" is ``N / (C count)`` for each of the C classes that occur, where ``count`` of the N
    rows belong to the class, regardless of their weights. The estimators divide by sums of weights
    instead, so that a row of weight 2 counts as two rows: see
    ``estimators.class_weights.class_weights_from_sums``.
    """
    if isinstance(class_weight, str) and class_weight == BALANCED:
        counts = np.bincount(classes, minlength=n_classes)
        share = len(classes) / np.count_nonzero(counts)
        return np.divide(share, counts, out=np.ones(n_classes), where=counts > 0)
    if not isinstance(class_weight, Mapping):
        raise TypeError(f"class_weight is {class_weight!r}, wanted a dict or {BALANCED!r}")
    weights = np.ones(n_classes)
    for name, value in class_weight.items():
        if isinstance(name, bool) or not isinstance(name, int | np.integer):
            raise TypeError(f"class_weight has the key {name!r}, wanted a class index")
        if not 0 <= name < n_classes:
            raise ValueError(f"class_weight has the key {name}, wanted 0..{n_classes - 1}")
        weight = any_number(f"class_weight[{name}]", value)
        if not 0 <= weight < np.inf:
            raise ValueError(
                f"class_weight[{name}] is {weight!r}, wanted a finite number of at least 0"
            )
        weights[name] = weight
    return weights
