"""Several epochs in one compiled call, where nothing happens between them.

A small network's epoch takes less time than the Python code between two epochs, for which the
threads of ``fit_many`` would wait for each other.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from affinet.training.progress import ProgressDisplay
from affinet.training.step import FusedStep

if TYPE_CHECKING:
    from affinet.training.run import Run

MOST_ROWS = 1 << 17  # of all epochs in a call: their order takes 1 MiB


def can_join(run: Run) -> bool:
    """True if a training does nothing between its epochs but to add up their figures."""
    training, step = run.training, run.step
    parts = (training.validation_data, training.average, training.drawing)
    return (
        (run.alone and isinstance(step, FusedStep) and not step.in_files)
        and not (training.callbacks or training.schedules)
        and all(part is None for part in parts)
    )


def epochs_to_join(run: Run) -> int:
    """How many whole epochs the next call trains; below 2, it trains one or a part of it."""
    training = run.training
    if run.sums.batches:  # the epoch has begun
        return 1
    batches = training.steps_per_epoch
    left = (training.steps - run.history.steps) // batches
    return min(left, run.batches_a_call // batches, MOST_ROWS // training.rows_per_epoch)


def train_joined(run: Run, n: int, progress: ProgressDisplay) -> None:
    """Train ``n`` epochs, or to the end of the first whose loss is not finite."""
    training, history, step = run.training, run.history, run.step
    assert isinstance(step, FusedStep)
    started, before = time.perf_counter(), history.steps
    order = training.orders(len(history.epochs), n)
    try:
        losses, hits = step.run_epochs(order, before, n)
    finally:
        history.steps = step.updates
    batches, rows = training.steps_per_epoch, training.rows_per_epoch
    done = (history.steps - before) // batches
    seconds = (time.perf_counter() - started) / done
    run.set_pace(batches, seconds)
    for epoch in range(done):
        part = slice(epoch * batches, (epoch + 1) * batches)
        weights = run.batch_weights(order[epoch * rows : (epoch + 1) * rows])
        last, hit_rate = run.add_up(weights, losses[part].tolist(), hits[part].tolist())
        run.sums.batches, run.sums.seconds = batches, seconds
        progress.steps(rows, last, hit_rate if run.classes else None)
        run.note_epoch(run.figures_of_epoch(), progress)
    if run.broken:
        run.end_broken()
