"""Valid values of the parameters of the estimators for tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from affinet._validation import positive_number
from affinet.estimators.parameters import (
    Check,
    at_least,
    callbacks,
    choice,
    class_weight,
    flag,
    folds,
    n_threads,
    product_precision,
    random_state,
    validation_data,
    verbosity,
    weight_average,
    whole,
)
from affinet.tabular import METHODS, PRESETS


def optional(check: Callable[[str, Any], object]) -> Check:
    """None, or what another check allows."""
    return lambda name, value: None if value is None else check(name, value)


def columns(name: str, value: Any) -> None:
    """None, a name, or a sequence of names, places or bool."""
    if isinstance(value, dict | set):
        raise TypeError(f"{name} is {value!r}, wanted a list of names or places of columns")


REGRESSOR: dict[str, Check] = {
    "method": choice(*METHODS),
    "preset": choice(*PRESETS),
    "categorical_features": columns,
    "validation_data": validation_data,
    "validation_fraction": at_least(0.0, 1.0),
    "time_limit": optional(positive_number),
    "epochs": optional(whole(1)),
    "batch_size": optional(whole(1)),
    "callbacks": callbacks,
    "n_estimators": whole(1),
    "bootstrap": flag,
    "cv": folds,
    "average": weight_average,
    "random_state": random_state,
    "n_threads": n_threads,
    "verbose": verbosity,
    "precision": product_precision,
}
CLASSIFIER = REGRESSOR | {"class_weight": class_weight}
