"""Weights set on an estimator that was never fitted, which is how stored models are rebuilt."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from affinet._validation import Array, compute_dtype, parameter_array
from affinet.estimators.building import build, weight_views
from affinet.estimators.parameters import activations, dropout_rates


def has_given_weights(model: Any) -> bool:
    """True if weights were set on the model and no network holds them yet."""
    own = vars(model)
    return "net_" not in own and ("coefs_" in own or "intercepts_" in own)


def adopt_weights(model: Any) -> None:
    """Build the model's network around its ``coefs_`` and ``intercepts_``.

    Attributes that describe the network are checked where they were set and are set where they
    were not; the records of a training start empty.

    Raises
    ------
    ValueError
        If weights are missing or do not fit each other or another attribute, by name.
    """
    arrays = given_arrays(model)
    sizes = (arrays[0][0].shape[0], *(W.shape[1] for W, _ in arrays))
    names = activations(model.activation, len(arrays) - 1)
    rates = dropout_rates(model.dropout, len(arrays) - 1)
    for name, value in (
        ("n_features_in_", sizes[0]),
        ("n_layers_", len(sizes)),
        ("n_outputs_", sizes[-1]),
    ):
        require_described(model, name, value)
        setattr(model, name, value)
    output, loss = model._given_output(sizes[-1])
    require_described(model, "out_activation_", output)
    model.out_activation_ = output
    model.net_ = build(arrays, names, rates, loss, model.precision)
    model._structure = (sizes, names, rates)
    model.coefs_, model.intercepts_ = weight_views(model.net_)
    records: dict[str, Any] = {"t_": 0, "_best": None, "_no_improvement_count": 0}
    records["validation_loss_curve_"] = None
    if not model.early_stopping:
        records |= {"best_loss_": np.inf, "validation_scores_": None}
        records["best_validation_score_"] = None
    for name, value in records.items():
        vars(model).setdefault(name, value)


def given_arrays(model: Any) -> list[tuple[Array, Array]]:
    """W (I, O) and b (O,) of each layer, of one dtype, checked against each other."""
    own = vars(model)
    for name in ("coefs_", "intercepts_"):
        if not isinstance(own.get(name), list | tuple) or not own[name]:
            raise ValueError(
                f"{name} is {own.get(name)!r:.60}, wanted a list of arrays, one a layer: an "
                "estimator that was not fitted needs both coefs_ and intercepts_"
            )
    if len(model.coefs_) != len(model.intercepts_):
        raise ValueError(
            f"intercepts_ holds {len(model.intercepts_)} arrays, wanted {len(model.coefs_)}, as "
            "many as coefs_"
        )
    weights = [parameter_array(f"coefs_[{i}]", W, 2) for i, W in enumerate(model.coefs_)]
    biases = [parameter_array(f"intercepts_[{i}]", b) for i, b in enumerate(model.intercepts_)]
    for place, (W, V) in enumerate(pairwise(weights)):
        if W.shape[1] != V.shape[0]:
            raise ValueError(
                f"coefs_[{place + 1}] has shape {V.shape}, wanted {W.shape[1]} rows, one for each "
                f"column of coefs_[{place}]"
            )
    for place, (W, b) in enumerate(zip(weights, biases, strict=True)):
        if b.shape != W.shape[1:]:
            raise ValueError(f"intercepts_[{place}] has shape {b.shape}, wanted {W.shape[1:]}")
    dtype = compute_dtype(*weights, *biases)
    return [(W.astype(dtype), b.astype(dtype)) for W, b in zip(weights, biases, strict=True)]


def require_described(model: Any, name: str, value: Any) -> None:
    """Raise ValueError if an attribute was set to something that the weights contradict."""
    found = vars(model).get(name, value)
    if found != value:
        raise ValueError(f"{name} is {found!r}, but coefs_ and intercepts_ make it {value!r}")
