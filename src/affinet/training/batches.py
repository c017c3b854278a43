"""The rows of each batch: a function of seed, epoch and step alone."""

from __future__ import annotations

import numpy as np

from affinet._dispatch import kernels
from affinet._validation import Array


def epoch_order(n_rows: int, seed: int, epoch: int, shuffle: bool = True) -> Array:
    """Row order of an epoch: a permutation of 0..n_rows-1, the identity if not shuffled.

    It is that of ``np.random.default_rng([seed, epoch]).permutation(n_rows)``, in less time.
    """
    if not shuffle:
        return np.arange(n_rows, dtype=np.int64)
    order = np.empty(n_rows, np.int64)
    kernels.permutation(np.random.PCG64([seed, epoch]), order)
    return order


def steps_per_epoch(n_rows: int, batch_size: int) -> int:
    """Number of batches that cover every row once."""
    return -(-n_rows // batch_size)
