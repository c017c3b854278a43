"""Networks from fitted models of other libraries."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from affinet.layers import Affine
from affinet.layers.activations import Activation, activation_classes
from affinet.losses import Loss, MeanSquaredError, Poisson, SigmoidWithLoss, SoftmaxWithLoss
from affinet.network import Sequential

NEEDED = ("coefs_", "intercepts_", "activation", "out_activation_")
ACTIVATIONS: dict[str, type[Activation] | None] = {"identity": None} | {
    cls.sklearn_name: cls for cls in activation_classes().values() if cls.sklearn_name
}
OUTPUTS: dict[str, type[Loss]] = {
    "softmax": SoftmaxWithLoss,
    "logistic": SigmoidWithLoss,
    "identity": MeanSquaredError,
    "exp": Poisson,
}


def from_sklearn(model: Any) -> Sequential:
    """The network of a fitted scikit-learn ``MLPClassifier`` or ``MLPRegressor``.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
        The fitted model; its weights are copied. From a Pipeline or a search, pass the fitted MLP
        inside, and remember the steps before it. The MLPs of ``affinet.estimators`` work too and
        keep their dropout and loss.

    Returns
    -------
    Sequential
        In the model's dtype: float64 unless it was fitted on float32. The loss is the one that
        the model was fitted with: :class:`SoftmaxWithLoss` for three or more classes,
        ``SigmoidWithLoss`` with one logit for two classes and one per label for multilabel
        targets, :class:`MeanSquaredError` for a regressor, which is twice scikit-learn's squared
        error, and ``Poisson`` for a regressor with ``loss="poisson"``, where ``predict`` returns
        the logarithms of scikit-learn's predictions. A classifier's ``predict`` returns logits
        and its ``predict_proba`` probabilities; for two classes, only that of the second, in a
        single column. ``metadata["classes"]`` holds the names of the classes.

    Raises
    ------
    TypeError
        If model is not a scikit-learn MLP.
    ValueError
        If it is not fitted, or uses an activation that affinet lacks.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> from sklearn.neural_network import MLPRegressor
    >>> x = np.random.default_rng(0).standard_normal((50, 3))
    >>> model = MLPRegressor(hidden_layer_sizes=8, solver="lbfgs", max_iter=999, random_state=0)
    >>> model = model.fit(x, x.sum(axis=1))
    >>> net = an.from_sklearn(model)
    >>> net
    Sequential(Affine(3 -> 8), ReLU(), Affine(8 -> 1), loss=MeanSquaredError())
    >>> bool(np.allclose(net.predict(x)[:, 0], model.predict(x)))
    True
    """
    if hasattr(model, "estimators_") and type(model).__module__.startswith("affinet.estimators"):
        raise TypeError(
            f"{type(model).__name__} has several networks, wanted one: pass each of estimators_"
        )
    require_fitted(model)
    net = own_network(model) or scikit_learns_network(model)
    if hasattr(model, "classes_"):
        net.metadata["classes"] = np.asarray(model.classes_).tolist()
    return net


def own_network(model: Any) -> Sequential | None:
    """A copy of the network of one of affinet's own estimators; None for any other model.

    The estimator is copied, because that adopts any ``coefs_`` that were assigned to it.
    """
    if not isinstance(getattr(model, "net_", None), Sequential):
        return None
    net: Sequential = copy.deepcopy(model).net_
    return net


def scikit_learns_network(model: Any) -> Sequential:
    """A network with scikit-learn's weights."""
    layers: list[Any] = []
    for W, b in zip(model.coefs_, model.intercepts_, strict=True):
        if layers:
            layers += hidden_activation(model)
        layers.append(Affine(W, b))
    return Sequential(*layers, loss=output(model))


def require_fitted(model: Any) -> None:
    """Raise unless the model has the attributes of a fitted scikit-learn MLP."""
    if isinstance(model, type) or not hasattr(model, "hidden_layer_sizes"):
        raise TypeError(f"model is {model!r:.80}, wanted an MLPClassifier or MLPRegressor")
    missing = [name for name in NEEDED if not hasattr(model, name)]
    if missing:
        raise ValueError(f"model is not fitted: it has no {', '.join(missing)}")


def hidden_activation(model: Any) -> list[Any]:
    """The layers between two affine layers, if there are any."""
    if model.activation not in ACTIVATIONS:
        raise ValueError(
            f"model.activation is {model.activation!r}, wanted one of {', '.join(ACTIVATIONS)}"
        )
    layer_type = ACTIVATIONS[model.activation]
    return [] if layer_type is None else [layer_type()]


def output(model: Any) -> Any:
    """The loss that corresponds to the model's output activation."""
    name = model.out_activation_
    if name not in OUTPUTS:
        raise ValueError(f"model.out_activation_ is {name!r}, wanted one of {', '.join(OUTPUTS)}")
    return OUTPUTS[name]()
