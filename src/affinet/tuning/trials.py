"""One network of a search: its hyper-parameters, its best epoch, and why it stopped."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from affinet._validation import Array
from affinet.network import Sequential
from affinet.network.inner import arrays_of, set_arrays
from affinet.optimizers import Optimizer
from affinet.training import History, StopTraining, TrainingState
from affinet.training.finite import STOPPED_BY


@dataclass
class Trial:
    """One network of a search.

    Attributes
    ----------
    number : int
        0 .. n - 1.
    params : dict
        Its hyper-parameters.
    score : float
        The lowest validation loss of an epoch; infinite without one.
    epochs : int
        Number of epochs that it was trained for.
    best_epoch : int or None
        The epoch of the lowest validation loss.
    history : History
        Figures of all its epochs.
    stopped : str
        Why it ended: "epochs" if it made all of them, "behind", "patience", "not finite", "failed"
        (see ``error``), "time limit" or "interrupted".
    error : Exception or None
        What its training raised, or its construction.
    net : Sequential or None
        The network, with the parameters of its best epoch.
    """

    number: int
    params: dict[str, Any]
    score: float = math.inf
    best_epoch: int | None = None
    history: History = field(default_factory=History)
    stopped: str = ""
    error: Exception | None = None
    net: Sequential | None = field(default=None, repr=False)

    @property
    def epochs(self) -> int:
        """Number of epochs that it was trained for."""
        return len(self.history.epochs)


class Kept:
    """The parameters of a network's best epoch in one rung.

    Parameters
    ----------
    net : Sequential
        The network, trained until this epoch.
    score : float
        Its validation loss.
    """

    def __init__(self, net: Sequential, score: float) -> None:
        self.net, self.score = net, score
        self.arrays: dict[str, Array] = {n: array.copy() for n, array in arrays_of(net).items()}
        self.outputs: Array | None = None

    def predict(self, x: Array) -> Array:
        """Outputs for x, computed once; the network stays as it is."""
        if self.outputs is None:
            self.outputs = self.twin().predict(x)
        return self.outputs

    def twin(self) -> Sequential:
        """A copy of the network with these parameters."""
        net = copy.deepcopy(self.net)
        set_arrays(net, self.arrays)
        return net


class Contender:
    """A trial while it is trained: a callback that keeps the best epoch of each rung.

    Parameters
    ----------
    trial : Trial
    optimizer : Optimizer
    options : dict
        Options of ``fit`` for every rung, such as "batch_size".
    patience : int or None
        Number of epochs without a lower validation loss after which it stops.
    deadline : float or None
        ``time.perf_counter()`` after which it stops at the end of an epoch.
    """

    only_looks = True

    def __init__(
        self,
        trial: Trial,
        optimizer: Optimizer,
        options: dict[str, Any],
        patience: int | None,
        deadline: float | None,
    ) -> None:
        self.trial, self.optimizer, self.options = trial, optimizer, options
        self.patience, self.deadline = patience, deadline
        self.kept: list[Kept] = []  # the best epoch of each rung that had a finite loss
        self.best = math.inf  # of the present rung
        self.waited = self.epochs = 0

    def __call__(self, state: TrainingState) -> None:
        """Compare an epoch with the best ones so far; StopTraining ends this network alone."""
        self.epochs += 1
        value = float(state.metrics["val_loss"])
        self.waited += 1
        if value < self.best:  # never for NaN
            if math.isfinite(self.best):
                self.kept.pop()
            self.best = value
            self.kept.append(Kept(state.net, value))
        if value < self.trial.score:
            self.trial.score, self.waited = value, 0
            self.trial.best_epoch = self.epochs
        if self.patience is not None and self.waited >= self.patience:
            self.trial.stopped = "patience"
            raise StopTraining(f"val_loss has not become lower for {self.waited} epochs")
        if self.deadline is not None and time.perf_counter() > self.deadline:
            self.trial.stopped = "time limit"
            raise StopTraining("the time limit is reached")

    @property
    def net(self) -> Sequential:
        """The network."""
        assert self.trial.net is not None
        return self.trial.net

    def add(self, history: History | None) -> None:
        """Append a rung's epochs to the trial's history."""
        self.best = math.inf
        if history is None:
            return
        own = self.trial.history
        before = len(own.epochs)
        own.epochs += [{**e, "epoch": before + i} for i, e in enumerate(history.epochs, 1)]
        own.steps += history.steps
        own.step_kind, own.step_reason = history.step_kind, history.step_reason
        own.threads, own.stopped_by = history.threads, history.stopped_by
        own.best_epoch = self.trial.best_epoch
        if history.stopped_by == STOPPED_BY:
            self.trial.stopped = "not finite"

    def forget(self, needed: Sequence[Kept]) -> None:
        """Free the memory of the epochs that are neither needed nor the network's best."""
        best = sorted(self.kept, key=lambda kept: kept.score)[:1]
        self.kept = [kept for kept in self.kept if kept in (*best, *needed)]

    def restore(self) -> None:
        """Give the network the parameters of its best epoch, if there is one."""
        if self.kept:
            set_arrays(self.net, min(self.kept, key=lambda kept: kept.score).arrays)
