"""scikit-learn's contenders: ``partial_fit`` with a batch or an epoch, and ``fit``."""

from __future__ import annotations

from typing import Any

import numpy as np
import sklearn
from nets import Array
from sklearn.neural_network import MLPClassifier

from .estimator_fits import EstimatorTraining, WholeFit
from .tasks import Prediction, Training

VERSION = sklearn.__version__


class _Training(EstimatorTraining):
    def __init__(self, task: Training) -> None:
        super().__init__(task)
        self.batches = task.batches()

    def estimator(self) -> Any:
        return MLPClassifier


class BatchTraining(_Training):
    """``partial_fit`` with one batch for each call."""

    def run(self, count: int) -> None:
        classifier = self.classifier
        for _ in range(count):
            losses = []
            for x, t in self.batches:
                classifier.partial_fit(x, t)
                losses.append(float(classifier.loss_))
            self.losses = losses


class EpochTraining(_Training):
    """``partial_fit`` with one epoch for each call, which it cuts into batches."""

    def run(self, count: int) -> None:
        for _ in range(count):
            self.classifier.partial_fit(self.task.x, self.task.t)
        self.losses = [float(self.classifier.loss_)]


class ClassifierFit(WholeFit):
    """``fit``."""

    def estimator(self) -> Any:
        return MLPClassifier


class ProbabilityPrediction:
    """``predict_proba``."""

    gives = "probabilities"

    def __init__(self, task: Prediction) -> None:
        no_labels = np.zeros(len(task.x), np.int64)
        training = Training(task.net, task.parameters, task.x, no_labels, lr=0.01)
        self.classifier = _Training(training).classifier
        self.x = task.x

    def run(self, count: int) -> None:
        predict, x = self.classifier.predict_proba, self.x
        for _ in range(count):
            predict(x)

    def output(self) -> Array:
        result: Array = self.classifier.predict_proba(self.x)
        return result


CONTENDERS = {
    "step": {"scikit-learn, batch": BatchTraining, "scikit-learn, epoch": EpochTraining},
    "fit": {"scikit-learn MLPClassifier": ClassifierFit},
    "predict": {"scikit-learn": ProbabilityPrediction},
}
