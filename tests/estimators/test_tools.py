"""affinet's estimators in scikit-learn's tools: pipelines, searches, clones, processes."""

import os
import pickle
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")

import joblib
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.ensemble import BaggingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.model_selection import (
    GridSearchCV,
    HalvingRandomSearchCV,
    cross_val_score,
    learning_curve,
)
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import affinet as an
from affinet.estimators import MLPClassifier, MLPRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:.*ConvergenceWarning"),
]

X, Y = load_digits(return_X_y=True)
X, Y = X[:360] / 16, Y[:360]
SMALL = {"hidden_layer_sizes": (16,), "learning_rate_init": 0.02, "random_state": 0}
CLASSIFIER = MLPClassifier(max_iter=15, **SMALL)
REGRESSOR = MLPRegressor(max_iter=15, **SMALL)


@pytest.fixture
def quiet_workers(monkeypatch):
    """Processes that joblib starts inherit the environment, not the filters."""
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")


def test_a_pipeline_and_cross_validation():
    model = make_pipeline(StandardScaler(), CLASSIFIER)
    scores = cross_val_score(model, X, Y, cv=3)
    assert scores.mean() > 0.85
    model.fit(X, Y, mlpclassifier__sample_weight=np.ones(len(X)))
    assert model.predict_proba(X).shape == (360, 10)


def test_a_grid_in_processes_of_their_own(quiet_workers):
    """loky pickles estimators with their weights; workers predict as the parent does."""
    grid = {"alpha": [1e-4, 10.0], "activation": ["relu", ["tanh"]], "dropout": [0.0, 0.1]}
    searches = [GridSearchCV(CLASSIFIER, grid, n_jobs=n_jobs, cv=2).fit(X, Y) for n_jobs in (1, 2)]
    one, two = (search.cv_results_["mean_test_score"] for search in searches)
    np.testing.assert_array_equal(one, two)
    assert searches[1].best_params_ == searches[0].best_params_
    assert searches[1].best_estimator_.score(X, Y) > 0.85


def test_one_thread_a_worker():
    """joblib divides the processors by OMP_NUM_THREADS, which affinet respects."""
    with joblib.parallel_config("loky", n_jobs=2, inner_max_num_threads=1):
        threads = joblib.Parallel()([joblib.delayed(an.get_num_threads)()] * 4)
        processes = joblib.Parallel()([joblib.delayed(os.getpid)()] * 4)
    assert threads == [1] * 4
    assert os.getpid() not in processes


def test_a_halving_search_over_epochs():
    search = HalvingRandomSearchCV(
        CLASSIFIER, {"alpha": [1e-5, 1e-3, 0.1, 1.0, 30.0], "hidden_layer_sizes": [8, 16]},
        n_candidates=9, resource="max_iter", max_resources=18, min_resources=2, factor=3, cv=2,
        random_state=0, error_score="raise",
    ).fit(X, Y)  # fmt: skip
    assert search.best_params_["max_iter"] == 18
    assert search.best_estimator_.n_iter_ == 18


def test_calibration():
    model = CalibratedClassifierCV(CLASSIFIER, cv=2).fit(X, Y)
    assert model.score(X, Y) > 0.85
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)


def test_permutation_importance(quiet_workers):
    """Of the two columns that matter; large estimators come to the workers as read-only maps."""
    x = np.random.default_rng(0).standard_normal((300, 4))
    y = 3 * x[:, 1] - 2 * x[:, 3]
    model = MLPRegressor(hidden_layer_sizes=(500, 300), max_iter=20, random_state=0).fit(x, y)
    assert model.net_.params.flat.nbytes > 1 << 20  # from here on joblib maps
    found = permutation_importance(model, x, y, n_jobs=2, n_repeats=2)
    assert set(np.argsort(found.importances_mean)[2:]) == {1, 3}


def test_more_tools():
    bag = BaggingClassifier(CLASSIFIER, n_estimators=3, random_state=0).fit(X, Y)
    assert bag.score(X, Y) > 0.85
    assert learning_curve(CLASSIFIER, X, Y, cv=2, train_sizes=[0.5, 1.0])[1].shape == (2, 2)
    both = MultiOutputRegressor(REGRESSOR).fit(X, np.c_[Y, -Y])
    assert both.predict(X).shape == (360, 2)


@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize("estimator", [CLASSIFIER, REGRESSOR])
def test_clone_and_pickle(estimator, fitted):
    loss = an.Huber(0.5) if estimator is REGRESSOR else an.SoftmaxWithLoss(label_smoothing=0.1)
    model = clone(estimator).set_params(loss=loss, validation_data=(X, Y), callbacks=[len])
    model.set_params(callbacks=None)
    if fitted:
        model.fit(X, Y)
    twin = clone(model)
    assert not hasattr(twin, "net_")
    assert repr(twin.get_params()) == repr(model.get_params())
    copied = pickle.loads(pickle.dumps(model))
    assert repr(copied.get_params()) == repr(model.get_params())
    if fitted:
        np.testing.assert_array_equal(copied.predict(X), model.predict(X))
        copied.coefs_[0][:] = 0  # views of the copy's own network
        assert (copied.net_.params["0.W"] == 0).all()
        assert (model.coefs_[0] != 0).any()
        first = {} if estimator is REGRESSOR else {"classes": np.arange(10)}
        again = pickle.loads(pickle.dumps(model))
        for one in (model, again):
            one.partial_fit(X, Y, **first)
        np.testing.assert_array_equal(again.predict(X), model.predict(X))


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_pickle_holds_no_data(solver):
    """It does not grow with the rows that were trained on or predicted."""
    few, many = (
        MLPRegressor(max_iter=1, solver=solver, **SMALL).fit(X[:n], Y[:n]) for n in (20, 360)
    )
    few.predict(X[:20]), many.predict(X)
    assert len(pickle.dumps(many)) == pytest.approx(len(pickle.dumps(few)), abs=100)


def test_metadata_routing_knows_the_weights():
    with sklearn.config_context(enable_metadata_routing=True):
        request = MLPClassifier().set_fit_request(sample_weight=True)
        assert request.get_metadata_routing().fit.requests == {"sample_weight": True}


def test_several_threads_predict_and_fit_at_once():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = clone(CLASSIFIER).fit(X, Y)
        alone = model.predict_proba(X)
        with joblib.parallel_config("threading", n_jobs=4):
            found = joblib.Parallel()(joblib.delayed(model.predict_proba)(X) for _ in range(8))
            fits = joblib.Parallel()(
                joblib.delayed(clone(CLASSIFIER).set_params(n_threads=1 + i % 2).fit)(X, Y)
                for i in range(4)
            )
    for p in found + [one.predict_proba(X) for one in fits]:
        np.testing.assert_array_equal(p, alone)
