"""The work of every trainer: images as bytes, one architecture, Adam with a decaying rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from nets import Array

import affinet as an

WIDTHS = {"MNIST": (784, 800, 800, 10), "digits": (64, 32, 32, 10)}
ADAM = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}  # the defaults of every library here


@dataclass(frozen=True)
class Setting:
    """What the grid chooses.

    Attributes
    ----------
    batch : int
        Rows of a step.
    lr : float
        Learning rate of the first epoch.
    decay : float
        Every further epoch multiplies the rate by it.
    """

    batch: int
    lr: float
    decay: float

    def lr_of(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 0."""
        return self.lr * self.decay**epoch


@dataclass(frozen=True)
class Data:
    """Images (N, I) of uint8 that stand for x / 255, and their classes (N,) of int64."""

    images: Array
    classes: Array
    test_images: Array
    test_classes: Array

    def whole_batches(self, batch: int) -> tuple[Array, Array]:
        """The training rows without those that would not fill a batch; MNIST loses none."""
        rows = len(self.images) // batch * batch
        return self.images[:rows], self.classes[:rows]


class Trainer(Protocol):
    """How a library trains; constructed with the widths and a :class:`Setting`.

    ``losses`` are those of the last epoch, one for each step, or their mean. ``precision`` is the
    arithmetic of the matrix products, ``note`` what the results should say about it, and
    ``early_epsilon`` whether Adam's epsilon is added to the root of squares that are not yet
    corrected for starting at 0.
    """

    setting: Setting
    losses: list[float]
    precision: str
    note: str
    early_epsilon: bool

    def __init__(self, widths: tuple[int, ...], setting: Setting) -> None: ...

    def start(self, first: list[Array], seed: int) -> None:
        """Begin with these parameters and a new optimizer."""

    def warm_up(self, images: Array, classes: Array) -> None:
        """Compile what will run on as many images; the parameters may change."""

    def load(self, images: Array, classes: Array) -> None:
        """Take the images and convert them as the library wants them."""

    def epoch(self, lr: float, shuffle: bool = True) -> None:
        """Train on all rows once, in a new order, and wait until it is done."""

    def predict(self, images: Array) -> Array:
        """The logits or probabilities (B, C) of images."""

    def parameters(self) -> list[Array]:
        """W1 (I, H), b1 (H,), W2, ... as they are now."""


def first_parameters(widths: tuple[int, ...], seed: int) -> list[Array]:
    """Weights after He et al. (ICCV 2015) and biases of 0, float32."""
    rng = np.random.default_rng(seed)
    found: list[Array] = []
    for n_in, n_out in pairwise(widths):
        W = rng.standard_normal((n_in, n_out), np.float32) * np.float32(math.sqrt(2 / n_in))
        found += [W, np.zeros(n_out, np.float32)]
    return found


def order_of(rng: np.random.Generator, rows: int, shuffle: bool) -> Array:
    """The rows of an epoch in their order, for trainers that do not shuffle themselves."""
    return rng.permutation(rows) if shuffle else np.arange(rows)


@lru_cache(maxsize=1)
def load(name: str, folder: Path | None) -> Data:
    """MNIST, or the digits that affinet ships as bytes.

    Raises
    ------
    FileNotFoundError
        If the folder lacks MNIST's files; they are not fetched.
    """
    splits: Any
    if name == "MNIST":
        splits = an.datasets.load_mnist(folder, scaled=False)
    else:
        splits = [(np.rint(255 * x).astype(np.uint8), t) for x, t in an.datasets.load_digits()]
    (images, classes), (test_images, test_classes) = splits
    return Data(images, classes, test_images, test_classes)
