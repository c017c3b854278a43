"""The averages of weights that ``--average`` names."""

from __future__ import annotations

import argparse

from affinet.cli.sources import Material
from affinet.training.averaging import EMA, SWA, WeightAverage
from affinet.training.batches import steps_per_epoch

DECAY = 0.999
LIFETIMES = 10  # of an exponential average in a training: the first weights count e^-10
LAST_PART = 4  # the last quarter


def average_of(
    options: argparse.Namespace, material: Material, n_rows: int
) -> WeightAverage | None:
    """The average for a training on this number of rows, whose length is known."""
    if options.average is None:
        return None
    plan = material.plan
    batch_size = options.batch_size if plan is None else plan.batch_size
    if plan is not None and plan.whole_batches:
        n_rows = n_rows // batch_size * batch_size or n_rows
    per_epoch = steps_per_epoch(n_rows, batch_size)
    steps = options.steps or options.epochs * per_epoch
    return named_average(options.average, steps, per_epoch)


def named_average(name: str, steps: int, per_epoch: int) -> WeightAverage:
    """An average over a training of ``steps`` updates.

    Examples
    --------
    >>> named_average("ema", 2000, 100), named_average("swa", 2000, 100)
    (EMA(decay=0.995, start=0, every=1), SWA(start=1500, every=100))
    """
    if name == "ema":
        return EMA(max(0.0, min(DECAY, 1 - LIFETIMES / steps)))
    every = min(per_epoch, steps)
    ends = steps // every
    return SWA((ends - max(1, ends // LAST_PART)) * every, every)
