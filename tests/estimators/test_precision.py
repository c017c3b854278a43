"""``precision=`` of the estimators."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")

from sklearn.base import clone

from affinet.estimators import MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor
from affinet.estimators.tabular_parameters import METHODS

X = np.random.default_rng(0).standard_normal((60, 20))
T = {MLPClassifier: (X[:, 0] > 0).astype(int), MLPRegressor: X[:, 0]}
OPTIONS = {"hidden_layer_sizes": (24, 16), "max_iter": 5, "tol": 0.0, "random_state": 0}

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")


def fitted(estimator, **options):
    return estimator(**OPTIONS | options).fit(X, T[estimator])


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_it_reaches_the_network_which_is_float32_then(estimator):
    model = fitted(estimator, precision="bfloat16")
    assert model.net_.precision == "bfloat16"
    assert model.net_.dtype == np.float32
    assert clone(model).precision == "bfloat16"
    assert pickle.loads(pickle.dumps(model)).net_.precision == "bfloat16"
    plain = fitted(estimator, dtype="float32")
    assert plain.net_.precision is None
    assert not np.array_equal(model.coefs_[0], plain.coefs_[0])
    assert fitted(estimator).net_.dtype == np.float64


def test_float64_refuses_it():
    with pytest.raises(ValueError, match="precision is 'bfloat16', which wants float32"):
        fitted(MLPClassifier, precision="bfloat16", dtype="float64")


def test_a_warm_start_may_change_it():
    model = fitted(MLPClassifier, dtype="float32", warm_start=True)
    model.set_params(precision="bfloat16").fit(X, T[MLPClassifier])
    assert model.net_.precision == "bfloat16"


@pytest.mark.filterwarnings("ignore:lbfgs failed")
def test_lbfgs_trains_without_it():
    models = [
        fitted(MLPRegressor, solver="lbfgs", dtype="float32", precision=precision)
        for precision in (None, "bfloat16")
    ]
    np.testing.assert_array_equal(models[0].coefs_[0], models[1].coefs_[0])
    assert models[1].net_.precision == "bfloat16"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("estimator", [TabularClassifier, TabularRegressor])
def test_it_reaches_the_networks_of_tables(estimator, method):
    y = T[MLPClassifier if estimator is TabularClassifier else MLPRegressor]
    models = [
        estimator(method, epochs=4, random_state=0, precision=precision).fit(X, y)
        for precision in ("bfloat16", None)
    ]
    assert [model.net_.precision for model in models] == ["bfloat16", None]
    assert models[0].recipe_.precision == "bfloat16"
    assert not np.array_equal(models[0].net_.params.flat, models[1].net_.params.flat)


def test_the_networks_of_tables_refuse_an_unknown_one():
    with pytest.raises(ValueError, match="precision is 'half', wanted one of 'bfloat16'"):
        TabularClassifier(precision="half").fit(X, T[MLPClassifier])
