"""``partial_fit`` and ``warm_start``: training continues where it stopped."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")
from affinet.estimators import MLPClassifier, MLPRegressor
from estimator_data import CLASSES, LABELS, SMALL, VALUES, N, X, assert_same, weights_of

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_partial_fit_of_labels():
    """No ``classes`` needed: every column is a label."""
    model = MLPClassifier(learning_rate_init=0.02, **SMALL)
    for _ in range(60):
        model.partial_fit(X[:60], LABELS[:60]).partial_fit(X[60:], LABELS[60:])
    assert model.t_ == 60 * N
    assert model.score(X, LABELS) > 0.8
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])
    assert set(np.unique(model.predict(X))) == {0, 1}


def test_partial_fit_stops_early(task):
    """Once the score has not improved, the best weights are back and stay."""
    estimator, y = task
    model = estimator(
        early_stopping=True, validation_data=(X[:30], y[:30]), n_iter_no_change=3,
        learning_rate_init=0.05, **SMALL,
    )  # fmt: skip
    classes = {} if estimator is MLPRegressor or y.ndim == 2 else {"classes": np.unique(y)}
    calls = 0
    while calls < 500 and not getattr(model, "stopped_", False):
        model.partial_fit(X[30:], y[30:], **classes)
        calls += 1
    assert model.stopped_
    assert len(model.validation_scores_) == calls
    assert model.score(X[:30], y[:30]) == pytest.approx(max(model.validation_scores_), abs=1e-12)
    before = [array.copy() for array in weights_of(model)]
    model.partial_fit(X[30:], y[30:])
    for array, old in zip(weights_of(model), before, strict=True):
        np.testing.assert_array_equal(array, old)
    model.set_params(max_iter=2).fit(X, y)  # restarts
    assert model.n_iter_ == 2


def test_partial_fit_and_the_classes():
    model = MLPClassifier(**SMALL)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        model.partial_fit(X, CLASSES)
    model.partial_fit(X[CLASSES == "elm"], CLASSES[CLASSES == "elm"], classes=["oak", "elm", "ash"])
    assert model.predict_proba(X).shape == (N, 3)
    model.partial_fit(X, CLASSES)
    with pytest.raises(ValueError, match=r"classes is \['ash', 'elm'\]"):
        model.partial_fit(X, CLASSES, classes=["ash", "elm"])
    with pytest.raises(ValueError, match=r"`y` has classes not in `self\.classes_`"):
        model.partial_fit(X, np.where(CLASSES == "oak", "yew", CLASSES))
    model.set_params(class_weight={"elm": 2.0})
    part = CLASSES != "elm"
    model.partial_fit(X[part], CLASSES[part])  # the others' weight does not matter here
    with pytest.raises(ValueError, match="balanced"):
        model.set_params(class_weight="balanced").partial_fit(X, CLASSES)


def test_dropouts_masks_differ_from_call_to_call():
    """Also where each call is given the same random_state."""
    options = SMALL | {"dropout": 0.5, "solver": "sgd", "learning_rate_init": 1e-30, "momentum": 0}
    model = MLPRegressor(**options)
    losses = [model.partial_fit(X, VALUES).loss_ for _ in range(4)]
    assert len(set(losses)) == 4


def test_partial_fit_keeps_the_optimizers_averages():
    """Two calls are two epochs: Adam's second step is not its first again."""
    options = SMALL | {"batch_size": N, "shuffle": False}
    model = MLPRegressor(**options).partial_fit(X, VALUES).partial_fit(X, VALUES)
    assert_same(model, MLPRegressor(max_iter=2, **options).fit(X, VALUES))
    copied = pickle.loads(pickle.dumps(model))
    assert_same(model.partial_fit(X, VALUES), copied.partial_fit(X, VALUES))


def test_warm_start_with_another_network():
    model = MLPClassifier(warm_start=True, max_iter=3, **SMALL).fit(X, CLASSES)
    before = model.coefs_[0].copy()
    model.set_params(dropout=0.2, activation="tanh", learning_rate_init=1e-30).fit(X, CLASSES)
    np.testing.assert_allclose(model.coefs_[0], before, atol=1e-12)
    assert [type(layer).__name__ for layer in model.net_.layers][1:3] == ["Tanh", "Dropout"]
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        model.set_params(hidden_layer_sizes=(9,)).fit(X, CLASSES)
    with pytest.raises(ValueError, match="warm_start can only be used where `y` has the same"):
        model.fit(X, VALUES > 0)


def test_warm_start_with_other_ways_of_stopping():
    model = MLPClassifier(warm_start=True, max_iter=3, **SMALL)
    for options in (
        {"solver": "lbfgs"},
        {"solver": "adam"},
        {"early_stopping": True},
        {"early_stopping": False, "validation_data": (X, CLASSES)},
    ):
        model.set_params(**options).fit(X, CLASSES)
    assert len(model.loss_curve_) == 9
    assert model.validation_scores_ is None
    assert model.best_loss_ <= model.loss_
