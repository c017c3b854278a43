"""Rows with their targets and weights, and which of them are held out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from affinet._validation import Array, number_array, row_weights


@dataclass(frozen=True)
class Rows:
    """Rows x (N, I), their targets as the loss takes them, and their weights (N,) or None."""

    x: Array
    t: Array
    weights: Array | None

    def __len__(self) -> int:
        return len(self.x)

    def take(self, places: Array) -> Rows:
        """The rows at these places, copied."""
        weights = None if self.weights is None else self.weights[places]
        return Rows(self.x[places], self.t[places], weights)


def hold_out(
    rows: Rows, fraction: float, classes: Array | None, rng: np.random.RandomState
) -> tuple[Rows, Rows]:
    """Rows to train on, and a random share of all of them to validate with.

    A row of weight 0 is never held out. ``classes`` (N,) keep their shares in both parts: of two
    classes (bool) always, as in scikit-learn, of several where there are enough rows of each.

    Raises
    ------
    ValueError
        If fewer than two rows would be held out, or one of two classes has a single row.
    """
    counted, ignored = np.arange(len(rows)), np.empty(0, np.intp)
    size: float | int = fraction
    if rows.weights is not None and not rows.weights.all():
        counted, ignored = np.flatnonzero(rows.weights), np.flatnonzero(rows.weights == 0)
        size = min(math.ceil(fraction * len(rows)), len(counted) - 1)
    if size != fraction and size < 2:
        raise too_few(fraction, len(rows), len(counted))
    train, validation = train_test_split(
        counted, test_size=size, random_state=rng, stratify=strata(classes, counted, size)
    )
    if len(validation) < 2:
        raise too_few(fraction, len(rows), len(counted))
    return rows.take(np.r_[train, ignored] if ignored.size else train), rows.take(validation)


def too_few(fraction: float, n_rows: int, n_counted: int) -> ValueError:
    """The error for fewer than two rows to validate with."""
    without = f", {n_rows - n_counted} of them of weight 0," if n_counted < n_rows else ""
    return ValueError(
        f"The validation set is too small: validation_fraction={fraction} of {n_rows} rows"
        f"{without} are fewer than two. Increase 'validation_fraction' or the size of your dataset."
    )


def strata(classes: Array | None, counted: Array, size: float | int) -> Array | None:
    """What the split of the ``counted`` rows keeps the shares of; None for nothing.

    ``size`` is that of the smaller part, as a share or a number of rows.
    """
    if classes is None:
        return None
    if classes.dtype == bool and len(counted) == len(classes):
        # A column, as scikit-learn's: its error names a class that has too few rows.
        return classes.reshape(-1, 1)
    own = classes[counted]
    _, counts = np.unique(own, return_counts=True)
    held = math.ceil(size * len(own)) if size < 1 else size
    few = counts.min() < 2 or min(held, len(own) - held) < len(counts)
    return None if few else own


def weights_of(name: str, value: Any, n_rows: int) -> Array | None:
    """Checked weights of rows, not all of them 0; None stays None."""
    if value is None:
        return None
    weights = row_weights(name, number_array(name, value), n_rows)
    if not weights.any():
        raise ValueError(f"{name} is zero for every row, wanted at least one above 0")
    return weights


def in_one_piece(X: Any) -> Array:
    """A checked array as it is; a sparse matrix as a dense, C-contiguous one."""
    dense: Array = X.toarray(order="C") if hasattr(X, "toarray") else X
    return dense
