"""The rows that cases train on, made or read once a process."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from nets import NETS, Array, training_data

import affinet as an

Splits: TypeAlias = tuple[tuple[Array, Array], tuple[Array, Array]]  # rows to train on, to test on


@lru_cache(maxsize=2)
def random_data(net: str, batches: int) -> tuple[Array, Array]:
    """Rows and class indices for a net, shared by a library's contenders."""
    return training_data(NETS[net], "float32", batches)


@lru_cache(maxsize=1)
def random_images(rows: int) -> tuple[Array, Array]:
    """Noisy images of ten classes (rows, 784), uint8, and their classes."""
    rng = np.random.default_rng(4)
    kinds = rng.integers(0, 156, (10, 784), np.uint8)
    t = rng.integers(0, 10, rows)
    return kinds[t] + rng.integers(0, 100, (rows, 784), np.uint8), t


@lru_cache(maxsize=1)
def scaled_images(rows: int) -> tuple[Array, Array]:
    """The same as numbers 0..1, float32."""
    images, t = random_images(rows)
    return np.divide(images, 255, dtype=np.float32), t


@lru_cache(maxsize=1)
def digits() -> Splits:
    """The training and test rows of the digits that affinet ships, float32."""
    return an.datasets.load_digits()


@lru_cache(maxsize=1)
def mnist() -> Splits:
    """Those of MNIST."""
    return an.datasets.load_mnist()


def has_mnist() -> bool:
    """Whether AFFINET_DATA_DIR names a folder with MNIST's files; they are not fetched."""
    try:
        return "AFFINET_DATA_DIR" in os.environ and len(mnist()) == 2
    except FileNotFoundError:
        return False
