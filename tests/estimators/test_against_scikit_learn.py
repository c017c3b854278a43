"""affinet's estimators beside scikit-learn's: the same steps wherever both define them.

With all rows in one batch the order of the rows does not matter, so both compute the same numbers
to rounding, which training magnifies; what is wanted is 1e-6 after a few steps.
"""

import inspect
import warnings

import numpy as np
import pytest

neural_network = pytest.importorskip("sklearn.neural_network", reason="needs scikit-learn")

from sklearn.datasets import load_digits  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402

from affinet import estimators  # noqa: E402

WANTED = 1e-6
KINDS = ("MLPClassifier", "MLPRegressor")
RNG = np.random.default_rng(0)
N = 60
X = RNG.standard_normal((N, 5))
WEIGHTS = RNG.random(N)
VALUES = X[:, 0] + np.sin(X[:, 1])
TARGETS = {
    "several classes": ("MLPClassifier", np.array(["ash", "elm", "oak"])[np.arange(N) % 3]),
    "two classes": ("MLPClassifier", (VALUES > 0).astype(int)),
    "labels": ("MLPClassifier", (X[:, :3] > 0.2).astype(int)),
    "a value": ("MLPRegressor", VALUES),
    "values": ("MLPRegressor", np.c_[VALUES, X[:, 2] * 2, X[:, 3]]),
}
# With several outputs of a regression scikit-learn's gradient is not that of the loss which its
# line search looks at.
CASES = [
    (target, solver)
    for target in TARGETS
    for solver in ("sgd", "adam", "lbfgs")
    if (target, solver) != ("values", "lbfgs")
]


def both(kind, y, sample_weight=None, x=X, **options):
    """affinet's estimator and scikit-learn's, fitted to the same data."""
    options = {"hidden_layer_sizes": (7, 4), "random_state": 3} | options
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return [
            getattr(room, kind)(**options).fit(x, y, sample_weight=sample_weight)
            for room in (estimators, neural_network)
        ]


def assert_same_weights(own, other, atol=WANTED):
    for actual, expected in zip(
        own.coefs_ + own.intercepts_, other.coefs_ + other.intercepts_, strict=True
    ):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_and_attributes(kind):
    """Names, order, defaults and which are positional; then the parameters that affinet adds."""
    own, other = (
        list(inspect.signature(getattr(room, kind)).parameters.values())
        for room in (estimators, neural_network)
    )
    plain = [(p.name, p.default, p.kind) for p in own]
    assert plain[: len(other)] == [(p.name, p.default, p.kind) for p in other]
    assert all(p.kind is p.KEYWORD_ONLY for p in own[len(other) :])
    for options in ({}, {"early_stopping": True, "validation_fraction": 0.3}, {"solver": "lbfgs"}):
        a, b = both(kind, (VALUES > 0).astype(int), max_iter=3, **options)
        lacking = {name for name in vars(b) if name.endswith("_")} - set(vars(a))
        assert not lacking
        for name in ("n_features_in_", "n_iter_", "n_layers_", "n_outputs_", "t_"):
            assert getattr(a, name) == getattr(b, name), name
        assert a.out_activation_ == b.out_activation_


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize(("target", "solver"), CASES)
def test_a_few_steps(target, activation, solver, weights):
    kind, y = TARGETS[target]
    # A line search tries far-off points too, where scikit-learn clips the probabilities.
    steps = 2 if solver == "lbfgs" else 5
    own, other = both(
        kind, y, weights, activation=activation, solver=solver, alpha=0.05, max_iter=steps, tol=0,
        learning_rate_init=0.01,
    )  # fmt: skip
    assert_same_weights(own, other)
    method = "predict_proba" if kind == "MLPClassifier" else "predict"
    actual, expected = (getattr(model, method)(X) for model in (own, other))
    np.testing.assert_allclose(actual, expected, atol=10 * WANTED)
    np.testing.assert_array_equal(own.n_iter_, other.n_iter_)
    if target != "values":  # there the penalty in the reported loss differs
        assert own.loss_ == pytest.approx(other.loss_, rel=WANTED)
        if solver != "lbfgs":
            np.testing.assert_allclose(own.loss_curve_, other.loss_curve_, rtol=WANTED)


@pytest.mark.parametrize("target", ["values", "a value"])
def test_the_loss_shown_without_a_penalty(target):
    _, y = TARGETS[target]
    own, other = both("MLPRegressor", y, alpha=0.0, solver="sgd", max_iter=5)
    np.testing.assert_allclose(own.loss_curve_, other.loss_curve_, rtol=WANTED)


@pytest.mark.skipif(
    "loss" not in inspect.signature(neural_network.MLPRegressor).parameters,
    reason="this scikit-learn has no Poisson loss",
)
@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_poisson(solver, weights, n_outputs):
    y = np.random.default_rng(1).poisson(np.exp(X[:, :n_outputs]))
    own, other = both(
        "MLPRegressor", y.squeeze(), weights, loss="poisson", solver=solver, alpha=0.1, max_iter=5,
        tol=0,
    )  # fmt: skip
    assert_same_weights(own, other)
    assert own.loss_ == pytest.approx(other.loss_, rel=WANTED)
    np.testing.assert_allclose(own.predict(X), other.predict(X), rtol=10 * WANTED)
    assert own.out_activation_ == "exp"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_initial_weights(dtype):
    """Drawn by the same calls of the same generator: equal to the last bit."""
    for activation in ("relu", "logistic"):
        own, other = both(
            "MLPClassifier", TARGETS["labels"][1], x=X.astype(dtype), max_iter=1, solver="sgd",
            learning_rate_init=1e-30, activation=activation,
        )  # fmt: skip
        for actual, expected in zip(
            own.coefs_ + own.intercepts_, other.coefs_ + other.intercepts_, strict=True
        ):
            assert actual.dtype == dtype
            np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize(
    "options",
    [
        {"learning_rate": "invscaling", "power_t": 0.7, "max_iter": 20},
        {"learning_rate": "adaptive", "tol": 1e-2, "n_iter_no_change": 2, "max_iter": 80},
        {"learning_rate": "adaptive", "tol": 1.0, "n_iter_no_change": 1, "max_iter": 80},
        {"momentum": 0},
        {"momentum": 1, "max_iter": 4},
        {"nesterovs_momentum": False},
        {"tol": 1e-2, "max_iter": 300},
        {"n_iter_no_change": np.inf, "max_iter": 30},
        {"early_stopping": True, "validation_fraction": 0.3, "n_iter_no_change": 3},
        {"early_stopping": True, "learning_rate": "adaptive", "n_iter_no_change": 2},
    ],
    ids=lambda options: " ".join(options),
)
@pytest.mark.parametrize("target", ["two classes", "a value"])
def test_rules_of_stopping_and_learning(target, options, capsys):
    """The same epochs with the same rates and ends, reported in the same lines."""
    kind, y = TARGETS[target]
    own, other = both(
        kind, y, WEIGHTS, **{"solver": "sgd", "learning_rate_init": 0.1, "max_iter": 40} | options,
        verbose=True,
    )  # fmt: skip
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) >= own.n_iter_ + other.n_iter_
    assert printed[: len(printed) // 2] == printed[len(printed) // 2 :]
    assert_same_weights(own, other)
    assert own.n_iter_ == other.n_iter_
    assert own.t_ == other.t_
    np.testing.assert_allclose(own.loss_curve_, other.loss_curve_, rtol=WANTED)
    for name in ("best_loss_", "best_validation_score_"):
        if getattr(other, name) is None:
            assert getattr(own, name) is None
        else:
            assert getattr(own, name) == pytest.approx(getattr(other, name), rel=WANTED)
    if other.validation_scores_ is None:
        assert own.validation_scores_ is None
    else:
        np.testing.assert_allclose(own.validation_scores_, other.validation_scores_, rtol=WANTED)


@pytest.mark.parametrize("kind", KINDS)
def test_warm_start_and_partial_fit(kind):
    y = (VALUES > 0).astype(int)
    options = {"hidden_layer_sizes": (6,), "random_state": 0, "solver": "sgd", "max_iter": 3}
    models = [
        getattr(room, kind)(warm_start=True, **options) for room in (estimators, neural_network)
    ]
    classes = {"classes": [0, 1]} if kind == "MLPClassifier" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for model in models:
            model.fit(X, y).fit(X, y)
    assert_same_weights(*models)
    assert len(models[0].loss_curve_) == len(models[1].loss_curve_) == 6
    models = [getattr(room, kind)(**options) for room in (estimators, neural_network)]
    for part in (slice(0, 30), slice(30, 60), slice(0, 30)):
        for model in models:
            model.partial_fit(X[part], y[part], **classes)
    assert_same_weights(*models)
    assert models[0].t_ == models[1].t_ == 90
    assert models[0].n_iter_ == models[1].n_iter_ == 1


def test_without_shuffling():
    """Small batches in the order of the data."""
    for kind, y in TARGETS.values():
        own, other = both(kind, y, WEIGHTS, shuffle=False, batch_size=7, solver="sgd", max_iter=4)
        assert_same_weights(own, other)


@pytest.mark.parametrize(
    "options",
    [
        {"hidden_layer_sizes": (32,)},
        {"hidden_layer_sizes": (32,), "solver": "sgd", "learning_rate_init": 0.1},
        {"hidden_layer_sizes": (32,), "early_stopping": True, "learning_rate_init": 0.01},
    ],
    ids=["adam", "sgd", "early stopping"],
)
def test_digits(options):
    """Another order of the rows, but as good: the mean over three random states."""
    x, y = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x / 16, y, random_state=0, stratify=y)
    scores = np.array(
        [
            [m.score(x_test, y_test) for m in both("MLPClassifier", y, x=x, **options, **more)]
            for more in ({"random_state": state, "max_iter": 60} for state in range(3))
        ]
    )
    own, other = scores.mean(axis=0)
    assert own > 0.94
    assert own > other - 0.01
