"""Whole fits of an ``MLPClassifier``, scikit-learn's or affinet's: the same calls to either."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from nets import Array

from .tasks import ADAM, Training, set_back

RANDOM_STATES = range(5)


class EstimatorTraining:
    """A classifier with the given parameters; no momentum, no early stop."""

    shuffles = False

    def __init__(self, task: Training) -> None:
        self.task = task
        self.losses: list[float] = []
        self.classifier = classifier(self.estimator(), task)
        self.reset()

    def estimator(self) -> Any:
        """The class of the classifier."""
        raise TypeError("estimator is the business of the libraries")

    def reset(self) -> None:
        set_back(self.parameters(), self.task.first)

    def parameters(self) -> list[Array]:
        """W1, b1, W2, ...: the classifier's own arrays."""
        pairs = zip(self.classifier.coefs_, self.classifier.intercepts_, strict=True)
        return [array for pair in pairs for array in pair]


class WholeFit(EstimatorTraining):
    """``fit`` from the given parameters on."""

    def __init__(self, task: Training) -> None:
        super().__init__(task)
        self.classifier.set_params(warm_start=True)  # fit keeps the parameters that it finds

    def run(self, count: int) -> None:
        for _ in range(count):
            fit(self.classifier, self.task)
        self.losses = [float(self.classifier.loss_)]

    def accuracies(self) -> list[float]:
        """On the rows held out, after a fit from the first parameters of each random state."""
        if self.task.held_out is None:
            return []
        options = self.classifier.get_params() | {"warm_start": False}
        found = []
        for state in RANDOM_STATES:
            other = self.estimator()(**options | {"random_state": state})
            found.append(float(fit(other, self.task).score(*self.task.held_out)))
        return found


def fit(classifier: Any, task: Training) -> Any:
    """Fit without a warning at the end: the number of epochs is fixed, converged or not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return classifier.fit(task.x, task.t)


def classifier(estimator: Any, task: Training) -> Any:
    """A classifier with the task's settings, and arrays of random numbers."""
    solver = {
        "solver": "adam",
        "beta_1": ADAM["beta1"],
        "beta_2": ADAM["beta2"],
        "epsilon": ADAM["eps"],
    }
    if not task.adam:
        solver = {"solver": "sgd", "momentum": 0.0, "nesterovs_momentum": False}
    n_in, *hidden, n_out = task.net.widths
    made = estimator(
        hidden_layer_sizes=tuple(hidden),
        activation="relu",
        alpha=task.l2,
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
