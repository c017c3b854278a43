"""Validation data, early stopping and callbacks of the estimators, with every solver."""

import copy
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, r2_score

import affinet as an
from affinet.estimators import MLPClassifier, MLPRegressor
from estimator_data import CLASSES, SMALL, VALUES, N, X, assert_same

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_validation_data(task):
    """Measured after every epoch, as the loss without the penalty; nothing else changes."""
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
    """It is minimized in double precision; only the result is rounded."""
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
