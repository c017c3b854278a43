"""affinet's estimators for tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

import affinet as an
from affinet.estimators import TabularClassifier, TabularRegressor

from .contender import Array, Contender
from .data import Part

QUICK_EPOCHS = 3


class Network(Contender):
    """``TabularClassifier`` or ``TabularRegressor`` by its method, or with ``preset="fast"``."""

    def fit(self, train: Part, validation: Part) -> None:
        """Learn from the frame as it is."""
        an.set_num_threads(self.threads)
        options: dict[str, Any] = {"method": self.name}
        if self.name == "fast":
            options = {"preset": "fast"}
        kind = TabularClassifier if self.classify else TabularRegressor
        self.model = kind(
            random_state=self.seed,
            validation_data=(validation.X, validation.y),
            epochs=QUICK_EPOCHS if self.quick else None,
            **options,
        ).fit(train.X, train.y)
        self.note = {
            "epochs": len(self.model.history_.epochs),
            "best_epoch": int(self.model.best_epoch_),
        }
        if self.classify:
            self.classes = np.asarray(self.model.classes_)
            self.note["temperature"] = round(float(self.model.temperature_), 4)

    def predict(self, X: pd.DataFrame) -> Array:
        """Numbers, or probabilities."""
        found: Array = self.model.predict_proba(X) if self.classify else self.model.predict(X)
        return found


contender = Network
