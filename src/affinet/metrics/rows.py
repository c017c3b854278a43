"""What all metrics ask of their arguments."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array, number_array, require_shape


def row_weights(sample_weight: ArrayLike | None, y: Array, t: Array) -> Array:
    """The weight of each row, ones by default; y and t must have the same number of rows."""
    if y.ndim == 0 or len(y) == 0:
        raise ValueError(f"y has shape {y.shape}, wanted at least one row")
    if len(t) != len(y):
        raise ValueError(f"t has {len(t)} rows, wanted {len(y)}, one for each of y")
    if sample_weight is None:
        return np.ones(len(y))
    weights = number_array("sample_weight", sample_weight).astype(np.float64)
    require_shape("sample_weight", weights, (len(y),))
    if not (weights >= 0).all() or not 0 < weights.sum() < math.inf:
        raise ValueError("sample_weight must hold finite numbers of at least 0, not all of them 0")
    return weights
