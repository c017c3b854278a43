"""The training step, in two speeds with one meaning.

Both kinds train on a run of batches and return each batch's loss and hits; ``make_step`` picks the
fused step wherever the network, the loss, the optimizer and the data allow it. Where processes
share the batches out among them, each does the two halves of a step one by one: ``share`` and,
when the gradients of all are added up, ``finish``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from affinet._dispatch import kernels
from affinet._validation import Array, in_files
from affinet.layers import Dropout
from affinet.losses import (
    ClassLoss,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    Poisson,
    Quantile,
    SigmoidWithLoss,
    SoftmaxWithLoss,
    SumSquaredError,
)
from affinet.network import Sequential
from affinet.operations import describe_layers, first_width
from affinet.optimizers import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, Optimizer, RMSprop
from affinet.training.regularization import Regularization

FUSED_LOSSES: dict[type[Any], str] = {
    Huber: "huber_loss",
    MeanAbsoluteError: "mean_absolute_error",
    MeanSquaredError: "mean_squared_error",
    Poisson: "poisson_loss",
    Quantile: "quantile_loss",
    SigmoidWithLoss: "sigmoid_cross_entropy",
    SoftmaxWithLoss: "softmax_cross_entropy",
    SumSquaredError: "sum_squared_error",
}
FUSED_OPTIMIZERS: dict[type[Any], str] = {
    SGD: "sgd",
    AdaGrad: "adagrad",
    Adam: "adam",
    AdamW: "adamw",
    Momentum: "momentum",
    Nesterov: "nesterov",
    RMSprop: "rmsprop",
}
ROW_TYPES = (np.uint8, np.float32, np.float64)
LABEL_TYPES = (np.uint8, np.int32, np.int64)
NO_REGULARIZATION = Regularization()
READ_AT_ONCE = 1 << 24  # bytes of inputs in files that are read for one compiled call


class Step(Protocol):
    """What the trainer asks of a step."""

    kind: str
    x: Array
    t: Array
    updates: int  # made by this step so far
    regularization: Regularization
    weights: Array | None  # of all rows

    def run(self, order: Array, first: int, lrs: Array | None = None) -> tuple[Array, Array]:
        """Train on the rows of ``order``, batch after batch.

        ``first`` is the number of the first batch, the counter of dropout masks; ``lrs`` are the
        learning rates of the updates, of which the last one stays. Returns the loss and the hits
        of each batch: the number of rows that the network got right, or the sum of their weights.
        The next call may overwrite them.
        """

    def refresh(self) -> None:
        """Look again at the network and the optimizer, which a callback may have changed."""

    def share(self, rows: Array, step: int, place: int, total: float) -> tuple[float, float]:
        """Loss and hits of some rows, perhaps none, of a batch; their gradient into ``net.grads``.

        The rows stand from ``place`` on in a batch that weighs ``total``: loss and gradient are
        their share of its own.
        """

    def finish(self, total: float, lr: float | None) -> float:
        """Regularize a batch's whole gradient and update; returns the penalty."""


class LayerwiseStep:
    """The step layer by layer, through each layer's own forward and backward."""

    kind = "layer by layer"

    def __init__(
        self,
        net: Sequential,
        optimizer: Optimizer,
        x: Array,
        t: Array,
        batch_size: int,
        seed: int,
        regularization: Regularization = NO_REGULARIZATION,
        weights: Array | None = None,
    ) -> None:
        self.net, self.optimizer = net, optimizer
        self.x, self.t, self.batch_size, self.weights = x, t, batch_size, weights
        self.regularization = regularization
        self.places = DropoutPlaces(net, seed)
        self.updates = 0

    def run(self, order: Array, first: int, lrs: Array | None = None) -> tuple[Array, Array]:
        """Train batch by batch; see :class:`Step`."""
        losses, hits = [], []
        for number, start in enumerate(range(0, len(order), self.batch_size)):
            batch = order[start : start + self.batch_size]
            total = len(batch) if self.weights is None else float(self.weights[batch].sum())
            loss, found = self.share(batch, first + number, 0, total)
            losses.append(loss + self.finish(total, None if lrs is None else float(lrs[number])))
            hits.append(found)
        return np.array(losses), np.array(hits)

    def share(self, rows: Array, step: int, place: int, total: float) -> tuple[float, float]:
        """The first half of a step; see :class:`Step`."""
        if len(rows) == 0:
            self.net.grads.flat[...] = 0
            return 0.0, 0.0
        t = self.t[rows]
        weights = None if self.weights is None else self.weights[rows]
        with self.places.held(step, place):
            loss = self.net.forward(self.x[rows], t, True, weights)
        self.net.backward()
        own = len(rows) if weights is None else float(weights.sum())
        if own != total and not getattr(self.net.loss, "is_sum", False):
            loss *= own / total
            self.net.grads.flat *= self.net.dtype.type(own / total)
        return loss, self.count_hits(t, weights)

    def finish(self, total: float, lr: float | None) -> float:
        """The second half of a step; see :class:`Step`."""
        penalty = self.regularization.apply(self.net, total)
        if lr is not None:
            self.optimizer.lr = lr
        self.optimizer.update(self.net.params, self.net.grads)
        self.updates += 1
        return penalty

    def refresh(self) -> None:
        """Nothing: every step asks the layers anew."""

    def count_hits(self, t: Array, weights: Array | None) -> float:
        """Rows of the last batch that are right, or the sum of their weights; 0 without classes."""
        loss = self.net.loss
        if not isinstance(loss, ClassLoss) or loss.judged is None:
            return 0.0
        hits = loss.hits(loss.judged, t)
        return float(hits.sum() if weights is None else weights[hits].sum())


class FusedStep:
    """The step as a compiled plan: many batches in one call, without the GIL."""

    kind = "fused"

    def __init__(
        self,
        net: Sequential,
        optimizer: Optimizer,
        x: Array,
        t: Array,
        batch_size: int,
        seed: int,
        regularization: Regularization = NO_REGULARIZATION,
        weights: Array | None = None,
    ) -> None:
        self.net, self.optimizer = net, optimizer
        self.regularization = regularization
        self.x, self.t, self.weights = x, t, weights
        self.in_files = in_files(x) or in_files(t)
        self.n_inputs = math.prod(x.shape[1:])
        self.batch_size = min(batch_size, len(x))
        self.state = optimizer.state_of(net.params.flat)
        self.updates = 0
        self.keys = [dropout_key(seed, place) for place in range(len(net.layers))]
        self.losses = self.hits = np.empty(0)  # of the last call's batches
        self.description: Any = None
        self.refresh()

    def refresh(self) -> None:
        """Make the plan anew if a layer has changed; always take over the optimizer's numbers."""
        description = (describe_layers(self.net.layers, self.keys), self.net.input_scale)
        if description != self.description:
            self.plan = self.make_plan(*description)
            self.description = description
        self.plan.set_loss(FUSED_LOSSES[type(self.net.loss)], self.net.loss.number())
        self.set_rule()

    def make_plan(self, layers: list[Any], input_scale: float | None) -> Any:
        """The compiled plan, with the data to gather from."""
        plan = kernels.make_plan(
            kernels.make_operations(self.net.params.flat, layers, self.n_inputs),
            self.net.grads.flat,
            FUSED_LOSSES[type(self.net.loss)],
            FUSED_OPTIMIZERS[type(self.optimizer)],
            self.state.averages,
            self.batch_size,
            input_scale,
        )
        plan.set_regularization(self.regularization.l2, self.regularization.clip_norm)
        if not self.in_files:
            self.set_rows(plan, self.x, self.t, self.weights)
        return plan

    def set_rows(self, plan: Any, x: Array, t: Array, weights: Array | None) -> None:
        """Let the plan gather from these arrays."""
        plan.set_inputs(x.reshape(len(x), -1))
        if t.ndim == 1 and isinstance(self.net.loss, SoftmaxWithLoss):
            plan.set_labels(one_of(t, LABEL_TYPES, np.int64))
        else:
            plan.set_target_rows(one_of(t.reshape(len(t), -1), ROW_TYPES, np.float64))
        if weights is not None:
            plan.set_weights(weights)

    def located(self, rows: Array) -> Array:
        """The rows' places in what the plan gathers from; rows in files are read for it first."""
        if not self.in_files or len(rows) == 0:
            return rows
        weights = None if self.weights is None else self.weights[rows]
        self.set_rows(self.plan, self.x[rows], self.t[rows], weights)
        return np.arange(len(rows))

    def run(self, order: Array, first: int, lrs: Array | None = None) -> tuple[Array, Array]:
        """Train in one compiled call, or a few for rows in files; see :class:`Step`."""
        batches = -(-len(order) // self.batch_size)
        if batches != len(self.losses):
            self.losses, self.hits = np.empty(batches), np.empty(batches)
        losses, hits = self.losses, self.hits
        if not self.in_files:
            self.run_plan(order, first, losses, hits, lrs)
            return losses, hits
        row_bytes = max(1, self.n_inputs * self.x.dtype.itemsize)
        at_once = max(1, READ_AT_ONCE // (row_bytes * self.batch_size))
        for start in range(0, batches, at_once):
            part = slice(start, start + at_once)
            rows = order[start * self.batch_size : (start + at_once) * self.batch_size]
            rates = None if lrs is None else lrs[part]
            self.run_plan(self.located(rows), first + start, losses[part], hits[part], rates)
        return losses, hits

    def run_plan(
        self, order: Array, first: int, losses: Array, hits: Array, lrs: Array | None
    ) -> None:
        """One compiled call, and what came of it: updates, though it may have been cut short."""
        try:
            self.plan.run(order, first, losses, hits, lrs)
        finally:
            updates = self.plan.updates
            made = updates - self.state.step
            self.updates += made
            self.state.step = updates
            if lrs is not None and made:
                self.optimizer.lr = float(lrs[made - 1])

    def share(self, rows: Array, step: int, place: int, total: float) -> tuple[float, float]:
        """The first half of a step, in one compiled call; see :class:`Step`."""
        found: tuple[float, float] = self.plan.gradients(self.located(rows), step, place, total)
        return found

    def finish(self, total: float, lr: float | None) -> float:
        """The second half of a step; see :class:`Step`."""
        penalty: float = self.plan.regularize(total)
        if lr is not None:
            self.optimizer.lr = lr
            self.set_rule()
        self.plan.update()
        self.updates += 1
        self.state.step = self.plan.updates
        return penalty

    def set_rule(self) -> None:
        """Hand the optimizer's numbers over to the plan."""
        self.plan.set_rule(
            FUSED_OPTIMIZERS[type(self.optimizer)],
            self.optimizer.rule_numbers(),
            self.state.step,
        )


class DropoutPlaces:
    """While fit runs it decides every mask: key (seed, layer position), counter the step."""

    def __init__(self, net: Sequential, seed: int) -> None:
        self._keys = {
            layer: dropout_key(seed, place)
            for place, layer in enumerate(net.layers)
            if isinstance(layer, Dropout)
        }

    @contextmanager
    def held(self, step: int, row: int) -> Iterator[None]:
        """Draw masks for this step, of which ``row`` is the first; then the layers' own again."""
        for layer, key in self._keys.items():
            layer._place = (key, step, row)
        try:
            yield
        finally:
            for layer in self._keys:
                layer._place = None


def dropout_key(seed: int, place: int) -> int:
    """64 bits for the dropout layer at this place of a network trained with this seed."""
    return int(np.random.SeedSequence([seed, place]).generate_state(1, np.uint64)[0])


def make_step(
    net: Sequential,
    optimizer: Optimizer,
    x: Array,
    t: Array,
    batch_size: int,
    seed: int,
    regularization: Regularization = NO_REGULARIZATION,
    weights: Array | None = None,
) -> Step:
    """The fused step where it covers everything, else the step layer by layer."""
    kind = FusedStep if can_fuse(net, optimizer, x) else LayerwiseStep
    return kind(net, optimizer, x, t, batch_size, seed, regularization, weights)


def can_fuse(net: Sequential, optimizer: Optimizer, x: Array) -> bool:
    """True if all parts are affinet's own and rows can be gathered from x as it lies."""
    return (
        first_width(net.layers) == math.prod(x.shape[1:])
        and type(net.loss) in FUSED_LOSSES
        and type(optimizer) in FUSED_OPTIMIZERS
        and is_one_of(x, ROW_TYPES)
        and (in_files(x) or np.shares_memory(x, x.reshape(len(x), -1)))
    )


def is_one_of(array: Array, types: tuple[Any, ...]) -> bool:
    """True if the array's dtype is one of these, in native byte order and aligned."""
    aligned = in_files(array) or array.flags.aligned
    return any(array.dtype == kind for kind in types) and aligned


def one_of(array: Array, types: tuple[Any, ...], other: Any) -> Array:
    """The array itself if its dtype is one of these, else converted to ``other``."""
    return array if is_one_of(array, types) else array.astype(other)
