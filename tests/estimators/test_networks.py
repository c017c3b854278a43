"""The estimators' networks: activations and dropout for each layer, and their weights."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")
import affinet as an
from affinet.estimators import MLPClassifier, MLPRegressor
from estimator_data import CLASSES, SMALL, VALUES, X, assert_same, weights_of

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# Networks -----------------------------------------------------------------------------------------


def test_an_activation_and_a_dropout_for_each_layer():
    model = MLPClassifier(
        (6, 5, 4), ["tanh", "identity", "logistic"], dropout=[0.2, 0.0, 0.1], max_iter=3,
        random_state=0,
    ).fit(X, CLASSES)  # fmt: skip
    assert [type(layer).__name__ for layer in model.net_.layers] == [
        *("Affine", "Tanh", "Dropout", "Affine", "Affine", "Sigmoid", "Dropout", "Affine")
    ]
    assert [W.shape for W in model.coefs_] == [(4, 6), (6, 5), (5, 4), (4, 3)]
    assert model.net_.history.step_kind == "fused"
    alike = MLPClassifier((6, 5), ["tanh"] * 2, max_iter=3, random_state=0).fit(X, CLASSES)
    assert_same(alike, MLPClassifier((6, 5), "tanh", max_iter=3, random_state=0).fit(X, CLASSES))


def test_the_gain_of_each_layers_activation():
    model = MLPRegressor("squared_error", (5, 3), ["tanh", "logistic"], random_state=7, max_iter=1)
    model = model.set_params(solver="sgd", learning_rate_init=1e-30).fit(X, VALUES)
    rng = np.random.RandomState(7)
    for W, b, gain in zip(model.coefs_, model.intercepts_, [6, 2, 2], strict=True):
        bound = np.sqrt(gain / sum(W.shape))
        np.testing.assert_array_equal(W, rng.uniform(-bound, bound, W.shape))
        np.testing.assert_array_equal(b, rng.uniform(-bound, bound, b.shape))


def test_dropout_drops_while_it_trains_and_not_afterwards():
    model = MLPRegressor(dropout=0.5, max_iter=3, **SMALL).fit(X, VALUES)
    assert (
        weights_of(model)[0] != MLPRegressor(max_iter=3, **SMALL).fit(X, VALUES).coefs_[0]
    ).any()
    np.testing.assert_array_equal(model.predict(X), model.predict(X))
    again = MLPRegressor(dropout=0.5, max_iter=3, **SMALL).fit(X, VALUES)
    assert_same(model, again)


def test_no_hidden_layer():
    model = MLPRegressor(hidden_layer_sizes=(), solver="lbfgs", alpha=0, tol=1e-10, random_state=0)
    model.fit(X, 2 * X[:, 0] - 3)
    np.testing.assert_allclose(model.coefs_[0][:, 0], [2, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(model.intercepts_[0], [-3], atol=1e-6)


def test_one_number_of_hidden_units():
    assert MLPRegressor(hidden_layer_sizes=3, max_iter=1).fit(X, VALUES).coefs_[0].shape == (4, 3)


# The model's weights ------------------------------------------------------------------------------


def test_weights_can_be_changed_and_replaced(task):
    """As scikit-learn's can: predictions follow, and what travels is what was put there."""
    estimator, y = task
    model = estimator(max_iter=2, **SMALL).fit(X, y)
    model.coefs_[0] *= 2  # in place: they are the network's own
    changed = model.net_.predict(X)
    model.coefs_[1] = np.zeros_like(model.coefs_[1])
    model.intercepts_ = [b + 1 for b in model.intercepts_]
    outputs = model._outputs(X)
    assert (outputs != changed).any()
    np.testing.assert_allclose(outputs, np.broadcast_to(model.intercepts_[1], outputs.shape))
    assert model.coefs_[1] is model.net_.params["2.W"]
    model.coefs_[0] = np.ones((4, 8))
    assert (pickle.loads(pickle.dumps(model)).coefs_[0] == 1).all()
    assert (an.from_sklearn(model).params["0.W"] == 1).all()
    model.coefs_[0] = np.ones((4, 7))
    with pytest.raises(ValueError, match="shape"):
        model.predict(X)


def test_the_network_by_itself(task):
    estimator, y = task
    model = estimator(
        hidden_layer_sizes=(5, 4), activation=["tanh", "relu"], dropout=0.1, max_iter=2
    ).fit(X, y)
    net = an.from_sklearn(model)
    np.testing.assert_array_equal(net.predict(X), model._outputs(X))
    net.params.flat[:] = 0
    assert (model.coefs_[0] != 0).any()


def test_repeating_a_fit(task):
    estimator, y = task
    options = SMALL | {"max_iter": 3, "batch_size": 20, "dropout": 0.2}
    model = estimator(**options).fit(X, y)
    first = [array.copy() for array in weights_of(model)]
    for array, old in zip(weights_of(model.fit(X, y)), first, strict=True):
        np.testing.assert_array_equal(array, old)
    other = estimator(**options | {"random_state": 1}).fit(X, y)
    assert (other.coefs_[0] != first[0]).any()
    generator = np.random.RandomState(0)
    a, b = (estimator(**options | {"random_state": generator}).fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(a.coefs_[0], first[0])
    assert (b.coefs_[0] != first[0]).any()


def test_no_bit_depends_on_the_number_of_threads():
    x = np.tile(X, (5, 20))
    models = [
        MLPClassifier((64,), max_iter=2, n_threads=n, random_state=0).fit(x, np.tile(CLASSES, 5))
        for n in (1, 2)
    ]
    assert_same(*models)
    np.testing.assert_array_equal(*(model.predict_proba(x) for model in models))
