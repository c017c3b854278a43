"""Boosted trees: LightGBM, XGBoost, CatBoost."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd

from .contender import MISSING, Array, Contender, Levels, class_codes
from .data import Part

QUICK_TREES = 10
# CatBoost's statistics of categories take minutes with many classes; one-hot columns do not.
MOST_ONE_HOT = 255


class LightGBM(Contender):
    """``LGBMClassifier`` and ``LGBMRegressor``."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.package = import_module("lightgbm")

    def fit(self, train: Part, validation: Part) -> None:
        """Learn, with texts as pandas categories."""
        self.levels = Levels(train)
        kind = self.package.LGBMClassifier if self.classify else self.package.LGBMRegressor
        few = {"n_estimators": QUICK_TREES} if self.quick else {}
        model = kind(random_state=self.seed, n_jobs=self.threads, verbose=-1, **few)
        self.model = model.fit(self.levels.apply(train.X), train.y)
        self.classes = np.asarray(self.model.classes_ if self.classify else [])

    def predict(self, X: pd.DataFrame) -> Array:
        """Numbers, or probabilities."""
        X = self.levels.apply(X)
        return np.asarray(self.model.predict_proba(X) if self.classify else self.model.predict(X))


class XGBoost(Contender):
    """``XGBClassifier`` and ``XGBRegressor`` on histograms."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.package = import_module("xgboost")

    def fit(self, train: Part, validation: Part) -> None:
        """Learn, with texts as pandas categories."""
        self.levels = Levels(train)
        y = train.y
        if self.classify:
            self.classes, y = class_codes(train.y)
        kind = self.package.XGBClassifier if self.classify else self.package.XGBRegressor
        few = {"n_estimators": QUICK_TREES} if self.quick else {}
        self.model = kind(
            random_state=self.seed,
            n_jobs=self.threads,
            enable_categorical=True,
            tree_method="hist",
            **few,
        ).fit(self.levels.apply(train.X), y)

    def predict(self, X: pd.DataFrame) -> Array:
        """Numbers, or probabilities."""
        X = self.levels.apply(X)
        return np.asarray(self.model.predict_proba(X) if self.classify else self.model.predict(X))


class CatBoost(Contender):
    """``CatBoostClassifier`` and ``CatBoostRegressor``, stopped early by the validation rows."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.package = import_module("catboost")

    def fit(self, train: Part, validation: Part) -> None:
        """Learn, with texts as they are."""
        self.texts = train.texts()
        y, held = train.y, validation.y
        extra: dict[str, Any] = {"iterations": QUICK_TREES} if self.quick else {}
        if self.classify:
            self.classes, y = class_codes(train.y)
            held = np.searchsorted(self.classes, validation.y)
            if self.texts and len(self.classes) > 2:
                extra["one_hot_max_size"] = self.note["one_hot_max_size"] = MOST_ONE_HOT
        kind = self.package.CatBoostClassifier if self.classify else self.package.CatBoostRegressor
        self.model = kind(
            random_seed=self.seed,
            thread_count=self.threads,
            verbose=False,
            early_stopping_rounds=100,
            allow_writing_files=False,
            cat_features=self.texts,
            **extra,
        )
        self.model.fit(self.filled(train.X), y, eval_set=(self.filled(validation.X), held))
        self.note["trees"] = int(self.model.tree_count_)

    def predict(self, X: pd.DataFrame) -> Array:
        """Numbers, or probabilities."""
        X = self.filled(X)
        return np.asarray(self.model.predict_proba(X) if self.classify else self.model.predict(X))

    def filled(self, X: pd.DataFrame) -> pd.DataFrame:
        """The frame with a name for missing texts."""
        texts = X[self.texts].astype(object)
        return X.assign(**texts.where(texts.notna(), MISSING))


KINDS = {"lightgbm": LightGBM, "xgboost": XGBoost, "catboost": CatBoost}


def contender(name: str, *arguments: Any) -> Contender:
    """The method of this name."""
    return KINDS[name](name, *arguments)
