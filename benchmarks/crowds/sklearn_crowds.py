"""scikit-learn's contender: joblib runs ``MLPClassifier.fit`` for each network."""

from __future__ import annotations

import os
import warnings
from typing import Any

import joblib
import numpy as np
import sklearn
from nets import Array
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from .task import Crowd

VERSION = sklearn.__version__


class Parallel:
    """A worker process for each core, which stays from one sample to the next."""

    def __init__(self, task: Crowd) -> None:
        self.task = task
        self.workers = joblib.Parallel(int(os.environ.get("OMP_NUM_THREADS", "1")))
        self.models: list[Any] = []
        self.reset()

    def reset(self) -> None:
        """Start again from the initial parameters."""
        self.starts = [[array[place] for array in self.task.first] for place in range(self.task.n)]

    def run(self, count: int) -> None:
        """Train all networks."""
        one = joblib.delayed(fit)
        for _ in range(count):
            self.models = self.workers(one(self.task, start) for start in self.starts)

    def parameters(self) -> list[Array]:
        """The parameters of all networks, (n, ...) each."""
        each = [
            [array for pair in zip(model.coefs_, model.intercepts_, strict=True) for array in pair]
            for model in self.models
        ]
        return [np.stack(arrays) for arrays in zip(*each, strict=True)]


class FromStart(MLPClassifier):
    """``MLPClassifier`` that begins with given parameters, so that results can be compared."""

    def _initialize(self, y: Any, layer_units: Any, dtype: Any) -> None:
        super()._initialize(y, layer_units, dtype)
        self.coefs_ = [array.astype(dtype) for array in self.start[::2]]
        self.intercepts_ = [array.astype(dtype) for array in self.start[1::2]]


def fit(task: Crowd, start: list[Array]) -> Any:
    """A fit with the batches in the order of the rows, and plain gradient descent."""
    x, t = task.data
    model = FromStart(
        task.net.widths[1:-1],
        solver="sgd",
        momentum=0.0,
        alpha=0.0,
        learning_rate_init=task.lr,
        batch_size=task.net.batch,
        max_iter=task.epochs,
        n_iter_no_change=task.epochs + 1,
        shuffle=False,
    )
    model.start = start
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(x, t)


CONTENDERS = {"joblib, MLPClassifier": Parallel}
