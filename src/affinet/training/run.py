"""One training, epoch by epoch, from its first step or from a checkpoint to its end."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np

from affinet import schedules
from affinet._validation import Array
from affinet.losses import ClassLoss
from affinet.metrics import Metric
from affinet.network import Sequential
from affinet.optimizers import Optimizer
from affinet.training.batches import epoch_order, steps_per_epoch
from affinet.training.callbacks import StopTraining, TrainingState, due_step, name_of
from affinet.training.finite import STOPPED_BY, cause_of, has_finite, sentence
from affinet.training.history import History
from affinet.training.progress import Progress
from affinet.training.step import Step

PAUSE = 0.05  # seconds of steps in one call: between calls Ctrl-C is seen and progress shown


@dataclass
class Sums:
    """Of the epoch so far: batches, their weights, losses times weights, hits, seconds.

    A batch weighs what its rows weigh together: their number, where they have no weights. All are
    added one by one, so no sum depends on where the epoch was cut into calls.
    """

    batches: int = 0
    weight: float = 0.0
    loss: float = 0.0
    hits: float = 0.0
    seconds: float = 0.0


class Run:
    """One training from its first step to its last."""

    stop_if_not_finite = True
    broken = False  # by a loss that is not finite, so that the epoch ends and is the last

    def __init__(
        self,
        net: Sequential,
        optimizer: Optimizer,
        step: Step,
        schedule: Any,
        callbacks: tuple[Any, ...],
        n_rows: int,
        steps: int,
        batch_size: int,
        seed: int,
        weights: Array | None = None,
        shuffle: bool = True,
    ) -> None:
        self.net = net
        self.optimizer = optimizer
        self.step = step
        self.schedule = schedule
        self.callbacks = callbacks
        self.at_epochs = [c for c in callbacks if getattr(c, "every_steps", None) is None]
        self.at_steps = [
            c
            for c in callbacks
            if getattr(c, "every_steps", None) is not None or hasattr(c, "next_step")
        ]
        self.due: list[tuple[int, Any]] = []  # what these asked for
        self.n_rows = n_rows
        self.steps = steps
        self.batch_size = batch_size
        self.seed = seed
        self.weights = weights
        self.shuffle = shuffle
        self.classes = isinstance(net.loss, ClassLoss)
        self.speaks = True  # of what the user should know
        self.base_lr = float(getattr(optimizer, "lr", 0.0))
        self.lrs: Array | None = None  # of the epoch's updates, where there is a schedule
        self.batches_a_call = 1
        self.counted_rows = 0  # of the last call, and of each of its batches
        self.rows_a_batch: list[float] = []
        self.history = History()
        self.sums = Sums()
        self.whole_epoch = Sums()  # the last one that ended

    def begin(self, resume: str | PathLike[str] | None) -> None:
        """Tell all who remember something that a training begins; go on from a checkpoint."""
        if hasattr(self.schedule, "begin"):
            self.schedule.begin()
        for callback in filter(self.is_mine, self.callbacks):
            if hasattr(callback, "begin"):
                callback.begin(self.state({}))
        if resume is not None:
            from affinet.training import checkpoint

            checkpoint.resume(self, resume)
            self.step.refresh()
            self.step.updates = self.history.steps
        self.history.step_kind = self.step.kind
        self.net.history = self.history

    def __call__(
        self,
        validation_data: tuple[Array, ...] | None,
        metrics: Mapping[str, Metric],
        progress: Progress,
        ends_by: str,
    ) -> None:
        """Run to the end, to a StopTraining, or to an exception that passes through."""
        history = self.history
        try:
            # A checkpoint may stand between an epoch's last step and what follows the epoch.
            while history.stopped_by is None and (history.steps < self.steps or self.sums.batches):
                figures = self.train_epoch(progress)
                if validation_data is not None:
                    found = self.evaluate(validation_data, metrics)
                    figures |= {f"val_{name}": value for name, value in found.items()}
                history.epochs.append(figures)
                self.whole_epoch, self.sums = self.sums, Sums()
                progress.epoch(len(history.epochs), figures)
                if history.stopped_by is None:
                    self.end_epoch(figures)
                if self.broken:
                    history.stopped_by = history.stopped_by or STOPPED_BY
            if math.isfinite(self.whole_epoch.loss) and not has_finite(self.net.params.flat):
                self.warn_not_finite("a parameter is not finite after the last step")
            history.stopped_by = history.stopped_by or ends_by
            for callback in filter(self.is_mine, self.callbacks):
                if hasattr(callback, "end"):
                    callback.end(self.state(history.epochs[-1] if history.epochs else {}))
        except BaseException as error:
            history.stopped_by = type(error).__name__
            raise

    def watching(self) -> AbstractContextManager[None]:
        """Around the whole run: nothing, for Ctrl-C raises where it comes."""
        return nullcontext()

    def is_mine(self, callback: Any) -> bool:
        """True for callbacks that are called in this process."""
        return True

    def evaluate(self, data: tuple[Any, ...], metrics: Mapping[str, Metric]) -> dict[str, float]:
        """Figures of the validation data."""
        return self.net.evaluate(*data, metrics=metrics)

    def train_epoch(self, progress: Progress) -> dict[str, float]:
        """One pass over the rows, or what is left of it; returns its figures."""
        started = time.perf_counter()
        history, sums, size = self.history, self.sums, self.batch_size
        order = epoch_order(self.n_rows, self.seed, len(history.epochs), self.shuffle)
        before = history.steps - sums.batches  # updates before this epoch
        rows = (self.steps - before) * size
        if rows < len(order):
            order = order[:rows]
        if self.schedule is not None:
            self.lrs = self.rates(before, -(-len(order) // size))
        start = sums.batches * size
        while start < len(order) and history.stopped_by is None and not self.broken:
            end = start + self.batches_to_run() * size
            whole = start == 0 and end >= len(order)
            self.train_on(order if whole else order[start:end], progress)
            self.broken = self.is_broken()
            now = time.perf_counter()
            sums.seconds += now - started
            started, start = now, end
            if self.at_steps:
                self.end_steps()
                started = time.perf_counter()
        figures = self.figures()
        if not math.isfinite(sums.loss):
            self.broken = self.is_broken()
            self.warn_not_finite(f"the loss of epoch {figures['epoch']} is {figures['loss']}", 6)
        return figures

    def is_broken(self) -> bool:
        """True if a loss that is not finite ends the training."""
        return self.stop_if_not_finite and not math.isfinite(self.sums.loss)

    def warn_not_finite(self, what: str, stacklevel: int = 5) -> None:
        """Warn at the line that called ``fit``, with the place in the data that is the cause."""
        if self.speaks:
            cause = cause_of(self.step.x, self.step.t, self.net.dtype)
            message = sentence(what, cause, self.broken)
            warnings.warn(message, RuntimeWarning, stacklevel=stacklevel)

    def train_on(self, part: Array, progress: Progress) -> None:
        """Train on these rows in one call, and add up what it tells."""
        started = time.perf_counter()
        sums, lrs = self.sums, self.lrs
        weights = self.batch_weights(part)
        batches = len(weights)
        if lrs is not None:
            lrs = lrs[sums.batches : sums.batches + batches]
        try:
            last, share = self.run_steps(part, weights, lrs)
        finally:
            self.history.steps = self.step.updates
        sums.batches += batches
        seconds = time.perf_counter() - started
        if batches == self.batches_a_call or seconds > PAUSE:
            self.batches_a_call = max(1, int(PAUSE * batches / max(seconds, 1e-9)))
        progress.steps(len(part), last, share if self.classes else None)

    def run_steps(
        self, part: Array, weights: list[float], lrs: Array | None
    ) -> tuple[float, float]:
        """Train on batches that weigh so much; the last one's loss, and the share of hits."""
        sums, told = self.sums, self.step.run(part, self.history.steps, lrs)
        losses, right = told[0].tolist(), told[1].tolist()
        loss, hits, weight = sums.loss, sums.hits, sums.weight
        for batch, own in enumerate(weights):
            loss += losses[batch] * own
            hits += right[batch]
            weight += own
        share = (hits - sums.hits) / ((weight - sums.weight) or 1.0)
        sums.loss, sums.hits, sums.weight = loss, hits, weight
        return losses[-1], share

    def batch_weights(self, part: Array) -> list[float]:
        """What the rows of each batch weigh together."""
        size, rows = self.batch_size, len(part)
        if self.weights is not None:
            weights: list[float] = np.add.reduceat(
                self.weights[part], range(0, rows, size)
            ).tolist()
            return weights
        if rows != self.counted_rows:
            whole, rest = divmod(rows, size)
            self.rows_a_batch = [float(size)] * whole + [float(rest)] * (rest > 0)
            self.counted_rows = rows
        return self.rows_a_batch

    def batches_to_run(self) -> int:
        """Batches of the next call, which ends where a callback is due."""
        if not self.at_steps:
            return self.batches_a_call
        steps = self.history.steps
        mine = filter(self.is_mine, self.at_steps)
        self.due = [(due_step(callback, steps), callback) for callback in mine]
        return min([self.batches_a_call, *(step - steps for step, _ in self.due)])

    def end_steps(self) -> None:
        """Call those that are due after this very step."""
        due = [callback for step, callback in self.due if step == self.history.steps]
        if due:
            self.call(due, self.figures(), after_step=True)

    def end_epoch(self, figures: dict[str, float]) -> None:
        """Tell the schedule, then the callbacks."""
        if hasattr(self.schedule, "observe"):
            self.schedule.observe(figures)
        if self.at_epochs:
            self.call(self.at_epochs, figures)

    def call(
        self, callbacks: list[Any], figures: dict[str, float], after_step: bool = False
    ) -> None:
        """Call one after the other, up to one that stops the training."""
        state = self.state(figures)
        for callback in filter(self.is_mine, callbacks):
            single = after_step and getattr(callback, "every_steps", None) is None
            try:
                (callback.after_step if single else callback)(state)
            except StopTraining as stop:
                self.history.stopped_by = f"{name_of(callback)}: {stop}".removesuffix(": ")
                return
        if not all(getattr(callback, "only_looks", False) for callback in callbacks):
            self.step.refresh()

    def figures(self) -> dict[str, float]:
        """The figures of the epoch so far; those of batches without any weight are 0."""
        sums = self.sums
        weight = sums.weight or 1.0
        figures = {"epoch": len(self.history.epochs) + 1, "loss": sums.loss / weight}
        if self.classes:
            figures["accuracy"] = sums.hits / weight
        if self.lrs is not None:
            figures["lr"] = float(self.lrs[sums.batches - 1])
        figures["seconds"] = sums.seconds
        return figures

    def rates(self, before: int, batches: int) -> Array:
        """The learning rates of this epoch's updates, ``before`` which there were so many."""
        start = schedules.Progress(
            step=before,
            epoch=len(self.history.epochs),
            steps=self.steps,
            steps_per_epoch=steps_per_epoch(self.n_rows, self.batch_size),
            lr=self.base_lr,
        )
        return schedules.rates_of_epoch(self.schedule, start, batches)

    def rows_done(self) -> int:
        """Rows that were trained on before a checkpoint."""
        return len(self.history.epochs) * self.n_rows + self.sums.batches * self.batch_size

    def state(self, figures: dict[str, float]) -> TrainingState:
        """What callbacks see now."""
        sums = self.sums if self.sums.batches else self.whole_epoch
        return TrainingState(
            net=self.net,
            optimizer=self.optimizer,
            epoch=int(figures.get("epoch", len(self.history.epochs))),
            step=self.history.steps,
            metrics=figures,
            history=self.history,
            snapshot=self.snapshot,
            data=(self.step.x, self.step.t),
            totals=(sums.weight, sums.loss, sums.hits),
        )

    def snapshot(self) -> dict[str, Any]:
        """All that is needed to go on from here."""
        from affinet.training import checkpoint

        return checkpoint.snapshot(self)
