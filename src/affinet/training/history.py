"""The record of a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from affinet.training.progress import short

SHOWN = 3  # epochs at the beginning of a table, and at its end


@dataclass(repr=False)
class History:
    """The record of a ``fit``, epoch by epoch.

    Attributes
    ----------
    epochs : list of dict
        One dict per epoch: ``"epoch"`` (1, 2, ...), ``"loss"`` (mean over the epoch's batches,
        each computed before its update), ``"accuracy"`` likewise for classes, ``"lr"`` (of the
        last update) with a schedule, ``"seconds"`` (training only), and with validation data
        ``"val_loss"``, ``"val_accuracy"`` and the metrics, each prefixed with ``"val_"``.
    steps : int
        Number of updates.
    step_kind : str
        How steps were computed: ``"fused"`` or ``"layer by layer"``.
    step_reason : str or None
        Why it was not fused, naming the layer, the loss, the optimizer or the data that has no
        compiled form; None if it was fused.
    threads : int
        Number of threads that share each step. 1 if one is enough: :func:`affinet.set_num_threads`
        sets the most, and a cost model decides how many pay. No result depends on it.
    stopped_by : str or None
        Why the training ended: ``"epochs"`` or ``"steps"`` if it made all of them, the name of
        the callback that stopped it with its message, or the name of the exception that ended it.
        None while it runs.
    precision : str or None
        The network's precision of matrix products; None for that of its parameters.
    best_epoch : int or None
        The epoch that :class:`affinet.EarlyStopping` found best.

    Examples
    --------
    >>> history = History(epochs=[{"loss": 2.0}, {"loss": 1.0}])
    >>> history["loss"]
    [2.0, 1.0]
    >>> history
    History of 2 epochs, 0 steps (layer by layer)
    epoch    loss
        1  2.0000
        2  1.0000
    """

    epochs: list[dict[str, float]] = field(default_factory=list)
    steps: int = 0
    step_kind: str = "layer by layer"
    stopped_by: str | None = None
    best_epoch: int | None = None
    step_reason: str | None = None
    threads: int = field(default=1, compare=False)
    precision: str | None = None

    def __getitem__(self, name: str) -> list[float]:
        """One figure over all epochs; a KeyError lists the available names."""
        if name not in self.names:
            raise KeyError(f"{name!r} is not one of {', '.join(self.names) or '(no epoch yet)'}")
        return [epoch[name] for epoch in self.epochs]

    def __repr__(self) -> str:
        """A table of the first and the last epochs."""
        rest = [] if self.stopped_by is None else [f"ended by {self.stopped_by}"]
        rest += [] if self.precision is None else [f"products in {self.precision}"]
        rest += [] if self.best_epoch is None else [f"best epoch {self.best_epoch}"]
        counts = f"{counted(len(self.epochs), 'epoch')}, {counted(self.steps, 'step')}"
        return "\n".join(
            [", ".join([f"History of {counts} ({self.step_kind})", *rest]), *self.table()]
        )

    def table(self) -> list[str]:
        """The figures of the first and last epochs, one line per epoch under a header."""
        if not self.epochs:
            return []
        names = [name for name in dict.fromkeys(chain(*self.epochs)) if name != "epoch"]
        rows = [["epoch", *names]]
        for place, epoch in enumerate(self.epochs, 1):
            figures = (short(epoch[name]) if name in epoch else "" for name in names)
            rows.append([str(epoch.get("epoch", place)), *figures])
        if len(rows) > 2 * SHOWN + 2:
            rows[1 + SHOWN : -SHOWN] = [["..."] * len(rows[0])]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return ["  ".join(map(str.rjust, row, widths)).rstrip() for row in rows]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the recorded figures."""
        return tuple(self.epochs[0]) if self.epochs else ()

    @property
    def seconds(self) -> float:
        """Seconds spent training, without validation and callbacks."""
        return sum(epoch["seconds"] for epoch in self.epochs)

    def to_dict(self) -> dict[str, Any]:
        """The record as plain values that JSON can hold.

        Examples
        --------
        >>> import json
        >>> text = json.dumps(History(epochs=[{"loss": 2.0}], steps=7).to_dict())
        >>> History.from_dict(json.loads(text)) == History(epochs=[{"loss": 2.0}], steps=7)
        True
        """
        epochs = [
            {name: v.item() if isinstance(v, np.generic) else v for name, v in epoch.items()}
            for epoch in self.epochs
        ]
        return {**vars(self), "epochs": epochs}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> History:
        """Rebuild a record from :meth:`to_dict`'s result."""
        return cls(**content)


def counted(number: int, what: str) -> str:
    """A count with its noun in singular or plural.

    Examples
    --------
    >>> counted(1, "epoch"), counted(1200, "step")
    ('1 epoch', '1,200 steps')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"
