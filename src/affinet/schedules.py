"""Learning-rate schedules: the rate of each update.

A schedule is any callable ``schedule(progress) -> learning rate`` that depends only on the
training's progress, a :class:`Progress`. ``fit(..., schedule=...)`` calls it at the start of each
epoch for the rates of that epoch's updates. ``decay_schedule`` and ``dropout_schedule`` take the
same schedules: what they return multiplies the weight decay and the p of every dropout.
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
    "CosLog4",
    "Cosine",
    "Exponential",
    "FlatCosine",
    "OneCycle",
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
        The optimizer's learning rate at the start of the training; 1 for a factor.

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


class FlatCosine(Schedule):
    """Constant, then cosine decay to 0.

    ``lr`` until the share ``flat`` of the training is done, then ``lr (1 + cos(pi s)) / 2`` where s
    grows from 0 to 1 until the end.

    Parameters
    ----------
    lr : float
        The rate of the first part, 0 or more.
    flat : float
        The share of the training that has this rate, 0 <= flat < 1.

    Examples
    --------
    Dropout that fades out in the second half of a training:

    >>> import affinet as an
    >>> rule = an.schedules.FlatCosine(1.0)
    >>> rule.rates(an.schedules.Progress(step=0, epoch=0, steps=6, steps_per_epoch=6, lr=1.0), 6)
    array([1.  , 1.  , 1.  , 1.  , 0.75, 0.25])
    """

    def __init__(self, lr: float, flat: float = 0.5) -> None:
        self.lr = real_number("lr", lr, 0.0)
        self.flat = real_number("flat", flat, 0.0, 1.0)

    def rates(self, progress: Progress, n: int) -> Array:
        """The rates of n updates."""
        share = (share_done(progress, n) - self.flat) / (1 - self.flat)
        return np.asarray(self.lr * 0.5 * (1 + np.cos(np.pi * np.clip(share, 0, 1))))


class CosLog4(Schedule):
    """Four cosine waves, each twice as long as the one before.

    ``lr (1 - cos(2 pi log2(1 + 15 t))) / 2``, t the share of the training that is done: 0 at the
    first update, ``lr`` in the middle of each wave. Holzmüller, Grinsztajn, Steinwart, "Better by
    default", NeurIPS 2024, with RealMLP.

    Parameters
    ----------
    lr : float
        The highest rate, 0 or more.

    Examples
    --------
    >>> import affinet as an
    >>> rule = an.schedules.CosLog4(0.1)
    >>> rule.rates(an.schedules.Progress(step=0, epoch=0, steps=15, steps_per_epoch=15, lr=1.0), 4)
    array([0.       , 0.       , 0.0930431, 0.       ])
    """

    def __init__(self, lr: float) -> None:
        self.lr = real_number("lr", lr, 0.0)

    def rates(self, progress: Progress, n: int) -> Array:
        """The rates of n updates."""
        waves = np.log2(1 + 15 * share_done(progress, n))
        return np.asarray(self.lr * 0.5 * (1 - np.cos(2 * np.pi * waves)))


class OneCycle(Schedule):
    """One cosine rise to ``lr``, then one cosine decay, as PyTorch's ``OneCycleLR``.

    From ``start_factor lr`` at the first update to ``lr`` at update ``rise steps``, counted from 1,
    then down to ``final_factor lr`` at the last. Smith, Topin, "Super-convergence" (2017), with the
    cosines of fastai.

    Parameters
    ----------
    lr : float
        The highest rate, 0 or more.
    rise : float
        The share of the training before the highest rate, 0 <= rise < 1.
    start_factor, final_factor : float
        The first and the last rate, as shares of ``lr``, 0 or more.

    Examples
    --------
    >>> import affinet as an
    >>> rule = an.schedules.OneCycle(0.8, rise=0.5, final_factor=0)
    >>> rule.rates(an.schedules.Progress(step=0, epoch=0, steps=6, steps_per_epoch=6, lr=1.0), 6)
    array([0.032, 0.416, 0.8  , 0.6  , 0.2  , 0.   ])
    """

    def __init__(
        self,
        lr: float,
        rise: float = 0.3,
        start_factor: float = 0.04,
        final_factor: float = 4e-6,
    ) -> None:
        self.lr = real_number("lr", lr, 0.0)
        self.rise = real_number("rise", rise, 0.0, 1.0)
        self.start_factor = real_number("start_factor", start_factor, 0.0)
        self.final_factor = real_number("final_factor", final_factor, 0.0)

    def rates(self, progress: Progress, n: int) -> Array:
        """The rates of n updates."""
        steps = np.arange(progress.step, progress.step + n, dtype=np.float64)
        top, last = max(self.rise * progress.steps - 1, 0.0), progress.steps - 1
        rising = 0.5 * (1 - np.cos(np.pi * np.clip(steps / (top or 1.0), 0, 1)))
        falling = 0.5 * (1 + np.cos(np.pi * np.clip((steps - top) / ((last - top) or 1.0), 0, 1)))
        up = self.start_factor + (1 - self.start_factor) * rising
        down = self.final_factor + (1 - self.final_factor) * falling
        return np.asarray(self.lr * np.where(steps < top, up, down))


def share_done(progress: Progress, n: int) -> Array:
    """The share of the training that is done before each of n updates."""
    return np.arange(progress.step, progress.step + n, dtype=np.float64) / progress.steps


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


def rates_of_epoch(
    schedule: Any,
    start: Progress,
    n: int,
    name: str = "schedule",
    what: str = "a learning rate",
    below: float = np.inf,
) -> Array:
    """The rates of an epoch's n updates, checked: ``name`` gave ``what``, 0 or more."""
    if isinstance(schedule, Schedule):
        rates = schedule.rates(start, n)
    else:
        rates = np.array(
            [float(schedule(start._replace(step=start.step + i))) for i in range(n)], np.float64
        )
    bad = ~((rates >= 0) & (rates < below))
    if bad.any():
        place = int(bad.argmax())
        limit = "finite" if below == np.inf else f"less than {below:.6g}"
        raise ValueError(
            f"{name} gave {what} of {rates[place]} for step {start.step + place}, "
            f"wanted 0 or more, {limit}"
        )
    return np.ascontiguousarray(rates, np.float64)
