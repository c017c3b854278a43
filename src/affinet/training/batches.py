"""The rows of each batch: a function of seed, epoch and step alone."""

from __future__ import annotations

import numpy as np

from affinet._dispatch import kernels
from affinet._validation import Array


def epoch_order(n_rows: int, seed: int, epoch: int, shuffle: bool = True) -> Array:
    """Row order of an epoch: a permutation of 0..n_rows-1, the identity if not shuffled.

    It is that of ``np.random.default_rng([seed, epoch]).permutation(n_rows)``, in less time.
    """
    return epoch_orders(n_rows, seed, range(epoch, epoch + 1), shuffle)


def epoch_orders(n_rows: int, seed: int, epochs: range, shuffle: bool = True) -> Array:
    """The orders of epochs that follow each other, one after the other."""
    orders = np.empty((len(epochs), n_rows), np.int64)
    if shuffle:
        words = -(-seed.bit_length() // 32) or 1
        kernels.permutations(seed.to_bytes(4 * words, "little"), epochs.start, orders)
    else:
        orders[:] = np.arange(n_rows)
    return orders.ravel()


def steps_per_epoch(n_rows: int, batch_size: int) -> int:
    """Number of batches that cover every row once."""
    return -(-n_rows // batch_size)
