"""Odd data for the estimators: rows of weight 0, lone classes, constant targets, lost meanings."""

import warnings

import numpy as np
import pytest

neural_network = pytest.importorskip("sklearn.neural_network", reason="needs scikit-learn")
pd = pytest.importorskip("pandas", reason="needs pandas")

from sklearn.ensemble import BaggingClassifier, BaggingRegressor  # noqa: E402

import affinet as an  # noqa: E402
from affinet.estimators import MLPClassifier, MLPRegressor  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 3))
VALUES, CLASSES = X[:, 0] + X[:, 1], (X[:, 0] > 0).astype(int)
KINDS = {"classifier": (MLPClassifier, CLASSES), "regressor": (MLPRegressor, VALUES)}
every_kind = pytest.mark.parametrize("kind", KINDS)


# Rows of weight 0 and early stopping -------------------------------------------------------------


@pytest.mark.parametrize("n", [20, 40])
def test_bagging_with_early_stopping(n):
    """Most bags leave out a third of the rows, by weights of 0."""
    for bag, (estimator, y) in zip(
        (BaggingClassifier, BaggingRegressor), KINDS.values(), strict=True
    ):
        model = bag(estimator(early_stopping=True, max_iter=5), n_estimators=20, random_state=0)
        model.fit(X[:n], y[:n])
        assert all(np.isfinite(own.validation_scores_).all() for own in model.estimators_)


@every_kind
def test_a_row_of_weight_0_is_never_held_out(kind):
    """Whatever such rows hold, the held-out scores are those of the other rows."""
    estimator, y = KINDS[kind]
    weights = np.where(np.arange(40) % 4 == 0, 1.0, 0.0)
    options = {"early_stopping": True, "max_iter": 4, "random_state": 3}
    model = estimator(**options).fit(X, y, weights)
    moved = np.where(weights[:, np.newaxis] > 0, X, X[::-1] * 3)
    other = estimator(**options).fit(moved, y, weights)
    np.testing.assert_array_equal(model.validation_scores_, other.validation_scores_)
    np.testing.assert_array_equal(model.coefs_[0], other.coefs_[0])


@every_kind
def test_too_few_rows_with_a_weight(kind):
    estimator, y = KINDS[kind]
    weights = np.where(np.arange(40) < 2, 1.0, 0.0)
    with pytest.raises(ValueError, match=r"too small: .*of 40 rows, 38 of them of weight 0"):
        estimator(early_stopping=True).fit(X, y, weights)


def test_weights_of_1_hold_out_the_same_rows():
    for estimator, y in KINDS.values():
        models = [
            estimator(early_stopping=True, max_iter=3, random_state=0).fit(X, y, w)
            for w in (None, np.ones(40))
        ]
        np.testing.assert_array_equal(models[0].coefs_[0], models[1].coefs_[0])


# A class with one row ----------------------------------------------------------------------------


@pytest.mark.parametrize("y", [[0] * 39 + [1], ["a"] + ["b"] * 39])
def test_a_class_with_one_row_has_scikit_learns_error(y):
    said = []
    for room in (MLPClassifier, neural_network.MLPClassifier):
        with pytest.raises(ValueError, match="The least populated classes in y have only 1") as e:
            room(early_stopping=True).fit(X, y)
        said.append(str(e.value))
    assert said[0] == said[1]


def test_a_lone_class_of_several_is_trained_on():
    y = np.r_[np.arange(39) % 2, 2]
    for room in (MLPClassifier, neural_network.MLPClassifier):
        assert room(early_stopping=True, max_iter=3).fit(X, y).classes_.tolist() == [0, 1, 2]


# Targets that nothing can be learned from --------------------------------------------------------


def test_one_class_says_so():
    with pytest.warns(RuntimeWarning, match="y holds only the class 'elm'"):
        model = MLPClassifier(max_iter=3).fit(X, ["elm"] * 40)
    assert set(model.predict(X)) == {"elm"}


@pytest.mark.parametrize(
    ("y", "match"),
    [
        (np.full(40, 2.5), "y is constant: the model can learn only that value"),
        (np.c_[VALUES, np.full(40, 7.0)], "column 1 of y is constant"),
        (VALUES * 1e6, r"y reaches \d.*e\+06: .*'adam'.*scale y, .*TransformedTargetRegressor"),
        (VALUES + 1e9, r"y reaches 1e\+09"),
    ],
)
def test_constant_and_large_values_say_so(y, match):
    with pytest.warns(RuntimeWarning, match=match):
        MLPRegressor(max_iter=3).fit(X, y)


def test_no_warning_without_a_reason():
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        MLPRegressor(max_iter=3).fit(X, VALUES * 1000)
        MLPRegressor(max_iter=3, solver="lbfgs").fit(X, VALUES * 1e6)
        MLPRegressor(max_iter=3, loss="poisson").fit(X, abs(VALUES) * 1e5)
        MLPRegressor(max_iter=3).partial_fit(X, np.ones(40))
        MLPClassifier(max_iter=3).partial_fit(X, np.ones(40), classes=[0, 1])
        MLPClassifier(max_iter=3).fit(X, np.ones((40, 3), int))
        MLPRegressor(max_iter=3).fit(X[:1], [3.0])


# Meanings that NumPy would drop ------------------------------------------------------------------


class Quantity:
    """Numbers with a unit, as pint has them."""

    def __init__(self, magnitude):
        self.magnitude, self.shape = np.asarray(magnitude), np.shape(magnitude)

    units = property(lambda self: "metre")

    def __array__(self, dtype=None, copy=None):
        return np.array(self.magnitude, dtype)


def masked(values):
    return np.ma.MaskedArray(values, np.arange(np.size(values)).reshape(np.shape(values)) == 4)


def calls(kind):
    """name: a call that takes a form of X, y or weights of all 40 rows."""
    estimator, y = KINDS[kind]

    def fresh(**options):
        return estimator(max_iter=2, random_state=0, **options)

    first = {"classes": [0, 1]} if kind == "classifier" else {}
    model, ones = fresh().fit(X, y), np.ones(40)
    return {
        "X": {
            "fit": lambda bad: fresh().fit(bad, y),
            "partial_fit": lambda bad: fresh().partial_fit(bad, y, **first),
            "predict": model.predict,
            "validation": lambda bad: fresh(validation_data=(bad, y)).fit(X, y),
        },
        "y": {
            "fit": lambda bad: fresh().fit(X, bad),
            "partial_fit": lambda bad: fresh().partial_fit(X, bad, **first),
            "score": lambda bad: model.score(X, bad),
            "validation": lambda bad: fresh(validation_data=(X, bad)).fit(X, y),
        },
        "weights": {
            "fit": lambda bad: fresh().fit(X, y, bad),
            "score": lambda bad: model.score(X, y, bad),
            "validation": lambda bad: fresh(validation_data=(X, y, bad)).fit(X, y, ones),
        },
    }


@every_kind
@pytest.mark.parametrize("what", ["X", "y", "weights"])
def test_masks_and_units_are_refused(kind, what):
    good = {"X": X, "y": KINDS[kind][1], "weights": np.ones(40)}[what]
    for call in calls(kind)[what].values():
        with pytest.raises(ValueError, match="has 1 masked elements"):
            call(masked(good))
        with pytest.raises(TypeError, match="has the unit metre"):
            call(Quantity(good))
        call(np.ma.MaskedArray(good, False))
        call(pd.DataFrame(good).convert_dtypes() if what == "X" else list(good))


@every_kind
def test_categories(kind):
    """Of X, and of a regressor's y, they are not numbers; a classifier's y may be categories."""
    table = pd.DataFrame(X).assign(d=pd.Categorical(CLASSES))
    table.columns = list("abcd")
    estimator, y = KINDS[kind]
    with pytest.raises(TypeError, match="X: column 'd' holds categories"):
        estimator().fit(table, y)
    if kind == "regressor":
        with pytest.raises(TypeError, match="y holds categories"):
            estimator().fit(X, pd.Series(CLASSES).astype("category"))
    else:
        model = estimator(max_iter=2).fit(X, pd.Series(CLASSES + 5).astype("category"))
        assert model.classes_.tolist() == [5, 6]


# Small doors -------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [list, pd.DataFrame, np.asarray])
def test_partial_fit_of_several_labels_in_any_form(form):
    y = [[0, 1], [1, 0], [1, 1], [0, 0]]
    model = MLPClassifier().partial_fit(X[:4], form(y))
    assert model.classes_.tolist() == [0, 1]
    assert model.predict(X).shape == (40, 2)


def test_callbacks_of_lbfgs_that_look_at_steps():
    """Each iteration is a step: parameters, gradient, data and totals are there."""
    seen = []

    class Look:
        def next_step(self, step):
            return step - step % 2 + 2

        def after_step(self, state):
            x, t = state.data
            seen.append(("step", state.step, len(x), len(t), state.totals[0]))

        def __call__(self, state):
            gradient = an.Sequential.forward(state.net, *state.data), state.net.backward()
            assert gradient[0] > 0
            seen.append(("epoch", state.step, float(abs(state.net.grads.flat).max()) > 0))

    watch = an.diagnostics.Monitor(verbose=False)
    model = MLPClassifier(solver="lbfgs", max_iter=5, callbacks=[watch, Look()], random_state=0)
    model.fit(X, CLASSES)
    assert [entry[1] for entry in seen if entry[0] == "step"] == [2, 4]
    assert [entry[1:] for entry in seen if entry[0] == "epoch"] == [(i, True) for i in range(1, 6)]
    assert [epoch["epoch"] for epoch in watch.to_dict()["epochs"]] == [1, 2, 3, 4, 5]
    assert len(watch.to_dict()["steps"]) > 0


def test_a_callback_of_lbfgs_sees_the_gradient_of_the_parameters():
    kept = []

    def keep(state):
        kept.append((state.net.params.flat.copy(), state.net.grads.flat.copy()))

    model = MLPRegressor(solver="lbfgs", max_iter=3, alpha=0.0, callbacks=[keep], random_state=0)
    model.fit(X, VALUES)
    net = model.net_
    for params, grads in kept:
        net.params.flat[:] = params
        net.forward(X, VALUES)
        net.backward()
        np.testing.assert_allclose(grads, net.grads.flat, rtol=1e-9, atol=1e-12)
