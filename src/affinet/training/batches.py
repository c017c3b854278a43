"""Which rows make up which batch: a function of seed, epoch and step, of nothing else."""

from __future__ import annotations

import numpy as np

from affinet._validation import Array


def epoch_order(n_rows: int, seed: int, epoch: int, shuffle: bool = True) -> Array:
    """The rows' order in an epoch, a permutation of 0..n_rows-1; as they lie if not shuffled."""
    if not shuffle:
        return np.arange(n_rows)
    return np.random.default_rng([seed, epoch]).permutation(n_rows)


def steps_per_epoch(n_rows: int, batch_size: int) -> int:
    """Number of batches that see every row once."""
    return -(-n_rows // batch_size)
