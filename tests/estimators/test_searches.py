"""SearchClassifier and SearchRegressor: scikit-learn's contract, tables, and what they keep."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")

from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import check_estimator

from affinet import tuning
from affinet.estimators import SearchClassifier, SearchRegressor
from tabular_frames import CLASS, VALUE, objects, pandas_frame

SPACE = {"width": [8, 16], "layers": 1, "lr": [0.01, 0.03], "batch_size": 32}
SMALL = {"space": SPACE, "n_iter": 3, "epochs": 12, "rungs": 2, "random_state": 0}
EXPECTED = {"check_sample_weight_equivalence_on_dense_data": "batches are made of rows"}
BOTH = [(SearchClassifier, CLASS), (SearchRegressor, VALUE)]


def results(model, X):
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("estimator", [SearchClassifier, SearchRegressor])
def test_every_check_of_scikit_learn(estimator):
    space = {"width": 16, "layers": 1, "lr": [0.04, 0.1], "batch_size": 32}
    model = estimator(
        space, n_iter=2, epochs=8 if estimator is SearchClassifier else 15, rungs=1, n_threads=1
    )
    found = check_estimator(model, expected_failed_checks=EXPECTED, on_fail=None, on_skip=None)
    bad = [r for r in found if r["status"] == "failed"]
    assert not bad, [(r["check_name"], r["exception"]) for r in bad]
    assert sum(r["status"] == "passed" for r in found) > 50


@pytest.mark.parametrize(("estimator", "y"), BOTH)
def test_clones_pickles_and_threads_give_the_same_bits(estimator, y):
    X = pandas_frame()
    model = estimator(**SMALL).fit(X, y)
    wanted = results(model, X)
    assert np.isfinite(wanted).all()
    np.testing.assert_array_equal(results(pickle.loads(pickle.dumps(model)), X), wanted)
    np.testing.assert_array_equal(results(clone(model).fit(X, y), X), wanted)
    other = clone(model).set_params(n_threads=3).fit(X, y)
    np.testing.assert_array_equal(results(other, X), wanted)
    assert not np.array_equal(results(clone(model).set_params(random_state=1).fit(X, y), X), wanted)


@pytest.mark.parametrize(("estimator", "y"), BOTH)
def test_what_is_kept(estimator, y):
    model = estimator(**SMALL).fit(objects(), y, sample_weight=np.ones(len(y)))
    assert len(model.trials_) == 3
    assert model.best_params_ == model.trials_[model.best_index_].params
    assert model.trials_[model.best_index_].score == min(t.score for t in model.trials_)
    assert model.validation_loss_ <= min(t.score for t in model.trials_)
    assert all(trial.net is None for trial in model.trials_)
    assert model.predict(objects()).dtype == np.asarray(y).dtype


@pytest.mark.parametrize("method", ["realmlp", "mlp"])
@pytest.mark.parametrize(("estimator", "y"), BOTH)
def test_both_methods_and_their_default_spaces(method, estimator, y):
    model = estimator(n_iter=2, method=method, epochs=2, rungs=1, random_state=0)
    model.fit(pandas_frame(), y)
    assert np.isfinite(results(model, pandas_frame())).all()
    kinds = {type(layer).__name__ for layer in model.ensemble_.members[0].layers}
    assert ("NTKAffine" in kinds) == (method == "realmlp")
    space = tuning.default_space() if method == "mlp" else tuning.table_space(model._task)
    assert set(model.best_params_) == set(space)


def test_a_grid_search_over_a_search_and_a_class_weight():
    model = SearchClassifier(**SMALL, class_weight="balanced")
    found = GridSearchCV(model, {"n_iter": [1, 2]}, cv=2).fit(pandas_frame(), CLASS)
    assert found.best_params_["n_iter"] in (1, 2)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("space", {"depth": [1]}, "space has 'depth'"),
        ("space", {"lr": []}, "options is empty"),
        ("space", {"muon_lr": 0.1}, "space has 'muon_lr'.*method='mlp'"),
        ("space", {"dropout": 2.0}, "dropout"),
        ("method", "tabm", "method is 'tabm'"),
        ("patience", 0, "patience is 0"),
        ("n_iter", 0, "n_iter is 0"),
        ("rungs", 0, "rungs is 0"),
        ("time_limit", -1.0, "time_limit"),
    ],
)
def test_what_is_refused(name, value, text):
    with pytest.raises(ValueError, match=text):
        SearchRegressor(**SMALL | {name: value}).fit(pandas_frame(), VALUE)
