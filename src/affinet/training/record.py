"""The validated arguments of one training in one record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from affinet._validation import Array
from affinet.metrics import Metric
from affinet.network import Sequential
from affinet.training.batches import epoch_order, epoch_orders, steps_per_epoch
from affinet.training.regularization import Regularization

if TYPE_CHECKING:
    from affinet.training.averaging import WeightAverage
    from affinet.training.sampling import Drawing

SCHEDULES = ("schedule", "decay_schedule", "dropout_schedule")  # arguments of fit


@dataclass(frozen=True, eq=False)
class Training:
    """The validated arguments of ``fit``; they do not change while training runs.

    Attributes
    ----------
    net : Sequential
        It has a loss.
    optimizer : Optimizer, or a custom object with ``update``
    x, t : array of N rows and of N targets
        In memory, in a memory map or in files.
    batch_size : int
        Rows per batch, over all processes.
    steps : int
        Number of updates in the whole training.
    seed : int
        Determines the order of the rows and the dropout masks.
    weights : array of shape (N,), optional
        Weights of the rows, multiplied by those of their classes.
    shuffle : bool
    regularization : Regularization
    schedule : callable, optional
        Returns the learning rates.
    decay_schedule, dropout_schedule : callable, optional
        Return factors of the optimizer's weight decay and of every Dropout's p.
    average : WeightAverage, optional
        Averages the weights over the updates.
    callbacks : tuple of callables
        Callbacks with ``comes_last`` are at the end.
    validation_data : (x, t) or (x, t, weights), optional
    metrics : dict of str to function
        Additional figures of the validation data.
    ends_by : str
        What ends the training if nothing stops it: "epochs" or "steps".
    stop_if_not_finite : bool
        True ends the training when a loss is not finite.
    drawing : Drawing, optional
        Draws the rows of every epoch; None uses each row once.
    """

    net: Sequential
    optimizer: Any
    x: Array
    t: Array
    batch_size: int
    steps: int = 1
    seed: int = 0
    weights: Array | None = None
    shuffle: bool = True
    regularization: Regularization = field(default_factory=Regularization)
    schedule: Any = None
    callbacks: tuple[Any, ...] = ()
    validation_data: tuple[Array, ...] | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    ends_by: str = "steps"
    stop_if_not_finite: bool = True
    drawing: Drawing | None = None
    decay_schedule: Any = None
    dropout_schedule: Any = None
    average: WeightAverage | None = None

    @property
    def schedules(self) -> dict[str, Any]:
        """The schedules that there are, by the names of ``fit``'s arguments."""
        found = {name: getattr(self, name) for name in SCHEDULES}
        return {name: schedule for name, schedule in found.items() if schedule is not None}

    @property
    def n_rows(self) -> int:
        """Number of rows to train on."""
        return len(self.x)

    @property
    def rows_per_epoch(self) -> int:
        """Number of rows per epoch, counting repeated rows."""
        return self.n_rows if self.drawing is None else self.drawing.length

    def order(self, epoch: int) -> Array:
        """The rows of an epoch, 0 for the first, in the order of training."""
        if self.drawing is None:
            return epoch_order(self.n_rows, self.seed, epoch, self.shuffle)
        return self.drawing.rows(epoch)

    def orders(self, first: int, n: int) -> Array:
        """Those of ``n`` epochs, one after the other, without a sampler."""
        return epoch_orders(self.n_rows, self.seed, range(first, first + n), self.shuffle)

    @property
    def steps_per_epoch(self) -> int:
        """Number of updates in a full epoch."""
        return steps_per_epoch(self.rows_per_epoch, self.batch_size)

    @property
    def epochs(self) -> int:
        """Number of epochs, including an unfinished last one."""
        return -(-self.steps // self.steps_per_epoch)

    @property
    def rows_to_see(self) -> int:
        """Total number of rows in all steps."""
        whole_epochs, rest = divmod(self.steps, self.steps_per_epoch)
        return whole_epochs * self.rows_per_epoch + rest * self.batch_size

    @property
    def held_out(self) -> int:
        """Number of validation rows."""
        return 0 if self.validation_data is None else len(self.validation_data[1])
