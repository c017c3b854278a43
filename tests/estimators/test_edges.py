"""Errors and attributes of estimators that few rows reach."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn, the extra sklearn")

import affinet as an
from affinet.estimators import (
    MLPClassifier,
    MLPRegressor,
    SearchRegressor,
    TabularClassifier,
    TabularRegressor,
)
from affinet.estimators.class_weights import class_weights_from_sums

X = np.random.default_rng(0).standard_normal((30, 3))
FEW = {"hidden_layer_sizes": (4,), "random_state": 0, "solver": "adam", "max_iter": 500}


@pytest.fixture
def classifier():
    return MLPClassifier(**FEW, tol=1.0, n_iter_no_change=1).fit(X, np.arange(30) % 3)


def test_logits_are_divided_by_the_temperature(classifier):
    before, coefs = classifier.predict_proba(X), classifier.coefs_[-1].copy()
    classes = classifier.predict(X)
    found = classifier.calibrate(X, np.arange(30) % 3, np.ones(30))
    np.testing.assert_allclose(classifier.coefs_[-1], coefs / found, rtol=1e-6)
    logits = np.log(before) / found
    wanted = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(classifier.predict_proba(X), wanted, rtol=1e-5)
    np.testing.assert_array_equal(classifier.predict(X), classes)


def test_labels_are_calibrated_too():
    t = (X[:, :2] + np.roll(X[:, :2], 1, axis=0) > 0).astype(int)
    model = MLPClassifier(**FEW, tol=1.0, n_iter_no_change=30).fit(X, t)
    p = model.predict_proba(X)
    found = model.calibrate(X, t)
    wanted = 1 / (1 + (1 / p - 1) ** (1 / found))  # the logits are divided
    np.testing.assert_allclose(model.predict_proba(X), wanted, rtol=1e-5)


def test_arrays_that_are_missing_are_counted(classifier):
    classifier.intercepts_ = classifier.intercepts_[:1]
    with pytest.raises(ValueError, match="coefs_ and intercepts_ hold 3 arrays, wanted 4"):
        classifier.predict(X)


def test_class_weights_of_another_kind_or_of_no_row_are_refused():
    with pytest.raises((TypeError, ValueError), match="class_weight"):
        MLPClassifier(**FEW, class_weight=3).fit(X, np.arange(30) % 3)
    model = TabularClassifier(epochs=1, random_state=0, class_weight={0: 0.0, 1: 0.0, 2: 0.0})
    with pytest.raises(ValueError, match="class_weight is 0 for every row, wanted at least one"):
        model.fit(X, np.arange(30) % 3)


@pytest.mark.filterwarnings("ignore:a parameter is not finite")
def test_a_training_that_diverged_is_refused():
    model = TabularRegressor("mlp", epochs=1, random_state=0, callbacks=[diverge])
    with pytest.raises(ValueError, match="training diverged: parameters became infinite or NaN"):
        model.fit(X, X[:, 0])


def diverge(state):
    state.net.params.flat[:] = np.nan


def test_names_of_the_room_without_its_members():
    assert {"MLPClassifier", "TabularRegressor"} <= {*dir(an.estimators)}


def test_a_module_that_scikit_learn_is_not_is_named(monkeypatch):
    def broken(name):
        raise ModuleNotFoundError("No module named 'elsewhere'", name="elsewhere")

    monkeypatch.setattr("affinet.estimators.import_module", broken)
    monkeypatch.delitem(vars(an.estimators), "MLPRegressor", raising=False)
    with pytest.raises(ModuleNotFoundError, match="elsewhere"):
        an.estimators.MLPRegressor  # noqa: B018
    monkeypatch.undo()
    assert an.estimators.MLPRegressor is MLPRegressor


def test_networks_that_all_converge_warn_of_nothing():
    options = FEW | {"n_estimators": 2, "tol": 1.0, "n_iter_no_change": 1}
    model = MLPRegressor(**options).fit(X, X[:, 0])
    assert len(model.estimators_) == 2


def test_a_search_needs_columns_and_divides_its_time():
    options = {"n_iter": 1, "epochs": 1, "rungs": 1, "random_state": 0}
    space = {"width": 8, "layers": 1, "lr": 0.01, "batch_size": 32}
    with pytest.raises(ValueError, match="no column is left to learn from"):
        SearchRegressor(space, **options).fit(np.ones((30, 2)), X[:, 0])
    model = SearchRegressor(space, **options, time_limit=60.0).fit(X, X[:, 0])
    assert len(model.trials_) == 1


def test_weights_of_classes_are_a_dict_or_balanced():
    with pytest.raises(TypeError, match="class_weight is 5, wanted a dict or 'balanced'"):
        class_weights_from_sums(5, np.array([0, 1]), np.array([0, 1, 1]), None)
