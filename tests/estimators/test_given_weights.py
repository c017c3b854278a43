"""Weights set on an estimator that was never fitted: how stored scikit-learn models are rebuilt."""

import pickle
import warnings

import numpy as np
import pytest

neural_network = pytest.importorskip("sklearn.neural_network", reason="needs scikit-learn")

from sklearn.base import clone  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402

from affinet import estimators  # noqa: E402
from affinet.estimators import MLPClassifier, MLPRegressor  # noqa: E402

RNG = np.random.default_rng(2)
X = RNG.standard_normal((50, 4))
TARGETS = {
    "two classes": ("MLPClassifier", np.array(["ash", "elm"])[(X[:, 0] > 0).astype(int)]),
    "several classes": ("MLPClassifier", np.array(["ash", "elm", "oak"])[np.arange(50) % 3]),
    "labels": ("MLPClassifier", (X[:, :3] > 0).astype(int)),
    "a value": ("MLPRegressor", X[:, 0]),
    "values": ("MLPRegressor", X[:, :2]),
    "counts": ("MLPRegressor", RNG.poisson(2.0, 50)),
}
NAMES = ("coefs_", "intercepts_", "classes_", "n_layers_", "n_outputs_", "out_activation_")
every_target = pytest.mark.parametrize("target", TARGETS)


def trained(target, dtype="float64"):
    """scikit-learn's own model after a few steps, and its data."""
    kind, y = TARGETS[target]
    options = {"hidden_layer_sizes": (5, 3), "activation": "tanh", "max_iter": 4}
    if target == "counts":
        options["loss"] = "poisson"
    model = getattr(neural_network, kind)(
        random_state=0, solver="sgd", learning_rate_init=0.01, **options
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X.astype(dtype), y), y


def rebuilt(model, names=NAMES, **options):
    """affinet's estimator with the parameters and the stored attributes of scikit-learn's."""
    own = getattr(estimators, type(model).__name__)(**model.get_params()).set_params(**options)
    for name in names:
        if hasattr(model, name):
            value = getattr(model, name)
            setattr(own, name, [a.copy() for a in value] if isinstance(value, list) else value)
    return own


def predictions(model):
    names = ["predict", "predict_proba"] if hasattr(model, "classes_") else ["predict"]
    return [np.asarray(getattr(model, name)(X.astype(model.coefs_[0].dtype))) for name in names]


@every_target
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_predict(target, dtype):
    model, _ = trained(target, dtype)
    own = rebuilt(model)
    for found, expected in zip(predictions(own), predictions(model), strict=True):
        if expected.dtype.kind == "f":
            rtol, atol = (1e-10, 1e-14) if dtype == "float64" else (1e-4, 1e-6)
            np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)
        else:
            np.testing.assert_array_equal(found, expected)
    for W, V in zip(own.coefs_, model.coefs_, strict=True):
        np.testing.assert_array_equal(W, V)
        assert W.dtype == dtype
    assert own.n_features_in_ == 4
    assert own.out_activation_ == model.out_activation_


@every_target
def test_partial_fit_and_warm_start_continue(target):
    """The same next epochs as scikit-learn's from the same weights."""
    model, y = trained(target)
    options = {"batch_size": 50, "momentum": 0.0, "warm_start": True, "max_iter": 3}
    for method in ("partial_fit", "fit"):
        own = rebuilt(model, **options)
        other = rebuilt(model, **options).set_params(warm_start=False, random_state=9)
        twin = pickle.loads(pickle.dumps(model)).set_params(**options)
        del twin._optimizer  # whose velocity is not stored
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            getattr(own, method)(X, y)
            getattr(twin, method)(X, y)
            other.fit(X, y)
        for W, V in zip(own.coefs_ + own.intercepts_, twin.coefs_ + twin.intercepts_, strict=True):
            np.testing.assert_allclose(W, V, rtol=1e-9, atol=1e-12)
        assert own.t_ == 50 * own.n_iter_
        assert abs(other.coefs_[0] - own.coefs_[0]).max() > 0.01  # fit without warm_start: afresh


def test_the_classes_of_the_first_partial_fit():
    model, y = trained("two classes")
    own = rebuilt(model, ("coefs_", "intercepts_"), learning_rate_init=1e-30)
    own.partial_fit(X, y, classes=["ash", "elm"])
    np.testing.assert_array_equal(own.predict(X), model.predict(X))
    own = rebuilt(model)
    with pytest.raises(ValueError, match="classes is"):
        own.partial_fit(X, y, classes=["ash", "oak"])


def test_scikit_learns_own_binarizer_names_the_classes():
    for target in ("two classes", "several classes", "labels"):
        model, _ = trained(target)
        own = rebuilt(model, ("coefs_", "intercepts_", "_label_binarizer"))
        np.testing.assert_array_equal(own.predict(X), model.predict(X))
        np.testing.assert_array_equal(own.classes_, model._label_binarizer.classes_)


def test_copies_before_the_first_prediction():
    model, _ = trained("several classes")
    own = rebuilt(model)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(own)).predict(X), model.predict(X))
    with pytest.raises(NotFittedError):
        clone(own).predict(X)


def test_float16_and_mixed_weights_compute_as_networks_do():
    own = MLPRegressor(hidden_layer_sizes=(2,))
    own.coefs_ = [np.ones((4, 2), np.float16), np.ones((2, 1))]
    own.intercepts_ = [np.zeros(2, np.float32), np.zeros(1)]
    assert own.predict(X).dtype == np.float64


# Attributes that contradict each other -----------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "changes", "match"),
    [
        ("a value", {"intercepts_": None}, "intercepts_ is None, wanted a list of arrays"),
        ("a value", {"coefs_": []}, r"coefs_ is \[\], wanted a list"),
        ("a value", {"intercepts_": [np.zeros(5)]}, "intercepts_ holds 1 arrays, wanted 3"),
        ("a value", {"n_layers_": 3}, "n_layers_ is 3, but coefs_ .* make it 4"),
        ("a value", {"n_outputs_": 2}, "n_outputs_ is 2, but"),
        ("a value", {"n_features_in_": 7}, "n_features_in_ is 7, but"),
        ("a value", {"out_activation_": "exp"}, "out_activation_ is 'exp', but .* 'identity'"),
        ("counts", {"out_activation_": "identity"}, "out_activation_ is 'identity', but"),
        ("two classes", {"out_activation_": "softmax"}, "classes_ is .* does not fit 1 outputs"),
        ("several classes", {"classes_": np.array(["a", "b"])}, "classes_ is .* fit 3 outputs"),
        ("several classes", {"out_activation_": "tanh"}, "wanted 'softmax' for one class"),
        ("several classes", {"classes_": ...}, "without classes_: set them"),
        ("several classes", {"out_activation_": ...}, "out_activation_ is None, wanted 'softmax'"),
        ("a value", {"activation": ["relu"]}, "activation has 1 values, wanted 2"),
    ],
)
def test_what_does_not_fit_raises_by_name(target, changes, match):
    model, y = trained(target)
    own = rebuilt(model)
    for name, value in changes.items():
        delattr(own, name) if value is ... else setattr(own, name, value)
    with pytest.raises(ValueError, match=match):
        own.predict(X)
    with pytest.raises(ValueError, match=match):
        own.partial_fit(X, y)


def test_shapes_of_the_weights():
    model, _ = trained("a value")
    for name, place, shape, match in (
        ("coefs_", 1, (4, 3), r"coefs_\[1\] has shape \(4, 3\), wanted 5 rows"),
        ("coefs_", 0, (4,), r"coefs_\[0\] has shape \(4,\), wanted 2 dimension"),
        ("intercepts_", 2, (2,), r"intercepts_\[2\] has shape \(2,\), wanted \(1,\)"),
    ):
        own = rebuilt(model)
        getattr(own, name)[place] = np.zeros(shape)
        with pytest.raises(ValueError, match=match):
            own.predict(X)
    own = rebuilt(model, hidden_layer_sizes=(6, 3))
    with pytest.raises(ValueError, match=r"hidden_layer_sizes .* the model to continue with has"):
        own.partial_fit(X, TARGETS["a value"][1])


# Attributes of a fitted estimator ----------------------------------------------------------------


def test_new_names_of_classes():
    model = MLPClassifier((4,), max_iter=3, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, np.arange(50) % 3)
    places = model.predict(X)
    model.classes_ = np.array(["z", "a", "m"])
    np.testing.assert_array_equal(model.predict(X), model.classes_[places])
    before = model.score(X, model.classes_[np.arange(50) % 3])
    assert before == (places == np.arange(50) % 3).mean()
    model.partial_fit(X, model.classes_[np.arange(50) % 3])
    assert model._label_binarizer.classes_.tolist() == ["z", "a", "m"]
    model.classes_ = ["z", "a"]
    with pytest.raises(ValueError, match="wanted 3 names"):
        model.predict(X)


@pytest.mark.parametrize("name", ["n_layers_", "n_outputs_"])
def test_what_describes_the_network_cannot_be_set_otherwise(name):
    model = MLPRegressor(hidden_layer_sizes=(4,), max_iter=1, solver="lbfgs")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, X[:, 0])
    setattr(model, name, 9)
    with pytest.raises(ValueError, match=f"{name} is 9, but"):
        model.predict(X)


@every_target
def test_attributes_that_converters_read(target):
    """Those that sklearn-onnx takes a model's network from, as scikit-learn sets them."""
    if TARGETS[target][0] != "MLPClassifier":
        return
    model, y = trained(target)
    own = rebuilt(model, ())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own.fit(X, y)
    mine, theirs = own._label_binarizer, model._label_binarizer
    for name in ("y_type_", "sparse_input_", "neg_label", "pos_label"):
        assert getattr(mine, name) == getattr(theirs, name), name
    np.testing.assert_array_equal(mine.classes_, theirs.classes_)
    np.testing.assert_array_equal(mine.transform(y), theirs.transform(y))
    assert [W.shape for W in own.coefs_] == [W.shape for W in model.coefs_]
    assert own.activation == model.activation


def test_with_early_stopping_the_validation_record_starts_at_the_first_fit():
    model, _ = trained("a value")
    own = rebuilt(model, early_stopping=True)
    own.predict(X)
    assert not hasattr(own, "best_loss_")
    assert own._no_improvement_count == 0
    for one, two in zip(predictions(own), predictions(model), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-7)
