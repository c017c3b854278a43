"""Medians of interleaved samples: a temporary slowdown of the machine affects all contenders."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Runner = Callable[[int], object]  # repeats its work this number of times


@dataclass(frozen=True)
class Sampling:
    """The effort of a measurement.

    Attributes
    ----------
    repeats : int
        Rounds; each has one sample of every contender.
    sample_seconds : float
        A sample repeats the work often enough for the fastest contender to take this long.
    budget_seconds : float
        After this time no further round begins, once there are three.
    pause_seconds : float
        Pause before every sample. The threads of a BLAS spin for a few hundredths of a second
        after their last job and would occupy the next contender's cores.
    """

    repeats: int = 15
    sample_seconds: float = 0.02
    budget_seconds: float = 30.0
    pause_seconds: float = 0.0


def seconds(run: Runner, count: int) -> float:
    """Wall-clock seconds of one call, with the garbage collector off."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        started = time.perf_counter()
        run(count)
        return time.perf_counter() - started
    finally:
        if collecting:
            gc.enable()


def interleaved(
    runners: Mapping[str, Runner],
    sampling: Sampling,
    reset: Callable[[], None],
    clock: Callable[[Any, int], float] = seconds,
) -> tuple[dict[str, list[float]], int]:
    """Seconds per unit of work, one sample per round and contender.

    Parameters
    ----------
    runners : mapping of names to callables
        Each is called with the number of times to do its work.
    sampling : Sampling
    reset : callable
        Called before every sample, outside its timing, so that all start from the same state.
    clock : callable
        ``clock(runner, count)`` returns the seconds that the runner takes for this count.

    Returns
    -------
    samples : dict of lists of float
        Seconds by the contender's name, in the order of the rounds.
    count : int
        Units of work per sample.
    """
    names = list(runners)
    singles = {}
    for name in names:
        reset()
        singles[name] = min(clock(runners[name], 1) for _ in range(2))
    count = max(1, round(sampling.sample_seconds / min(singles.values())))
    samples: dict[str, list[float]] = {name: [] for name in names}
    started = time.perf_counter()
    for turn in range(sampling.repeats):
        if turn >= 3 and time.perf_counter() - started > sampling.budget_seconds:
            break
        shift = turn % len(names)  # no contender always follows the same one
        for name in names[shift:] + names[:shift]:
            time.sleep(sampling.pause_seconds)
            reset()
            if singles[name] < 0.1:  # a cold start hardly affects longer work
                runners[name](1)
            samples[name].append(clock(runners[name], count) / count)
    return samples, count


def summary(samples: list[float]) -> dict[str, float]:
    """Median and quartiles in microseconds, and the number of samples."""
    low, median, high = np.percentile(np.asarray(samples) * 1e6, [25, 50, 75])
    return {
        "median_us": float(median),
        "quartile_1_us": float(low),
        "quartile_3_us": float(high),
        "samples": len(samples),
    }
