"""One training, epoch by epoch, from its first step or a checkpoint to its end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np

from affinet import schedules
from affinet._validation import Array
from affinet.layers import Dropout
from affinet.losses import ClassLoss
from affinet.metrics import Metric
from affinet.network.inner import walk
from affinet.training.callbacks import StopTraining, TrainingState, due_step, name_of
from affinet.training.finite import STOPPED_BY, cause_of, has_finite, sentence, warn_caller
from affinet.training.history import History
from affinet.training.joined_epochs import can_join, epochs_to_join, train_joined
from affinet.training.progress import ProgressDisplay
from affinet.training.rates import Rates
from affinet.training.record import Training
from affinet.training.step import TrainingStep, make_step

PAUSE = 0.05  # seconds per call; Ctrl-C and progress are handled between calls


@dataclass
class Sums:
    """Sums over the epoch so far: batches, weights, losses times weights, hits, seconds.

    A batch's weight is the sum of its rows' weights, or their number without weights. All values
    are added one by one, so no sum depends on how the epoch was split into calls.
    """

    batches: int = 0
    weight: float = 0.0
    loss: float = 0.0
    hits: float = 0.0
    seconds: float = 0.0


class Stopping:
    """A metric whose StopTraining ends the training after the epoch; its figure is then NaN."""

    def __init__(self, metric: Metric, stop: Callable[[str], None]) -> None:
        self.metric, self.stop = metric, stop
        self.func = getattr(metric, "func", metric)  # identifies affinet's own metrics

    def __call__(self, *arrays: Any, **options: Any) -> float:
        try:
            return self.metric(*arrays, **options)
        except StopTraining as stop:
            self.stop(stopped_by(self.func, stop))
            return math.nan


def stopped_by(part: Any, stop: StopTraining) -> str:
    """The name of the part that stopped training, with its message, for the history."""
    return f"{name_of(part)}: {stop}".removesuffix(": ")


def looks_at_steps(callback: Any) -> bool:
    """True for a callback that is called after steps, even if at ends of epochs too."""
    return getattr(callback, "every_steps", None) is not None or hasattr(callback, "next_step")


class Run:
    """One training from its first step to its last."""

    alone = True  # no other process waits for this one
    broken = False  # a loss is not finite: this epoch ends, and training with it

    def __init__(self, training: Training, rows: int | None = None) -> None:
        """``rows`` is this process's number of rows per batch; all by default."""
        self.training = training
        self.net = training.net
        self.optimizer = training.optimizer
        if training.average is not None:
            training.average.follow(self.net)
        self.step: TrainingStep = make_step(training, rows)
        callbacks = training.callbacks
        self.at_epochs = [c for c in callbacks if getattr(c, "every_steps", None) is None]
        self.at_steps = [c for c in callbacks if looks_at_steps(c)]
        self.due: list[tuple[int, Any]] = []  # (step, callback) requested next
        self.classes = isinstance(self.net.loss, ClassLoss)
        self.speaks = True  # this process prints warnings and progress
        self.metrics = {name: Stopping(m, self.stop) for name, m in training.metrics.items()}
        self.stop_text: str | None = None  # message of a pending StopTraining
        self.base_lr = float(getattr(self.optimizer, "lr", 0.0))
        self.rates = Rates()  # of the epoch's updates, from schedules and the average
        self.average_start = 0  # updates that the average had seen before the first one here
        found = {id(schedule): schedule for schedule in training.schedules.values()}
        self.schedules = list(found.values())  # each once, even if it sets two things
        self.batches_a_call = 1
        self.counted_rows = 0  # in the last call, and per batch
        self.rows_a_batch: list[float] = []
        self.history = History()
        self.sums = Sums()
        self.whole_epoch = Sums()  # the last finished epoch

    def begin(self, resume: str | PathLike[str] | None) -> None:
        """Notify stateful parts; continue from a checkpoint if there is one."""
        for schedule in self.schedules:
            if hasattr(schedule, "begin"):
                with self.stopping(schedule):
                    schedule.begin()
        for callback in filter(self.is_mine, self.training.callbacks):
            if hasattr(callback, "begin"):
                with self.stopping(callback):
                    callback.begin(self.state({}))
        if resume is not None:
            from affinet.training import resuming

            resuming.resume(self, resume)
            self.step.refresh()
            self.step.updates = self.history.steps
        if self.training.average is not None:
            self.average_start = self.training.average.steps - self.history.steps
        self.history.step_kind = self.step.kind
        self.history.step_reason = self.step.reason
        self.history.precision = self.training.net.precision
        self.history.threads = self.step.threads if self.alone else 1  # ranks divide the rows
        self.net.history = self.history

    def __call__(self, progress: ProgressDisplay) -> None:
        """Run to the end, to a StopTraining, or until an exception propagates."""
        history = self.history
        try:
            self.settle_stop()
            with self.stopping() if self.alone else nullcontext():
                self.train_epochs(progress)
            self.settle_stop()
            if math.isfinite(self.whole_epoch.loss) and not has_finite(self.net.params.flat):
                self.warn_not_finite("a parameter is not finite after the last step")
            history.stopped_by = history.stopped_by or self.training.ends_by
            for callback in filter(self.is_mine, self.training.callbacks):
                if hasattr(callback, "end"):
                    with self.stopping(callback):
                        callback.end(self.state(history.epochs[-1] if history.epochs else {}))
        except BaseException as error:
            history.stopped_by = type(error).__name__
            raise

    def train_epochs(self, progress: ProgressDisplay) -> None:
        """Run all epochs until something stops the training."""
        history, steps = self.history, self.training.steps
        joins = can_join(self)
        # A checkpoint may lie between an epoch's last step and its end-of-epoch work.
        while history.stopped_by is None and (history.steps < steps or self.sums.batches):
            if joins and (joined := epochs_to_join(self)) > 1:
                train_joined(self, joined, progress)
                continue
            figures = self.train_epoch(progress)
            if not self.sums.batches:  # the schedule stopped the training before the first one
                return
            if self.training.validation_data is not None:
                found = self.evaluate(self.training.validation_data)
                figures |= {f"val_{name}": value for name, value in found.items()}
            self.note_epoch(figures, progress)
            self.settle_stop()
            if history.stopped_by is None:
                self.end_epoch(figures)
            if self.broken:
                self.end_broken()

    def note_epoch(self, figures: dict[str, float], progress: ProgressDisplay) -> None:
        """Keep and show the figures of a finished epoch."""
        self.history.epochs.append(figures)
        self.whole_epoch, self.sums = self.sums, Sums()
        progress.epoch(len(self.history.epochs), figures)

    def end_broken(self) -> None:
        """End training because of a loss that is not finite."""
        self.history.stopped_by = self.history.stopped_by or STOPPED_BY

    def stop(self, text: str) -> None:
        """Record why training ends, unless another reason was recorded before."""
        self.stop_text = self.stop_text or text

    @contextmanager
    def stopping(self, part: Any = None) -> Iterator[None]:
        """A context in which a StopTraining, raised by ``part``, ends training normally."""
        try:
            yield
        except StopTraining as stop:
            self.stop(stopped_by(StopTraining if part is None else part, stop))

    def settle_stop(self) -> None:
        """End training if :meth:`stop` was called."""
        if self.stop_text is not None and self.history.stopped_by is None:
            self.history.stopped_by = self.stop_text
        self.stop_text = None

    def watching(self) -> AbstractContextManager[None]:
        """Wrap the whole run: nothing to do, since Ctrl-C raises immediately."""
        return nullcontext()

    def is_mine(self, callback: Any) -> bool:
        """True if the callback is called in this process."""
        return True

    def evaluate(self, data: tuple[Any, ...]) -> dict[str, float]:
        """Figures of the validation data."""
        return self.net.evaluate(*data, metrics=self.metrics)

    def train_epoch(self, progress: ProgressDisplay) -> dict[str, float]:
        """Run one epoch, or the rest of it; returns its figures."""
        started = time.perf_counter()
        training, history, sums = self.training, self.history, self.sums
        size = training.batch_size
        order = self.order(len(history.epochs))
        before = history.steps - sums.batches  # updates before this epoch
        rows = (training.steps - before) * size
        if rows < len(order):
            order = order[:rows]
        if self.schedules or training.average is not None:
            self.rates = self.rates_of_epoch(before, -(-len(order) // size))
            order = order[: (self.rates.shortest or 0) * size]
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
        return self.figures_of_epoch()

    def figures_of_epoch(self) -> dict[str, float]:
        """The figures of the epoch that ends; warns if its loss is not finite."""
        self.settle_stop()
        figures = self.figures()
        if not math.isfinite(self.sums.loss):
            self.broken = self.is_broken()
            self.warn_not_finite(f"the loss of epoch {figures['epoch']} is {figures['loss']}")
        return figures

    def order(self, epoch: int) -> Array:
        """The rows of an epoch, in the order of training."""
        return self.training.order(epoch)

    def is_broken(self) -> bool:
        """True if a non-finite loss ends the training."""
        return self.training.stop_if_not_finite and not math.isfinite(self.sums.loss)

    def warn_not_finite(self, what: str) -> None:
        """Warn of a loss or parameter, naming the value in the data that is the cause."""
        if self.speaks:
            cause = cause_of(self.training.x, self.training.t, self.net.dtype)
            self.warn(sentence(what, cause, self.broken))

    def warn(self, text: str) -> None:
        """Warn at the line that called ``fit``."""
        warn_caller(text, RuntimeWarning)

    def train_on(self, part: Array, progress: ProgressDisplay) -> None:
        """Train on these rows in one call, and add up its losses and hits."""
        started = time.perf_counter()
        sums = self.sums
        weights = self.batch_weights(part)
        batches = len(weights)
        rates = self.rates.part(sums.batches, sums.batches + batches)
        try:
            last, hit_rate = self.run_steps(part, weights, rates)
        finally:
            self.history.steps = self.step.updates
            if self.training.average is not None:
                self.training.average.steps = self.average_start + self.history.steps
        sums.batches += batches
        seconds = time.perf_counter() - started
        if batches == self.batches_a_call or seconds > PAUSE:
            self.set_pace(batches, seconds)
        progress.steps(len(part), last, hit_rate if self.classes else None)

    def set_pace(self, batches: int, seconds: float) -> None:
        """Let a call take as many batches as fit into a pause, given how long these took."""
        self.batches_a_call = max(1, int(PAUSE * batches / max(seconds, 1e-9)))

    def run_steps(self, part: Array, weights: list[float], rates: Rates) -> tuple[float, float]:
        """Train on batches of these weights; returns the last loss and the accuracy."""
        losses, hits = self.step.run(part, self.history.steps, rates)
        return self.add_up(weights, losses.tolist(), hits.tolist())

    def add_up(
        self, weights: list[float], losses: list[float], right: list[float]
    ) -> tuple[float, float]:
        """Add the losses and hits of batches of these weights to the epoch's; likewise."""
        sums = self.sums
        loss, hits, weight = sums.loss, sums.hits, sums.weight
        for batch, own in enumerate(weights):
            loss += losses[batch] * own
            hits += right[batch]
            weight += own
        hit_rate = (hits - sums.hits) / ((weight - sums.weight) or 1.0)
        sums.loss, sums.hits, sums.weight = loss, hits, weight
        return losses[-1], hit_rate

    def batch_weights(self, part: Array) -> list[float]:
        """The total row weight of each batch."""
        size, rows, weights = self.training.batch_size, len(part), self.training.weights
        if weights is not None:
            sums: list[float] = np.add.reduceat(weights[part], range(0, rows, size)).tolist()
            return sums
        if rows != self.counted_rows:
            whole, rest = divmod(rows, size)
            self.rows_a_batch = [float(size)] * whole + [float(rest)] * (rest > 0)
            self.counted_rows = rows
        return self.rows_a_batch

    def batches_to_run(self) -> int:
        """Number of batches in the next call, which ends where a callback is due."""
        if not self.at_steps:
            return self.batches_a_call
        steps = self.history.steps
        mine = filter(self.is_mine, self.at_steps)
        self.due = [(due_step(callback, steps), callback) for callback in mine]
        return min([self.batches_a_call, *(step - steps for step, _ in self.due)])

    def end_steps(self) -> None:
        """Run the callbacks that are due after this step."""
        due = [callback for step, callback in self.due if step == self.history.steps]
        if due:
            self.call(due, self.figures(), after_step=True)

    def end_epoch(self, figures: dict[str, float]) -> None:
        """Pass the figures to the schedules, then to the callbacks."""
        for schedule in self.schedules:
            if hasattr(schedule, "observe"):
                with self.stopping(schedule):
                    schedule.observe(figures)
        if self.schedules:
            self.settle_stop()
        if self.at_epochs and self.history.stopped_by is None:
            self.call(self.at_epochs, figures)

    def call(
        self, callbacks: list[Any], figures: dict[str, float], after_step: bool = False
    ) -> None:
        """Run callbacks in order until one stops the training."""
        state = self.state(figures)
        for callback in filter(self.is_mine, callbacks):
            single = after_step and getattr(callback, "every_steps", None) is None
            try:
                (callback.after_step if single else callback)(state)
            except StopTraining as stop:
                self.history.stopped_by = stopped_by(callback, stop)
                return
        if not all(getattr(callback, "only_looks", False) for callback in callbacks):
            self.step.refresh()

    def figures(self) -> dict[str, float]:
        """The figures of the epoch so far; 0 if its batches have no weight."""
        sums = self.sums
        weight = sums.weight or 1.0
        figures = {"epoch": len(self.history.epochs) + 1, "loss": sums.loss / weight}
        if self.classes:
            figures["accuracy"] = sums.hits / weight
        if self.rates.lrs is not None and sums.batches:
            figures["lr"] = float(self.rates.lrs[sums.batches - 1])
        figures["seconds"] = sums.seconds
        return figures

    def rates_of_epoch(self, before: int, batches: int) -> Rates:
        """What is set for this epoch's updates, the first of them number ``before``.

        A schedule that stops the training ends the lists.
        """
        training, factor = self.training, "a factor"
        lrs = decays = dropouts = None
        if training.schedule is not None:
            lrs = self.values(before, batches, "schedule", "a learning rate", self.base_lr)
        if training.decay_schedule is not None:
            decays = self.values(before, batches, "decay_schedule", factor)
        if training.dropout_schedule is not None:
            drops = [layer.p for _, layer in walk(self.net.layers) if isinstance(layer, Dropout)]
            most = max(drops, default=0.0)
            below = 1 / most if most > 0 else math.inf  # factors from here on drop everything
            dropouts = self.values(before, batches, "dropout_schedule", factor, below=below)
        averages = None
        if training.average is not None:
            averages = training.average.weights(self.average_start + before, batches)
        return Rates(lrs, decays, dropouts, averages)

    def values(
        self,
        before: int,
        batches: int,
        name: str,
        what: str,
        lr: float = 1.0,
        below: float = math.inf,
    ) -> Array:
        """A schedule's numbers for this epoch's updates."""
        start = schedules.Progress(
            step=before,
            epoch=len(self.history.epochs),
            steps=self.training.steps,
            steps_per_epoch=self.training.steps_per_epoch,
            lr=lr,
        )
        schedule, found = self.training.schedules[name], list[float]()
        limits = (name, what, below)

        def noted(progress: schedules.Progress) -> float:
            found.append(schedule(progress))
            return found[-1]

        whole = isinstance(schedule, schedules.Schedule)
        with self.stopping(schedule):
            return schedules.rates_of_epoch(schedule if whole else noted, start, batches, *limits)
        # It stopped the training.
        return schedules.rates_of_epoch(
            lambda p: found[p.step - before], start, len(found), *limits
        )

    def rows_done(self) -> int:
        """Number of rows trained on before a checkpoint."""
        training = self.training
        whole_epochs = len(self.history.epochs) * training.rows_per_epoch
        return whole_epochs + self.sums.batches * training.batch_size

    def state(self, figures: dict[str, float]) -> TrainingState:
        """The state passed to callbacks now."""
        sums = self.sums if self.sums.batches else self.whole_epoch
        return TrainingState(
            net=self.net,
            optimizer=self.optimizer,
            epoch=int(figures.get("epoch", len(self.history.epochs))),
            step=self.history.steps,
            metrics=figures,
            history=self.history,
            snapshot=self.snapshot,
            data=(self.training.x, self.training.t),
            totals=(sums.weight, sums.loss, sums.hits),
        )

    def snapshot(self) -> dict[str, Any]:
        """Everything needed to continue from here."""
        from affinet.training.snapshot import snapshot

        return snapshot(self)
