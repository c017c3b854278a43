"""Derivatives along a line from function values alone, with their noise and kink detection."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from affinet._validation import Array

# Moves along a line by the given step; returns the actual step after rounding, and f there.
Along = Callable[[float], tuple[float, float]]

MIN_LEVELS, MAX_LEVELS = 8, 24  # halvings of the step: minimum and maximum
NOISE_FACTOR = 10.0  # a slope's noise in standard deviations of the values' rounding, per step
MAX_RELATIVE_STEP = 2.0**-20  # of an element much larger than 1


@dataclass(frozen=True)
class Derivative:
    """A derivative on which several step sizes agree, and its possible rounding error."""

    value: float
    noise: float


def extrapolated_derivative(
    along: Along, centre: float, h: float, noise: float, tolerance: float
) -> Derivative | None:
    """The derivative at 0 of a function of one variable, or None if it has a kink there.

    The step is halved until three in a row agree. With D(h) the central difference and
    E(h) = f(h) - 2 f(0) + f(-h):

    - Richardson's (4 D(h/2) - D(h)) / 3, whose error is of order h^4, hardly changes;
    - E(h) - 4 E(h/2) vanishes: it is h^4 f''''/16 for a smooth function, and J (3 p - h) for a
      change J of the slope at a distance p < h/2. It detects a kink at 0, which D(h), the mean of
      the slopes on both sides, cannot detect.

    As the step shrinks, a kink at some distance falls outside it (Ridders, Adv. Eng. Software 4,
    1982, halves for the truncation error alone), so only a kink closer than the smallest useful
    step gives None. Nothing here depends on the analytic gradient.

    Parameters
    ----------
    along : callable
        ``along(step) -> (realised step, f)``.
    centre : float
        f at 0.
    h : float
        First step.
    noise : float
        Standard deviation of the rounding errors of f.
    tolerance : float
        Relative error wanted.
    """
    slopes: list[float] = []
    bends: list[float] = []
    steepest = 0.0
    for level in range(MAX_LEVELS):
        step = h * 0.5**level
        (right, above), (left, below) = along(step), along(-step)
        if not left < 0.0 < right:  # lost in rounding
            return None
        slopes.append((above - below) / (right - left))
        bends.append((above - centre) - (centre - below))
        slope_noise = NOISE_FACTOR * noise / step
        if level >= 2:
            value, before = _extrapolate(slopes), _extrapolate(slopes[:-1])
            bounds = max(0.25 * tolerance * abs(value), slope_noise)
            kink = abs(bends[-2] - 4.0 * bends[-1]) / (4.0 * step)
            wider_kink = abs(bends[-3] - 4.0 * bends[-2]) / (8.0 * step)
            if abs(value - before) <= bounds and kink <= bounds and wider_kink <= bounds:
                return Derivative(value, slope_noise)
        steepest = max(steepest, abs(above - centre) / step, abs(centre - below) / step)
        if level >= MIN_LEVELS and not slope_noise < tolerance * steepest:
            return None
    return None


def coarsest(tolerance: float) -> float:
    """The largest noise, relative to the derivative, at which a comparison is meaningful."""
    return min(100.0 * tolerance, 1e-3)


def rounding_noise(
    f: Callable[[], float], arrays: Iterable[Array], rng: np.random.Generator
) -> float:
    """Standard deviation of the rounding errors of f near the arrays' values.

    Third differences of values at equal, tiny distances contain only rounding errors (Hamming's
    difference table; Moré, Wild, "Estimating computational noise", SIAM J. Sci. Comput. 33,
    2011). All points lie on one side, so a kink at the arrays' own values does not matter.
    """
    arrays = list(arrays)
    saved = [array.copy() for array in arrays]
    deviations, largest = [], 0.0
    try:
        for _ in range(3):
            steps = [
                2.0**-36 * rng.standard_normal(a.shape) * np.maximum(1.0, np.abs(a)) for a in saved
            ]
            values = []
            for k in range(1, 9):
                for array, start, step in zip(arrays, saved, steps, strict=True):
                    array[...] = start + k * step
                values.append(f())
            with np.errstate(invalid="ignore"):  # if f is infinite, so is its noise
                third = np.diff(values, 3)
            deviations.append(float(np.sqrt(np.mean(third**2) / 20.0)))
            largest = max(largest, *(abs(value) for value in values))
    finally:
        for array, start in zip(arrays, saved, strict=True):
            array[...] = start
    # The median of three: a kink may lie even between points this close.
    return max(sorted(deviations)[1], 2.0**-53 * largest)


def along_element(f: Callable[[], float], array: Array, index: tuple[int, ...]) -> Along:
    """f as a function of one element of the array."""
    start = float(array[index])

    def along(step: float) -> tuple[float, float]:
        array[index] = start + step
        realised = float(array[index]) - start
        try:
            return realised, f()
        finally:
            array[index] = start

    return along


def along_direction(f: Callable[[], float], array: Array, direction: Array) -> Along:
    """f as the array moves along a direction."""
    start = array.copy()

    def along(step: float) -> tuple[float, float]:
        array[...] = start + step * direction
        try:
            return step, f()
        finally:
            array[...] = start

    return along


def first_step(h: float, magnitude: float) -> float:
    """h, or a larger step if values of this magnitude need it to differ after rounding."""
    return max(h, MAX_RELATIVE_STEP * magnitude) if math.isfinite(magnitude) else h


def _extrapolate(slopes: list[float]) -> float:
    return (4.0 * slopes[-1] - slopes[-2]) / 3.0
