"""Predictions and figures of a saved network, by what its metadata say about its outputs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.cli.figures import QUALITY
from affinet.cli.labelled import encoding_of
from affinet.cli.models import Model
from affinet.ensemble.tables import outputs
from affinet.losses import ElementwiseLoss, MeanSquaredError, SoftmaxWithLoss
from affinet.metrics import measure, named_metrics
from affinet.tables import Encoding, NumberTarget
from affinet.tabular import Recipe, calibrated, fit_temperature


@dataclass(frozen=True)
class Predictor:
    """A network or several, and how their outputs become probabilities or numbers.

    Attributes
    ----------
    net : Sequential or Ensemble
    encoding : Encoding or None
        Of the table that it was trained on.
    recipe : affinet.tabular.Recipe or None
        None for a plain network.
    temperature : float
        Logits are divided by it.
    """

    net: Model
    encoding: Encoding | None = None
    recipe: Recipe | None = None
    temperature: float = 1.0

    @classmethod
    def of(cls, net: Model, model: str) -> Predictor:
        """What the metadata of a model file say."""
        encoding = encoding_of(net, model)
        record, temperature = net.metadata.get("recipe"), net.metadata.get("temperature", 1.0)
        if record is None or encoding is None:
            return cls(net, encoding)
        try:
            recipe = Recipe.from_json(record)
        except ValueError as error:
            raise ValueError(f"{model}: its metadata 'recipe' is {error}") from error
        if not isinstance(temperature, int | float) or not 0 < temperature < np.inf:
            raise ValueError(
                f"{model}: its metadata 'temperature' is {temperature!r}, wanted a number above 0"
            )
        return cls(net, encoding, recipe, float(temperature))

    @property
    def classifies(self) -> bool:
        """True if the outputs are logits of classes that exclude each other."""
        if self.recipe is not None:
            return self.recipe.task == "classification"
        return isinstance(self.net.loss, SoftmaxWithLoss)

    @property
    def target(self) -> NumberTarget | None:
        """The unit of predicted numbers, if the model knows it."""
        target = None if self.encoding is None else self.encoding.target
        return target if isinstance(target, NumberTarget) else None

    def outputs(self, x: Array) -> Array:
        """Logits (N, C), numbers (N, 1), or what a network without a table computes."""
        return outputs(self.recipe, self.net, x)

    def probabilities(self, y: Array) -> Array:
        """The probabilities of logits."""
        if self.recipe is not None:
            return calibrated(y, self.temperature)
        loss: Any = self.net.loss
        return np.asarray(loss.probabilities(y))

    def restore(self, y: Array) -> Array:
        """Outputs or targets in the unit of the table's column, (N,)."""
        return y.reshape(-1) if self.target is None else self.target.restore(y)

    def calibrate(self, y: Array, t: Array, weights: Array | None) -> Predictor:
        """The same with the temperature for outputs of rows that were not trained on."""
        if not self.classifies or not np.isfinite(y).all():
            return self
        return replace(self, temperature=fit_temperature(y, t, weights))

    def figures(self, x: Array, t: Array) -> dict[str, float]:
        """The figures of rows; errors of numbers are in the target's unit."""
        if self.recipe is None:
            found = self.net.evaluate(x, t)
            if not isinstance(self.net.loss, ElementwiseLoss):
                return found
            return found | self.errors(self.net.predict(x), t)
        return self.figures_of(self.outputs(x), t)

    def figures_of(self, y: Array, t: Array) -> dict[str, float]:
        """The figures of outputs."""
        if self.classifies:
            return class_figures(y / self.temperature, t)
        loss = float(MeanSquaredError().forward(y, t.reshape(-1, 1)))
        return {"loss": loss, **self.errors(y, t)}

    def errors(self, y: Array, t: Array) -> dict[str, float]:
        """MAE, RMSE and R2 of outputs."""
        return number_figures(self.restore(y), self.restore(t))


def number_figures(y: Array, t: Array) -> dict[str, float]:
    """MAE, RMSE and R2 of numbers in their unit."""
    return measure(named_metrics(tuple(QUALITY)), y, t)


def class_figures(z: Array, t: Array) -> dict[str, float]:
    """Log-loss and accuracy of logits (N, C).

    Examples
    --------
    >>> import numpy as np
    >>> class_figures(np.zeros((2, 2)), np.array([0, 1]))
    {'loss': 0.6931471805599453, 'accuracy': 0.5}
    """
    z = z.astype(np.float64)
    z = z - z.max(axis=1, keepdims=True)
    losses = np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(t)), t]
    right = z.argmax(axis=1) == t
    return {"loss": float(losses.mean()), "accuracy": float(right.mean())}
