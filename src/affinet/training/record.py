"""All that one training is made of, checked and in one record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from affinet._validation import Array
from affinet.metrics import Metric
from affinet.network import Sequential
from affinet.training.batches import epoch_order, steps_per_epoch
from affinet.training.regularization import Regularization

if TYPE_CHECKING:
    from affinet.training.sampling import Drawing


@dataclass(frozen=True, eq=False)
class Training:
    """What ``fit`` was asked for; nothing in it changes while the training runs.

    Attributes
    ----------
    net : Sequential
        With a loss.
    optimizer : Optimizer, or a custom object with ``update``
    x, t : array of N rows and of N targets
        In memory, in a memory map or in files.
    batch_size : int
        Rows of a batch, of all processes together.
    steps : int
        Updates of the whole training.
    seed : int
        Decides the order of the rows and the masks of dropout.
    weights : array of shape (N,), optional
        Of the rows, those of their classes among them.
    shuffle : bool
    regularization : Regularization
    schedule : callable, optional
        Gives the learning rates.
    callbacks : tuple of callables
        Those that come last stand at the end.
    validation_data : (x, t) or (x, t, weights), optional
    metrics : dict of str to function
        More figures of the validation data.
    ends_by : str
        What ends the training if nothing stops it: "epochs" or "steps".
    stop_if_not_finite : bool
        True ends the training when a loss is not finite.
    drawing : Drawing, optional
        Draws the rows of every epoch; None for each of them once.
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

    @property
    def n_rows(self) -> int:
        """Number of rows to train on."""
        return len(self.x)

    @property
    def rows_per_epoch(self) -> int:
        """Number of rows that an epoch trains on, some of them perhaps more than once."""
        return self.n_rows if self.drawing is None else self.drawing.length

    def order(self, epoch: int) -> Array:
        """The rows of an epoch, 0 for the first, in the order of training."""
        if self.drawing is None:
            return epoch_order(self.n_rows, self.seed, epoch, self.shuffle)
        return self.drawing.rows(epoch)

    @property
    def steps_per_epoch(self) -> int:
        """Updates of a whole epoch."""
        return steps_per_epoch(self.rows_per_epoch, self.batch_size)

    @property
    def epochs(self) -> int:
        """Number of epochs, the last of them perhaps begun only."""
        return -(-self.steps // self.steps_per_epoch)

    @property
    def rows_to_see(self) -> int:
        """Rows of all steps together."""
        whole_epochs, rest = divmod(self.steps, self.steps_per_epoch)
        return whole_epochs * self.rows_per_epoch + rest * self.batch_size

    @property
    def held_out(self) -> int:
        """Number of rows to validate with."""
        return 0 if self.validation_data is None else len(self.validation_data[1])
