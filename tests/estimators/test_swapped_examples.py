"""Programs in the manner of scikit-learn's gallery: only their import names affinet."""

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")

from sklearn import datasets, neural_network
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.inspection import partial_dependence
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from affinet.estimators import MLPClassifier, MLPRegressor

STRATEGIES = {
    "constant": {"learning_rate": "constant", "momentum": 0, "learning_rate_init": 0.2},
    "momentum": {"learning_rate": "constant", "momentum": 0.9, "nesterovs_momentum": False},
    "Nesterov": {"learning_rate": "constant", "momentum": 0.9, "nesterovs_momentum": True},
    "inverse scaling": {"learning_rate": "invscaling", "momentum": 0, "learning_rate_init": 0.2},
    "scaling, Nesterov": {"learning_rate": "invscaling", "nesterovs_momentum": True},
    "adam": {"solver": "adam", "learning_rate_init": 0.01},
}


def test_varying_alpha():
    """A stronger penalty makes smoother boundaries: fewer training rows are right."""
    X, y = datasets.make_moons(noise=0.3, random_state=0, n_samples=100)
    scores = []
    for alpha in np.logspace(-2, 2, 3):
        model = make_pipeline(
            StandardScaler(),
            MLPClassifier(
                solver="lbfgs", alpha=alpha, random_state=1, max_iter=2000,
                early_stopping=True, hidden_layer_sizes=[10, 10],
            ),
        )  # fmt: skip
        model.fit(X, y)
        assert model.predict_proba(np.c_[X[:, 0], X[:, 1]])[:, 1].shape == (100,)
        scores.append(model.score(X, y))
    assert scores[0] > 0.95
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("name", STRATEGIES)
def test_training_curves(name):
    X, y = datasets.load_iris(return_X_y=True)
    X = MinMaxScaler().fit_transform(X)
    options = {"solver": "sgd", "learning_rate_init": 0.2} | STRATEGIES[name]
    own, other = (
        estimator(random_state=0, max_iter=60, **options)
        for estimator in (MLPClassifier, neural_network.MLPClassifier)
    )
    for mlp in own, other:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=ConvergenceWarning, module="sklearn")
            warnings.filterwarnings("ignore", category=ConvergenceWarning)
            mlp.fit(X, y)
    assert own.score(X, y) == pytest.approx(other.score(X, y), abs=0.02)
    assert own.loss_ == own.loss_curve_[-1]
    # All rows are in one batch.
    np.testing.assert_allclose(own.loss_curve_, other.loss_curve_, rtol=1e-6)


def test_first_layer_weights(capsys):
    """A few epochs on images, with verbose lines and a look at the weights."""
    X, y = datasets.load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X / 16.0, y, random_state=0, test_size=0.7)
    mlp = MLPClassifier(
        hidden_layer_sizes=(40,), max_iter=8, alpha=1e-4, solver="sgd", verbose=10,
        random_state=1, learning_rate_init=0.2,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        mlp.fit(X_train, y_train)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == [f"Iteration {i}" for i in range(1, 9)]
    assert mlp.score(X_test, y_test) > 0.8
    vmin, vmax = mlp.coefs_[0].min(), mlp.coefs_[0].max()
    assert vmin < 0 < vmax
    assert [c.reshape(8, 8).shape for c in mlp.coefs_[0].T] == [(8, 8)] * 40


def test_partial_dependence_of_a_regressor():
    X, y = datasets.make_friedman1(n_samples=300, noise=0.1, random_state=0)
    model = make_pipeline(
        StandardScaler(),
        TransformedTargetRegressor(
            MLPRegressor(
                hidden_layer_sizes=(30, 15), learning_rate_init=0.01, early_stopping=True,
                random_state=0,
            ),
            transformer=StandardScaler(),
        ),
    )  # fmt: skip
    model.fit(X, y)
    assert model.score(X, y) > 0.8
    linear = partial_dependence(model, X, [3], grid_resolution=5)["average"][0]
    assert (np.diff(linear) > 0).all()  # the fourth column comes in as 10 x
