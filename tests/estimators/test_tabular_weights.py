"""Weights of rows and classes, validation rows, calibration and time limits."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")

from affinet.tabular import fit_temperature, outputs, train
from tabular_frames import (
    CLASS,
    NUMBER,
    VALUE,
    N,
    classifier,
    objects,
    pandas_frame,
    polars_frame,
    regressor,
    results,
)

RNG = np.random.default_rng(1)
BOTH = [(classifier, CLASS), (regressor, VALUE)]
# Rows of +-1 in pairs of opposite signs: repeating a pair changes no mean and no deviation.
HALF = RNG.choice([-1.0, 1.0], (15, 4))
SIGNS = np.r_[HALF, -HALF]


@pytest.mark.parametrize("make", [classifier, regressor])
def test_a_weight_of_two_is_two_rows(make):
    """Up to rounding, which Adam enlarges where a gradient is nearly 0."""
    counts = np.tile(RNG.integers(1, 4, 15), 2)
    y = np.where(RNG.random(15) < 0.5, -1.0, 1.0)
    y = np.r_[y, -y] if make is regressor else np.r_[y > 0, y < 0]
    options = {"epochs": 40, "batch_size": 100, "validation_fraction": 0.0}
    weighted = make(**options).fit(SIGNS, y, sample_weight=counts)
    repeated = make(**options).fit(np.repeat(SIGNS, counts, axis=0), np.repeat(y, counts))
    np.testing.assert_allclose(results(weighted, SIGNS), results(repeated, SIGNS), atol=5e-3)
    plain = make(**options).fit(SIGNS, y)
    assert abs(results(plain, SIGNS) - results(repeated, SIGNS)).max() > 5e-2


@pytest.mark.parametrize("frame", [pandas_frame, polars_frame, objects])
def test_a_row_of_weight_0_is_not_there(frame):
    X = frame()
    kept = np.flatnonzero(np.arange(N) % 4)
    for make, y in BOTH:
        weighted = make().fit(X, y, sample_weight=(np.arange(N) % 4 > 0).astype(float))
        rows = X.iloc[kept] if hasattr(X, "iloc") else X[kept]
        alone = make().fit(rows, y[kept])
        np.testing.assert_allclose(results(weighted, X), results(alone, X), rtol=1e-5)


@pytest.mark.parametrize(
    ("weights", "wanted"),
    [
        (np.zeros(N), "sample_weight is zero for every row"),
        (-np.ones(N), r"sample_weight\[0\] is -1.0"),
        (np.ones(3), r"sample_weight has shape \(3,\)"),
    ],
)
def test_wrong_weights_are_refused(weights, wanted):
    for make, y in BOTH:
        with pytest.raises(ValueError, match=wanted):
            make().fit(objects(), y, sample_weight=weights)


def test_class_weights_are_weights_of_rows():
    by_class = {"low": 3.0, "mid": 1.0, "top": 0.5}
    weights = np.array([by_class[name] for name in CLASS])
    by_rows = classifier().fit(objects(), CLASS, sample_weight=weights)
    by_classes = classifier(class_weight=by_class).fit(objects(), CLASS)
    np.testing.assert_array_equal(by_classes.net_.params.flat, by_rows.net_.params.flat)
    assert by_classes.temperature_ == by_rows.temperature_
    counts = {name: (name == CLASS).sum() for name in by_class}
    balanced = classifier(class_weight="balanced").fit(objects(), CLASS)
    given = {name: N / (3 * count) for name, count in counts.items()}
    as_given = classifier(class_weight=given).fit(objects(), CLASS)
    np.testing.assert_array_equal(balanced.net_.params.flat, as_given.net_.params.flat)


def test_balanced_classes_find_the_rare_one():
    y = np.where((NUMBER > 1.2) | (RNG.random(N) < 0.05), "rare", "common")
    plain = classifier(epochs=30).fit(NUMBER[:, None], y)
    balanced = classifier(epochs=30, class_weight="balanced").fit(NUMBER[:, None], y)
    found = [(m.predict(NUMBER[:, None]) == "rare").sum() for m in (plain, balanced)]
    assert found[0] <= found[1]
    p = [m.predict_proba(NUMBER[:, None])[:, 1].mean() for m in (plain, balanced)]
    assert p[0] < p[1]


@pytest.mark.parametrize(("make", "y"), BOTH)
def test_rows_of_the_users_select_the_epoch(make, y):
    X = pandas_frame()
    model = make(validation_data=(X[120:], y[120:]), epochs=10).fit(X[:120], y[:120])
    figure = model.history_["val_error" if make is classifier else "val_rmse"]
    found = model.predict(X[120:])
    if make is classifier:
        assert min(figure) == pytest.approx(np.mean(found != y[120:]))
        x = model.encoding_.inputs(model_table(model, X[120:]), unknown="zero")
        t = np.searchsorted(model.classes_, y[120:])
        assert model.temperature_ == fit_temperature(model.net_.predict(x), t)
    else:
        assert min(figure) == pytest.approx(np.sqrt(np.mean((found - y[120:]) ** 2)), rel=1e-5)
    weights = np.r_[np.zeros(20), np.ones(20)]
    half = make(validation_data=(X[120:], y[120:], weights), epochs=10).fit(X[:120], y[:120])
    alone = make(validation_data=(X[140:], y[140:]), epochs=10).fit(X[:120], y[:120])
    np.testing.assert_array_equal(half.net_.params.flat, alone.net_.params.flat)


def model_table(model, X):
    from affinet.estimators.tabular_data import table_of

    return table_of(X, model._columns, ())


def test_validation_rows_that_cannot_be_used():
    X = pandas_frame()
    y = CLASS.astype(object)
    y[0] = "new"
    with pytest.warns(UserWarning, match=r"the training rows lack, \['new'\]"):
        model = classifier(validation_data=(X, y)).fit(X, CLASS)
    known = classifier(validation_data=(X[1:], CLASS[1:])).fit(X, CLASS)
    np.testing.assert_array_equal(model.net_.params.flat, known.net_.params.flat)
    with (
        pytest.warns(UserWarning, match="lack"),
        pytest.raises(ValueError, match="validation_data: no row has a class that y has"),
    ):
        classifier(validation_data=(X, ["new"] * N)).fit(X, CLASS)
    for data, wanted in (
        ((X.rename(columns={"color": "z"}), CLASS), "validation_data: .*feature names"),
        ((X, CLASS[:5]), "validation_data: .*inconsistent"),
        ((X, CLASS, np.ones(3)), "validation_data: sample_weight has shape"),
        ((X.assign(number=np.inf), CLASS), "validation_data: X: .*'number': inf"),
    ):
        with pytest.raises(ValueError, match=wanted):
            classifier(validation_data=data).fit(X, CLASS)


def test_held_out_rows_are_a_share_of_every_class():
    seen = []
    X = objects()
    classifier(callbacks=[lambda state: seen.append(state.data[1])]).fit(X, CLASS)
    counts = np.bincount(seen[0])
    whole = np.unique(CLASS, return_counts=True)[1]
    assert counts.sum() == 128
    assert abs(counts - 0.8 * whole).max() <= 1
    # A fifth of 49 rows says too little about which epoch is best.
    for n, held in ((49, 0), (50, 10)):
        del seen[:]
        classifier(callbacks=[lambda state: seen.append(state.data[1])]).fit(X[:n], CLASS[:n])
        assert len(seen[0]) == n - held
    model = classifier(validation_fraction=0.0).fit(X, CLASS)
    assert "val_loss" not in model.history_.names


@pytest.fixture
def trained_with(monkeypatch):
    """The arguments of the last training."""
    seen = {}

    def spy(net, recipe, x, t, **options):
        seen.update(options, x=x, t=t)
        return train(net, recipe, x, t, **options)

    monkeypatch.setattr("affinet.estimators.tabular_base.train", spy)
    return seen


def test_weights_count_in_training_and_validation(trained_with):
    weights = RNG.uniform(1, 2, N)
    by_class = {"low": 3.0, "mid": 1.0, "top": 0.5}
    of_class = np.array([by_class[name] for name in CLASS])
    wanted = weights * of_class
    model = classifier(class_weight=by_class).fit(objects(), CLASS, sample_weight=weights)
    found = np.r_[trained_with["sample_weight"], trained_with["validation"][2]]
    np.testing.assert_array_equal(np.sort(found), np.sort(wanted))
    assert len(trained_with["validation"][2]) == N // 5
    model.set_params(validation_data=(objects(), CLASS, weights)).fit(objects(), CLASS)
    np.testing.assert_array_equal(trained_with["validation"][2], wanted)
    model.set_params(validation_data=(objects(), CLASS)).fit(objects(), CLASS)
    np.testing.assert_array_equal(trained_with["validation"][2], of_class)


def test_columns_and_targets_are_scaled_by_the_training_rows(trained_with):
    regressor().fit(NUMBER[:, None], VALUE)
    for values in (trained_with["x"], trained_with["t"]):
        assert len(values) == N - N // 5
        assert values.mean() == pytest.approx(0, abs=1e-6)
        assert values.std() == pytest.approx(1, abs=1e-6)


def test_probabilities_are_calibrated():
    """Label smoothing makes a network that is always right too modest."""
    X, y = NUMBER[:, None], NUMBER > 0
    model = classifier(epochs=60).fit(X, y)
    assert model.temperature_ < 0.9
    z = outputs(model.recipe_, model.net_, model._inputs(X)).astype(float) / model.temperature_
    p = np.exp(z - z.max(axis=1, keepdims=True))
    np.testing.assert_allclose(results(model, X), p / p.sum(axis=1, keepdims=True), rtol=1e-6)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), results(model, X))
    np.testing.assert_array_equal(model.predict(X), model.classes_[results(model, X).argmax(1)])


@pytest.mark.parametrize(("make", "y"), BOTH)
def test_a_time_limit_is_reproduced_by_its_epochs(make, y):
    X = objects()
    model = make(time_limit=0.3, epochs=30).fit(X, y)
    assert 1 <= model.epochs_ <= 30
    again = make(epochs=model.epochs_).fit(X, y)
    np.testing.assert_array_equal(model.net_.params.flat, again.net_.params.flat)
    np.testing.assert_array_equal(results(model, X), results(again, X))
    assert make(time_limit=1e-6, epochs=30).fit(X, y).epochs_ == 1


def test_an_interrupt_leaves_a_fitted_model():
    def interrupt(state):
        if state.epoch == 3:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="training was interrupted"):
        model = classifier(epochs=9, callbacks=[interrupt]).fit(objects(), CLASS)
    assert model.best_epoch_ <= 3
    assert results(model, objects()).shape == (N, 3)


def test_the_unit_of_the_validation_error_is_that_of_y():
    model = regressor(epochs=3).fit(objects(), 1000 * VALUE)
    assert min(model.history_["val_rmse"]) > 100
