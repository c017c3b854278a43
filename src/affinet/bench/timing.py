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
class Plan:
    """The effort of a measurement.

    Attributes
    ----------
    repeats : int
        Rounds; each has one sample of every contender.
    sample_seconds : float
        A sample repeats the work so often that the fastest contender takes this long.
    budget_seconds : float
        After this time no further round begins, once there are three.
    pause_seconds : float
        Pause before every sample. The threads of a BLAS spin for some hundredths of a second after
        their last job and would occupy the next contender's cores.
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
    plan: Plan,
    reset: Callable[[], None],
    clock: Callable[[Any, int], float] = seconds,
) -> tuple[dict[str, list[float]], int]:
    """Seconds per unit of work, one sample per round and contender.

    Parameters
    ----------
    runners : mapping of names to callables
        Each is called with the number of times to do its work.
    plan : Plan
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
    count = max(1, round(plan.sample_seconds / min(singles.values())))
    samples: dict[str, list[float]] = {name: [] for name in names}
    started = time.perf_counter()
    for turn in range(plan.repeats):
        if turn >= 3 and time.perf_counter() - started > plan.budget_seconds:
            break
        shift = turn % len(names)  # no contender always follows the same one
        for name in names[shift:] + names[:shift]:
            time.sleep(plan.pause_seconds)
            reset()
            if singles[name] < 0.1:  # a cold start hardly affects longer work
                runners[name](1)
            samples[name].append(clock(runners[name], count) / count)
    return samples, count


def summary(samples: list[float]) -> dict[str, float | list[float]]:
    """Median and quartiles in microseconds, and the samples themselves."""
    in_us = np.asarray(samples) * 1e6
    low, median, high = np.percentile(in_us, [25, 50, 75])
    return {
        "median_us": float(median),
        "quartile_1_us": float(low),
        "quartile_3_us": float(high),
        "samples_us": [round(float(sample), 3) for sample in in_us],
    }
