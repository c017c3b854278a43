"""What affinet's estimators can do that scikit-learn's cannot, and data in every form."""

import copy
import pickle
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")

from scipy import sparse
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.metrics import accuracy_score, r2_score

import affinet as an
from affinet.estimators import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
N = 120
X = RNG.standard_normal((N, 4))
VALUES = X[:, 0] + np.sin(X[:, 1])
CLASSES = np.array(["ash", "elm", "oak"])[np.digitize(VALUES, [-0.7, 0.7])]
LABELS = (X[:, :3] + X[:, 1:] > 0).astype(int)
SMALL = {"hidden_layer_sizes": (8,), "random_state": 0}
ESTIMATORS = {
    "classes": (MLPClassifier, CLASSES),
    "two": (MLPClassifier, VALUES > 0),
    "labels": (MLPClassifier, LABELS),
    "value": (MLPRegressor, VALUES),
    "values": (MLPRegressor, np.c_[VALUES, X[:, 2]]),
}


def weights_of(model):
    return model.coefs_ + model.intercepts_


def assert_same(a, b, **tolerance):
    for one, other in zip(weights_of(a), weights_of(b), strict=True):
        np.testing.assert_allclose(one, other, **{"rtol": 0, "atol": 0} | tolerance)


@pytest.fixture(params=ESTIMATORS)
def task(request):
    return ESTIMATORS[request.param]


# Weights ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_a_weight_is_a_number_of_rows(task, solver):
    """Weights 0, 1, 2 and rows left out, once, twice: the same to rounding, penalty included."""
    estimator, y = task
    counts = np.arange(N) % 3
    options = SMALL | {"solver": solver, "max_iter": 4, "alpha": 1.0, "batch_size": 2 * N}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of the clipped batch_size
        weighted = estimator(**options).fit(X, y, sample_weight=counts)
        repeated = estimator(**options).fit(np.repeat(X, counts, 0), np.repeat(y, counts, 0))
    assert_same(weighted, repeated, atol=1e-9)
    assert weighted.loss_ == pytest.approx(repeated.loss_, rel=1e-9)


def test_a_class_weight_is_a_weight_of_its_rows():
    """By its label, over several batches: the same bits."""
    by_row = np.where(CLASSES == "elm", 5.0, np.where(CLASSES == "oak", 0.25, 1.0))
    options = SMALL | {"batch_size": 16, "max_iter": 5}
    weighted = MLPClassifier(**options).fit(X, CLASSES, sample_weight=by_row * VALUES**2)
    of_classes = MLPClassifier(class_weight={"elm": 5, "oak": 0.25, "ash": 1}, **options)
    assert_same(weighted, of_classes.fit(X, CLASSES, sample_weight=VALUES**2))


@pytest.mark.parametrize("weights", [None, 0.5 + X[:, 3] ** 2], ids=["unweighted", "weighted"])
def test_balanced_classes_weigh_the_same(weights):
    given = np.ones(N) if weights is None else weights
    sums = {name: given[name == CLASSES].sum() for name in np.unique(CLASSES)}
    by_hand = {name: given.sum() / 3 / total for name, total in sums.items()}
    a = MLPClassifier(class_weight="balanced", max_iter=5, **SMALL).fit(X, CLASSES, weights)
    b = MLPClassifier(class_weight=by_hand, max_iter=5, **SMALL).fit(X, CLASSES, weights)
    assert_same(a, b, atol=1e-13)


def test_balanced_finds_the_rare_class():
    rng = np.random.default_rng(1)
    rare = rng.random(600) < 0.05
    x = rng.standard_normal((600, 2)) + rare[:, None]
    plain, balanced = (
        MLPClassifier(class_weight=w, max_iter=60, **SMALL).fit(x, rare) for w in (None, "balanced")
    )
    assert balanced.predict(x)[rare].mean() > plain.predict(x)[rare].mean() + 0.3


def test_class_weights_of_several_labels():
    by_row = np.where(LABELS[:, 0] == 1, 3.0, 1.0) * np.where(LABELS[:, 2] == 0, 2.0, 1.0)
    weights = [{0: 1, 1: 3}, {0: 1, 1: 1}, {0: 2, 1: 1}]
    a = MLPClassifier(class_weight=weights, max_iter=4, **SMALL).fit(X, LABELS)
    assert_same(a, MLPClassifier(max_iter=4, **SMALL).fit(X, LABELS, by_row))


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


# Losses -------------------------------------------------------------------------------------------

NAMED = {
    "absolute_error": (an.MeanAbsoluteError(), lambda d: np.abs(d).mean()),
    "huber": (
        an.Huber(),
        lambda d: np.where(np.abs(d) <= 1, d**2 / 2, np.abs(d) - 0.5).mean(),
    ),
    "quantile": (an.Quantile(0.5), lambda d: np.abs(d).mean() / 2),
}


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("name", NAMED)
def test_losses_by_name(name, solver, n_outputs):
    y = np.c_[VALUES, X[:, 2] ** 2][:, :n_outputs].squeeze()
    loss, formula = NAMED[name]
    options = SMALL | {"solver": solver, "max_iter": 25, "alpha": 0.0, "learning_rate_init": 0.05}
    a = MLPRegressor(name, **options).fit(X, y)
    assert_same(a, MLPRegressor(loss, **options).fit(X, y))
    value = formula((a.predict(X) - y).reshape(-1))
    assert value < formula((y - y.mean(axis=0)).reshape(-1))
    if solver == "lbfgs":  # there loss_ is that of the weights as they stand
        assert a.loss_ == pytest.approx(value, rel=1e-12)
    assert isinstance(a.net_.loss, type(loss))
    assert a.net_.loss is not loss  # a parameter is not touched by fit


def test_quantiles_order_the_predictions():
    noise = np.random.default_rng(3).standard_normal(N)
    shares = []
    for quantile in (0.1, 0.5, 0.9):
        model = MLPRegressor(
            "quantile", quantile=quantile, solver="lbfgs", max_iter=80, alpha=0.1, **SMALL
        )
        shares.append((VALUES + noise < model.fit(X, VALUES + noise).predict(X)).mean())
    np.testing.assert_allclose(shares, [0.1, 0.5, 0.9], atol=0.08)


@pytest.mark.parametrize("loss", ["poisson", an.Poisson()], ids=["name", "object"])
def test_counts(loss):
    y = np.random.default_rng(2).poisson(np.exp(VALUES))
    model = MLPRegressor(loss, solver="lbfgs", max_iter=200, **SMALL).fit(X, y)
    assert model.out_activation_ == "exp"
    assert (model.predict(X) > 0).all()
    assert np.corrcoef(model.predict(X), np.exp(VALUES))[0, 1] > 0.8


def test_label_smoothing():
    loss = an.SoftmaxWithLoss(label_smoothing=0.3)
    model = MLPClassifier(loss=loss, solver="lbfgs", max_iter=50, alpha=0.0, **SMALL)
    model.fit(X, CLASSES)
    assert model.out_activation_ == "softmax"
    assert model.score(X, CLASSES) > 0.9
    smooth = 0.7 * (CLASSES[:, None] == model.classes_) + 0.1
    value = -np.mean((smooth * model.predict_log_proba(X)).sum(axis=1))
    assert model.loss_ == pytest.approx(value, rel=1e-12)
    assert model.loss is loss
    assert loss.y is None  # the network has a copy


class Cubic:
    """A loss of the user's own: the mean of |x - t|^3 / 3."""

    def forward(self, x, t):
        self.d = x - t
        return float(np.mean(np.abs(self.d) ** 3) / 3)

    def backward(self, dout=1.0):
        return dout * self.d * np.abs(self.d) / self.d.size


def test_a_loss_of_ones_own():
    model = MLPRegressor(Cubic(), max_iter=50, learning_rate_init=0.01, **SMALL).fit(X, VALUES)
    assert model.net_.history.step_kind == "layer by layer"
    assert model.loss_curve_[-1] < model.loss_curve_[0] / 2
    assert not vars(model.loss)
    with pytest.raises(TypeError, match="sample_weight"):
        model.fit(X, VALUES, sample_weight=np.ones(N))


class Hinge:
    """Of one logit: the mean of max(0, 1 - s x) with s = -1 or 1; it knows no probabilities."""

    def forward(self, x, t, weights=None):
        self.sign = 2.0 * t - 1
        self.short = 1 - self.sign * x > 0
        return float(np.mean(self.short * (1 - self.sign * x)))

    def backward(self, dout=1.0):
        return -dout * self.short * self.sign / len(self.sign)


def test_a_classifiers_loss_of_ones_own():
    model = MLPClassifier(loss=Hinge(), max_iter=100, learning_rate_init=0.01, **SMALL)
    model.fit(X, VALUES > 0)
    assert model.score(X, VALUES > 0) > 0.9
    p = model.predict_proba(X)
    np.testing.assert_allclose(p[:, 1], 1 / (1 + np.exp(-model.net_.predict(X)[:, 0])))


# Validation, early stopping, callbacks ------------------------------------------------------------


def test_validation_data(task):
    """Measured after every epoch, as the loss without penalty; nothing else changes."""
    estimator, y = task
    x_val, y_val, w_val = X[:40], y[:40], 0.1 + X[:40, 0] ** 2
    plain = estimator(max_iter=6, **SMALL).fit(X[40:], y[40:])
    model = estimator(max_iter=6, validation_data=(x_val, y_val, w_val), **SMALL)
    model.fit(X[40:], y[40:])
    assert_same(plain, model)
    assert plain.validation_loss_curve_ is None
    assert len(model.validation_loss_curve_) == 6
    assert model.validation_scores_ is None
    encoded = model._known_targets("y", y_val)
    wanted = copy.deepcopy(model.net_.loss).forward(model.net_.predict(x_val), encoded, w_val)
    factor = 0.5 if estimator is MLPRegressor else 1
    assert model.validation_loss_curve_[-1] == pytest.approx(factor * wanted, rel=1e-12)


def test_early_stopping_on_validation_data(task):
    """All rows are trained on; the best weights come back, scored as ``score`` does."""
    estimator, y = task
    data = (X[:40], y[:40], np.arange(40) % 4)
    model = estimator(
        early_stopping=True, validation_data=data, n_iter_no_change=3, max_iter=300,
        learning_rate_init=0.02, **SMALL,
    ).fit(X[40:], y[40:])  # fmt: skip
    assert model.n_iter_ < 300
    assert model.t_ == 80 * model.n_iter_
    assert len(model.validation_scores_) == len(model.validation_loss_curve_) == model.n_iter_
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.score(*data) == pytest.approx(model.best_validation_score_, abs=1e-12)
    scorer = accuracy_score if estimator is MLPClassifier else r2_score
    again = scorer(data[1], model.predict(data[0]), sample_weight=data[2])
    assert model.best_validation_score_ == pytest.approx(again, abs=1e-12)


def test_held_out_rows_keep_the_shares_of_the_classes():
    """300 rows of 1 : 1 : 8, of which a fifth is held out: 6, 6 and 48."""
    y = np.repeat([0, 1, 2], [30, 30, 240])
    x = np.random.default_rng(0).standard_normal((300, 3))
    seen = []
    model = MLPClassifier(early_stopping=True, validation_fraction=0.2, max_iter=2, **SMALL)
    measure = model._validation

    def spy(held):
        seen.append(np.bincount(held.t))
        return measure(held)

    model._validation = spy
    model.fit(x, y)
    np.testing.assert_array_equal(seen[0], [6, 6, 48])
    rare = np.r_[y[:-1], 3]  # one row of its class: it cannot stand in both parts
    MLPClassifier(early_stopping=True, max_iter=2, **SMALL).fit(x, rare)
    with pytest.raises(ValueError, match="validation set is too small"):
        model.set_params(validation_fraction=0.001).fit(x, y)


def test_a_callback_sees_and_steers():
    seen = []

    def callback(state):
        seen.append((state.epoch, state.step, dict(state.metrics)))
        assert state.net.history.epochs[-1] is state.metrics
        state.optimizer.lr /= 2
        if state.epoch == 4:
            raise an.StopTraining

    model = MLPClassifier(
        callbacks=[callback], validation_data=(X[:9], CLASSES[:9]), batch_size=50, **SMALL
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # stopped on purpose: not a failure to converge
        model.fit(X, CLASSES)
    assert [entry[:2] for entry in seen] == [(1, 3), (2, 6), (3, 9), (4, 12)]
    assert [entry[2]["loss"] for entry in seen] == model.loss_curve_
    assert [entry[2]["val_loss"] for entry in seen] == model.validation_loss_curve_
    assert 0 <= seen[-1][2]["val_score"] <= 1
    assert model.n_iter_ == 4
    assert model._optimizer.lr == pytest.approx(0.001 / 16)


def test_callbacks_between_epochs():
    """One that ends the first epoch early leaves the attributes that an epoch leaves."""

    def stop(state):
        raise an.StopTraining

    steps = []
    note = an.every_steps(4, lambda state: steps.append(state.step))
    MLPClassifier(callbacks=[note], batch_size=50, max_iter=4, **SMALL).fit(X, CLASSES)
    assert steps == [4, 8, 12]
    model = MLPClassifier(
        callbacks=[an.every_steps(2, stop)], validation_data=(X, CLASSES), batch_size=50, **SMALL
    ).fit(X, CLASSES)
    assert model.n_iter_ == len(model.loss_curve_) == len(model.validation_loss_curve_) == 1
    assert model.loss_ == model.loss_curve_[0] > 0
    steps.clear()
    note = an.every_steps(3, lambda state: steps.append(state.step))
    MLPClassifier(solver="lbfgs", callbacks=[note], max_iter=7, **SMALL).fit(X, CLASSES)
    assert steps == [3, 6]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_callbacks_of_lbfgs(dtype):
    seen = []

    class Callback:
        def begin(self, state):
            seen.append("begin")

        def __call__(self, state):
            seen.append((state.epoch, state.metrics["loss"], state.net.predict(X)))
            if state.epoch == 5:
                raise an.StopTraining

        def end(self, state):
            seen.append("end")

    model = MLPRegressor(
        solver="lbfgs", callbacks=[Callback()], validation_data=(X, VALUES), dtype=dtype, **SMALL
    ).fit(X, VALUES)
    assert seen[0] == "begin"
    assert seen[-1] == "end"
    assert [entry[0] for entry in seen[1:-1]] == [1, 2, 3, 4, 5]
    assert model.n_iter_ == 5
    assert model.loss_ == seen[-2][1]
    np.testing.assert_array_equal(model.predict(X), seen[-2][2][:, 0])
    assert len(model.validation_loss_curve_) == 5
    assert model.validation_loss_curve_[-1] < model.loss_  # which has the penalty too


def test_lbfgs_says_what_it_does(capsys):
    with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge"):
        model = MLPRegressor(solver="lbfgs", max_iter=3, verbose=True, **SMALL).fit(X, VALUES)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(", loss = ")[0] for line in lines] == [f"Iteration {i}" for i in (1, 2, 3)]
    assert lines[-1].endswith(f"{model.loss_:.8f}")


def test_lbfgs_in_single_precision():
    """It is minimised in double precision: only the ends are rounded."""
    options = SMALL | {"solver": "lbfgs", "max_iter": 5, "activation": "tanh"}
    x = X.astype(np.float32)
    single, double = (
        MLPRegressor(dtype=dtype, **options).fit(x, VALUES) for dtype in ("float32", "float64")
    )
    assert single.coefs_[0].dtype == np.float32
    assert double.coefs_[0].dtype == np.float64
    assert_same(single, double, atol=1e-5)


def test_not_converged():
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\) reached") as caught:
        MLPClassifier(max_iter=2, **SMALL).fit(X, CLASSES)
    with pytest.warns(ConvergenceWarning, match=r"after 2 iteration\(s\)") as caught_too:
        MLPClassifier(max_iter=2, solver="lbfgs", **SMALL).fit(X, CLASSES)
    assert caught[0].filename == caught_too[0].filename == __file__


def test_an_interrupt_keeps_what_was_trained():
    def interrupt(state):
        if state.epoch == 3:
            raise KeyboardInterrupt

    model = MLPClassifier(callbacks=[interrupt], **SMALL)
    with pytest.warns(UserWarning, match="interrupted by user"):
        model.fit(X, CLASSES)
    assert model.n_iter_ == 3
    assert model.predict(X).shape == (N,)


def test_weights_that_are_not_finite():
    model = MLPRegressor(learning_rate_init=1e300, solver="sgd", max_iter=5, **SMALL)
    with (
        np.errstate(all="ignore"),
        pytest.warns(RuntimeWarning, match="diverges"),
        pytest.raises(ValueError, match="non-finite parameter weights"),
    ):
        model.fit(X, VALUES)


# Going on -----------------------------------------------------------------------------------------


def test_partial_fit_of_labels():
    """No classes are wanted: there are as many labels as columns."""
    model = MLPClassifier(learning_rate_init=0.02, **SMALL)
    for _ in range(60):
        model.partial_fit(X[:60], LABELS[:60]).partial_fit(X[60:], LABELS[60:])
    assert model.t_ == 60 * N
    assert model.score(X, LABELS) > 0.8
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])
    assert set(np.unique(model.predict(X))) == {0, 1}


def test_partial_fit_stops_early(task):
    """Once the score has not improved, the best weights are back and stay."""
    estimator, y = task
    model = estimator(
        early_stopping=True, validation_data=(X[:30], y[:30]), n_iter_no_change=3,
        learning_rate_init=0.05, **SMALL,
    )  # fmt: skip
    classes = {} if estimator is MLPRegressor or y.ndim == 2 else {"classes": np.unique(y)}
    calls = 0
    while calls < 500 and not getattr(model, "stopped_", False):
        model.partial_fit(X[30:], y[30:], **classes)
        calls += 1
    assert model.stopped_
    assert len(model.validation_scores_) == calls
    assert model.score(X[:30], y[:30]) == pytest.approx(max(model.validation_scores_), abs=1e-12)
    before = [array.copy() for array in weights_of(model)]
    model.partial_fit(X[30:], y[30:])
    for array, old in zip(weights_of(model), before, strict=True):
        np.testing.assert_array_equal(array, old)
    model.set_params(max_iter=2).fit(X, y)  # from the beginning again
    assert model.n_iter_ == 2


def test_partial_fit_and_the_classes():
    model = MLPClassifier(**SMALL)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        model.partial_fit(X, CLASSES)
    model.partial_fit(X[CLASSES == "elm"], CLASSES[CLASSES == "elm"], classes=["oak", "elm", "ash"])
    assert model.predict_proba(X).shape == (N, 3)
    model.partial_fit(X, CLASSES)
    with pytest.raises(ValueError, match=r"classes is \['ash', 'elm'\]"):
        model.partial_fit(X, CLASSES, classes=["ash", "elm"])
    with pytest.raises(ValueError, match=r"`y` has classes not in `self\.classes_`"):
        model.partial_fit(X, np.where(CLASSES == "oak", "yew", CLASSES))
    model.set_params(class_weight={"elm": 2.0})
    part = CLASSES != "elm"
    model.partial_fit(X[part], CLASSES[part])  # the others' weight is not asked for here
    with pytest.raises(ValueError, match="balanced"):
        model.set_params(class_weight="balanced").partial_fit(X, CLASSES)


def test_dropouts_masks_differ_from_call_to_call():
    """Also where each call is given the same random_state."""
    options = SMALL | {"dropout": 0.5, "solver": "sgd", "learning_rate_init": 1e-30, "momentum": 0}
    model = MLPRegressor(**options)
    losses = [model.partial_fit(X, VALUES).loss_ for _ in range(4)]
    assert len(set(losses)) == 4


def test_partial_fit_keeps_the_optimizers_averages():
    """Two calls are two epochs: Adam's second step is not its first again."""
    options = SMALL | {"batch_size": N, "shuffle": False}
    model = MLPRegressor(**options).partial_fit(X, VALUES).partial_fit(X, VALUES)
    assert_same(model, MLPRegressor(max_iter=2, **options).fit(X, VALUES))
    copied = pickle.loads(pickle.dumps(model))
    assert_same(model.partial_fit(X, VALUES), copied.partial_fit(X, VALUES))


def test_warm_start_with_another_network():
    model = MLPClassifier(warm_start=True, max_iter=3, **SMALL).fit(X, CLASSES)
    before = model.coefs_[0].copy()
    model.set_params(dropout=0.2, activation="tanh", learning_rate_init=1e-30).fit(X, CLASSES)
    np.testing.assert_allclose(model.coefs_[0], before, atol=1e-12)
    assert [type(layer).__name__ for layer in model.net_.layers][1:3] == ["Tanh", "Dropout"]
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        model.set_params(hidden_layer_sizes=(9,)).fit(X, CLASSES)
    with pytest.raises(ValueError, match="warm_start can only be used where `y` has the same"):
        model.fit(X, VALUES > 0)


def test_warm_start_with_other_ways_of_stopping():
    model = MLPClassifier(warm_start=True, max_iter=3, **SMALL)
    for options in (
        {"solver": "lbfgs"},
        {"solver": "adam"},
        {"early_stopping": True},
        {"early_stopping": False, "validation_data": (X, CLASSES)},
    ):
        model.set_params(**options).fit(X, CLASSES)
    assert len(model.loss_curve_) == 9
    assert model.validation_scores_ is None
    assert model.best_loss_ <= model.loss_


# Data in every form -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
def test_sparse_rows(task, form):
    estimator, y = task
    x = np.where(np.abs(X) > 0.5, X, 0)
    dense = estimator(max_iter=3, **SMALL).fit(x, y)
    model = estimator(max_iter=3, **SMALL).fit(form(x), y)
    assert_same(dense, model)
    np.testing.assert_array_equal(model.predict(form(x)), dense.predict(x))
    many = sparse.csr_matrix(np.vstack([x] * 20))  # more rows than are made dense at once
    np.testing.assert_array_equal(model.predict(many), np.concatenate([dense.predict(x)] * 20))


def test_sparse_labels():
    model = MLPClassifier(max_iter=3, **SMALL).fit(X, sparse.csr_matrix(LABELS))
    dense = MLPClassifier(max_iter=3, **SMALL).fit(X, LABELS)
    assert_same(model, dense)
    assert sparse.issparse(model.predict(X))
    np.testing.assert_array_equal(model.predict(X).toarray(), dense.predict(X))


@pytest.mark.parametrize("given", ["float32", "float64", "int32", "float16", "bool"])
def test_what_is_computed_in_follows_the_data(task, given):
    estimator, y = task
    x = X.astype(given)
    wanted = np.float32 if given == "float32" else np.float64
    model = estimator(max_iter=2, **SMALL).fit(x, y)
    assert {array.dtype for array in weights_of(model)} == {np.dtype(wanted)}
    outputs = model.predict(x) if estimator is MLPRegressor else model.predict_proba(x)
    assert outputs.dtype == wanted
    for dtype in ("float32", np.float64):
        forced = estimator(max_iter=2, dtype=dtype, **SMALL).fit(x, y)
        assert forced.coefs_[0].dtype == dtype


@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_order_and_read_only_arrays(task, order):
    estimator, y = task
    x = np.array(X, order=order)
    x.flags.writeable = False
    assert_same(estimator(max_iter=2, **SMALL).fit(x, y), estimator(max_iter=2, **SMALL).fit(X, y))


def test_data_frames():
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    table = pandas.DataFrame(X, columns=["a", "b", "c", "d"])
    model = MLPClassifier(max_iter=3, validation_data=(table[:20], CLASSES[:20]), **SMALL)
    model.fit(table, pandas.Series(CLASSES), sample_weight=pandas.Series(np.ones(N)))
    np.testing.assert_array_equal(model.feature_names_in_, ["a", "b", "c", "d"])
    assert model.n_features_in_ == 4
    np.testing.assert_array_equal(model.predict(table), model.predict(table))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(table.rename(columns={"a": "z"}))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X)
    with pytest.raises(ValueError, match=r"validation_data: .*feature names"):
        model.set_params(validation_data=(table.rename(columns={"a": "z"}), CLASSES)).fit(
            table, CLASSES
        )


def test_a_column_of_targets():
    with pytest.warns(DataConversionWarning):
        model = MLPRegressor(max_iter=2, **SMALL).fit(X, VALUES[:, None])
    assert model.predict(X).shape == (N,)
    with pytest.warns(DataConversionWarning):
        MLPClassifier(max_iter=2, **SMALL).fit(X, CLASSES[:, None])


@pytest.mark.filterwarnings("ignore:y holds only the class")
def test_one_class():
    model = MLPClassifier(max_iter=2, **SMALL).fit(X, ["elm"] * N)
    assert set(model.predict(X)) == {"elm"}
    np.testing.assert_array_equal(model.predict_proba(X), np.ones((N, 1)))


def test_probabilities(task):
    estimator, y = task
    if estimator is MLPRegressor:
        assert not hasattr(estimator(), "predict_proba")
        return
    model = estimator(max_iter=30, **SMALL).fit(X, y)
    p = model.predict_proba(X)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), p)
    if y.ndim == 2:
        np.testing.assert_array_equal(model.predict(X), p > 0.5)
    else:
        np.testing.assert_allclose(p.sum(axis=1), 1)
        np.testing.assert_array_equal(model.predict(X), model.classes_[p.argmax(axis=1)])


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
