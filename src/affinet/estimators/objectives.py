"""What an estimator minimises, in terms of affinet's losses.

scikit-learn's "squared_error" and "poisson" differ from the mean over all elements that affinet
minimises by factors, and so do the gradients. The numbers of the rule compensate for the scale of
the gradient: SGD multiplies its learning rate by it, Adam, which divides by the gradient's size,
divides its epsilon by it, and the penalty its alpha.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import xlogy

from affinet._validation import Array
from affinet.estimators.adam import ScikitLearnAdam
from affinet.estimators.parameters import REGRESSOR_LOSSES
from affinet.losses import MeanSquaredError, Poisson, Quantile, SigmoidWithLoss, SoftmaxWithLoss
from affinet.optimizers import Momentum, Nesterov, Optimizer


@dataclass(frozen=True)
class Objective:
    """A loss, and the factors between it and the estimator's.

    Attributes
    ----------
    loss : loss object
        What the network minimises.
    scale : float
        The estimator's gradient is this times the network's.
    shown : float
        The estimator's ``loss_`` is this times the network's loss, plus ``constant``.
    constant : float
    """

    loss: Any
    scale: float = 1.0
    shown: float = 1.0
    constant: float = 0.0

    def show(self, loss: float) -> float:
        """The network's loss as the estimator's."""
        return self.shown * loss + self.constant

    def l2(self, alpha: float) -> float:
        """The strength of the network's penalty."""
        return float(alpha) / self.scale

    def optimizer(self, model: Any) -> Optimizer:
        """The update rule with the estimator's parameters."""
        if model.solver == "adam":
            return ScikitLearnAdam(
                model.learning_rate_init, model.beta_1, model.beta_2, model.epsilon / self.scale
            )
        rule = Nesterov if model.nesterovs_momentum else Momentum
        optimizer = rule(model.learning_rate_init * self.scale)
        optimizer.momentum = float(model.momentum)  # scikit-learn takes 1 too
        return optimizer


def classifier_objective(loss: Any, out_activation: str) -> Objective:
    """Of ``MLPClassifier(loss=...)``: of logits, which the out_activation turns to probabilities.

    Raises
    ------
    ValueError
        If a softmax stands over one logit.
    """
    if isinstance(loss, str):
        return Objective(SoftmaxWithLoss() if out_activation == "softmax" else SigmoidWithLoss())
    if isinstance(loss, SoftmaxWithLoss) and out_activation != "softmax":
        raise ValueError(
            f"loss is {loss!r}, wanted SigmoidWithLoss() for two classes or several labels, each "
            "of which has one logit"
        )
    return Objective(copy.deepcopy(loss))


def regressor_objective(loss: Any, quantile: float, t: Array, weights: Array | None) -> Objective:
    """Of ``MLPRegressor(loss=...)`` for targets t (N, O), which Poisson's constant depends on.

    scikit-learn sums squares and Poisson's deviance over the outputs where it takes gradients,
    but shows the squares' mean over the outputs; affinet's other losses are means over both.
    """
    n_outputs = t.shape[1]
    if not isinstance(loss, str):
        return Objective(copy.deepcopy(loss))
    if loss == "squared_error":
        return Objective(MeanSquaredError(), scale=n_outputs / 2, shown=0.5)
    if loss == "poisson":
        constant = np.average((xlogy(t, t) - t).sum(axis=1), weights=weights)
        return Objective(Poisson(), scale=n_outputs, shown=n_outputs, constant=float(constant))
    kind = REGRESSOR_LOSSES[loss]
    return Objective(Quantile(quantile) if kind is Quantile else kind())
