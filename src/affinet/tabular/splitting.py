"""Which training rows select the epoch and the temperature."""

from __future__ import annotations

import numpy as np

from affinet._validation import Array
from affinet.tables import split

FEWEST_HELD_OUT = 10  # rows: fewer say too little about which epoch is best


def held_out(
    n_rows: int, fraction: float, classes: Array | None, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Places of rows to train on and to validate with; none of the latter for a small table."""
    if n_rows * fraction < FEWEST_HELD_OUT:
        return np.arange(n_rows), np.arange(0)
    return split(n_rows, fraction, rng, classes)
