"""What every method implements, and what several of them need."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import pandas as pd

from .data import Part

Array = np.ndarray[Any, Any]
MISSING = "(missing)"


class Contender(ABC):
    """A method with its defaults. The import of its package is not part of the time of ``fit``.

    Attributes
    ----------
    classes : array of shape (C,)
        After ``fit``: the classes in the order of the probabilities; empty for numbers.
    note : dict
        Details for the record, such as the number of epochs.
    """

    def __init__(self, name: str, task: str, seed: int, threads: int, quick: bool) -> None:
        self.name, self.seed, self.threads, self.quick = name, seed, threads, quick
        self.classify = task == "classification"
        self.classes: Array = np.array([])
        self.note: dict[str, Any] = {}

    @abstractmethod
    def fit(self, train: Part, validation: Part) -> None:
        """Learn from the training rows, preprocessing included."""

    @abstractmethod
    def predict(self, X: pd.DataFrame) -> Array:
        """Numbers (N,), or probabilities (N, C)."""


class Levels:
    """The categories of text columns in the training rows."""

    def __init__(self, part: Part, named_missing: bool = False) -> None:
        extra = [MISSING] if named_missing else []
        self.of = {name: sorted(part.X[name].dropna().unique()) + extra for name in part.texts()}
        self.other = MISSING if named_missing else None

    def apply(self, X: pd.DataFrame) -> pd.DataFrame:
        """The frame with pandas categories; unknown ones become missing."""
        X = X.copy()
        for name, levels in self.of.items():
            known = X[name].astype(object).where(X[name].isin(levels), self.other)
            X[name] = pd.Categorical(known, categories=levels)
        return X


def class_codes(y: Array) -> tuple[Array, Array]:
    """The classes in order, and each row's place among them."""
    classes, codes = np.unique(y, return_inverse=True)
    return classes, codes
