"""What is exported: networks, ensembles, estimators and models of tables, and their answers."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.ensemble import Ensemble
from affinet.ensemble.tables import outputs
from affinet.losses import Loss, Poisson, SigmoidWithLoss, SoftmaxWithLoss
from affinet.network import Sequential
from affinet.network.inner import walk, width_taken
from affinet.tables import ClassTarget, Encoding
from affinet.tabular import Recipe


def network_of(model: Any) -> Sequential | Ensemble:
    """The network to export; an estimator's class names are added to a copy's metadata.

    Several networks that an estimator averages are an Ensemble, unless each encodes its own table.

    Raises
    ------
    TypeError
        If it is neither a Sequential, an Ensemble nor an affinet estimator.
    ValueError
        If it is an estimator that has not been fitted.
    """
    if isinstance(model, Sequential | Ensemble):
        return model
    net = getattr(model, "net_", getattr(model, "ensemble_", None))
    if not isinstance(net, Sequential | Ensemble):
        if hasattr(model, "estimators_") and of_affinet(model):
            return mean_of_members(model)
        if net is None and of_affinet(model):
            raise ValueError(f"{type(model).__name__} has no network yet, call fit first")
        raise TypeError(
            f"net is {type(model).__name__}, wanted a Sequential, an Ensemble or a fitted "
            "estimator of affinet's; of a pipeline pass the last step, or convert it with skl2onnx "
            "after affinet.onnx.register_skl2onnx()"
        )
    synchronize = getattr(model, "_network", None)  # coefs_ may have been replaced
    twin = copy.copy(net if synchronize is None else synchronize())
    twin.metadata = dict(twin.metadata)
    twin.metadata |= table_metadata(model)
    classes = getattr(model, "classes_", None)
    if classes is not None:
        twin.metadata["classes"] = (
            [np.asarray(names).tolist() for names in classes]
            if isinstance(classes, list)
            else np.asarray(classes).tolist()
        )
    return twin


def of_affinet(model: Any) -> bool:
    """Whether an object is one of affinet's estimators."""
    return type(model).__module__.startswith("affinet.estimators")


def weighted_singles(model: Any, weight: float = 1.0) -> list[tuple[Any, float]]:
    """All models with one network that an estimator averages, and their weights, of sum 1."""
    members = vars(model).get("estimators_")
    if members is None:
        return [(model, weight)]
    return [pair for member in members for pair in weighted_singles(member, weight / len(members))]


def mean_of_members(model: Any) -> Ensemble:
    """The ensemble of an estimator whose members take the same rows."""
    singles, weights = zip(*weighted_singles(model), strict=True)
    if hasattr(singles[0], "encoding_"):
        raise TypeError(
            f"{type(model).__name__} has several networks for a table, wanted one: pass each of "
            "estimators_; only affinet.onnx.export with its encoding writes them as one"
        )
    nets: list[Any] = []
    for place, single in enumerate(singles):
        net = network_of(single)
        nets.append(net)
        use_known_head(single, net)
        if net.metadata.get("classes") != nets[0].metadata.get("classes"):
            raise ValueError(
                f"network {place} of the {type(model).__name__} knows the classes "
                f"{net.metadata['classes']!r:.80}, network 0 {nets[0].metadata['classes']!r:.80}; "
                "wanted the same, as with stratified folds"
            )
    return Ensemble(nets, weights)


def use_known_head(model: Any, net: Any) -> None:
    """Give the copied network of a classifier the loss whose probabilities the model returns."""
    if not hasattr(model, "classes_") or type(net.loss) in (SoftmaxWithLoss, SigmoidWithLoss):
        return
    if hasattr(net.loss, "probabilities"):
        raise TypeError(
            f"the loss {net.loss!r} of the {type(model).__name__} defines its own probabilities, "
            "which cannot be exported"
        )
    net.loss = SoftmaxWithLoss() if model.out_activation_ == "softmax" else SigmoidWithLoss()


def table_metadata(model: Any) -> dict[str, Any]:
    """What a fitted estimator knows of its table, as the shell's model files hold it."""
    encoding = getattr(model, "encoding_", None)
    if not isinstance(encoding, Encoding):
        return {}
    found: dict[str, Any] = {"table": encoding.to_json()}
    if hasattr(model, "recipe_"):
        found["recipe"] = model.recipe_.to_json()
    if hasattr(model, "temperature_"):
        found["temperature"] = float(model.temperature_)
    return found


def has_own_mixture(loss: Any) -> bool:
    """True if an ensemble with this loss does not answer with the mean of its members."""
    combined = getattr(type(loss), "combined", None)
    return combined not in (None, Loss.combined)


@dataclass(frozen=True)
class Subject:
    """A model as it is exported to C.

    Attributes
    ----------
    net : Sequential or Ensemble
    encoding : Encoding or None
        Of the table that it learned from.
    recipe : Recipe or None
    temperature : float
        Logits are divided by it.
    """

    net: Sequential | Ensemble
    encoding: Encoding | None = None
    recipe: Recipe | None = None
    temperature: float = 1.0

    @classmethod
    def of(cls, model: Any) -> Subject:
        """What is known of a model; see :func:`network_of` for errors."""
        net = network_of(model)
        meta = net.metadata
        known = Encoding.from_json(meta["table"]) if "table" in meta else None
        recipe = None if meta.get("recipe") is None else Recipe.from_json(meta["recipe"])
        found = cls(net, known, recipe, float(meta.get("temperature", 1.0)))
        if isinstance(net, Ensemble) and not found.mixture and has_own_mixture(net.loss):
            raise TypeError(f"an ensemble with the loss {net.loss!r} has no form in C")
        for place, member in enumerate(found.nets):
            if member.precision is not None:
                raise ValueError(
                    f"network {place} multiplies in precision {member.precision!r}, which C has no "
                    "form of; wanted None: Sequential(*net.layers, loss=net.loss)"
                )
            for path, layer in walk(member.layers):
                k = getattr(layer, "members", 1)
                if k not in (1, found.members):
                    raise ValueError(
                        f"layer {path} of network {place}, {type(layer).__name__}, has {k} members "
                        "that take turns in the rows; only a table's model says how they become "
                        "one answer"
                    )
        return found

    @property
    def nets(self) -> tuple[Sequential, ...]:
        """The networks whose answers are mixed."""
        return self.net.members if isinstance(self.net, Ensemble) else (self.net,)

    @property
    def members(self) -> int:
        """Members inside the network."""
        return 1 if self.recipe is None else self.recipe.members

    @property
    def weights(self) -> Array:
        """Of each network's answers that are mixed, of which there is one for every member."""
        own = self.net.weights if isinstance(self.net, Ensemble) else np.ones(1)
        return own / self.members

    @property
    def head(self) -> str | None:
        """What turns outputs into probabilities: softmax, sigmoid, or nothing."""
        if isinstance(self.net.loss, SoftmaxWithLoss):
            return "softmax"
        return "sigmoid" if isinstance(self.net.loss, SigmoidWithLoss) else None

    @property
    def mixture(self) -> str:
        """What is averaged: probabilities by name, exp, or the outputs themselves."""
        return self.head or ("exp" if isinstance(self.net.loss, Poisson) else "")

    @property
    def classes(self) -> list[str]:
        """Names of the classes; empty if there are none."""
        if self.encoding is not None:
            target = self.encoding.target
            return list(target.classes) if isinstance(target, ClassTarget) else []
        names = self.net.metadata.get("classes")
        if not isinstance(names, list) or any(isinstance(name, list) for name in names):
            return []
        return [str(name) for name in names]

    @property
    def n_inputs(self) -> int:
        """Values per row."""
        found = width_taken(self.nets[0].layers)
        if found is None:
            raise ValueError("no layer fixes the number of inputs, wanted at least one Affine")
        return found

    def predict(self, x: Array) -> Array:
        """The outputs (N, O) that the C function is to return, by affinet."""
        return np.asarray(outputs(self.recipe, self.net, x)).reshape(len(x), -1)
