"""Ensembles of multilayer perceptrons: networks of several seeds, and one model for each fold."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing, check_random_state

from affinet._validation import Array
from affinet.estimators.given_weights import has_given_weights
from affinet.estimators.members import SINGLE, in_classes_of, require_one_validation
from affinet.thread_limit import thread_limit
from affinet.training.finite import warn_caller
from affinet.training.many import fit_kept

MOST = 2**31 - 1
# What a model has of one network; an ensemble's ``estimators_`` have one each.
OF_ONE_NETWORK = frozenset(
    (
        *("net_", "coefs_", "intercepts_", "t_", "loss_", "loss_curve_", "validation_scores_"),
        *("validation_loss_curve_", "best_loss_", "best_validation_score_"),
    )
)
OF_ALL = ("n_layers_", "n_outputs_", "out_activation_")  # what all members have alike
LEARNED = ("_labels", "classes_", "n_features_in_", "feature_names_in_")


def wants_ensemble(model: Any) -> bool:
    """True if the parameters ask for more than one network."""
    return bool(model.n_estimators > 1 or model.bootstrap or model.cv is not None)


def is_ensemble(model: Any) -> bool:
    """True if the fitted model consists of others; ValueError if weights were set on it."""
    if "estimators_" not in vars(model):
        return False
    if has_given_weights(model):
        raise ValueError(
            "coefs_ or intercepts_ were set on an ensemble, wanted them on one of its estimators_"
        )
    return True


def fit_ensemble(model: Any, X: Any, y: Any, sample_weight: Any) -> None:
    """Set ``estimators_``, and with ``cv`` ``out_of_fold_``."""
    if model.warm_start:
        raise ValueError(
            "warm_start is True with n_estimators, bootstrap or cv, wanted False: an ensemble "
            "begins anew at every fit; partial_fit continues the training of n_estimators"
        )
    if model.cv is not None:
        require_one_validation(model)
        fit_folds(model, X, y, sample_weight)
    else:
        if model.solver == "lbfgs":
            raise ValueError(
                "solver is 'lbfgs' with n_estimators above 1 or bootstrap, wanted 'sgd' or 'adam'"
            )
        fit_seeds(model, X, y, sample_weight)
    keep_alike(model)


def keep_alike(model: Any) -> None:
    """Give the ensemble what its members have alike, and take what only a single model has."""
    for name in [name for name in vars(model) if name in OF_ONE_NETWORK]:
        del model.__dict__[name]
    for name in OF_ALL:
        setattr(model, name, getattr(model.estimators_[0], name))
    model.n_iter_ = max(member.n_iter_ for member in model.estimators_)


# Several seeds ----------------------------------------------------------------------------------


def single_of(model: Any, random_state: Any) -> Any:
    """An unfitted single model with the same parameters; callbacks are the same objects."""
    single = clone(model)
    return single.set_params(**SINGLE, callbacks=model.callbacks, random_state=random_state)


def fit_seeds(model: Any, X: Any, y: Any, sample_weight: Any) -> None:
    """Members that share the rows, held-out ones too, trained all at once.

    The first is, without ``bootstrap``, to the bit the model that ``n_estimators=1`` trains.
    """
    first = single_of(model, model.random_state)
    rng = check_random_state(model.random_state)
    rows, held = first._arrange(X, y, sample_weight, incremental=False, rng=rng)
    calls = [first._call_of_fit(rows, held, rng, incremental=False)]
    members = [first]
    for _ in range(model.n_estimators - 1):
        member = single_of(model, int(rng.randint(MOST)))
        for name in LEARNED:
            if name in vars(first):
                setattr(member, name, getattr(first, name))
        own = check_random_state(member.random_state)
        member._prepare(rows, True, own)
        member._begin(True, False)
        calls.append(member._call_of_fit(rows, held, own, incremental=False))
        members.append(member)
    for name in LEARNED:
        if name in vars(first):
            setattr(model, name, getattr(first, name))
    model.estimators_ = train(model, members, calls, len(rows))


def train(model: Any, members: list[Any], calls: list[Any], n: int) -> list[Any]:
    """The members that were trained: all, or after Ctrl-C those with at least one epoch."""
    samples = None
    if model.bootstrap:
        samples = [
            np.random.default_rng([place, calls[place].options["seed"]]).integers(n, size=n)
            for place in range(len(members))
        ]
    once = "x", "t", "verbose"
    x, t, verbose = (calls[0].options[name] for name in once)
    options = [{k: v for k, v in call.options.items() if k not in once} for call in calls]
    nets = [member.net_ for member in members]
    with thread_limit(model.n_threads):
        found = fit_kept(nets, x, t, options, rows=samples, verbose=verbose)
    trained = [
        (member, call, history)
        for member, call, history in zip(members, calls, found, strict=True)
        if history is not None
    ]
    exhausted = [member._ended(call, history, False) for member, call, history in trained]
    if any(exhausted):
        warn_caller(
            f"Stochastic Optimizer: Maximum iterations ({model.max_iter}) reached and the "
            f"optimization of {sum(exhausted)} of {len(members)} networks hasn't converged yet.",
            ConvergenceWarning,
        )
    return [member for member, *_ in trained]


def partial_fit_members(model: Any, *arguments: Any) -> None:
    """One more epoch of every member."""
    members = getattr(model, "estimators_", None)
    if members is None or len(members) != model.n_estimators:
        if members is not None:
            raise ValueError(
                f"n_estimators is {model.n_estimators}, wanted {len(members)} as at the first call"
            )
        rng = check_random_state(model.random_state)
        seeds = [int(rng.randint(MOST)) for _ in range(model.n_estimators - 1)]
        members = [single_of(model, state) for state in (model.random_state, *seeds)]
    for member in members:
        own = model.get_params(deep=False) | SINGLE | {"random_state": member.random_state}
        member.set_params(**own).partial_fit(*arguments)
    model.estimators_ = members
    for name in LEARNED:
        if name in vars(members[0]):
            setattr(model, name, getattr(members[0], name))
    keep_alike(model)


# Folds ------------------------------------------------------------------------------------------


def fit_folds(model: Any, X: Any, y: Any, sample_weight: Any) -> None:
    """A model for each fold, trained on the other rows, with the fold as its validation data."""
    rows = model._read(X, y, sample_weight, True, False)  # checks, and learns all classes
    X = X if hasattr(X, "columns") else rows.x  # members learn a frame's names too
    y = y.tocsr() if issparse(y) else np.asarray(y)
    classify = is_classifier(model)
    rng = check_random_state(model.random_state)
    members, found = [], []
    splits = list(check_cv(model.cv, y, classifier=classify).split(rows.x, y))
    for train_places, test in splits:
        held = [_safe_indexing(X, test), _safe_indexing(y, test)]
        weights = None
        if rows.weights is not None:
            weights = rows.weights[train_places]
            held.append(rows.weights[test])
        fold = clone(model).set_params(
            cv=None, callbacks=model.callbacks, validation_data=tuple(held),
            random_state=int(rng.randint(MOST)),
        )  # fmt: skip
        fold.fit(
            _safe_indexing(X, train_places), _safe_indexing(y, train_places), sample_weight=weights
        )
        found.append((test, predictions_of(model, fold, held[0])))
        members.append(fold)
    total, count = np.zeros((len(rows), *found[0][1].shape[1:])), np.zeros(len(rows))
    for test, values in found:
        total[test] += values
        count[test] += 1
    with np.errstate(invalid="ignore"):  # NaN for rows in no fold
        model.out_of_fold_ = (total.T / count).T
    model.estimators_ = members


# Prediction -------------------------------------------------------------------------------------


def predictions_of(model: Any, member: Any, X: Any) -> Array:
    """A member's probabilities in the order of the model's classes, or its numbers."""
    if not is_classifier(model):
        return np.asarray(member.predict(X))
    return in_classes_of(model, member, member.predict_proba(X))


def mean_predictions(model: Any, X: Any) -> Array:
    """The mean of the members' probabilities or numbers."""
    found: Array = np.mean([predictions_of(model, m, X) for m in model.estimators_], axis=0)
    return found
