"""Metrics of classes, one a row, and of several labels a row."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array, number_array, require_shape, whole_number
from affinet.metrics.rows import row_weights

AVERAGES = ("macro", "micro", "binary")
SUM_OF_ONE = 1e-3  # how far the numbers of a target row may be from a sum of 1, to rounding


def accuracy(
    y: ArrayLike,
    t: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    multilabel: bool = False,
) -> float:
    """Share of the rows that are right: their class, or all of their labels.

    Parameters
    ----------
    y : array of shape (B, C), (B, 1) or (B,)
        Scores, logits of class 1, or classes; of equal scores the first counts, and a row with a
        NaN is never right.
    t : array of shape (B,), (B, 1) or (B, C)
        Class indices, one-hot rows or rows of probabilities.
    sample_weight : array of shape (B,), optional
        Weight of each row, 0 or more.
    multilabel : bool
        True if each row may have several labels: y (B, L) is logits, or 0 and 1, and label j is
        predicted where ``y[:, j] > 0``; t (B, L) is 0 and 1. A row is right if all of its labels
        are.

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
    >>> an.metrics.accuracy([[3, -2, 1], [-1, 4, -1]], [[1, 0, 1], [1, 1, 0]], multilabel=True)
    0.5
    """
    if multilabel:
        scores, wanted = label_rows(y, t)
        weights = row_weights(sample_weight, scores, wanted)
        right = np.where(wanted, scores > 0, scores <= 0).all(axis=1)
    else:
        predicted, classes = predicted_classes(y), target_classes(t)
        weights = row_weights(sample_weight, predicted, classes)
        right = predicted == classes
    return float(weights[right].sum() / weights.sum())


def top_k_accuracy(
    y: ArrayLike, t: ArrayLike, k: int = 5, sample_weight: ArrayLike | None = None
) -> float:
    """Share of the rows whose target is among the k classes of the highest scores.

    Parameters
    ----------
    y : array of shape (B, C)
        Scores of C >= 2 classes; of equal ones the first counts as higher, so ``k=1`` is
        :func:`accuracy`.
    t : array of shape (B,), (B, 1) or (B, C)
        Class indices, one-hot rows or rows of probabilities.
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
        If an argument is of a wrong kind or shape, or a target is not a class of y, by name.

    Examples
    --------
    >>> import affinet as an
    >>> an.metrics.top_k_accuracy([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]], [1, 0], k=2)
    0.5
    """
    scores, wanted = number_array("y", y), target_classes(t)
    k = whole_number("k", k, 1)
    if scores.ndim != 2 or scores.shape[1] == 1:
        raise ValueError(f"y has shape {scores.shape}, wanted scores (B, C) of C >= 2 classes")
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
    *,
    multilabel: bool = False,
) -> float:
    """F1: ``2 TP / (2 TP + FP + FN)``, the harmonic mean of precision and recall.

    van Rijsbergen, "Information Retrieval", 2nd edition (1979), chapter 7. A class that no row
    with a weight has or is predicted to have is left out of the mean; a label for which that holds
    counts 0, as in scikit-learn.

    Parameters
    ----------
    y : array of shape (B, C), (B, 1) or (B,)
        Scores, logits of class 1, or classes.
    t : array of shape (B,), (B, 1) or (B, C)
        Class indices, one-hot rows or rows of probabilities.
    average : str
        "macro": the mean over the classes or labels; "micro": of the counts of all of them
        together, which for one class a row is the accuracy; "binary": of class 1, where there
        are only 0 and 1.
    sample_weight : array of shape (B,), optional
        Weight of each row, 0 or more.
    multilabel : bool
        True if each row may have several labels: y (B, L) is logits, or 0 and 1, and label j is
        predicted where ``y[:, j] > 0``; t (B, L) is 0 and 1.

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
    >>> an.metrics.f1_score([[2, -1], [3, 1]], [[1, 0], [0, 1]], multilabel=True).__round__(4)
    0.8333
    """
    if average not in AVERAGES:
        raise ValueError(f"average is {average!r}, wanted one of {', '.join(AVERAGES)}")
    if multilabel and average == "binary":
        raise ValueError("average is 'binary', wanted 'macro' or 'micro' for several labels")
    counts = label_counts if multilabel else class_counts
    hits, predicted_or_wanted = counts(y, t, sample_weight)
    if average == "binary" and len(hits) > 2:
        raise ValueError(f"average is 'binary', but there is a class {len(hits) - 1}")
    if average == "micro":
        return float(2 * hits.sum() / (predicted_or_wanted.sum() or 1.0))
    present = predicted_or_wanted > 0
    scores = np.divide(2 * hits, predicted_or_wanted, out=np.zeros_like(hits), where=present)
    if average == "binary":
        return float(scores[1]) if len(scores) == 2 else 0.0
    return float(scores.mean() if multilabel else scores[present].mean())


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
        Class indices, one-hot rows or rows of probabilities.
    n_classes : int, optional
        C; by default the number of scores a row, or for classes the highest plus 1.
    sample_weight : array of shape (B,), optional
        Weight of each row, 0 or more.

    Returns
    -------
    array of shape (C, C)
        A row a target, a column a prediction; integers, or float64 with weights.

    Raises
    ------
    TypeError, ValueError
        If an argument is of a wrong kind or shape, a class is not below ``n_classes`` or a row of
        y has a NaN, by name.

    Examples
    --------
    >>> import affinet as an
    >>> an.metrics.confusion_matrix([0, 1, 1], [0, 0, 1])
    array([[1, 1],
           [0, 1]])
    """
    predicted, wanted = predicted_classes(y), target_classes(t)
    weights = row_weights(sample_weight, predicted, wanted)
    if predicted.min() < 0:
        raise ValueError(f"y[{int(np.argmin(predicted))}] holds a NaN, wanted finite scores")
    if n_classes is None:
        n_classes = number_of_classes(y, t, predicted, wanted)
    n_classes = whole_number("n_classes", n_classes, 1)
    require_classes("y", predicted, n_classes)
    require_classes("t", wanted, n_classes)
    counts = np.bincount(
        wanted * n_classes + predicted,
        None if sample_weight is None else weights,
        minlength=n_classes * n_classes,
    )
    return counts.reshape(n_classes, n_classes)


# Classes and labels of rows ----------------------------------------------------------------------


def class_counts(
    y: ArrayLike, t: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[Array, Array]:
    """For each class TP and 2 TP + FP + FN, as sums of weights."""
    predicted, wanted = predicted_classes(y), target_classes(t)
    weights = row_weights(sample_weight, predicted, wanted)
    n_classes = number_of_classes(y, t, predicted, wanted)
    hit, named = predicted == wanted, predicted >= 0
    right, found, all_of_class = (
        np.bincount(classes, own, minlength=n_classes).astype(np.float64)  # of no rows integers
        for classes, own in (
            (wanted[hit], weights[hit]),
            (predicted[named], weights[named]),
            (wanted, weights),
        )
    )
    return right, found + all_of_class


def label_counts(
    y: ArrayLike, t: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[Array, Array]:
    """For each label TP and 2 TP + FP + FN, as sums of weights; a NaN is always wrong."""
    scores, wanted = label_rows(y, t)
    weights = row_weights(sample_weight, scores, wanted)
    right, found = wanted & (scores > 0), ~(scores <= 0)
    return weights @ right, weights @ found + weights @ wanted


def label_rows(y: ArrayLike, t: ArrayLike) -> tuple[Array, Array]:
    """Logits of labels (B, L), and which of them the rows have."""
    scores, rows = number_array("y", y), number_array("t", t)
    if scores.ndim != 2:
        raise ValueError(f"y has shape {scores.shape}, wanted (B, L): a logit for each label")
    require_shape("t", rows, scores.shape)
    if not ((rows >= 0) & (rows <= 1)).all():
        raise ValueError("t holds values other than 0 and 1, wanted rows of 0 and 1 for labels")
    return scores, rows > 0.5


def number_of_classes(y: ArrayLike, t: ArrayLike, predicted: Array, wanted: Array) -> int:
    """The number of scores a row, or for classes the highest plus 1."""
    scores = max((np.shape(a)[1] for a in (y, t) if np.ndim(a) == 2), default=1)
    return max(scores, int(predicted.max()) + 1, int(wanted.max()) + 1)


def predicted_classes(y: ArrayLike) -> Array:
    """The class of each row of predictions, (B,); -1 for a row with a NaN, which names none."""
    y = number_array("y", y)
    if y.ndim == 2 and y.shape[1] > 0:
        classes = y.argmax(axis=1) if y.shape[1] > 1 else (y[:, 0] > 0).astype(np.intp)
        return np.where(np.isnan(y).any(axis=1), -1, classes)
    return class_indices("y", y, "rows of scores")


def target_classes(t: ArrayLike) -> Array:
    """The class of each target, (B,)."""
    t = number_array("t", t)
    if t.ndim != 2 or t.shape[1] < 2:
        single = t[:, 0] if t.ndim == 2 and t.shape[1] == 1 else t
        return class_indices("t", single, "one-hot rows")
    sums = t.sum(axis=1, dtype=np.float64)
    bad = ~((t >= 0).all(axis=1) & (abs(sums - 1) <= SUM_OF_ONE))
    if bad.any():
        place = int(np.argmax(bad))
        raise ValueError(
            f"t[{place}] is {t[place].tolist()}, wanted one class a row: class indices or one-hot "
            "rows (accuracy and f1_score take several labels a row with multilabel=True)"
        )
    return np.asarray(t.argmax(axis=1))


def class_indices(name: str, values: Array, otherwise: str) -> Array:
    """A vector of whole numbers, 0 or more, as integers; whole floats are accepted."""
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
