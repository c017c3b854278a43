"""The clock: from bytes in memory to an accuracy on the test images."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from nets import Array

from .task import Data, Trainer


def race(
    trainer: Trainer,
    first: list[Array],
    data: Data,
    *,
    seed: int,
    epochs: int,
    goals: list[float],
    limit: float,
) -> dict[str, Any]:
    """Train until the highest goal is reached.

    The clock runs while images are converted and while epochs are trained. It stands still before
    that, and after each epoch while the trainer classifies the test images: for all trainers alike.

    Parameters
    ----------
    trainer : Trainer
        Warmed up, and verified.
    first : list of arrays
        The first parameters.
    data : Data
    seed : int
        Of the orders of the rows.
    epochs : int
        The most epochs.
    goals : list of float
        Shares of the test images.
    limit : float
        Seconds of the clock after which no further epoch begins.

    Returns
    -------
    dict
        ``load_s``, ``curve``, a list of ``[seconds, accuracy]`` after each epoch, ``reached``, the
        seconds of each goal or None, and ``cpu_s``, processor time of all threads.
    """
    setting = trainer.setting
    trainer.start(first, seed)
    seconds = load = clocked(trainer.load, *data.whole_batches(setting.batch))
    cpu = 0.0
    curve: list[list[float]] = []
    while len(curve) < epochs and seconds < limit and first_at(curve, max(goals)) is None:
        lr, before = setting.lr_of(len(curve)), time.process_time()
        seconds += clocked(trainer.epoch, lr)
        cpu += time.process_time() - before
        right = trainer.predict(data.test_images).argmax(axis=1) == data.test_classes
        curve.append([round(seconds, 4), round(float(np.mean(right)), 5)])
    return {
        "load_s": round(load, 4),
        "cpu_s": round(cpu, 3),
        "curve": curve,
        "reached": {f"{goal:g}": first_at(curve, goal) for goal in goals},
    }


def clocked(call: Any, *arguments: Any) -> float:
    """Seconds of a call."""
    started = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - started


def first_at(curve: list[list[float]], goal: float) -> float | None:
    """The seconds behind the first epoch whose accuracy is at least ``goal``; None without."""
    return next((seconds for seconds, accuracy in curve if accuracy >= goal), None)
