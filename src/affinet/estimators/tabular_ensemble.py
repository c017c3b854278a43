"""Ensembles of models for tables: networks of several seeds, and one model for each fold."""

from __future__ import annotations

import math
import time
from itertools import groupby
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import check_cv

from affinet._validation import Array
from affinet.estimators.members import SINGLE, in_classes_of
from affinet.estimators.tabular_data import TableRows, rows_at
from affinet.tabular import build, epochs_within, train_many
from affinet.threads import get_num_threads

# What a model has of one network only; an ensemble's ``estimators_`` have one each.
OF_ONE_NETWORK = frozenset(
    ("net_", "encoding_", "recipe_", "history_", "epochs_", "best_epoch_", "temperature_")
)


# Several seeds ----------------------------------------------------------------------------------


def fit_seeds(model: Any, data: Any, seeds: list[int], begun: float) -> None:
    """Set ``estimators_``: members with the same encoding and validation rows, trained at once.

    The first is, without ``bootstrap``, to the bit the model that ``n_estimators=1`` trains.
    """
    members = [member_of(model, seed) for seed in seeds]
    recipe, n = model.recipe_, len(data.t)
    rows = [
        np.random.default_rng([seed, n]).integers(n, size=n) if model.bootstrap else np.arange(n)
        for seed in seeds
    ]
    for member, seed, own in zip(members, seeds, rows, strict=True):
        x, t = (data.x[own], data.t[own]) if model.bootstrap else (data.x, data.t)
        member.net_ = build(recipe, model.encoding_, x, t, seed)
    epochs = model._most_epochs(data.t)
    if model.time_limit is not None:
        rounds = math.ceil(len(members) / get_num_threads())
        left = max(model.time_limit - (time.perf_counter() - begun), 1e-3) / rounds
        epochs = epochs_within(
            members[0].net_, recipe, data.x, data.t, validation=data.validation,
            sample_weight=data.weights, seed=seeds[0], epochs=epochs, seconds=left, n_threads=1,
        )  # fmt: skip
    histories = train_many(
        [member.net_ for member in members], recipe, data.x, data.t, seeds=seeds,
        rows=rows if model.bootstrap else None, validation=data.validation, epochs=epochs,
        sample_weight=data.weights, callbacks=model.callbacks or (),
        verbose=int(bool(model.verbose)), unit=model._unit(), average=model.average,
    )  # fmt: skip
    trained = [(m, h) for m, h in zip(members, histories, strict=True) if h is not None]
    for member, history in trained:
        member.epochs_ = epochs
        member._finish(history, data.validation)
    model.estimators_ = [member for member, _ in trained]
    for name in OF_ONE_NETWORK:
        model.__dict__.pop(name, None)


def member_of(model: Any, seed: int) -> Any:
    """A single model with all that the ensemble has learned of its columns and targets."""
    member = clone(model).set_params(**SINGLE, random_state=seed)
    for name, value in vars(model).items():
        if name not in member.__dict__:
            setattr(member, name, value)
    return member


# Folds ------------------------------------------------------------------------------------------


def fit_folds(model: Any, rows: TableRows, y: Array, rng: np.random.RandomState, most: int) -> None:
    """Set ``estimators_``, one for each fold, trained on the other rows, and ``out_of_fold_``.

    The fold selects the member's epoch and its temperature, as ``validation_data`` does.
    """
    classify = model._task == "classification"
    splits = list(check_cv(model.cv, y, classifier=classify).split(np.zeros(len(y)), y))
    total = np.zeros((len(y), len(model.classes_) if classify else 1))
    count = np.zeros(len(y))
    members = []
    for train, test in splits:
        held, weights = [rows_at(rows.frame, test), y[test]], None
        if rows.weights is not None:
            weights = rows.weights[train]
            held.append(rows.weights[test])
        fold = clone(model).set_params(
            cv=None, validation_data=tuple(held), callbacks=model.callbacks,
            random_state=int(rng.randint(most)),
            time_limit=model.time_limit and model.time_limit / len(splits),
        )  # fmt: skip
        fold.fit(rows_at(rows.frame, train), y[train], sample_weight=weights)
        found = fold._predictions(held[0])
        total[test] += in_classes_of(model, fold, found) if classify else found
        count[test] += 1
        members.append(fold)
    with np.errstate(invalid="ignore"):
        mean = total / count[:, None]  # NaN for rows in no fold
    model.estimators_ = members
    model.out_of_fold_ = mean if classify else mean[:, 0]


# Prediction -------------------------------------------------------------------------------------


def single_models(model: Any) -> list[Any]:
    """All models with one network in it; the folds of an ensemble may be ensembles."""
    if "estimators_" not in vars(model):
        return [model]
    return [single for member in model.estimators_ for single in single_models(member)]


def by_encoding(models: list[Any]) -> list[list[Any]]:
    """Models in groups that encode rows alike."""
    return [list(group) for _, group in groupby(models, key=lambda m: id(m.encoding_))]
