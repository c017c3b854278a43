"""scikit-learn's fitted MLPs as networks: the same predictions, and training can continue."""

import warnings

import numpy as np
import pytest

import affinet as an
from network_oracle import exact, lacking
from tolerance import assert_close

neural_network = pytest.importorskip("sklearn.neural_network", reason="needs scikit-learn")

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4))
T = np.arange(60) % 3
NAMES = np.array(["ash", "elm", "oak"])
HIDDEN = {"identity": "", "logistic": "Sigmoid", "tanh": "Tanh", "relu": "ReLU"}


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return np.dtype(request.param)


def fitted(kind, t, x=X, **options):
    """A model after a few steps."""
    options = {"hidden_layer_sizes": (7, 5), "max_iter": 4, "random_state": 0} | options
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # four steps do not converge
        return getattr(neural_network, kind)(**options).fit(x, t)


def check(actual, expected, net, x):
    """Both are results in the network's dtype: twice the bound of one."""
    _, scale, reduction = exact(net, x)
    scale = 2 * np.broadcast_to(scale, np.shape(expected)) + 1
    assert_close(actual, np.asarray(expected, actual.dtype), scale=scale, reduction=reduction + 8)


@pytest.mark.parametrize("activation", HIDDEN)
def test_classes(activation, dtype):
    x = X.astype(dtype)
    model = fitted("MLPClassifier", NAMES[T], x, activation=activation)
    net = an.from_sklearn(model)
    assert net.dtype == dtype
    check(net.predict_proba(x), model.predict_proba(x), net, x)
    assert (NAMES[net.predict(x).argmax(axis=1)] == model.predict(x)).all()
    assert isinstance(net.loss, an.SoftmaxWithLoss)
    assert net.metadata == {"classes": ["ash", "elm", "oak"]}
    between = [HIDDEN[activation]] * bool(HIDDEN[activation])
    wanted = ["Affine", *between, "Affine", *between, "Affine"]
    assert [type(layer).__name__ for layer in net.layers] == wanted


@pytest.mark.parametrize("activation", HIDDEN)
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_values(activation, n_outputs, dtype):
    x = X.astype(dtype)
    model = fitted("MLPRegressor", (x**2)[:, :n_outputs].squeeze(), x, activation=activation)
    net = an.from_sklearn(model)
    assert isinstance(net.loss, an.MeanSquaredError)
    assert net.metadata == {}
    check(net.predict(x), model.predict(x).reshape(60, n_outputs), net, x)


def probabilities(net, x):
    return net.predict(x) if net.loss is None else net.predict_proba(x)


def test_two_classes_are_one_logit(dtype):
    x = X.astype(dtype)
    model = fitted("MLPClassifier", np.where(T > 0, "yes", "no"), x)
    net = an.from_sklearn(model)
    p = probabilities(net, x)
    assert p.shape == (60, 1)
    check(p, model.predict_proba(x)[:, 1:], net, x)
    assert net.metadata == {"classes": ["no", "yes"]}


def test_several_labels_are_one_logit_each(dtype):
    x = X.astype(dtype)
    model = fitted("MLPClassifier", np.stack([T > 0, T > 1, T == 1], axis=1).astype(int), x)
    net = an.from_sklearn(model)
    check(probabilities(net, x), model.predict_proba(x), net, x)
    assert net.metadata == {"classes": [0, 1, 2]}


def test_the_loss_of_labels():
    if lacking("SigmoidWithLoss"):
        pytest.skip("this affinet has no SigmoidWithLoss")
    net = an.from_sklearn(fitted("MLPClassifier", T > 0))
    assert isinstance(net.loss, an.SigmoidWithLoss)
    assert isinstance(net.layers[-1], an.Affine)


def test_rates_are_logarithms_of_their_own():
    if lacking("Poisson"):
        pytest.skip("this affinet has no Poisson")
    if "loss" not in neural_network.MLPRegressor().get_params():
        pytest.skip("this scikit-learn has no other loss")
    model = fitted("MLPRegressor", T.astype(float), loss="poisson")
    net = an.from_sklearn(model)
    assert isinstance(net.loss, an.Poisson)
    check(net.predict(X), np.log(model.predict(X)).reshape(-1, 1), net, X)


def test_without_a_hidden_layer():
    model = fitted("MLPRegressor", X[:, 0], hidden_layer_sizes=())
    net = an.from_sklearn(model)
    assert [type(layer).__name__ for layer in net.layers] == ["Affine"]
    check(net.predict(X)[:, 0:1], model.predict(X).reshape(-1, 1), net, X)


def test_weights_are_copied_and_can_be_trained():
    model = fitted("MLPClassifier", T)
    before = [W.copy() for W in model.coefs_]
    net = an.from_sklearn(model)
    loss = net.evaluate(X, T)["loss"]
    net.fit(X, T, epochs=20, optimizer=an.Adam(0.01))
    assert net.evaluate(X, T)["loss"] < loss
    for W, old in zip(model.coefs_, before, strict=True):
        assert (old == W).all()


def test_the_model_can_be_saved(tmp_path):
    net = an.from_sklearn(fitted("MLPClassifier", T))
    net.save(tmp_path / "model.npz")
    back = an.load(tmp_path / "model.npz")
    assert back.metadata == {"classes": [0, 1, 2]}
    assert (back.predict(X) == net.predict(X)).all()


def test_affinets_own_estimators():
    """A copy of their network, with the parameters that scikit-learn lacks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = an.estimators.MLPClassifier(
            (7, 5), ["tanh", "relu"], dropout=0.5, max_iter=2, random_state=0
        ).fit(X, NAMES[T])
    net = an.from_sklearn(model)
    np.testing.assert_array_equal(net.predict_proba(X), model.predict_proba(X))
    assert [type(layer).__name__ for layer in net.layers] == [
        *("Affine", "Tanh", "Dropout", "Affine", "ReLU", "Dropout", "Affine")
    ]
    assert net.metadata == {"classes": ["ash", "elm", "oak"]}
    assert model.net_.metadata == {}
    model.coefs_[0] = np.zeros((4, 7))
    assert (an.from_sklearn(model).params["0.W"] == 0).all()
    assert (net.params["0.W"] != 0).any()


@pytest.mark.parametrize(
    "model",
    [
        None,
        3,
        "MLPClassifier",
        neural_network.MLPClassifier,
        neural_network.BernoulliRBM(),
        an.ReLU(),
    ],
)
def test_what_is_no_mlp_is_refused(model):
    with pytest.raises(TypeError, match="wanted an MLPClassifier or MLPRegressor"):
        an.from_sklearn(model)


def test_a_model_that_is_not_fitted_is_refused():
    with pytest.raises(ValueError, match="not fitted: it has no coefs_, intercepts_"):
        an.from_sklearn(neural_network.MLPClassifier())


@pytest.mark.parametrize("attribute", ["activation", "out_activation_"])
def test_an_activation_that_affinet_lacks_is_refused(attribute):
    model = fitted("MLPRegressor", X[:, 0])
    setattr(model, attribute, "softplus")
    with pytest.raises(ValueError, match=f"model.{attribute} is 'softplus', wanted "):
        an.from_sklearn(model)
