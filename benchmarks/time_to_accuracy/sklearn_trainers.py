"""scikit-learn's trainer: ``partial_fit`` with a whole epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
import sklearn
from nets import Array
from sklearn.neural_network import MLPClassifier

from .task import ADAM, Setting

VERSION = sklearn.__version__


class PartialFit:
    """``partial_fit`` shuffles an epoch's rows and cuts them into batches; scaled once before."""

    precision = "float32"
    early_epsilon = True

    def __init__(self, widths: tuple[int, ...], setting: Setting) -> None:
        self.widths, self.setting = widths, setting
        self.note = ""
        self.losses: list[float] = []

    def start(self, first: list[Array], seed: int) -> None:
        self.model = FromStart(
            self.widths[1:-1],
            alpha=0.0,
            batch_size=self.setting.batch,
            learning_rate_init=self.setting.lr,
            beta_1=ADAM["beta1"],
            beta_2=ADAM["beta2"],
            epsilon=ADAM["eps"],
            random_state=seed,
        )
        self.model.first = first

    def warm_up(self, images: Array, classes: Array) -> None:
        self.load(images[: self.setting.batch], classes[: self.setting.batch])
        self.epoch(self.setting.lr)

    def load(self, images: Array, classes: Array) -> None:
        self.x, self.t = np.divide(images, 255, dtype=np.float32), classes

    def epoch(self, lr: float, shuffle: bool = True) -> None:
        model = self.model
        model.shuffle = shuffle
        if hasattr(model, "_optimizer"):  # it has read the rate of the first epoch
            model._optimizer.learning_rate_init = lr
        model.partial_fit(self.x, self.t, classes=range(self.widths[-1]))
        self.losses = [float(model.loss_)]

    def predict(self, images: Array) -> Array:
        result: Array = self.model.predict_proba(np.divide(images, 255, dtype=np.float32))
        return result

    def parameters(self) -> list[Array]:
        pairs = zip(self.model.coefs_, self.model.intercepts_, strict=True)
        return [array for pair in pairs for array in pair]


class FromStart(MLPClassifier):
    """``MLPClassifier`` that begins with given parameters."""

    first: list[Array]

    def _initialize(self, y: Any, layer_units: Any, dtype: Any) -> None:
        super()._initialize(y, layer_units, dtype)
        self.coefs_ = [array.astype(dtype) for array in self.first[::2]]
        self.intercepts_ = [array.astype(dtype) for array in self.first[1::2]]


TRAINERS = {"sklearn": PartialFit}
