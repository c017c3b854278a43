"""The record of a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class History:
    """What happened in a ``fit``, epoch by epoch.

    Attributes
    ----------
    epochs : list of dict
        One dict per epoch: ``"epoch"`` (1, 2, ...), ``"loss"`` (mean over the epoch's batches, as
        they were trained on), ``"accuracy"`` likewise for classes, ``"lr"`` (of the last update)
        where there is a schedule, ``"seconds"`` (of the training alone), and where validation
        data was given ``"val_loss"``, ``"val_accuracy"`` and the metrics, each with ``"val_"``.
    steps : int
        Updates made.
    step_kind : str
        How a step was computed: ``"fused"`` or ``"layer by layer"``.
    step_reason : str or None
        Why it was not fused, naming the layer, the loss, the optimizer or the data that has no
        compiled form; None if it was fused.
    stopped_by : str or None
        Why the training ended: ``"epochs"`` or ``"steps"`` if it made all of them, the name of
        the callback that stopped it with its message, or the name of the exception that ended it.
        None while it runs.
    best_epoch : int or None
        The epoch that :class:`affinet.EarlyStopping` found best.

    Examples
    --------
    >>> history = History(epochs=[{"loss": 2.0}, {"loss": 1.0}])
    >>> history["loss"]
    [2.0, 1.0]
    """

    epochs: list[dict[str, float]] = field(default_factory=list)
    steps: int = 0
    step_kind: str = "layer by layer"
    stopped_by: str | None = None
    best_epoch: int | None = None
    step_reason: str | None = None

    def __getitem__(self, name: str) -> list[float]:
        """One figure over all epochs; KeyError names what there is."""
        if name not in self.names:
            raise KeyError(f"{name!r} is not one of {', '.join(self.names) or '(no epoch yet)'}")
        return [epoch[name] for epoch in self.epochs]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the recorded figures."""
        return tuple(self.epochs[0]) if self.epochs else ()

    @property
    def seconds(self) -> float:
        """Seconds spent training, without validation and callbacks."""
        return sum(epoch["seconds"] for epoch in self.epochs)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, such as JSON holds.

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
        """The record that :meth:`to_dict` was called on."""
        return cls(**content)
