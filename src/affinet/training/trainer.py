"""The training loop."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array, number_array, require_finite, whole_number
from affinet.losses import ElementwiseLoss, SoftmaxWithLoss
from affinet.network import Sequential
from affinet.optimizers import Adam, Optimizer
from affinet.threads import register_with_threadpoolctl
from affinet.training.batches import epoch_order, steps_per_epoch
from affinet.training.callbacks import StopTraining, TrainingState
from affinet.training.history import History
from affinet.training.progress import Progress, make_progress
from affinet.training.regularization import Regularization
from affinet.training.step import Step, make_step

DEFAULT_EPOCHS = 10
PAUSE = 0.05  # seconds of steps in one call: between calls Ctrl-C is seen and progress shown


def fit(
    net: Sequential,
    x: ArrayLike,
    t: ArrayLike,
    *,
    epochs: int | None = None,
    steps: int | None = None,
    batch_size: int = 32,
    optimizer: Optimizer | None = None,
    validation_data: tuple[ArrayLike, ArrayLike] | None = None,
    callbacks: Iterable[Callable[[TrainingState], None]] = (),
    seed: int = 0,
    verbose: int | None = None,
    l2: float = 0.0,
    clip_norm: float | None = None,
) -> History:
    """Train a network by mini-batches.

    Every epoch sees each row once, in an order that is a function of (seed, epoch); the last
    batch of an epoch may be smaller. The data set is never copied: rows are gathered batch by
    batch, from memory maps too.

    Parameters
    ----------
    net : Sequential
        With a loss.
    x : array of shape (N, ...)
        N >= 1 rows.
    t : array of N targets
        As the loss wants them.
    epochs : int, optional
        Passes over the data, 10 if neither this nor ``steps`` is given.
    steps : int, optional
        Number of updates after which to end, in place of ``epochs``; the record then closes the
        last, begun epoch too.
    batch_size : int
        Rows a step.
    optimizer : Optimizer, optional
        ``Adam()`` if left out. Its state goes on from earlier use.
    validation_data : tuple of arrays, optional
        ``(x, t)`` to evaluate at the end of every epoch.
    callbacks : iterable of callables
        Each is called with a :class:`TrainingState` at the end of every epoch. One that raises
        :class:`StopTraining` ends the training normally; other exceptions pass through.
    seed : int
        Decides the order of the rows and the masks of dropout.
    verbose : int, optional
        None shows progress on a terminal and is silent elsewhere, 1 shows it anywhere, 0 nowhere.
    l2 : float
        Strength of a penalty, 0 or more: ``l2 / 2 sum W^2 / B``, over the weights W of all
        :class:`Affine` layers (not their biases) and with B the rows of the batch, is added to
        the loss that is minimised and recorded; validation losses are without it. It is the
        ``alpha`` of scikit-learn's ``MLPClassifier``.
    clip_norm : float, optional
        Scales the gradient of all parameters together, penalty included, so that its Euclidean
        norm is at most this, to rounding; above 0. A gradient whose norm is not finite becomes
        NaN. Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks",
        ICML 2013. ``net.grads`` holds the gradient as it was clipped.

    Returns
    -------
    History
        Also kept as ``net.history``, up to the last whole epoch if the training is interrupted.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used; then no parameter has changed.
    RuntimeError
        If the network is being used in another thread, or has no loss.

    Examples
    --------
    >>> import affinet as an
    >>> (x, t), test = an.datasets.load_digits()
    >>> net = an.Sequential(
    ...     an.Affine.init(64, 32, rng=0), an.ReLU(), an.Affine.init(32, 10, rng=1),
    ...     loss=an.SoftmaxWithLoss(),
    ... )
    >>> history = net.fit(x, t, epochs=20, optimizer=an.Adam(0.005), validation_data=test)
    >>> history["val_accuracy"][-1] > 0.9
    True
    """
    optimizer = Adam() if optimizer is None else optimizer
    if isinstance(optimizer, type) or not callable(getattr(optimizer, "update", None)):
        raise TypeError(f"optimizer is {optimizer!r}, wanted an object such as Adam()")
    if epochs is not None and steps is not None:
        raise ValueError("epochs and steps were both given, wanted one of them")
    callbacks = require_callbacks(callbacks)
    batch_size = whole_number("batch_size", batch_size, 1)
    seed = whole_number("seed", seed, 0)
    register_with_threadpoolctl()
    regularization = Regularization(l2, clip_norm)
    with net._usage.writing():
        x, t = require_data(net, x, t)
        if validation_data is not None:
            validation_data = require_pair(net, validation_data)
        per_epoch = steps_per_epoch(len(x), batch_size)
        if steps is None:
            epochs = DEFAULT_EPOCHS if epochs is None else whole_number("epochs", epochs, 1)
            steps = per_epoch * epochs
        else:
            steps = whole_number("steps", steps, 1)
        progress = make_progress(verbose, steps, -(-steps // per_epoch))
        step = make_step(net, optimizer, x, t, batch_size, seed, regularization)
        run = Run(net, optimizer, step, len(x), steps, batch_size, seed, progress)
        try:
            run(validation_data, callbacks)
        finally:
            progress.close()
        return run.history


class Run:
    """One training from its first step to its last."""

    def __init__(
        self,
        net: Sequential,
        optimizer: Optimizer,
        step: Step,
        n_rows: int,
        steps: int,
        batch_size: int,
        seed: int,
        progress: Progress,
    ) -> None:
        self.net = net
        self.optimizer = optimizer
        self.step = step
        self.n_rows = n_rows
        self.steps = steps
        self.batch_size = batch_size
        self.seed = seed
        self.progress = progress
        self.batches_a_call = 1
        self.history = net.history = History(step_kind=step.kind)

    def __call__(
        self,
        validation_data: tuple[Array, Array] | None,
        callbacks: tuple[Callable[[TrainingState], None], ...],
    ) -> None:
        """Run to the end, to a StopTraining, or to an exception that passes through."""
        while self.history.steps < self.steps:
            metrics = self.train_epoch()
            if validation_data is not None:
                figures = self.net.evaluate(*validation_data)
                metrics |= {f"val_{name}": value for name, value in figures.items()}
            self.history.epochs.append(metrics)
            self.progress.epoch(len(self.history.epochs), metrics)
            try:
                for callback in callbacks:
                    callback(self.state(metrics))
            except StopTraining:
                return
            if callbacks:
                self.step.refresh()

    def train_epoch(self) -> dict[str, float]:
        """One pass over the rows, or what is left of the steps; returns its figures."""
        epoch = len(self.history.epochs)
        started = time.perf_counter()
        order = epoch_order(self.n_rows, self.seed, epoch)
        order = order[: (self.steps - self.history.steps) * self.batch_size]
        loss, hits = self.train_on(order)
        metrics = {"epoch": epoch + 1, "loss": loss / len(order)}
        if isinstance(self.net.loss, SoftmaxWithLoss):
            metrics["accuracy"] = hits / len(order)
        if not np.isfinite(loss):
            warnings.warn(
                f"the loss of epoch {epoch + 1} is {metrics['loss']}: the training diverges; "
                "try a smaller learning rate",
                RuntimeWarning,
                stacklevel=5,
            )
        return metrics | {"seconds": time.perf_counter() - started}

    def train_on(self, order: Array) -> tuple[float, int]:
        """Train on these rows, in calls of about PAUSE seconds; sums of loss times rows, hits."""
        loss, hits, start = 0.0, 0, 0
        while start < len(order):
            part = order[start : start + self.batches_a_call * self.batch_size]
            started = time.perf_counter()
            try:
                losses, part_hits = self.step.run(part, self.history.steps)
            finally:
                self.history.steps = self.step.updates
            seconds = time.perf_counter() - started
            last = len(part) - (len(losses) - 1) * self.batch_size  # rows of the last batch
            loss += float(losses[:-1].sum() * self.batch_size + losses[-1] * last)
            hits += int(part_hits.sum())
            self.batches_a_call = max(1, int(PAUSE * len(losses) / max(seconds, 1e-9)))
            self.progress.steps(len(losses), float(losses[-1]))
            start += len(part)
        return loss, hits

    def state(self, metrics: dict[str, float]) -> TrainingState:
        """What callbacks see now."""
        return TrainingState(
            net=self.net,
            optimizer=self.optimizer,
            epoch=len(self.history.epochs),
            step=self.history.steps,
            metrics=metrics,
            history=self.history,
        )


def require_callbacks(callbacks: Iterable[Callable[[TrainingState], None]]) -> tuple[Any, ...]:
    """Callbacks as a tuple of callables."""
    try:
        found = tuple(callbacks)
    except TypeError:
        raise TypeError(f"callbacks is {callbacks!r}, wanted a sequence of callables") from None
    for place, callback in enumerate(found):
        if not callable(callback):
            raise TypeError(f"callbacks[{place}] is {callback!r}, wanted a callable")
    return found


def require_pair(net: Sequential, data: Any) -> tuple[Array, Array]:
    """Validation data as a checked pair of arrays."""
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise TypeError(f"validation_data is {type(data).__name__}, wanted a pair (x, t)")
    x, t = data
    return require_data(net, x, t, prefix="validation_data: ")


def require_data(
    net: Sequential, x: ArrayLike, t: ArrayLike, prefix: str = ""
) -> tuple[Array, Array]:
    """Data to train on or validate with, checked before any parameter changes."""
    net._require_loss()
    x, t = number_array(f"{prefix}x", x), number_array(f"{prefix}t", t)
    if x.ndim == 0 or len(x) == 0:
        raise ValueError(f"{prefix}x has shape {x.shape}, wanted at least one row")
    if t.ndim == 0 or len(t) != len(x):
        raise ValueError(f"{prefix}t has shape {t.shape}, wanted {len(x)} targets, one a row of x")
    if net.check_finite:
        require_finite(f"{prefix}x", x)
    require_targets(net, net._predict(x[:1]), t, prefix)
    return x, t


def require_targets(net: Sequential, y: Any, t: Array, prefix: str) -> None:
    """Raise if a target is of a kind, shape or class that the loss will refuse later."""
    if isinstance(net.loss, ElementwiseLoss):
        if t.shape[1:] != y.shape[1:] and (t.ndim, y.shape[1:]) != (1, (1,)):
            raise ValueError(f"{prefix}t has shape {t.shape}, wanted {(len(t), *y.shape[1:])}")
        return
    if not isinstance(net.loss, SoftmaxWithLoss):
        return
    if t.ndim == 2 and t.shape[1:] == y.shape[1:]:
        return
    if t.ndim != 1:
        raise ValueError(
            f"{prefix}t has shape {t.shape}, wanted ({len(t)},) or {(len(t), *y.shape[1:])}"
        )
    if t.dtype.kind not in "bui":
        raise TypeError(f"{prefix}t has dtype {t.dtype}, wanted integers for class indices")
    low, high = int(t.min()), int(t.max())
    if low < 0 or high >= y.shape[1]:
        bad = low if low < 0 else high
        raise ValueError(
            f"{prefix}t[{int(np.argmax(t == bad))}] is {bad}, wanted a class index "
            f"0..{y.shape[1] - 1}"
        )
