"""Weights of classes by their labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from affinet._validation import Array


def class_weights_from_sums(
    class_weight: Any, classes: Array, places: Array, weights: Array | None
) -> Array:
    """The weight of each class, from a dict by label or from the sums of the rows' weights.

    "balanced" is ``(sum of all weights) / (C (sum of the weights of its rows))`` for the C classes
    with a weight above 0: King and Zeng, "Logistic Regression in Rare Events Data", Political
    Analysis 9, 2001. A row of weight 2 thereby counts as two rows, as scikit-learn requires of its
    estimators. ``Sequential.fit(class_weight="balanced")`` counts rows instead and multiplies by
    their weights afterwards: see ``training.weights.class_weights_from_counts``.

    Parameters
    ----------
    class_weight : dict or "balanced"
    classes : array of shape (C,)
        Labels.
    places : array of shape (N,)
        Each row's class, as a place in ``classes``.
    weights : array of shape (N,), optional
        Of the rows.

    Raises
    ------
    TypeError, ValueError
        If class_weight is neither, names labels that are no classes while classes are left out,
        or holds a weight that is negative or not finite.
    """
    if isinstance(class_weight, str):
        sums = np.bincount(places, weights, minlength=len(classes))
        share = sums.sum() / np.count_nonzero(sums)
        weights = np.zeros(len(classes))
        np.divide(share, sums, out=weights, where=sums > 0)
        return weights
    if not isinstance(class_weight, dict):
        raise TypeError(f"class_weight is {class_weight!r}, wanted a dict or 'balanced'")
    found: Array = compute_class_weight(class_weight, classes=classes, y=classes)
    bad = ~((found >= 0) & np.isfinite(found))
    if bad.any():
        raise ValueError(
            f"class_weight[{classes[bad][0]!r}] is {found[bad][0]}, wanted a finite number of at "
            "least 0"
        )
    return found
