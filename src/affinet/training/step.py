"""The training step, in two speeds with one meaning.

Both kinds train on a run of batches and return each batch's loss and hits; ``make_step`` picks the
fused step wherever the network, the loss, the optimizer and the data allow it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from affinet._dispatch import kernels
from affinet._validation import Array
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

FUSED_LOSSES = (
    *(SoftmaxWithLoss, SigmoidWithLoss, MeanSquaredError, SumSquaredError),
    *(MeanAbsoluteError, Huber, Poisson, Quantile),
)
FUSED_OPTIMIZERS = (SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSprop)
ROW_TYPES = (np.uint8, np.float32, np.float64)
LABEL_TYPES = (np.uint8, np.int32, np.int64)
NO_REGULARIZATION = Regularization()


class Step(Protocol):
    """What the trainer asks of a step."""

    kind: str
    x: Array
    t: Array
    updates: int  # made by this step so far
    regularization: Regularization

    def run(self, order: Array, first: int, lrs: Array | None = None) -> tuple[Array, Array]:
        """Train on the rows of ``order``, batch after batch.

        ``first`` is the number of the first batch, the counter of dropout masks; ``lrs`` are the
        learning rates of the updates, of which the last one stays. Returns the loss and the hits
        of each batch: the number of rows that the network got right, or the sum of their weights.
        """

    def refresh(self) -> None:
        """Look again at the network and the optimizer, which a callback may have changed."""


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
        with self.places.held():
            for number, start in enumerate(range(0, len(order), self.batch_size)):
                batch = order[start : start + self.batch_size]
                t = self.t[batch]
                self.places.set_step(first + number)
                weights = None if self.weights is None else self.weights[batch]
                loss = self.net.forward(self.x[batch], t, True, weights)
                self.net.backward()
                weight_sum = len(batch) if weights is None else float(weights.sum())
                losses.append(loss + self.regularization.apply(self.net, weight_sum))
                if lrs is not None:
                    self.optimizer.lr = float(lrs[number])
                self.optimizer.update(self.net.params, self.net.grads)
                self.updates += 1
                hits.append(self.count_hits(t, weights))
        return np.array(losses), np.array(hits)

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
        self.x, self.t, self.weights = x.reshape(len(x), -1), t, weights
        self.batch_size = min(batch_size, len(x))
        self.state = optimizer.state_of(net.params.flat)
        self.updates = 0
        self.keys = [dropout_key(seed, place) for place in range(len(net.layers))]
        self.description: Any = None
        self.refresh()

    def refresh(self) -> None:
        """Make the plan anew if a layer has changed; always take over the optimizer's numbers."""
        description = (describe_layers(self.net.layers, self.keys), self.net.input_scale)
        if description != self.description:
            self.plan = self.make_plan(*description)
            self.description = description
        self.plan.set_loss(type(self.net.loss).__name__, self.net.loss.number())
        self.plan.set_rule(
            type(self.optimizer).__name__, self.optimizer.rule_numbers(), self.state.step
        )

    def make_plan(self, layers: list[Any], input_scale: float | None) -> Any:
        """The compiled plan, with the data to gather from."""
        plan = kernels.make_plan(
            kernels.make_operations(self.net.params.flat, layers, self.x.shape[1]),
            self.net.grads.flat,
            type(self.net.loss).__name__,
            type(self.optimizer).__name__,
            self.state.averages,
            self.batch_size,
            input_scale,
        )
        plan.set_regularization(self.regularization.l2, self.regularization.clip_norm)
        plan.set_inputs(self.x)
        if self.t.ndim == 1 and isinstance(self.net.loss, SoftmaxWithLoss):
            plan.set_labels(one_of(self.t, LABEL_TYPES, np.int64))
        else:
            plan.set_target_rows(one_of(self.t.reshape(len(self.t), -1), ROW_TYPES, np.float64))
        if self.weights is not None:
            plan.set_weights(self.weights)
        return plan

    def run(self, order: Array, first: int, lrs: Array | None = None) -> tuple[Array, Array]:
        """Train in one compiled call; see :class:`Step`."""
        batches = -(-len(order) // self.batch_size)
        losses, hits = np.empty(batches), np.empty(batches)
        try:
            self.plan.run(order, first, losses, hits, lrs)
        finally:
            updates = self.plan.updates
            made = updates - self.state.step
            self.updates += made
            self.state.step = updates
            if lrs is not None and made:
                self.optimizer.lr = float(lrs[made - 1])
        return losses, hits


class DropoutPlaces:
    """While fit runs it decides every mask: key (seed, layer position), counter the step."""

    def __init__(self, net: Sequential, seed: int) -> None:
        self._keys = {
            layer: dropout_key(seed, place)
            for place, layer in enumerate(net.layers)
            if isinstance(layer, Dropout)
        }

    def set_step(self, step: int) -> None:
        """Masks are drawn for this step from now on."""
        for layer, key in self._keys.items():
            layer._place = (key, step)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Give the layers back to their own keys and counters at the end."""
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
        first_width(net.layers) == x[0].size
        and type(net.loss) in FUSED_LOSSES
        and type(optimizer) in FUSED_OPTIMIZERS
        and is_one_of(x, ROW_TYPES)
        and bool(np.shares_memory(x, x.reshape(len(x), -1)))
    )


def is_one_of(array: Array, types: tuple[Any, ...]) -> bool:
    """True if the array's dtype is one of these, in native byte order and aligned."""
    return any(array.dtype == kind for kind in types) and array.flags.aligned


def one_of(array: Array, types: tuple[Any, ...], other: Any) -> Array:
    """The array itself if its dtype is one of these, else converted to ``other``."""
    return array if is_one_of(array, types) else array.astype(other)
