"""Detects when a metric stops improving, for early stopping and schedules."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from affinet._validation import whole_number
from affinet.metrics import larger_is_better


class Plateau:
    """Tracks one metric and counts the epochs without improvement.

    Parameters
    ----------
    monitor : str
        Name of the metric.
    min_delta : float
        Smallest improvement on the best value so far that counts; it must be exceeded.
    mode : str or None
        "min" if lower is better, "max" if higher; None infers it from the name.
    """

    def __init__(self, monitor: str, min_delta: float, mode: str | None) -> None:
        if not isinstance(monitor, str):
            raise TypeError(f"monitor is {monitor!r}, wanted the name of a figure")
        if mode not in ("min", "max", None):
            raise ValueError(f"mode is {mode!r}, wanted 'min', 'max' or None")
        if not 0 <= float(min_delta) < math.inf:
            raise ValueError(f"min_delta is {min_delta!r}, wanted 0 or more, finite")
        self.monitor = monitor
        self.min_delta = float(min_delta)
        self.upward = larger_is_better(monitor) if mode is None else mode == "max"
        self.best: float | None = None
        self.wait = 0

    def observe(self, figures: Mapping[str, Any]) -> bool:
        """Record an epoch's value; True if it is the best so far. NaN never is."""
        if self.monitor not in figures:
            names = ", ".join(name for name in figures if name != "epoch")
            raise ValueError(f"monitor is {self.monitor!r}, but the figures are: {names}")
        value = float(figures[self.monitor])
        better = self.best is None or (value - self.best) * (1 if self.upward else -1) > (
            self.min_delta
        )
        if better and not math.isnan(value):
            self.best, self.wait = value, 0
            return True
        self.wait += 1
        return False

    def reset(self) -> None:
        """Reset."""
        self.best, self.wait = None, 0

    def state_dict(self) -> dict[str, Any]:
        """The best value and the count, as plain values."""
        return {"best": self.best, "wait": self.wait}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state_dict; a rejected one changes nothing."""
        best = state["best"]
        if best is not None and (type(best) not in (int, float) or math.isnan(best)):
            raise ValueError(f"best is {best!r:.50}, wanted a number or None")
        wait = whole_number("wait", state["wait"], 0)
        self.best, self.wait = best, wait
