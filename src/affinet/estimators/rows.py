"""Rows with their targets and weights, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from affinet._validation import Array, row_weights


@dataclass(frozen=True)
class Rows:
    """Rows x (N, I), their targets as the loss wants them, and their weights (N,) or None."""

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

    ``classes`` (N,) keep their shares in both parts, where there are enough rows of each.

    Raises
    ------
    ValueError
        If fewer than two rows would be held out.
    """
    held = int(np.ceil(fraction * len(rows)))
    if classes is not None:
        _, counts = np.unique(classes, return_counts=True)
        if counts.min() < 2 or min(held, len(rows) - held) < len(counts):
            classes = None
    train, validation = train_test_split(
        np.arange(len(rows)), test_size=fraction, random_state=rng, stratify=classes
    )
    if len(validation) < 2:
        raise ValueError(
            f"The validation set is too small: validation_fraction={fraction} of {len(rows)} rows "
            "are fewer than two. Increase 'validation_fraction' or the size of your dataset."
        )
    return rows.take(train), rows.take(validation)


def weights_of(name: str, value: Any, n_rows: int) -> Array | None:
    """Checked weights of rows, not all of them 0; None stays None."""
    if value is None:
        return None
    weights = row_weights(name, np.asarray(value), n_rows)
    if not weights.any():
        raise ValueError(f"{name} is zero for every row, wanted at least one above 0")
    return weights


def in_one_piece(X: Any) -> Array:
    """A checked array as it is; a sparse matrix made dense, rows behind each other."""
    dense: Array = X.toarray(order="C") if hasattr(X, "toarray") else X
    return dense
