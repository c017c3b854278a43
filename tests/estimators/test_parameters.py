"""What cannot be used is refused by name, before anything is trained."""

import inspect
import re
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")

import affinet as an
from affinet.estimators import MLPClassifier, MLPRegressor
from affinet.estimators.parameters import CLASSIFIER, REGRESSOR
from affinet.thread_limit import thread_limit

X = np.random.default_rng(0).standard_normal((20, 3))
Y = np.arange(20) % 2

REFUSED = [
    ("hidden_layer_sizes", [0, (4, -1), "ten", (2.5,), None]),
    ("activation", ["swish", None, ["relu", "relu"], ["swish"], 3]),
    ("solver", ["newton", None]),
    ("alpha", [-1.0, np.nan, np.inf, "1"]),
    ("batch_size", [0, -3, "all", 2.5, True]),
    ("learning_rate", ["fast"]),
    ("learning_rate_init", [0.0, -1.0, np.nan]),
    ("power_t", [-0.5]),
    ("max_iter", [0, 2.5, None]),
    ("shuffle", ["yes", 1, None]),
    ("random_state", ["seed", -1, 2**32, np.random.default_rng(0)]),
    ("tol", [-1e-4, None]),
    ("verbose", ["yes", -1]),
    ("warm_start", [1]),
    ("momentum", [-0.1, 1.1, "much"]),
    ("nesterovs_momentum", ["yes"]),
    ("early_stopping", ["yes"]),
    ("validation_fraction", [1.0, -0.1]),
    ("beta_1", [1.0, -0.1]),
    ("beta_2", [1.0, -0.1]),
    ("epsilon", [0.0]),
    ("n_iter_no_change", [0, 2.5]),
    ("max_fun", [0]),
    ("dropout", [1.0, -0.1, [0.1, 0.1], "much", None]),
    ("validation_data", [X, (X,), "data"]),
    ("callbacks", [print, [3]]),
    ("n_threads", [0, 1.5, 257]),
    ("dtype", ["float16", "int64", "many", complex]),
    ("precision", ["float16", 16, True]),
]
REFUSED_LOSSES = [("loss", ["squared", None, an.Huber, 3])]


def refused(table):
    return [(name, value) for name, values in table for value in values]


@pytest.mark.parametrize("partial", [False, True], ids=["fit", "partial_fit"])
@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize(("name", "value"), refused(REFUSED + REFUSED_LOSSES))
def test_refused_by_name(estimator, name, value, partial):
    model = estimator(**{"hidden_layer_sizes": (4,)} | {name: value})
    first = {"classes": [0, 1]} if estimator is MLPClassifier else {}
    with pytest.raises((TypeError, ValueError), match=name):
        model.partial_fit(X, Y, **first) if partial else model.fit(X, Y)
    assert not hasattr(model, "net_")


@pytest.mark.parametrize("value", ["even", 3, {0: -1.0, 1: 1.0}, {0: np.nan, 1: 1}, {7: 2.0}])
def test_class_weights_that_are_refused(value):
    with pytest.raises((TypeError, ValueError), match=r"class_weight|classes, "):
        MLPClassifier(class_weight=value).fit(X, Y)


@pytest.mark.parametrize("value", [0.0, 1.0, -1, "half"])
def test_quantiles_that_are_refused(value):
    with pytest.raises((TypeError, ValueError), match="quantile"):
        MLPRegressor("quantile", quantile=value).fit(X, Y)


def test_every_parameter_has_its_check():
    """Those of activation and dropout are checked against the number of layers."""
    for estimator, table in ((MLPClassifier, CLASSIFIER), (MLPRegressor, REGRESSOR)):
        assert set(estimator().get_params()) == set(table) | {"activation", "dropout"}


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_everything_is_described(estimator):
    """Parameters in their order, what fit leaves behind, and every method."""
    text = inspect.getdoc(estimator)
    parameters, _, attributes = text.partition("Attributes\n----------")
    named = [
        name.strip()
        for line in parameters.partition("Parameters\n----------")[2].splitlines()
        if line and not line.startswith(" ")
        for name in line.partition(" : ")[0].split(",")
    ]
    assert named == list(inspect.signature(estimator).parameters)
    model = estimator(tol=10.0).fit(X, Y)
    for name in vars(model):
        assert not name.endswith("_") or re.search(rf"\b{name}\b", attributes), name
    for name in ("fit", "partial_fit", "predict"):
        assert "Parameters\n" in inspect.getdoc(getattr(estimator(), name))


def test_without_scikit_learn(tmp_path):
    """A star import works without it; using an estimator names the extra to install."""
    (tmp_path / "sklearn.py").write_text("raise ModuleNotFoundError(name='sklearn')")
    code = "from affinet import *\nprint(estimators.__name__)\nestimators.MLPClassifier"
    result = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{code}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout == "affinet.estimators\n"
    assert "ImportError: affinet.estimators needs scikit-learn: pip install" in result.stderr


def test_parameters_that_do_not_go_together():
    with pytest.raises(ValueError, match=r"dropout is given with solver='lbfgs'"):
        MLPClassifier(solver="lbfgs", dropout=0.1).fit(X, Y)
    with pytest.raises(ValueError, match=r"early_stopping=True without validation_data"):
        MLPRegressor(early_stopping=True).partial_fit(X, Y)
    with pytest.raises(ValueError, match="SigmoidWithLoss"):
        MLPClassifier(loss=an.SoftmaxWithLoss()).fit(X, Y)
    with pytest.warns(UserWarning, match="batch_size is 21 and there are 20 rows"):
        MLPClassifier(batch_size=21, tol=10.0).fit(X, Y)


def test_partial_fit_is_not_there_with_lbfgs():
    for estimator in (MLPClassifier, MLPRegressor):
        assert hasattr(estimator(), "partial_fit")
        assert not hasattr(estimator(solver="lbfgs"), "partial_fit")


@pytest.mark.parametrize(
    ("weights", "match"),
    [
        (np.ones(19), "sample_weight has shape"),
        (np.ones((20, 1)), "sample_weight has shape"),
        (-np.ones(20), r"sample_weight\[0\] is -1"),
        (np.full(20, np.nan), r"sample_weight\[0\] is nan"),
        (np.zeros(20), "sample_weight is zero for every row"),
    ],
)
def test_weights_that_are_refused(weights, match):
    for estimator in (MLPClassifier, MLPRegressor):
        with pytest.raises(ValueError, match=match):
            estimator().fit(X, Y, sample_weight=weights)
        with pytest.raises(ValueError, match=f"validation_data: {match}"):
            estimator(validation_data=(X, Y, weights)).fit(X, Y)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        ((X[:, :2], Y), "validation_data: X has 2 features"),
        ((X, Y[:5]), "validation_data: .*inconsistent numbers of samples"),
        ((X, Y + 1), "`validation_data: y` has classes not in"),
        ((np.full_like(X, np.nan), Y), "validation_data: .*NaN"),
    ],
)
def test_validation_data_that_is_refused(data, match):
    with pytest.raises(ValueError, match=match):
        MLPClassifier(validation_data=data).fit(X, Y)


def test_targets_that_are_refused():
    with pytest.raises(ValueError, match="Unknown label type"):
        MLPClassifier().fit(X, X[:, 0])
    with pytest.raises(ValueError, match="several columns"):
        MLPClassifier().fit(X, np.c_[Y, Y + 1])
    with pytest.raises(ValueError, match=r"y\[1\] is -1"):
        MLPRegressor("poisson").fit(X, -Y)
    labels = np.c_[Y, 1 - Y]
    model = MLPClassifier(tol=10.0).fit(X, labels)
    with pytest.raises(ValueError, match=r"y has shape \(20, 3\), wanted \(20, 2\)"):
        model.partial_fit(X, np.c_[labels, Y])
    with pytest.raises(ValueError, match="labels other than 0 and 1"):
        model.partial_fit(X, 2 * labels)


def test_a_refused_fit_leaves_the_model():
    model = MLPClassifier(tol=10.0, random_state=0).fit(X, Y)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match="solver"):
        model.set_params(solver="newton").fit(X[:, :2], Y)
    np.testing.assert_array_equal(model.predict_proba(X), before)


def test_limits_of_threads_that_overlap():
    """The last context to exit restores the number of threads from before the first."""
    before = an.get_num_threads()
    with thread_limit(3):
        assert an.get_num_threads() == 3
        with thread_limit(None):
            assert an.get_num_threads() == 3
    first, second = thread_limit(2), thread_limit(5)
    first.__enter__()
    second.__enter__()
    assert an.get_num_threads() == 5
    first.__exit__(None, None, None)
    assert an.get_num_threads() == 5
    second.__exit__(None, None, None)
    assert an.get_num_threads() == before


def test_threads_are_limited_while_it_works():
    seen = []
    before = an.get_num_threads()
    model = MLPClassifier(
        n_threads=3, max_iter=1, callbacks=[lambda state: seen.append(an.get_num_threads())]
    )
    with pytest.warns(UserWarning, match="Maximum iterations"):
        model.fit(X, Y)
    assert seen == [3]
    assert an.get_num_threads() == before
