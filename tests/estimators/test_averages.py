"""Averages of weights as the result of an estimator: ``average``."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")

from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

import affinet as an
from affinet.estimators import (
    MLPClassifier,
    MLPRegressor,
    TabularClassifier,
    TabularRegressor,
)
from affinet.parameters import blend_array

RNG = np.random.default_rng(0)
ROWS = 120
X = RNG.standard_normal((ROWS, 3))
NUMBER = np.sin(2 * X[:, 0]) + X[:, 1]
CLASS = (NUMBER > 0).astype(int) + (NUMBER > 1)
SMALL = {"hidden_layer_sizes": (8,), "batch_size": 20, "random_state": 1}  # 6 updates an epoch
pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")


def mean_of(average, weights):
    """The average of the weights after each update, by the kernel of a single averaging."""
    mean = np.zeros_like(weights[0])
    for own, weight in zip(weights, average.weights(0, len(weights)), strict=True):
        if weight == 1:
            mean[:] = own
        elif weight:
            blend_array(mean, own, weight)
    return mean


@pytest.mark.parametrize("average", [an.SWA(12, 6), an.SWA(0, 4), an.EMA(0.8, start=5, every=2)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_model_is_the_average_of_the_same_training(average, dtype):
    weights = []
    keep = an.every_steps(1, lambda state: weights.append(state.net.params.flat.copy()))
    options = SMALL | {"max_iter": 5, "dtype": dtype}
    plain = MLPClassifier(**options, callbacks=[keep]).fit(X, CLASS)
    model = MLPClassifier(**options, average=average).fit(X, CLASS)
    np.testing.assert_array_equal(model.net_.params.flat, mean_of(average, weights))
    assert (model.net_.params.flat != plain.net_.params.flat).any()
    assert model.loss_curve_ == plain.loss_curve_  # of the training itself
    assert model.net_.history.steps == 30
    np.testing.assert_array_equal(model.predict_proba(X), model.net_.predict_proba(X.astype(dtype)))
    np.testing.assert_array_equal(model.coefs_[0], model.net_.params["0.W"])
    assert average.net is None  # what is given is not used itself


def test_partial_fit_continues_both_to_the_bit():
    average, weights = an.EMA(0.9, start=1), []
    keep = an.every_steps(1, lambda state: weights.append(state.net.params.flat.copy()))
    plain = MLPRegressor(**SMALL, callbacks=[keep])
    model = MLPRegressor(**SMALL, average=average)
    for call in range(1, 5):
        plain.partial_fit(X, NUMBER)
        model.partial_fit(X, NUMBER)
        trained, running = model._averaging
        np.testing.assert_array_equal(trained.params.flat, plain.net_.params.flat)
        np.testing.assert_array_equal(model.net_.params.flat, mean_of(average, weights))
        assert running.steps == 6 * call
        model = pickle.loads(pickle.dumps(model))


def test_until_the_average_begins_the_network_predicts():
    model, plain = MLPRegressor(**SMALL, average=an.SWA(start=10)), MLPRegressor(**SMALL)
    for call in range(3):
        model.partial_fit(X, NUMBER)
        plain.partial_fit(X, NUMBER)
        same = (model.predict(X) == plain.predict(X)).all()
        assert same == (call == 0)
    with pytest.warns(UserWarning, match=r"SWA\(start=100, every=1\) begins after 100 updates"):
        model = MLPRegressor(**SMALL, max_iter=2, average=an.SWA(start=100)).fit(X, NUMBER)
    plain = MLPRegressor(**SMALL, max_iter=2).fit(X, NUMBER)
    np.testing.assert_array_equal(model.predict(X), plain.predict(X))


def test_early_stopping_follows_the_average():
    held = X[:40], CLASS[:40]
    seen = []

    def note(state):
        seen.append(state.metrics["val_score"])

    model = MLPClassifier(
        **SMALL, max_iter=8, early_stopping=True, validation_data=held, callbacks=[note],
        learning_rate_init=0.03, average=an.EMA(0.8),
    ).fit(X[40:], CLASS[40:])  # fmt: skip
    assert seen == model.validation_scores_
    assert model.score(*held) == model.best_validation_score_ == max(seen)
    best = model.net_.params.flat.copy()
    model.set_params(callbacks=None, average=an.SWA(start=9))
    model.partial_fit(X[40:], CLASS[40:])  # from the best weights, with a new average
    assert model._averaging[1].steps == 4
    assert (model.net_.params.flat != best).any()


def test_a_failed_call_leaves_the_average():
    model = MLPRegressor(**SMALL, average=an.EMA(0.5)).partial_fit(X, NUMBER)
    before = model.predict(X)

    def fail(state):
        raise OSError("full")

    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(X * np.nan, NUMBER)
    np.testing.assert_array_equal(model.predict(X), before)
    model.set_params(callbacks=[fail])
    with pytest.raises(OSError, match="full"):
        model.partial_fit(X, NUMBER)
    assert model.net_ is model._averaging[1].net
    model.set_params(callbacks=None).partial_fit(X, NUMBER)


def test_what_it_cannot_be_together_with():
    for options, named in (
        ({"solver": "lbfgs"}, "average is given with solver='lbfgs'"),
        ({"warm_start": True}, "average is given with warm_start=True"),
    ):
        with pytest.raises(ValueError, match=named):
            MLPClassifier(**SMALL, **options, average=an.EMA()).fit(X, CLASS)
    for kind in (MLPClassifier, TabularClassifier):
        with pytest.raises(TypeError, match=r"average is 0\.99, wanted an object such as"):
            kind(average=0.99).fit(X, CLASS)
    model = MLPRegressor(**SMALL, average=an.EMA(0.5)).partial_fit(X, NUMBER)
    model.set_params(average=an.EMA(0.6))
    with pytest.raises(ValueError, match=r"wanted EMA\(decay=0.5, start=0, every=1\)"):
        model.partial_fit(X, NUMBER)
    model.set_params(average=an.EMA(0.5))
    model.coefs_[0][:] = 0
    for _ in range(2):
        with pytest.raises(ValueError, match="coefs_ or intercepts_ have changed since"):
            model.partial_fit(X, NUMBER)


@pytest.mark.parametrize("kind", [MLPClassifier, TabularClassifier])
def test_each_network_of_an_ensemble_has_its_own(kind):
    few = SMALL | {"max_iter": 3} if kind is MLPClassifier else {"epochs": 3, "random_state": 1}
    options = few | {"average": an.EMA(0.8, start=1)}
    several = kind(**options, n_estimators=2).fit(X, CLASS)
    one = kind(**options).fit(X, CLASS)
    first, second = (member.predict_proba(X) for member in several.estimators_)
    np.testing.assert_array_equal(first, one.predict_proba(X))
    assert (first != second).any()
    folds = clone(several).set_params(n_estimators=1, cv=2).fit(X, CLASS)
    assert len(folds.estimators_) == 2
    assert isinstance(folds.estimators_[0].average, an.EMA)


def test_partial_fit_of_an_ensemble_continues_each_average():
    model = MLPRegressor(**SMALL, average=an.EMA(0.7), n_estimators=2)
    for _ in range(3):
        model = pickle.loads(pickle.dumps(model.partial_fit(X, NUMBER)))
    one = MLPRegressor(**SMALL, average=an.EMA(0.7))
    for _ in range(3):
        one.partial_fit(X, NUMBER)
    np.testing.assert_array_equal(model.estimators_[0].predict(X), one.predict(X))


@pytest.mark.parametrize("method", ["realmlp", "tabm", "mlp"])
@pytest.mark.parametrize("held", [0.25, 0])
def test_tables_keep_the_average_of_the_best_epoch(method, held):
    kept = []

    def note(state):
        kept.append((state.metrics.get("val_rmse"), state.net.params.flat.copy()))

    few = {"epochs": 6, "random_state": 0, "validation_fraction": held, "callbacks": [note]}
    weights = []
    keep = an.every_steps(1, lambda state: weights.append(state.net.params.flat.copy()))
    average = an.SWA(start=1, every=1)
    plain = TabularRegressor(method, **few | {"callbacks": [keep]}).fit(X, NUMBER)
    model = TabularRegressor(method, **few, average=average).fit(X, NUMBER)
    per_epoch = len(weights) // 6
    mean = mean_of(average, weights[: per_epoch * model.best_epoch_])
    np.testing.assert_array_equal(model.net_.params.flat, mean)
    np.testing.assert_array_equal(kept[-1][1], plain.net_.params.flat if not held else kept[-1][1])
    if held:
        figures = [figure for figure, _ in kept]
        assert figures == model.history_["val_rmse"]
        assert model.best_epoch_ == 6 - int(np.argmin(figures[::-1]))


@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_checks():
    estimator = MLPClassifier(max_iter=20, average=an.EMA(0.9))
    results = check_estimator(estimator, on_fail=None, on_skip=None)
    bad = [r for r in results if r["status"] not in ("passed", "skipped")]
    assert not bad, [(r["check_name"], r["exception"]) for r in bad]
