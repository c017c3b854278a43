"""scikit-learn's boosted trees, and its multilayer perceptron behind the usual pipeline."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from .contender import MISSING, Array, Contender, Levels
from .data import Part


class Boosting(Contender):
    """``HistGradientBoosting``: its threads are those of OpenMP."""

    def fit(self, train: Part, validation: Part) -> None:
        """Learn, with texts as pandas categories."""
        self.levels = Levels(train)
        few = {"max_iter": 10} if self.quick else {}
        kind = HistGradientBoostingClassifier if self.classify else HistGradientBoostingRegressor
        self.model = kind(random_state=self.seed, **few).fit(self.levels.apply(train.X), train.y)
        self.note["trees"] = int(self.model.n_iter_)
        self.classes = np.asarray(self.model.classes_ if self.classify else [])

    def predict(self, X: pd.DataFrame) -> Array:
        """Numbers, or probabilities."""
        X = self.levels.apply(X)
        return np.asarray(self.model.predict_proba(X) if self.classify else self.model.predict(X))


class Perceptron(Contender):
    """``MLPClassifier`` and ``MLPRegressor`` on standardised numbers and one-hot texts."""

    def fit(self, train: Part, validation: Part) -> None:
        """Learn, preprocessing included."""
        few = {"max_iter": 5} if self.quick else {}
        net: Any = (MLPClassifier if self.classify else MLPRegressor)(random_state=self.seed, **few)
        if not self.classify:
            net = TransformedTargetRegressor(net, transformer=StandardScaler())
        self.model = make_pipeline(preprocessing(train), net)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.model.fit(train.X, train.y)
        last = self.model[-1] if self.classify else self.model[-1].regressor_
        self.note["epochs"] = int(last.n_iter_)
        self.classes = np.asarray(self.model.classes_ if self.classify else [])

    def predict(self, X: pd.DataFrame) -> Array:
        """Numbers, or probabilities."""
        return np.asarray(self.model.predict_proba(X) if self.classify else self.model.predict(X))


def preprocessing(train: Part) -> ColumnTransformer:
    """Numbers imputed and standardised, texts one-hot."""
    texts = train.texts()
    numbers = [name for name in train.X.columns if name not in texts]
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    missing = SimpleImputer(strategy="constant", fill_value=MISSING)
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
            ("texts", make_pipeline(missing, one_hot), texts),
        ]
    )


KINDS = {"sklearn-boosting": Boosting, "sklearn-mlp": Perceptron}


def contender(name: str, *arguments: Any) -> Contender:
    """The method of this name."""
    return KINDS[name](name, *arguments)
