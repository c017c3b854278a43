"""The right results of trainings, by the book's network in float64."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from affinet_networks import fit_order
from nets import Array
from numpy_networks import BookNetwork
from verification import Outcome, VerificationError, require_equal

import affinet as an

from .tasks import ADAM, Training


def check_training(kind: Any, task: Training, tolerance: float | None = None) -> float:
    """The largest deviation from the book's network in float64, on the same batches in order.

    affinet's fit chooses the order of the rows, so all others get theirs in that order.
    """
    rows = np.concatenate(fit_order(len(task.x), task.net.batch, task.seed))
    order = [
        np.arange(i, min(i + task.net.batch, len(rows)))
        for i in range(0, len(rows), task.net.batch)
    ]
    in_order = replace(task, x=task.x[rows], t=task.t[rows], order=order)
    contender = kind(task if kind.shuffles else in_order)
    contender.run(1)
    parameters = [np.array(array) for array in contender.parameters()]
    wanted = book_outcome(in_order)
    losses = list(contender.losses)
    if len(losses) == 1:
        wanted = replace(wanted, losses=[float(np.mean(wanted.losses))])
    elif not losses:
        wanted = replace(wanted, losses=[])
    names = task.net.parameter_names
    deviation = require_equal(
        "training", Outcome(parameters, losses), wanted, task.first, names, tolerance
    )
    contender.reset()
    for name, found, first in zip(names, contender.parameters(), task.first, strict=True):
        if not np.array_equal(found, first):
            raise VerificationError(f"reset: {name} is not what it was at first")
    return deviation


def book_network(parameters: list[Array], lr: float = 0.0) -> BookNetwork:
    """The book's network in float64, which decides for all."""
    return BookNetwork([array.astype(np.float64) for array in parameters], lr)


def book_outcome(task: Training) -> Outcome:
    """The right result of training on the batches in order."""
    network = book_network(task.first, task.lr)
    scale = 1 / 255 if task.x.dtype == np.uint8 else 1.0
    averages = [(np.zeros_like(W), np.zeros_like(W)) for W in network.parameters]
    losses = []
    for step, (x, t) in enumerate(task.batches(), start=1):
        x = x.astype(np.float64) * scale
        if not task.adam:
            losses.append(network.step(x, t))
            continue
        loss, gradients = network.gradients(x, t)
        losses.append(loss)
        for i, (W, dW) in enumerate(zip(network.parameters, gradients, strict=True)):
            m, v, W[...] = an.reference.adam_update(
                dW, task.lr, ADAM["beta1"], ADAM["beta2"], ADAM["eps"], step, *averages[i], W
            )
            averages[i] = m, v
    return Outcome(network.parameters, losses)


def softmax(x: Array) -> Array:
    """Row by row."""
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    result: Array = powers / powers.sum(axis=1, keepdims=True)
    return result
