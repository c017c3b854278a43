"""Learning-rate schedules: the rate of each update.

A schedule is any callable ``schedule(progress) -> learning rate`` that depends only on the
training's progress, a :class:`Progress`. ``fit(..., schedule=...)`` calls it at the start of each
epoch for the rates of that epoch's updates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from affinet._validation import Array, positive_number, real_number, whole_number
from affinet.plateau import Plateau

MOST_REDUCTIONS = 1_000_000  # at most one per epoch; a damaged checkpoint may claim any number

__all__ = [
    "Constant",
    "Cosine",
    "Exponential",
    "Progress",
    "ReduceOnPlateau",
    "Schedule",
    "Step",
]


class Progress(NamedTuple):
    """The state of a training before one of its updates.

    Attributes
    ----------
    step : int
        Number of updates before this one: 0, 1, ...
    epoch : int
        Number of whole epochs before this one: 0, 1, ...
    steps : int
        Number of updates in the whole training.
    steps_per_epoch : int
        Number of updates per epoch.
    lr : float
        The optimizer's learning rate at the start of the training.

    Examples
    --------
    >>> import affinet as an
    >>> def triangle(progress):
    ...     return 0.1 * (1 - abs(2 * progress.step / progress.steps - 1))
    >>> triangle(an.schedules.Progress(step=5, epoch=0, steps=20, steps_per_epoch=10, lr=0.01))
    0.05
    """

    step: int
    epoch: int
    steps: int
    steps_per_epoch: int
    lr: float


class Schedule(ABC):
    """A rule for the learning rate.

    Examples
    --------
    >>> import affinet as an
    >>> isinstance(an.schedules.Cosine(0.1), an.schedules.Schedule)
    True
    """

    @abstractmethod
    def rates(self, progress: Progress, n: int) -> Array:
        """Learning rates of n updates of one epoch, the first at ``progress``."""

    def __call__(self, progress: Progress) -> float:
        """Learning rate of the update at ``progress``."""
        return float(self.rates(progress, 1)[0])

    def __repr__(self) -> str:
        shown = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        arguments = ", ".join(f"{name}={value!r}" for name, value in shown.items())
        return f"{type(self).__name__}({arguments})"


class Constant(Schedule):
    """A constant rate.

    Parameters
    ----------
    lr : float
        Learning rate, 0 or more.

    Examples
    --------
    >>> import affinet as an
    >>> net = an.Sequential(an.Affine.init(1, 1, rng=0), loss=an.MeanSquaredError())
    >>> net.fit([[1.0]], [[2.0]], epochs=2, schedule=an.schedules.Constant(0.05))["lr"]
    [0.05, 0.05]
    """

    def __init__(self, lr: float) -> None:
        self.lr = real_number("lr", lr, 0.0)

    def rates(self, progress: Progress, n: int) -> Array:
        """The rate, n times."""
        return np.full(n, self.lr)


class Step(Schedule):
    """``lr factor^(epoch // every)``: multiplied by ``factor`` every ``every`` epochs.

    Parameters
    ----------
    lr : float
        Learning rate of the first epochs, 0 or more.
    every : int
        Number of epochs between changes.
    factor : float
        Multiplier of the rate, above 0.

    Examples
    --------
    >>> import affinet as an
    >>> net = an.Sequential(an.Affine.init(1, 1, rng=0), loss=an.MeanSquaredError())
    >>> net.fit([[1.0]], [[2.0]], epochs=4, schedule=an.schedules.Step(0.4, 2, 0.5))["lr"]
    [0.4, 0.4, 0.2, 0.2]
    """

    def __init__(self, lr: float, every: int, factor: float = 0.1) -> None:
        self.lr = real_number("lr", lr, 0.0)
        self.every = whole_number("every", every, 1)
        self.factor = positive_number("factor", factor)

    def rates(self, progress: Progress, n: int) -> Array:
        """The epoch's rate, n times."""
        return np.full(n, self.lr * self.factor ** (progress.epoch // self.every))


class Exponential(Schedule):
    """``lr decay^step``: decays with every update.

    Parameters
    ----------
    lr : float
        Learning rate of the first update, 0 or more.
    decay : float
        Multiplier of the rate after each update, above 0; ``0.5 ** (1 / n)`` halves the rate
        every n updates.

    Examples
    --------
    >>> import affinet as an
    >>> rule = an.schedules.Exponential(0.8, 0.5)
    >>> rule(an.schedules.Progress(step=2, epoch=0, steps=9, steps_per_epoch=9, lr=0.01))
    0.2
    """

    def __init__(self, lr: float, decay: float) -> None:
        self.lr = real_number("lr", lr, 0.0)
        self.decay = positive_number("decay", decay)

    def rates(self, progress: Progress, n: int) -> Array:
        """The rates of n updates."""
        steps = np.arange(progress.step, progress.step + n, dtype=np.float64)
        return np.asarray(self.lr * self.decay**steps)


class Cosine(Schedule):
    """Linear warm-up, then cosine decay.

    ``lr (step + 1) / warmup`` for the first ``warmup`` updates, then ``final + (lr - final)
    (1 + cos(pi s)) / 2`` where s grows from 0 to 1 until ``total``, then ``final``. Loshchilov,
    Hutter, "SGDR", ICLR 2017, equation 5, without restarts; the warm-up as in Goyal et al. (2017).

    Parameters
    ----------
    lr : float
        The highest rate, 0 or more.
    total : int, optional
        Number of updates, including warm-up, after which ``final`` is reached; by default all
        updates of the training.
    warmup : int
        Number of warm-up updates.
    final : float
        The rate at the end, 0 or more.

    Examples
    --------
    >>> import affinet as an
    >>> rule = an.schedules.Cosine(0.8, total=6, warmup=2)
    >>> start = an.schedules.Progress(step=0, epoch=0, steps=6, steps_per_epoch=6, lr=0.01)
    >>> rule.rates(start, 6).round(4)
    array([0.4   , 0.8   , 0.8   , 0.6828, 0.4   , 0.1172])
    """

    def __init__(
        self, lr: float, total: int | None = None, warmup: int = 0, final: float = 0.0
    ) -> None:
        self.lr = real_number("lr", lr, 0.0)
        self.total = None if total is None else whole_number("total", total, 1)
        self.warmup = whole_number("warmup", warmup, 0)
        self.final = real_number("final", final, 0.0)
        if self.total is not None and self.warmup >= self.total:
            raise ValueError(f"warmup is {self.warmup}, wanted less than total, {self.total}")

    def rates(self, progress: Progress, n: int) -> Array:
        """The rates of n updates."""
        total = progress.steps if self.total is None else self.total
        steps = np.arange(progress.step, progress.step + n, dtype=np.float64)
        share = (steps - self.warmup) / max(total - self.warmup, 1)
        falling = 0.5 * (1 + np.cos(np.pi * np.clip(share, 0, 1)))
        rising = self.lr * (steps + 1) / max(self.warmup, 1)
        return np.where(steps < self.warmup, rising, self.final + (self.lr - self.final) * falling)


class ReduceOnPlateau(Schedule):
    """Reduces the rate by a factor when a metric stops improving.

    It starts from the optimizer's rate, and restarts with every ``fit`` that does not resume.

    Parameters
    ----------
    factor : float
        Multiplier of the rate, 0 < factor < 1.
    patience : int
        Number of epochs without improvement before the rate is reduced.
    monitor : str
        Name of the metric in the history.
    min_lr : float
        The rate never falls below this.
    min_delta : float
        Smallest change that counts as improvement; it must be exceeded.
    mode : str, optional
        "min" if lower is better, "max" if higher; by default inferred from the name.

    Examples
    --------
    With a rate of 4 this training diverges, so the rate is reduced at once:

    >>> import affinet as an
    >>> net = an.Sequential(an.Affine([[1.0]], [0.0]), loss=an.MeanSquaredError())
    >>> rule = an.schedules.ReduceOnPlateau(0.1, patience=1, monitor="loss")
    >>> net.fit([[1.0]], [[2.0]], epochs=3, optimizer=an.SGD(4.0), schedule=rule)["lr"]
    [4.0, 4.0, 0.4]
    """

    def __init__(
        self,
        factor: float = 0.1,
        patience: int = 5,
        monitor: str = "val_loss",
        min_lr: float = 0.0,
        min_delta: float = 0.0,
        mode: str | None = None,
    ) -> None:
        self.factor = positive_number("factor", factor)
        if self.factor >= 1:
            raise ValueError(f"factor is {factor!r}, wanted less than 1")
        self.patience = whole_number("patience", patience, 1)
        self.min_lr = real_number("min_lr", min_lr, 0.0)
        self._monitor = Plateau(monitor, min_delta, mode)
        self._reductions = 0

    @property
    def monitor(self) -> str:
        """The name of the metric."""
        return self._monitor.monitor

    def rates(self, progress: Progress, n: int) -> Array:
        """The epoch's rate, n times."""
        lr = progress.lr
        for _ in range(self._reductions):
            lr = max(lr * self.factor, min(self.min_lr, lr))
        return np.full(n, lr)

    def begin(self) -> None:
        """Called when a training begins."""
        self._monitor.reset()
        self._reductions = 0

    def observe(self, figures: Mapping[str, Any]) -> None:
        """Called when an epoch has ended, with its metrics."""
        if not self._monitor.observe(figures) and self._monitor.wait >= self.patience:
            self._reductions += 1
            self._monitor.wait = 0

    def state_dict(self) -> dict[str, Any]:
        """The state, for a checkpoint."""
        return {"monitor": self._monitor.state_dict(), "reductions": self._reductions}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state_dict; a rejected one changes nothing."""
        reductions = whole_number("reductions", state["reductions"], 0)
        if reductions > MOST_REDUCTIONS:
            raise ValueError(f"reductions is {reductions:.6g}, wanted at most {MOST_REDUCTIONS}")
        self._monitor.load_state_dict(state["monitor"])
        self._reductions = reductions


def rates_of_epoch(schedule: Any, start: Progress, n: int) -> Array:
    """The rates of an epoch's n updates, checked."""
    if isinstance(schedule, Schedule):
        rates = schedule.rates(start, n)
    else:
        rates = np.array(
            [float(schedule(start._replace(step=start.step + i))) for i in range(n)], np.float64
        )
    bad = ~((rates >= 0) & (rates < np.inf))
    if bad.any():
        place = int(bad.argmax())
        raise ValueError(
            f"schedule gave a learning rate of {rates[place]} for step {start.step + place}, "
            "wanted 0 or more, finite"
        )
    return np.ascontiguousarray(rates, np.float64)
