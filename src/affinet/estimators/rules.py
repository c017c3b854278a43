"""What happens at the end of an epoch: scikit-learn's rules, as callbacks of ``fit``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.estimators.objectives import Objective
from affinet.estimators.rows import Rows
from affinet.network import Sequential
from affinet.optimizers import Optimizer
from affinet.training import StopTraining, TrainingState
from affinet.training.averaging import WeightAverage, averaged

SMALLEST_RATE = 1e-6  # an adaptive learning rate at or below it ends the training


@dataclass(frozen=True)
class Validation:
    """Rows used for validation only, and how outputs for them are measured.

    Attributes
    ----------
    rows : Rows
    objective : Objective
        Of these rows.
    score : callable
        ``score(outputs, t, weights)``.
    scored : bool
        Whether anybody wants the score.
    """

    rows: Rows
    objective: Objective
    score: Callable[[Array, Array, Array | None], float]
    scored: bool

    def measure(self, net: Sequential) -> dict[str, float]:
        """``"val_loss"``, without the penalty, and ``"val_score"`` if it is wanted."""
        rows, objective = self.rows, self.objective
        outputs = net.predict(rows.x)
        weights = () if rows.weights is None else (rows.weights,)
        loss = float(objective.loss.forward(outputs, rows.t, *weights))
        figures = {"val_loss": objective.show(loss)}
        if self.scored:
            finite = bool(np.isfinite(outputs).all())
            score = self.score(outputs, rows.t, rows.weights) if finite else np.nan
            figures["val_score"] = float(score)
        return figures


class Rules:
    """Records an epoch and decides whether it was the last.

    ``record`` is the first callback of a training and ``decide`` the last: the user's stand
    between them and see what was recorded.
    """

    def __init__(
        self,
        model: Any,
        objective: Objective,
        optimizer: Optimizer,
        n_rows: int,
        validation: Validation | None,
        incremental: bool,
        average: WeightAverage | None = None,
    ) -> None:
        self.model = model
        self.objective = objective
        self.optimizer = optimizer
        self.n_rows = n_rows
        self.validation = validation
        self.incremental = incremental
        self.average = average
        self.exhausted = False  # whether the last epoch was reached without an end by the rules

    def record(self, state: TrainingState) -> None:
        """Keep the figures of the epoch that ended."""
        self.keep(state.metrics, state.net)

    def keep(self, figures: dict[str, Any], net: Sequential) -> None:
        """Keep an epoch's figures, and whether they are better than the best so far."""
        model, net = self.model, averaged(net, self.average)
        figures["loss"] = self.objective.show(figures["loss"])
        model.n_iter_ += 1
        model.t_ += self.n_rows
        model.loss_ = figures["loss"]
        model.loss_curve_.append(model.loss_)
        if model.verbose:
            print(f"Iteration {model.n_iter_}, loss = {model.loss_:.8f}")
        if self.validation is not None:
            figures |= self.validation.measure(net)
            model.validation_loss_curve_.append(figures["val_loss"])
        if model.early_stopping:
            self.compare_score(figures["val_score"], net)
        else:
            self.compare_loss()

    def compare_loss(self) -> None:
        """Count an epoch whose loss did not improve by tol."""
        model = self.model
        self.count(model.loss_ <= model.best_loss_ - model.tol)
        model.best_loss_ = min(model.best_loss_, model.loss_)

    def compare_score(self, score: float, net: Sequential) -> None:
        """Count an epoch whose score did not improve by tol; keep the parameters of the best."""
        model = self.model
        model.validation_scores_.append(score)
        if model.verbose:
            print(f"Validation score: {score:f}")
        self.count(score >= model.best_validation_score_ + model.tol)
        if score > model.best_validation_score_:
            model.best_validation_score_ = score
            model._best = net.params.flat.copy()

    def count(self, better: bool) -> None:
        """Count the epochs without improvement, from 0 again after a better one."""
        self.model._no_improvement_count = 0 if better else self.model._no_improvement_count + 1

    def decide(self, state: TrainingState) -> None:
        """Set the learning rate of the next epoch, or raise StopTraining."""
        model = self.model
        if model.solver == "sgd" and model.learning_rate == "invscaling":
            rate = model.learning_rate_init / (model.t_ + 1) ** model.power_t
            self.optimizer.lr = rate * self.objective.scale
        if model._no_improvement_count > model.n_iter_no_change:
            self.give_up()
            model._no_improvement_count = 0
        self.exhausted = model.n_iter_ == model.max_iter and not self.incremental

    def give_up(self) -> None:
        """Lower the learning rate if the schedule allows it, else raise StopTraining."""
        model = self.model
        what = "Validation score" if model.early_stopping else "Training loss"
        message = (
            f"{what} did not improve more than tol={model.tol:f} for {model.n_iter_no_change} "
            "consecutive epochs."
        )
        if model.solver == "sgd" and model.learning_rate == "adaptive":
            rate = self.optimizer.lr / self.objective.scale
            if rate > SMALLEST_RATE:
                self.optimizer.lr /= 5
                self.say(f"{message} Setting learning rate to {rate / 5:f}")
                return
            message += " Learning rate too small."
        self.say(f"{message} Stopping.")
        if self.incremental and model.early_stopping:
            model.stopped_ = True
        raise StopTraining("no improvement")

    def say(self, message: str) -> None:
        """Print a message if verbose is set."""
        if self.model.verbose:
            print(message)
