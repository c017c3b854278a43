"""The rows of each batch: a function of seed, epoch and step alone."""

from __future__ import annotations

import numpy as np

from affinet._validation import Array


def epoch_order(n_rows: int, seed: int, epoch: int, shuffle: bool = True) -> Array:
    """Row order of an epoch: a permutation of 0..n_rows-1, the identity if not shuffled."""
    if not shuffle:
        return np.arange(n_rows, dtype=np.int64)
    order = np.random.default_rng([seed, epoch]).permutation(n_rows)
    return order.astype(np.int64, copy=False)  # 32 bits in a browser


def steps_per_epoch(n_rows: int, batch_size: int) -> int:
    """Number of batches that cover every row once."""
    return -(-n_rows // batch_size)
