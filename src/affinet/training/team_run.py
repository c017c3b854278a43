"""Training split across processes: the training loop of one rank.

Every rank iterates over the same batches. It processes its own contiguous part of the rows, in rank
order, and divides by the weight of the whole batch, which depends on the seed alone; so one sum
over the flat buffer turns the gradients of the parts into the gradient of the batch, with no
scaling afterwards. The ranks exchange everything else where all of them stop at the same step: at
the end of epochs, before callbacks, and every few hundredths of a second to check for Ctrl-C.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from affinet._dispatch import kernels
from affinet._validation import Array, in_files, whole_number
from affinet.network import Sequential
from affinet.network.inner import buffer_names, figures, set_gradients, walk
from affinet.optimizers import Optimizer
from affinet.parameters import Parameters
from affinet.training.callbacks import name_of
from affinet.training.rates import Rate, Rates
from affinet.training.record import Training
from affinet.training.run import Run
from affinet.training.step import FusedStep, TrainingStep
from affinet.training.team import FAILED, FINE, STOPPED, Team, noting_interrupts, number_of


class TeamStep:
    """A step whose batches are split across ranks; it returns this rank's part of each figure."""

    def __init__(self, inner: TrainingStep, team: Team, training: Training) -> None:
        self.inner, self.team, self.weights = inner, team, training.weights
        self.net, self.optimizer = training.net, training.optimizer
        every = getattr(team.reducer, "average_every", None)
        self.average_every = every if every is None else whole_number("average_every", every, 1)
        if self.average_every is not None and training.average is not None:
            raise ValueError(
                "average was given with a reducer that averages parameters every "
                f"{self.average_every} steps: ranks differ in between, wanted one of them"
            )
        self.settled = True  # the parameters are the same on all ranks

    def run(
        self, order: Array, size: int, totals: list[float], first: int, rates: Rates
    ) -> list[tuple[float, float, float]]:
        """Train on batches of ``size`` rows with total weights ``totals``.

        Returns this rank's share of the loss, hits and weight of each batch.
        """
        found = []
        take = self.one_step if self.average_every is None else self.own_step
        with eager(self.inner):
            for number, total in enumerate(totals):
                batch = order[number * size : (number + 1) * size]
                low, high = self.team.part(len(batch))
                rows = batch[low:high]
                weight, rate = self.own_weight(rows), rates.at(number)
                found.append((*take(rows, first + number, low, weight, total, rate), weight))
        return found

    def one_step(
        self, rows: Array, step: int, place: int, own: float, total: float, rate: Rate
    ) -> tuple[float, float]:
        """One step that all ranks compute together."""
        loss, hits = self.inner.accumulate_gradients(rows, step, place, total, rate.dropout)
        self.team.sum(self.net.grads.flat)
        penalty = self.inner.apply_update(total, rate)
        return (loss + penalty if self.team.rank == 0 else loss), hits

    def own_step(
        self, rows: Array, step: int, place: int, own: float, total: float, rate: Rate
    ) -> tuple[float, float]:
        """A local step on this rank's part of the batch; averaged every ``average_every`` steps."""
        loss, hits = self.inner.accumulate_gradients(rows, step, place, own, rate.dropout)
        share = own / total if total else 0.0
        loss *= 1.0 if getattr(self.net.loss, "is_sum", False) else share
        loss += self.inner.apply_update(own, rate) * share
        self.settled = False
        if (step + 1) % self.average_every == 0:  # type: ignore[operator]
            self.settle()
        return loss, hits

    def own_weight(self, rows: Array) -> float:
        """The total weight of these rows."""
        return float(len(rows) if self.weights is None else self.weights[rows].sum())

    def settle(self) -> None:
        """Average the parameters and the optimizer's moving averages over all ranks."""
        if self.settled:
            return
        arrays = [self.net.params.flat]
        if isinstance(self.optimizer, Optimizer):
            arrays += self.optimizer.state_of(self.net.params.flat).averages
        for array in arrays:
            self.team.sum(array)
            array /= self.team.size
        self.settled = True


class TeamRun(Run):
    """One rank's part of a training from its first step to its last."""

    alone = False

    def __init__(self, team: Team, training: Training) -> None:
        super().__init__(training, -(-training.batch_size // team.size))
        require_no_buffers(self.net)
        self.team = team
        self.speaks = team.rank == 0
        self.ranks_step = TeamStep(self.step, team, training)
        self.own = [0.0, 0.0, 0.0]  # this rank's loss, hits and weight, not yet in the sums
        self.interrupted = False
        self.due_anywhere = 0  # next step after which a callback on any rank is due

    def begin(self, resume: str | os.PathLike[str] | None) -> None:
        """Check that all ranks train the same thing, and start from the parameters of rank 0."""
        from affinet.training.snapshot import identity

        team, params = self.team, self.net.params
        content = identity(self)
        layers = {name: content.pop(name) for name in list(content) if name.startswith("layer ")}
        team.agree(
            {
                **content,
                "layers": layers,
                "parameters": params.shapes,
                "steps": self.training.steps,
                "the optimizer's numbers": config_of(self.optimizer),
                "callbacks": [name_of(callback) for callback in self.training.callbacks],
                "average_every": self.ranks_step.average_every,
                "a file to resume from": resume is not None,
                "the instruction-set level": fused_multiply_adds(),
            }
        )
        with team.setting_up(), self.same_file(resume) as path:
            super().begin(path)
        average = self.training.average
        means = [] if average is None else [average.follow(self.net).params.flat]
        for array in arrays_of(self.net, self.optimizer) + means:
            team.broadcast(array)
        if average is not None:
            team.agree({"updates before this training in the average": self.average_start})
        if isinstance(self.optimizer, Optimizer):
            state = self.optimizer.state_of(params.flat)
            team.agree({"updates before this training": state.step})

    @contextmanager
    def same_file(self, path: str | os.PathLike[str] | None) -> Iterator[Path | None]:
        """A copy of rank 0's file: the other ranks may not have access to its disk."""
        if path is None:
            yield None
            return
        content, problem = b"", None
        if self.team.rank == 0:
            try:
                content = Path(path).read_bytes()
            except OSError as error:
                problem = error
        content = self.team.bytes_of(0, content)
        if self.team.rank == 0:
            if problem is not None:
                raise problem
            yield Path(path)
            return
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / Path(path).name
            copy.write_bytes(content)
            yield copy

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Wrap the whole run: put gradients into the reducer's buffer and record Ctrl-C."""
        grads = self.net.grads
        with noting_interrupts(self.note_interrupt):
            try:
                if hasattr(self.team.reducer, "buffer"):
                    flat = self.team.reducer.buffer(grads.flat.size, grads.flat.dtype)
                    if flat is not None:
                        self.move_gradients(Parameters(grads.shapes, flat.dtype, flat))
                yield
            finally:
                if self.net.grads is not grads:
                    grads.flat[...] = self.net.grads.flat
                    self.move_gradients(grads)

    def move_gradients(self, grads: Parameters) -> None:
        """Make the network and the step write their gradients into ``grads``."""
        set_gradients(self.net, grads)
        if isinstance(self.step, FusedStep):
            self.step.description = None  # so refresh builds a new plan
        self.step.refresh()

    def note_interrupt(self) -> bool:
        """Record a Ctrl-C; True if there was one before."""
        before, self.interrupted = self.interrupted, True
        return before

    def order(self, epoch: int) -> Array:
        """The rows of an epoch; all ranks end if a sampler fails or differs on any rank."""
        drawing = self.training.drawing
        if drawing is None:
            return super().order(epoch)
        from affinet.training.snapshot import digest

        with self.team.setting_up():
            order = super().order(epoch)
        self.team.agree({f"the rows that {drawing.name} drew for epoch {epoch}": digest(order)})
        return order

    def batches_to_run(self) -> int:
        """Number of batches in the next call, equal on all ranks.

        Rank 0 sets the number; the call ends where a callback on any rank is due. Raises
        KeyboardInterrupt if any rank was interrupted.
        """
        steps = self.history.steps
        super().batches_to_run()
        next_due = min((step for step, _ in self.due), default=self.training.steps + 1)
        said = self.team.gather(self.interrupted, self.batches_a_call, next_due)
        if said[:, 0].any():
            self.ranks_step.settle()
            interrupt = KeyboardInterrupt()
            interrupt._affinet_agreed = True  # type: ignore[attr-defined]
            raise interrupt
        self.batches_a_call = int(said[0, 1])
        self.due_anywhere = int(said[:, 2].min())
        return min(self.batches_a_call, self.due_anywhere - steps)

    def end_steps(self) -> None:
        """Run the callbacks due after this step, on all ranks if any rank has one."""
        if self.history.steps == self.due_anywhere:
            due = [callback for step, callback in self.due if step == self.due_anywhere]
            self.call(due, self.figures(), after_step=True)

    def run_steps(self, part: Array, weights: list[float], rates: Rates) -> tuple[float, float]:
        """Train on this rank's parts of these rows; returns its last loss and its accuracy."""
        size, first = self.training.batch_size, self.history.steps
        parts = self.ranks_step.run(part, size, weights, first, rates)
        for (loss, hits, own), weight in zip(parts, weights, strict=True):
            self.own[0] += loss * weight
            self.own[1] += hits
            self.own[2] += own
        loss, _, own = parts[-1]
        if own and not getattr(self.net.loss, "is_sum", False):
            loss *= weights[-1] / own
        return loss, sum(hits for _, hits, _ in parts) / (sum(own for _, _, own in parts) or 1.0)

    def figures(self) -> dict[str, float]:
        """The figures of the epoch so far over all ranks, equal on every rank."""
        self.ranks_step.settle()
        sums = self.sums
        for loss, hits, weight in self.team.gather(*self.own).tolist():
            sums.loss, sums.hits, sums.weight = (
                sums.loss + loss,
                sums.hits + hits,
                sums.weight + weight,
            )
        self.own = [0.0, 0.0, 0.0]
        return self.as_on_rank_0(super().figures())

    def as_on_rank_0(self, figures: dict[str, float]) -> dict[str, float]:
        """The same figures with the values of rank 0: clocks differ between ranks."""
        values = np.array(list(figures.values()), np.float64)
        self.team.broadcast(values)
        numbers = values.tolist()
        return {
            name: int(number) if isinstance(own, int) else number
            for (name, own), number in zip(figures.items(), numbers, strict=True)
        }

    def evaluate(self, data: tuple[Array, ...]) -> dict[str, float]:
        """Figures of the validation data; every rank predicts its own part."""
        x, t, *weights = data
        low, high = self.team.part(len(x))
        mine: Any = x
        mine = mine.select(np.arange(low, high)) if in_files(x) else x[low:high]
        outputs = self.net.predict(mine if low < high else x[:1])
        y = np.zeros((len(x), *outputs.shape[1:]), outputs.dtype)
        if low < high:
            y[low:high] = outputs
        self.team.sum(y)
        own = weights[0] if weights else None
        return self.as_on_rank_0(figures(self.net, y, t, own, self.metrics))

    def settle_stop(self) -> None:
        """End training on all ranks if any rank requested a stop."""
        training, own = self.training, self.stop_text or ""
        if training.callbacks or training.metrics or self.schedules:
            stops = self.team.gather(bool(own))[:, 0]
            if stops.any():
                self.stop_text = self.team.text_of(int(np.argmax(stops)), own)
        super().settle_stop()

    def rates_of_epoch(self, before: int, batches: int) -> Rates:
        """What the schedules set for this epoch's updates, cut to the shortest list of any rank."""
        rates = super().rates_of_epoch(before, batches)
        return rates.part(0, int(self.team.gather(rates.shortest or 0).min()))

    def call(
        self, callbacks: list[Any], figures: dict[str, float], after_step: bool = False
    ) -> None:
        """Run callbacks in order; if one stops or fails on one rank, all ranks stop or fail."""
        before = self.history.stopped_by
        problem = None
        try:
            super().call(callbacks, figures, after_step)
        except Exception as error:
            problem = error
        own, self.history.stopped_by = self.history.stopped_by or "", before
        verdict, left = FAILED if problem else STOPPED if own else FINE, self.what_is_left()
        table = self.team.gather(verdict, number_of(left))
        self.team.raise_together(table[:, 0] == FAILED, problem)
        self.team.compare({"what callbacks have left": left}, table[:, 1:])
        if table[:, 0].any():
            root = int(np.argmax(table[:, 0]))
            self.history.stopped_by = self.team.text_of(root, own)

    def is_mine(self, callback: Any) -> bool:
        """False for an ``on_one_rank`` callback on any rank but 0, else True."""
        return self.team.rank == 0 or not getattr(callback, "on_one_rank", False)

    def what_is_left(self) -> str:
        """A text that differs if the parameters or the optimizer's settings differ."""
        flat = self.net.params.flat
        words = flat.view(np.uint32 if flat.itemsize == 4 else np.uint64)
        mixed = int(np.bitwise_xor.reduce(words)), int(np.add.reduce(words, dtype=np.uint64))
        return f"parameters {mixed[0]:x}-{mixed[1]:x} and {config_of(self.optimizer)}"


def arrays_of(net: Sequential, optimizer: Any) -> list[Array]:
    """The arrays that training continues from: parameters and the optimizer's averages."""
    if not isinstance(optimizer, Optimizer):
        return [net.params.flat]
    return [net.params.flat, *optimizer.state_of(net.params.flat).averages]


def config_of(optimizer: Any) -> str:
    """An optimizer's settings as text."""
    if not hasattr(optimizer, "config"):
        text = f"{optimizer!r}"  # not that of object: its address differs between ranks
        return type(optimizer).__name__ if text == object.__repr__(optimizer) else text
    groups = getattr(optimizer, "groups", ()), getattr(optimizer, "decay_bias", True)
    return f"{optimizer.config()}{groups if groups != ((), True) else ''}"


def fused_multiply_adds() -> str:
    """Levels with fused multiply-adds give the same bits, and differ from those without."""
    return "with (avx2, avx512, NEON)" if kernels.build_level()[1] else "without (baseline)"


def require_no_buffers(net: Sequential) -> None:
    """Raise if a layer updates arrays during training that are not parameters."""
    for path, layer in walk(net.layers):
        names = buffer_names(layer)
        if names:
            raise ValueError(
                f"layer {path}, {layer!r}, keeps {' and '.join(names)} of the rows that it sees, "
                "which a reducer does not combine: wanted a network without such layers"
            )


@contextmanager
def eager(step: TrainingStep) -> Iterator[None]:
    """Keep threads spinning between the two halves of compiled steps."""
    plan = getattr(step, "plan", None)
    if plan is None:
        yield
        return
    plan.eager(True)
    try:
        yield
    finally:
        plan.eager(False)
