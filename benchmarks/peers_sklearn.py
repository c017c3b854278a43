"""scikit-learn among the peers: ``partial_fit``, a batch or an epoch a call, and ``fit``."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import sklearn
from nets import Array
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from tasks import ADAM, Prediction, Training, set_back

VERSION = sklearn.__version__
# It warns at the end of every fit that did not converge; ours have a fixed number of epochs.
warnings.filterwarnings("ignore", category=ConvergenceWarning)


class _Training:
    """A classifier with the given parameters; no penalty, no momentum, no early stop."""

    shuffles = False

    def __init__(self, task: Training) -> None:
        self.task = task
        self.losses: list[float] = []
        self.batches = task.batches()
        self.classifier = classifier(task)
        self.reset()

    def reset(self) -> None:
        set_back(self.parameters(), self.task.first)

    def parameters(self) -> list[Array]:
        return parameters(self.classifier)


class BatchTraining(_Training):
    """``partial_fit`` a batch a call."""

    def run(self, count: int) -> None:
        classifier = self.classifier
        for _ in range(count):
            losses = []
            for x, t in self.batches:
                classifier.partial_fit(x, t)
                losses.append(float(classifier.loss_))
            self.losses = losses


class EpochTraining(_Training):
    """``partial_fit`` an epoch a call: it cuts batches by itself."""

    def run(self, count: int) -> None:
        for _ in range(count):
            self.classifier.partial_fit(self.task.x, self.task.t)
        self.losses = [float(self.classifier.loss_)]


class WholeFit(_Training):
    """``fit`` from the given parameters on."""

    def __init__(self, task: Training) -> None:
        super().__init__(task)
        self.classifier.set_params(warm_start=True)  # fit keeps the parameters that it finds

    def run(self, count: int) -> None:
        for _ in range(count):
            self.classifier.fit(self.task.x, self.task.t)
        self.losses = [float(self.classifier.loss_)]


class ProbabilityPrediction:
    """``predict_proba``."""

    gives = "probabilities"

    def __init__(self, task: Prediction) -> None:
        no_labels = np.zeros(len(task.x), np.int64)
        training = Training(task.net, task.parameters, task.x, no_labels, lr=0.01)
        self.classifier = classifier(training)
        set_back(parameters(self.classifier), task.parameters)
        self.x = task.x

    def run(self, count: int) -> None:
        predict, x = self.classifier.predict_proba, self.x
        for _ in range(count):
            predict(x)

    def output(self) -> Array:
        result: Array = self.classifier.predict_proba(self.x)
        return result


def classifier(task: Training) -> Any:
    """The task's settings in scikit-learn's words; its arrays are there, with random numbers."""
    solver = {
        "solver": "adam",
        "beta_1": ADAM["beta1"],
        "beta_2": ADAM["beta2"],
        "epsilon": ADAM["eps"],
    }
    if not task.adam:
        solver = {"solver": "sgd", "momentum": 0.0, "nesterovs_momentum": False}
    n_in, *hidden, n_out = task.net.widths
    made = MLPClassifier(
        hidden_layer_sizes=tuple(hidden),
        activation="relu",
        alpha=0.0,
        batch_size=n_out,
        learning_rate="constant",
        learning_rate_init=task.lr,
        max_iter=task.epochs,
        shuffle=task.shuffled,
        tol=0.0,
        n_iter_no_change=10**9,
        early_stopping=False,
        random_state=0,
        **solver,
    )
    classes = np.arange(n_out)
    made.partial_fit(np.zeros((n_out, n_in), task.x.dtype), classes, classes=classes)
    return made.set_params(batch_size=task.net.batch)


def parameters(classifier: Any) -> list[Array]:
    """W1, b1, W2, ...: the classifier's own arrays."""
    pairs = zip(classifier.coefs_, classifier.intercepts_, strict=True)
    return [array for pair in pairs for array in pair]


CONTENDERS = {
    "step": {"scikit-learn, batch": BatchTraining, "scikit-learn, epoch": EpochTraining},
    "fit": {"scikit-learn": WholeFit},
    "predict": {"scikit-learn": ProbabilityPrediction},
}
