"""Weights of rows and of classes in the estimators."""

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")
from affinet.estimators import MLPClassifier
from estimator_data import CLASSES, LABELS, SMALL, VALUES, N, X, assert_same

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_a_weight_is_a_number_of_rows(task, solver):
    """Weights 0, 1, 2 and rows left out, once, twice: the same to rounding, penalty included."""
    estimator, y = task
    counts = np.arange(N) % 3
    options = SMALL | {"solver": solver, "max_iter": 4, "alpha": 1.0, "batch_size": 2 * N}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of the clipped batch_size
        weighted = estimator(**options).fit(X, y, sample_weight=counts)
        repeated = estimator(**options).fit(np.repeat(X, counts, 0), np.repeat(y, counts, 0))
    assert_same(weighted, repeated, atol=1e-9)
    assert weighted.loss_ == pytest.approx(repeated.loss_, rel=1e-9)


def test_a_class_weight_is_a_weight_of_its_rows():
    """By its label, over several batches: the same bits."""
    by_row = np.where(CLASSES == "elm", 5.0, np.where(CLASSES == "oak", 0.25, 1.0))
    options = SMALL | {"batch_size": 16, "max_iter": 5}
    weighted = MLPClassifier(**options).fit(X, CLASSES, sample_weight=by_row * VALUES**2)
    of_classes = MLPClassifier(class_weight={"elm": 5, "oak": 0.25, "ash": 1}, **options)
    assert_same(weighted, of_classes.fit(X, CLASSES, sample_weight=VALUES**2))


@pytest.mark.parametrize("weights", [None, 0.5 + X[:, 3] ** 2], ids=["unweighted", "weighted"])
def test_balanced_classes_weigh_the_same(weights):
    given = np.ones(N) if weights is None else weights
    sums = {name: given[name == CLASSES].sum() for name in np.unique(CLASSES)}
    by_hand = {name: given.sum() / 3 / total for name, total in sums.items()}
    a = MLPClassifier(class_weight="balanced", max_iter=5, **SMALL).fit(X, CLASSES, weights)
    b = MLPClassifier(class_weight=by_hand, max_iter=5, **SMALL).fit(X, CLASSES, weights)
    assert_same(a, b, atol=1e-13)


def test_balanced_finds_the_rare_class():
    rng = np.random.default_rng(1)
    rare = rng.random(600) < 0.05
    x = rng.standard_normal((600, 2)) + rare[:, None]
    plain, balanced = (
        MLPClassifier(class_weight=w, max_iter=60, **SMALL).fit(x, rare) for w in (None, "balanced")
    )
    assert balanced.predict(x)[rare].mean() > plain.predict(x)[rare].mean() + 0.3


def test_class_weights_of_several_labels():
    by_row = np.where(LABELS[:, 0] == 1, 3.0, 1.0) * np.where(LABELS[:, 2] == 0, 2.0, 1.0)
    weights = [{0: 1, 1: 3}, {0: 1, 1: 1}, {0: 2, 1: 1}]
    a = MLPClassifier(class_weight=weights, max_iter=4, **SMALL).fit(X, LABELS)
    assert_same(a, MLPClassifier(max_iter=4, **SMALL).fit(X, LABELS, by_row))
