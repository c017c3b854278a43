"""The comparisons for one array: which derivatives to compute, and how to rate their errors."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.gradcheck.derivative import (
    Along,
    Derivative,
    along_direction,
    along_element,
    coarsest,
    extrapolated_derivative,
    first_step,
)
from affinet.gradcheck.report import Comparison, ParameterCheck, most_telling
from affinet.gradcheck.subjects import INPUT, Subject

# Rounding error allowed for sums in a backward, relative to the largest derivative.
BACKWARD_ROUNDING = 64 * np.finfo(np.float64).eps


@dataclass
class Plan:
    """How to check: the arguments of :func:`~affinet.gradient_check`."""

    tolerance: float
    h: float
    samples: int
    directions: int
    rng: np.random.Generator


@dataclass
class ArrayCheck:
    """The comparisons for one array, collected."""

    subject: Subject
    plan: Plan
    name: str
    array: Array
    value: float
    noise: float
    elements: list[tuple[tuple[int, ...], float, Derivative]] = field(default_factory=list)
    kinks: list[tuple[int, ...]] = field(default_factory=list)
    directions: list[tuple[Array, float, Derivative]] = field(default_factory=list)
    direction_kinks: int = 0

    def run(self, gradient: Any) -> ParameterCheck:
        """Compare ``gradient``, which may be any object that a backward left."""
        problem = self._problem_with(gradient)
        if problem:
            return ParameterCheck(self.name, self.array.size, max_error=math.inf, problem=problem)
        gradient = np.asarray(gradient, np.float64)
        for index in self._sample():
            self._compare_element(gradient, index)
        for _ in range(self.plan.directions):
            self._compare_direction(gradient)
        self._look_behind_directions(gradient)
        return self._summary()

    def _problem_with(self, gradient: Any) -> str:
        what = "dx" if self.name == INPUT else "the gradient"
        if gradient is None:
            return f"backward gives no gradient: {what} is None"
        gradient = np.asarray(gradient)
        if gradient.dtype.kind not in "buif" or gradient.shape != self.array.shape:
            return (
                f"{what} has shape {gradient.shape} and dtype {gradient.dtype}, "
                f"wanted {self.array.shape} and floats"
            )
        bad = np.argwhere(~np.isfinite(gradient))
        if len(bad):
            place = tuple(int(i) for i in bad[0])
            return (
                f"{what} is {gradient[place]} at {list(place)} "
                "(NaN was put there before: backward has to write all of it, and not add to it)"
            )
        return ""

    def _sample(self) -> list[tuple[int, ...]]:
        size = self.array.size
        flat = np.arange(size)
        if size > self.plan.samples:
            flat = np.sort(self.plan.rng.choice(size, self.plan.samples, replace=False))
        return [tuple(int(i) for i in np.unravel_index(k, self.array.shape)) for k in flat]

    def _compare_element(self, gradient: Array, index: tuple[int, ...]) -> None:
        along = along_element(self.subject.value, self.array, index)
        found = self._derivative(along, abs(float(self.array[index])))
        if found is None:
            self.kinks.append(index)
        else:
            self.elements.append((index, float(gradient[index]), found))

    def _compare_direction(self, gradient: Array) -> None:
        direction = self.plan.rng.standard_normal(self.array.shape)
        for index in self.kinks:
            direction[index] = 0.0
        found = self._along(direction) if direction.any() else None
        if found is None:
            self.direction_kinks += 1
        else:
            self.directions.append((direction, float(np.sum(direction * gradient)), found))

    def _along(self, direction: Array) -> Derivative | None:
        along = along_direction(self.subject.value, self.array, direction)
        return self._derivative(along, float(np.max(np.abs(self.array))))

    def _derivative(self, along: Along, magnitude: float) -> Derivative | None:
        h = first_step(self.plan.h, magnitude)
        return extrapolated_derivative(along, self.value, h, self.noise, self.plan.tolerance)

    def _look_behind_directions(self, gradient: Array) -> None:
        """If a direction is wrong but no sampled element is, bisect it down to one element."""
        tolerance = self.plan.tolerance
        if any(self._error(a, n) > tolerance for _, a, n in self.elements):
            return
        wrong = [found for found in self.directions if self._error(found[1], found[2]) > tolerance]
        if not wrong:
            return
        direction = wrong[0][0].reshape(-1)
        places = np.flatnonzero(direction)
        while len(places) > 1:
            half = places[: len(places) // 2]
            part = np.zeros_like(direction)
            part[half] = direction[half]
            found = self._along(part.reshape(self.array.shape))
            if found is None:
                return
            analytic = float(np.sum(part * gradient.reshape(-1)))
            is_here = self._error(analytic, found) > tolerance
            places = half if is_here else places[len(places) // 2 :]
        index = tuple(int(i) for i in np.unravel_index(places[0], self.array.shape))
        self._compare_element(gradient, index)

    def _error(self, analytic: float, numerical: Derivative) -> float:
        rounding = BACKWARD_ROUNDING * self._largest()
        floor = max(numerical.noise, rounding) / self.plan.tolerance
        largest = max(abs(analytic), abs(numerical.value), floor)
        return abs(analytic - numerical.value) / largest if largest else 0.0

    def _largest(self) -> float:
        """The largest numerical derivative at an element."""
        return max((abs(n.value) for _, _, n in self.elements), default=0.0)

    def _summary(self) -> ParameterCheck:
        comparisons = [
            Comparison(self.name, index, a, n.value, self._error(a, n))
            for index, a, n in self.elements
        ]
        along = [
            Comparison(self.name, None, a, n.value, self._error(a, n))
            for _, a, n in self.directions
        ]
        worst = most_telling(comparisons + along, self.plan.tolerance)
        return ParameterCheck(
            self.name,
            self.array.size,
            compared=len(comparisons),
            kinks=len(self.kinks),
            max_error=max((c.error for c in comparisons), default=0.0),
            direction_errors=tuple(c.error for c in along),
            direction_kinks=self.direction_kinks,
            worst=worst,
            problem=self._unresolved(),
        )

    def _unresolved(self) -> str:
        """Why these comparisons are not conclusive for the array; empty if they are."""
        found = [(a, n) for _, a, n in self.elements] + [(a, n) for _, a, n in self.directions]
        if not found:
            return (
                "nothing could be compared: at every place tried the function has a kink, "
                "or is computed with less than double precision"
            )
        if all(max(abs(a), abs(n.value)) <= n.noise for a, n in found):
            return ""  # zero within the noise
        share = coarsest(self.plan.tolerance)
        if any(n.noise <= share * abs(n.value) for _, n in found):
            return ""
        largest = max((n for _, n in found), key=lambda n: abs(n.value))
        return (
            f"the derivatives (largest {abs(largest.value):.1e}) drown in the rounding of the "
            f"function ({largest.noise:.1e}), so they could not be compared"
        )
