"""Schedules of the recipes: of the learning rate, and factors of weight decay and dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from affinet._validation import Array, real_number
from affinet.schedules import Progress, Schedule


class CosineLog(Schedule):
    """Waves that become longer: ``lr (1 - cos(2 pi log2(1 + (2^waves - 1) s))) / 2``.

    s is the share of the updates that are done. The rate starts and ends at 0 and reaches ``lr``
    once in each wave. Holzmüller, Grinsztajn, Steinwart, "Better by Default", NeurIPS 2024,
    appendix A ("coslog4").

    Parameters
    ----------
    lr : float
        The highest rate, 0 or more.
    waves : int
        Number of waves.

    Examples
    --------
    >>> start = Progress(step=0, epoch=0, steps=15, steps_per_epoch=15, lr=0.01)
    >>> CosineLog(0.04).rates(start, 4).round(4).tolist()
    [0.0, 0.0, 0.0372, 0.0]
    """

    def __init__(self, lr: float, waves: int = 4) -> None:
        self.lr = real_number("lr", lr, 0.0)
        self.waves = waves

    def rates(self, progress: Progress, n: int) -> Array:
        """The rates of n updates."""
        share = shares(progress, n)
        turns = np.log2(1 + (2**self.waves - 1) * share)
        return np.asarray(self.lr * (1 - np.cos(2 * np.pi * turns)) / 2)


class FlatCosine(Schedule):
    """A factor: 1 for the first half of the updates, then a cosine that falls to 0.

    ``(1 + cos(pi max(2 s - 1, 0))) / 2``, s the share of the updates that are done.

    Examples
    --------
    >>> start = Progress(step=0, epoch=0, steps=8, steps_per_epoch=8, lr=0.01)
    >>> FlatCosine().rates(start, 8).round(4).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 0.8536, 0.5, 0.1464]
    """

    def rates(self, progress: Progress, n: int) -> Array:
        """The factors of n updates."""
        falling = np.maximum(2 * shares(progress, n) - 1, 0)
        return np.asarray((1 + np.cos(np.pi * falling)) / 2)


def shares(progress: Progress, n: int) -> Array:
    """The share of all updates that is done before each of the next n."""
    done: Array = np.arange(progress.step, progress.step + n) / progress.steps
    return done


def schedules_of(
    lr: float, lr_schedule: str, decay_schedule: str, dropout_schedule: str
) -> dict[str, Any]:
    """The arguments of ``fit`` for schedules by their names; constant ones are left out."""
    found: dict[str, Any] = {}
    if lr_schedule == "cosine-log":
        found["schedule"] = CosineLog(lr)
    if decay_schedule == "flat-cosine":
        found["decay_schedule"] = FlatCosine()
    if dropout_schedule == "flat-cosine":
        found["dropout_schedule"] = FlatCosine()
    return found
