"""The training step, in two implementations with the same results.

Both train on a sequence of batches and return each batch's loss and hits; ``make_step`` picks the
fused step if the network, the loss, the optimizer and the data support it. If processes split the
batches, each calls the two halves of a step separately: ``accumulate_gradients`` and, once the
gradients of all processes are summed, ``apply_update``.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from affinet._dispatch import kernels
from affinet._forks import in_forked_child
from affinet._validation import Array, in_files
from affinet.layers import Dropout
from affinet.layers.chain import goes_with_forward
from affinet.losses import ClassLoss, ElementwiseLoss
from affinet.network import Sequential
from affinet.network.inner import (
    compile_operations,
    describe_layers,
    is_compiled,
    last_outputs,
    walk,
    why_not_compiled,
    width_taken,
)
from affinet.training.rates import Rate, Rates
from affinet.training.record import Training
from affinet.training.selection import Selected, spread, whole

ROW_TYPES = (np.uint8, np.float32, np.float64)
LABEL_TYPES = (np.uint8, np.int32, np.int64)
READ_AT_ONCE = 1 << 24  # bytes of inputs read from files per compiled call
NO_RATE, NO_RATES = Rate(), Rates()


class TrainingStep(Protocol):
    """The step interface that the trainer uses."""

    kind: str
    reason: str | None  # why it is not fused

    @property
    def threads(self) -> int:
        """The number of threads that share a step."""

    updates: int  # made by this step so far

    def run(self, order: Array, first: int, rates: Rates = NO_RATES) -> tuple[Array, Array]:
        """Train on the rows of ``order``, batch after batch.

        ``first`` is the number of the first batch, the counter of dropout masks; ``rates`` are what
        schedules set for the updates; the last learning rate is kept. Returns the loss and the hits
        of each batch: the number of correctly predicted rows, or the sum of their weights. The next
        call may overwrite them.
        """

    def refresh(self) -> None:
        """Reread the network and the optimizer, which a callback may have changed."""

    def accumulate_gradients(
        self, rows: Array, step: int, place: int, total: float, dropout: float | None = None
    ) -> tuple[float, float]:
        """Loss and hits of part of a batch, possibly empty; writes its gradient to ``net.grads``.

        The rows start at ``place`` of a batch of total weight ``total``; loss and gradient are
        this part's share of the batch's. ``dropout`` is a factor of every Dropout's p.
        """

    def apply_update(self, total: float, rate: Rate = NO_RATE) -> float:
        """Regularize a batch's whole gradient and update; returns the penalty."""


class LayerwiseStep:
    """The layer-by-layer step, through each layer's own forward and backward."""

    kind = "layer by layer"
    threads = 1  # for each product, the kernels decide

    def __init__(self, training: Training, rows: int | None = None) -> None:
        """``rows`` of each batch are this process's, all of them if left out."""
        self.training = training
        self.net, self.optimizer = training.net, training.optimizer
        self.batch_size = training.batch_size if rows is None else rows
        self.reason = why_not_fused(training.net, training.optimizer, training.x)
        self.places = DropoutPlaces(training.net, training.seed)
        self.updates = 0

    def run(self, order: Array, first: int, rates: Rates = NO_RATES) -> tuple[Array, Array]:
        """Train batch by batch; see :class:`TrainingStep`."""
        losses, hits, weights = [], [], self.training.weights
        for number, start in enumerate(range(0, len(order), self.batch_size)):
            batch = order[start : start + self.batch_size]
            total = len(batch) if weights is None else float(weights[batch].sum())
            rate = rates.at(number)
            loss, found = self.accumulate_gradients(batch, first + number, 0, total, rate.dropout)
            losses.append(loss + self.apply_update(total, rate))
            hits.append(found)
        return np.array(losses), np.array(hits)

    def accumulate_gradients(
        self, rows: Array, step: int, place: int, total: float, dropout: float | None = None
    ) -> tuple[float, float]:
        """The first half of a step; see :class:`TrainingStep`."""
        if len(rows) == 0:
            self.net.grads.flat[...] = 0
            return 0.0, 0.0
        t = self.training.t[rows]
        weights = None if self.training.weights is None else self.training.weights[rows]
        with self.places.held(step, place, dropout):
            x = self.training.x[rows]
            if weights is None:  # a subclass's forward may accept only (x, t)
                loss = self.net.forward(x, t)
            else:
                loss = self.net.forward(x, t, True, weights)
            self.net.backward()
        own = len(rows) if weights is None else float(weights.sum())
        if own != total and not getattr(self.net.loss, "is_sum", False):
            loss *= own / total
            self.net.grads.flat *= self.net.dtype.type(own / total)
        return loss, self.count_hits(t, weights)

    def apply_update(self, total: float, rate: Rate = NO_RATE) -> float:
        """The second half of a step; see :class:`TrainingStep`."""
        penalty = self.training.regularization.apply(self.net, total)
        if rate.lr is not None:
            self.optimizer.lr = rate.lr
        if rate.decay is None:
            self.optimizer.update(self.net.params, self.net.grads)
        else:
            own = self.optimizer.weight_decay
            self.optimizer.weight_decay = own * rate.decay
            try:
                self.optimizer.update(self.net.params, self.net.grads)
            finally:
                self.optimizer.weight_decay = own
        if rate.average and self.training.average is not None:
            self.training.average.add(self.net, rate.average)
        self.updates += 1
        return penalty

    def refresh(self) -> None:
        """Do nothing: every step reads the layers again."""

    def count_hits(self, t: Array, weights: Array | None) -> float:
        """Number of correct rows in the last batch, or their weights' sum; 0 without classes."""
        loss = self.net.loss
        if not isinstance(loss, ClassLoss):
            return 0.0
        judged = loss.judged if goes_with_forward(loss, "judged") else None
        # A custom forward may leave no predictions, or those of an earlier batch.
        hits = loss.hits(last_outputs(self.net) if judged is None else judged, t)
        return float(hits.sum() if weights is None else weights[hits].sum())


class FusedStep:
    """The step as a compiled plan: many batches in one call, without the GIL."""

    kind = "fused"
    reason: str | None = None

    def __init__(self, training: Training, rows: int | None = None) -> None:
        """``rows`` of each batch are this process's, all of them if left out."""
        self.training = training
        net, x, t = training.net, training.x, training.t
        self.net, self.optimizer = net, training.optimizer
        self.in_files = in_files(whole(x)) or in_files(whole(t))
        self.n_inputs = math.prod(x.shape[1:])
        most = training.batch_size if rows is None else rows
        self.batch_size = min(most, training.rows_per_epoch)
        self.state = training.optimizer.state_of(net.params.flat)
        self.updates = 0
        self.keys = {  # each takes as long as a step of a small network
            path: dropout_key(training.seed, path)
            for path, layer in walk(net.layers)
            if isinstance(layer, Dropout)
        }
        self.losses = self.hits = np.empty(0)  # of the batches of the last call
        self.description: Any = None
        self.refresh()

    @property
    def threads(self) -> int:
        """The number of threads that the plan has each step shared by."""
        return int(self.plan.team_size)

    def refresh(self) -> None:
        """Rebuild the plan if a layer has changed; always copy the optimizer's settings."""
        layers, scale = describe_layers(self.net.layers, self.keys), self.net.input_scale
        if self.description is not None and not self.in_files:
            self.look_at_targets()
        description = ([comparable(operation) for operation in layers], scale)
        if description != self.description:
            self.plan = self.make_plan(layers, scale)
            self.description = description
        self.plan.set_loss(self.net.loss.kernel, self.net.loss.number())
        self.plan.set_groups(list(self.optimizer.segments(self.net.params)))
        self.set_rule()

    def look_at_targets(self) -> None:
        """Update targets that a callback changed in place: the plan may hold converted copies."""
        training, loss = self.training, self.net.loss
        if isinstance(loss, ElementwiseLoss):
            loss.require_range("t", training.t[:])
        repeated = getattr(loss, "outputs_per_target", 1) > 1
        if repeated or not is_one_of(training.t, LABEL_TYPES if self.has_labels() else ROW_TYPES):
            self.set_rows(self.plan, training.x, training.t, training.weights)

    def has_labels(self) -> bool:
        """True if the targets are class indices."""
        return self.training.t.ndim == 1 and bool(self.net.loss.takes_labels)

    def make_plan(self, layers: list[Any], input_scale: float | None) -> Any:
        """The compiled plan, with the data to gather from."""
        plan = kernels.make_plan(
            self.operations(self.net, layers),
            self.net.grads.flat,
            self.net.loss.kernel,
            str(self.optimizer.kernel),
            self.state.averages,
            self.batch_size,
            input_scale,
        )
        regularization = self.training.regularization
        plan.set_regularization(
            regularization.l2, regularization.clip_norm, regularization.clip_value
        )
        if self.training.average is not None:
            twin = self.training.average.follow(self.net)
            inside = describe_layers(twin.layers, self.keys)
            plan.set_average(self.operations(twin, inside))
        if not self.in_files:
            self.set_rows(plan, self.training.x, self.training.t, self.training.weights)
        return plan

    def operations(self, net: Any, layers: list[Any]) -> Any:
        """A network of these operations in the compiled code."""
        return compile_operations(net.params.flat, layers, self.n_inputs, net.precision)

    def set_rows(self, plan: Any, x: Array, t: Array, weights: Array | None) -> None:
        """Make the plan gather rows from these arrays; see :meth:`located` for selected rows."""
        weights = None if weights is None else spread(weights, x)
        x, t = whole(x), whole(t)
        plan.set_inputs(x.reshape(len(x), -1))
        if self.has_labels():
            plan.set_labels(one_of(t, LABEL_TYPES, np.int64))
        else:
            rows = one_of(t.reshape(len(t), -1), ROW_TYPES, np.float64)
            loss = self.net.loss
            if isinstance(loss, ElementwiseLoss):
                rows = loss.for_outputs(rows)
            plan.set_target_rows(rows)
        if weights is not None:
            plan.set_weights(weights)

    def located(self, rows: Array) -> Array:
        """Row indices into the arrays that the plan gathers from; rows in files are read first."""
        if len(rows) == 0:
            return rows
        if not self.in_files:
            x = self.training.x
            return x.rows[rows] if isinstance(x, Selected) else rows
        weights = None if self.training.weights is None else self.training.weights[rows]
        self.set_rows(self.plan, self.training.x[rows], self.training.t[rows], weights)
        return np.arange(len(rows), dtype=np.int64)

    def run(self, order: Array, first: int, rates: Rates = NO_RATES) -> tuple[Array, Array]:
        """Train in one compiled call, or several for rows in files; see :class:`TrainingStep`."""
        batches = -(-len(order) // self.batch_size)
        if batches != len(self.losses):
            self.losses, self.hits = np.empty(batches), np.empty(batches)
        losses, hits = self.losses, self.hits
        if not self.in_files:
            self.run_plan(self.located(order), first, losses, hits, rates)
            return losses, hits
        row_bytes = max(1, self.n_inputs * self.training.x.dtype.itemsize)
        at_once = max(1, READ_AT_ONCE // (row_bytes * self.batch_size))
        for start in range(0, batches, at_once):
            part = slice(start, start + at_once)
            rows = order[start * self.batch_size : (start + at_once) * self.batch_size]
            some = rates.part(start, start + at_once)
            self.run_plan(self.located(rows), first + start, losses[part], hits[part], some)
        return losses, hits

    def run_epochs(self, order: Array, first: int, epochs: int) -> tuple[Array, Array]:
        """Train on the rows of several epochs of one length, whose last batches may be short.

        The call ends after an epoch with a loss that is not finite. Returns as :meth:`run`.
        """
        batches = epochs * -(-len(order) // epochs // self.batch_size)
        losses, hits = np.empty(batches), np.empty(batches)
        self.run_plan(self.located(order), first, losses, hits, NO_RATES, epochs)
        return losses, hits

    def run_plan(
        self, order: Array, first: int, losses: Array, hits: Array, rates: Rates, epochs: int = 1
    ) -> None:
        """Make one compiled call and count its updates, even if it was interrupted."""
        try:
            self.plan.run(order, first, losses, hits, *rates, epochs)
        finally:
            updates = self.plan.updates
            made = updates - self.state.step
            self.updates += made
            self.state.step = updates
            if rates.lrs is not None and made:
                self.optimizer.lr = float(rates.lrs[made - 1])

    def accumulate_gradients(
        self, rows: Array, step: int, place: int, total: float, dropout: float | None = None
    ) -> tuple[float, float]:
        """The first half of a step, in one compiled call; see :class:`TrainingStep`."""
        factor = 1.0 if dropout is None else dropout
        found: tuple[float, float]
        found = self.plan.gradients(self.located(rows), step, place, total, factor)
        return found

    def apply_update(self, total: float, rate: Rate = NO_RATE) -> float:
        """The second half of a step; see :class:`TrainingStep`."""
        penalty: float = self.plan.regularize(total)
        if rate.lr is not None:
            self.optimizer.lr = rate.lr
            self.set_rule()
        self.plan.update(rate.decay, rate.average or 0.0)
        self.updates += 1
        self.state.step = self.plan.updates
        return penalty

    def set_rule(self) -> None:
        """Pass the optimizer's settings to the plan."""
        self.plan.set_rule(self.optimizer.kernel, self.optimizer.rule_numbers(), self.state.step)


class Same:
    """An array that equals only views of the same memory: the compiled code works on that."""

    def __init__(self, array: Array) -> None:
        self.array = array

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Same):
            return NotImplemented
        same: bool = self.array.__array_interface__ == other.array.__array_interface__
        return same

    __hash__ = None  # type: ignore[assignment]


def comparable(operation: Any) -> Any:
    """An operation that ``==`` compares; NumPy would compare its arrays value by value."""
    return operation._replace(arrays=tuple(map(Same, operation.arrays)))


class DropoutPlaces:
    """Sets every dropout while fit runs: its mask, from a key of (seed, path) and the step number,
    and its p where a schedule multiplies it.
    """

    def __init__(self, net: Sequential, seed: int) -> None:
        self._thread = threading.get_ident()
        _PLACES.add(self)
        self._own: dict[Dropout, float] = {}  # p of each layer where it is multiplied
        self._keys = {
            layer: dropout_key(seed, path)
            for path, layer in walk(net.layers)
            if isinstance(layer, Dropout)
        }

    @contextmanager
    def held(self, step: int, row: int, factor: float | None = None) -> Iterator[None]:
        """Draw masks for this step, starting at ``row``, with p multiplied by ``factor``.

        Layers draw their own again afterwards.
        """
        for layer, key in self._keys.items():
            layer.position = (key, step, row)
        if factor is not None:
            self._own = {layer: layer.p for layer in self._keys}
            for layer, p in self._own.items():
                layer.p = factor * p
        try:
            yield
        finally:
            self.forget()

    def forget(self) -> None:
        """Let the layers draw their own masks again."""
        for layer in self._keys:
            layer.position = None
        for layer, p in self._own.items():
            layer.p = p
        self._own = {}

    def forget_other_threads(self) -> None:
        """In a forked child, end the step of a training whose thread was not copied."""
        if self._thread != threading.get_ident():
            self.forget()


_PLACES: weakref.WeakSet[DropoutPlaces] = weakref.WeakSet()


def forget_other_threads() -> None:
    """In a forked child, let dropout layers draw their own masks again."""
    for places in list(_PLACES):
        places.forget_other_threads()


in_forked_child(forget_other_threads)


def dropout_key(seed: int, path: str) -> int:
    """The 64-bit key of the dropout layer at this path of a network trained with this seed.

    It is drawn from the numbers (seed, *path): (5, 2) for layer "2" and seed 5, (5, 2, 0) for
    "2.0".
    """
    numbers = [seed, *map(int, path.split("."))]
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def make_step(training: Training, rows: int | None = None) -> TrainingStep:
    """The fused step if every part is compiled, else the layer-by-layer step."""
    fused = can_fuse(training.net, training.optimizer, training.x)
    return (FusedStep if fused else LayerwiseStep)(training, rows)


def can_fuse(net: Sequential, optimizer: Any, x: Array) -> bool:
    """True if all parts have a compiled form and rows can be gathered from x without a copy."""
    return why_not_fused(net, optimizer, x) is None


def why_not_fused(net: Sequential, optimizer: Any, x: Array) -> str | None:
    """Describe the part without a compiled form (layer, loss, optimizer or x); None if none."""
    for method in ("forward", "backward"):
        if getattr(type(net), method) is not getattr(Sequential, method):
            return f"the network's class {type(net).__name__} overrides {method}"
    reason = why_not_compiled(net.layers)
    if reason is not None:
        return reason
    for name, part in (("loss", net.loss), ("optimizer", optimizer)):
        if not is_compiled(part):
            return f"the {name} {type(part).__name__} has no compiled form"
    wanted, came = width_taken(net.layers), math.prod(x.shape[1:])
    if wanted != came:
        return f"a row of x has {came} numbers, the first layer takes {wanted}"
    if not is_one_of(whole(x), ROW_TYPES):
        return (
            f"x has dtype {x.dtype.str}, compiled are aligned uint8, float32 and float64 in native "
            "byte order"
        )
    if not flattens(whole(x)):
        return "the numbers of a row of x do not lie in a form that can be flattened in place"
    return None


def flattens(rows: Any) -> bool:
    """True if each row can be viewed as a vector; those in files are read as one."""
    return in_files(rows) or bool(np.may_share_memory(rows, rows.reshape(len(rows), -1)))


def is_one_of(array: Array, types: tuple[Any, ...]) -> bool:
    """True if the array's dtype is one of these, in native byte order and aligned."""
    aligned = in_files(array) or array.flags.aligned
    return any(array.dtype == kind for kind in types) and aligned


def one_of(array: Array, types: tuple[Any, ...], other: Any) -> Array:
    """The array itself if its dtype is one of these, else converted to ``other``."""
    return array if is_one_of(array, types) else array.astype(other)
