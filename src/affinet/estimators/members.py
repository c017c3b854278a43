"""What ensembles of all estimators share: parameters, errors, and the order of classes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NoReturn

import numpy as np

from affinet._validation import Array

SINGLE = {"n_estimators": 1, "bootstrap": False, "cv": None}  # parameters of one network


def require_one_validation(model: Any) -> None:
    """Raise if validation rows are given beside ``cv``, whose folds are validation rows."""
    if model.validation_data is not None:
        raise ValueError(
            "validation_data and cv are both given, wanted one: each fold of cv is "
            "the validation rows of a member"
        )


def refuse_attribute(model: Any, name: str, of_one_network: Collection[str]) -> NoReturn:
    """Raise AttributeError; where members have the attribute, it says so."""
    if name in of_one_network and "estimators_" in vars(model):
        raise AttributeError(
            f"this {type(model).__name__} is an ensemble and has no {name}; "
            "each of its estimators_ has"
        )
    object.__getattribute__(model, name)  # raises the error that led here
    raise AttributeError(name)  # pragma: no cover - the line above has raised


def in_classes_of(model: Any, member: Any, values: Array) -> Array:
    """A member's probabilities (N, C) with 0 for classes that only the model knows."""
    if len(member.classes_) == len(model.classes_):
        return values
    found = np.zeros((len(values), len(model.classes_)), values.dtype)
    found[:, np.searchsorted(model.classes_, member.classes_)] = values
    return found
