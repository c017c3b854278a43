"""The best epoch of a training by validation rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from affinet._validation import Array, whole_number
from affinet.network import Sequential
from affinet.network.inner import arrays_of, set_arrays
from affinet.training import StopTraining, TrainingState


class LastBest:
    """A callback that keeps the arrays of the last epoch whose figure is the lowest.

    Of several equal epochs the last one has learned most: with the error of classes there are
    many such epochs. Patience counts the epochs since the figure became lower.
    """

    only_looks = True

    def __init__(self, figure: str, patience: int | None) -> None:
        self.figure, self.patience = figure, patience
        self.lowest = np.inf
        self.waited = 0
        self.arrays: dict[str, Array] | None = None
        self.shapes: dict[str, tuple[int, ...]] = {}  # of the network's arrays

    def begin(self, state: TrainingState) -> None:
        """Learn the shapes that a checkpoint must have."""
        self.shapes = {name: array.shape for name, array in arrays_of(state.net).items()}

    def __call__(self, state: TrainingState) -> None:
        """Compare an epoch with the best so far; StopTraining if patience is exhausted."""
        value = state.metrics[self.figure]
        self.waited = 0 if value < self.lowest else self.waited + 1
        if value <= self.lowest:  # never for NaN
            self.lowest = value
            self.arrays = {name: array.copy() for name, array in arrays_of(state.net).items()}
            state.history.best_epoch = state.epoch
        if self.patience is not None and self.waited >= self.patience:
            raise StopTraining(f"{self.figure} has not decreased for {self.waited} epochs")

    def state_dict(self) -> dict[str, Any]:
        """The state to save in a checkpoint."""
        return {"lowest": float(self.lowest), "waited": self.waited, "arrays": self.arrays}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state_dict; nothing changes if it is refused."""
        lowest, waited = float(state["lowest"]), whole_number("waited", state["waited"], 0)
        arrays = state["arrays"]
        if arrays is not None:
            shapes = {name: getattr(array, "shape", None) for name, array in arrays.items()}
            if shapes != self.shapes:
                raise ValueError(f"the best epoch has arrays of {shapes}, wanted {self.shapes}")
        self.lowest, self.waited, self.arrays = lowest, waited, arrays

    def restore(self, net: Sequential) -> None:
        """Give the network the arrays of the best epoch, if there is one."""
        if self.arrays is not None:
            set_arrays(net, self.arrays)
