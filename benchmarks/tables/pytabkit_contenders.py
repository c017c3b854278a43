"""RealMLP and TabM of pytabkit, the reference implementation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytabkit
import torch

from .contender import Array, Contender, Levels
from .data import Part

KINDS = {
    "pytabkit-td": "RealMLP_TD",
    "pytabkit-td-s": "RealMLP_TD_S",
    "pytabkit-tabm": "TabM_D",
}
QUICK_EPOCHS = 2


class Network(Contender):
    """With subnormal numbers flushed: torch is several times as slow where gradients are tiny.

    Missing numbers, which these networks do not take, become the mean; missing and unknown
    categories share one.
    """

    def fit(self, train: Part, validation: Part) -> None:
        """Learn, preprocessing included."""
        torch.set_num_threads(self.threads)
        self.note["flush_denormal"] = torch.set_flush_denormal(True)
        texts = train.texts()
        self.levels = Levels(train, named_missing=True)
        self.means = train.X.drop(columns=texts).mean()
        kind = f"{KINDS[self.name]}_{'Classifier' if self.classify else 'Regressor'}"
        few = {"n_epochs": QUICK_EPOCHS} if self.quick else {}
        self.model: Any = getattr(pytabkit, kind)(
            random_state=self.seed,
            n_cv=1,
            n_threads=self.threads,
            verbosity=0,
            device="cpu",
            **few,
        )
        self.model.fit(
            self.prepared(train.X),
            train.y,
            self.prepared(validation.X),
            validation.y,
            cat_col_names=texts,
        )
        self.classes = np.asarray(self.model.classes_ if self.classify else [])

    def predict(self, X: pd.DataFrame) -> Array:
        """Numbers, or probabilities."""
        X = self.prepared(X)
        if self.classify:
            return np.asarray(self.model.predict_proba(X))
        return np.asarray(self.model.predict(X)).ravel()

    def prepared(self, X: pd.DataFrame) -> pd.DataFrame:
        """The frame without missing values."""
        numbers = list(self.means.index)
        filled = X.assign(**X[numbers].fillna(self.means).astype("float32"))
        return self.levels.apply(filled)


contender = Network
