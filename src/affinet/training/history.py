"""The record of a training."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class History:
    """What happened in a ``fit``, epoch by epoch.

    Attributes
    ----------
    epochs : list of dict
        One dict an epoch: ``"epoch"`` (1, 2, ...), ``"loss"`` (mean over the epoch's batches, as
        they were trained on), ``"accuracy"`` likewise for classes, ``"val_loss"`` and
        ``"val_accuracy"`` where validation data was given, ``"seconds"`` (of the training alone).
    steps : int
        Updates made.
    step_kind : str
        How a step was computed: ``"fused"`` or ``"layer by layer"``.

    Examples
    --------
    >>> history = History(epochs=[{"loss": 2.0}, {"loss": 1.0}])
    >>> history["loss"]
    [2.0, 1.0]
    """

    epochs: list[dict[str, float]] = field(default_factory=list)
    steps: int = 0
    step_kind: str = "layer by layer"

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
