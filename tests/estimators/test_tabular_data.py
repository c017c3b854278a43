"""Data that the estimators for tables take, and what they refuse."""

import tracemalloc
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")
from scipy import sparse
from sklearn.exceptions import DataConversionWarning

from tabular_frames import (
    CLASS,
    CODE,
    COLOR,
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

BOTH = [(classifier, CLASS), (regressor, VALUE)]


@pytest.mark.parametrize("frame", [pandas_frame, polars_frame, objects])
def test_what_is_in_a_table_is_learned(frame):
    X = frame()
    assert classifier(epochs=60).fit(X, CLASS).score(X, CLASS) > 0.8
    model = regressor(epochs=60).fit(X, VALUE)
    assert model.score(X, VALUE) > 0.7
    assert model.predict(X).dtype == np.float64


def test_lists_and_texts_are_as_arrays_of_objects():
    wanted = results(classifier().fit(objects(), CLASS), objects())
    X = objects().tolist()
    np.testing.assert_array_equal(results(classifier().fit(X, CLASS.tolist()), X), wanted)
    X = objects().astype(str)
    np.testing.assert_array_equal(results(classifier().fit(X, CLASS), X), wanted)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_numbers(dtype, order):
    X = np.array(np.c_[10 * NUMBER, CODE], dtype=dtype, order=order)
    X.flags.writeable = False
    model = classifier().fit(X, CLASS)
    assert results(model, X).shape == (N, 3)


@pytest.mark.parametrize("named", [[2], ["code"], [False, False, True], np.array([2]), "code"])
def test_numbers_that_stand_for_categories(named):
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    X = pandas.DataFrame({"number": NUMBER, "color": COLOR, "code": CODE})
    plain = classifier().fit(X, CLASS)
    model = classifier(categorical_features=named).fit(X, CLASS)
    assert model.encoding_.width > plain.encoding_.width
    assert results(model, X[:9]).shape == (9, 3)
    array = classifier(categorical_features=[1]).fit(np.c_[NUMBER, CODE], CLASS)
    assert array.encoding_.width > 2


def test_columns_are_checked_as_scikit_learn_does():
    X = pandas_frame()
    model = regressor().fit(X, VALUE)
    with pytest.raises(ValueError, match="must be in the same order"):
        model.predict(X[X.columns[::-1]])
    with pytest.raises(ValueError, match="yet now missing:\n- color"):
        model.predict(X.drop(columns="color"))
    with pytest.raises(ValueError, match="features"):
        regressor().fit(np.c_[NUMBER, CODE], VALUE).predict(NUMBER[:, None])
    numbers = X[["number"]]
    model = regressor().fit(numbers, VALUE)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        found = model.predict(numbers.to_numpy())
    np.testing.assert_array_equal(found, model.predict(numbers))


def test_a_column_may_have_any_name():
    X = pandas_frame()
    wanted = results(classifier().fit(X, CLASS), X)
    for names in (range(6), ["target", "y", "target (y)", "X", "", "column 1"]):
        other = X.set_axis(list(names), axis=1)
        np.testing.assert_array_equal(results(classifier().fit(other, CLASS), other), wanted)


def test_a_category_unseen_in_training():
    X = pandas_frame()
    model = classifier().fit(X, CLASS)
    assert np.isfinite(results(model, X.assign(color="violet"))).all()


@pytest.mark.parametrize("form", ["objects", "categories", "series", "numbers", "bool", "negative"])
def test_targets_as_they_come(form):
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    y = {
        "objects": CLASS.astype(object),
        "categories": pandas.Series(CLASS).astype("category"),
        "series": pandas.Series(CLASS),
        "numbers": 2.0 * CODE,
        "bool": CODE > 1,
        "negative": CODE - 3,
    }[form]
    model = classifier().fit(objects(), y)
    np.testing.assert_array_equal(model.classes_, np.unique(np.asarray(y)))
    assert set(model.predict(objects())) <= set(model.classes_)


def test_a_column_of_targets():
    for make, y in BOTH:
        with pytest.warns(DataConversionWarning):
            assert make().fit(objects(), y[:, None]).predict(objects()).shape == (N,)


@pytest.mark.parametrize("make", [classifier, regressor])
@pytest.mark.parametrize(
    ("X", "wanted"),
    [
        (sparse.csr_matrix(np.eye(N)), r"X is sparse \(csr_matrix\), wanted dense columns"),
        (np.zeros((N, 2, 2)), "dim"),
        (NUMBER, "Reshape your data"),
        (np.c_[NUMBER, np.full(N, np.inf)], "[Ii]nfinity"),
        (np.c_[NUMBER, CODE].astype(complex), "[Cc]omplex"),
        (np.zeros((0, 2)), "0 sample"),
        (np.full((N, 1), np.nan), "no column"),
    ],
)
def test_data_that_cannot_be_used(make, X, wanted):
    with pytest.raises((TypeError, ValueError), match=wanted):
        make().fit(X, CLASS if make is classifier else VALUE)


def test_data_frames_that_cannot_be_used():
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    X = pandas_frame()
    twice = pandas.concat([X, X[["color"]]], axis=1)
    with pytest.raises(ValueError, match="two columns named 'color'"):
        classifier().fit(twice, CLASS)
    with pytest.raises(TypeError, match=r"X is sparse \(column 's'\)"):
        classifier().fit(X.assign(s=pandas.arrays.SparseArray(np.zeros(N))), CLASS)
    with pytest.raises(ValueError, match=r"X has shape \(0, 6\)"):
        classifier().fit(X[:0], CLASS[:0])
    with pytest.raises(ValueError, match="column 'number': inf, wanted a finite number"):
        classifier().fit(X.assign(number=np.inf), CLASS)
    with pytest.raises(ValueError, match="categorical_features holds 'colour'"):
        classifier(categorical_features=["colour"]).fit(X, CLASS)
    with pytest.raises(ValueError, match="categorical_features holds 6"):
        classifier(categorical_features=[6]).fit(X, CLASS)
    with pytest.raises(ValueError, match="categorical_features has 2 flags, wanted 6"):
        classifier(categorical_features=[True, False]).fit(X, CLASS)


@pytest.mark.parametrize(
    ("make", "y", "wanted"),
    [
        (classifier, np.c_[CODE, CODE], "y has 2 columns, wanted one: TabularClassifier"),
        (regressor, np.c_[VALUE, VALUE], "y has 2 columns, wanted one: TabularRegressor"),
        (classifier, NUMBER, "Unknown label type: continuous"),
        (classifier, [None, *CLASS[1:]], r"y\[0\] is missing, wanted the class of every row"),
        (classifier, np.where(CODE, 1, np.nan), "y contains NaN"),
        (regressor, np.where(CODE, 1, np.nan), "y contains NaN"),
        (regressor, np.where(CODE, 1, np.inf), "y contains infinity"),
        (regressor, 1e200 * VALUE, "squared errors of numbers beyond 1e.150 overflow"),
        (regressor, CLASS, "strings|convert"),
        (classifier, CLASS[:9], "inconsistent numbers of samples"),
        (classifier, None, "requires y to be passed"),
    ],
)
def test_targets_that_cannot_be_used(make, y, wanted):
    with pytest.raises((TypeError, ValueError), match=wanted):
        make().fit(objects(), y)


@pytest.mark.parametrize("n", [2, 5])
def test_tiny_tables(n):
    """None of so few rows are held out, and every one of them is learned."""
    X = objects()[:n]
    model = classifier(epochs=100).fit(X, [f"class {i}" for i in range(n)])
    assert model.predict(X).tolist() == [f"class {i}" for i in range(n)]
    assert (model.temperature_, model.history_.best_epoch) == (1.0, None)
    assert model.best_epoch_ == 100
    assert regressor(epochs=100).fit(X, VALUE[:n]).predict(X) == pytest.approx(VALUE[:n], abs=1)


@pytest.mark.filterwarnings("ignore:y holds only the class")
def test_a_single_row_is_refused():
    for make, y in BOTH:
        with pytest.raises(ValueError, match="n_samples = 1 of weight above 0, wanted at least 2"):
            make().fit(objects()[:1], y[:1])
        with pytest.raises(ValueError, match="n_samples = 1"):
            make().fit(objects(), y, sample_weight=np.arange(N) == 3)


def test_constant_targets():
    with pytest.warns(RuntimeWarning, match="y holds only the class 'elm'"):
        model = classifier().fit(objects(), ["elm"] * N)
    np.testing.assert_array_equal(model.predict_proba(objects()), np.ones((N, 1)))
    with pytest.warns(RuntimeWarning, match="y is constant"):
        model = regressor().fit(objects(), np.full(N, 3.5))
    np.testing.assert_array_equal(model.predict(objects()), 3.5)


def test_a_class_of_one_row_is_trained_on():
    y = CLASS.astype(object)
    y[5] = "once"
    model = classifier(epochs=1).fit(objects(), y)
    assert model.classes_.tolist() == ["low", "mid", "once", "top"]


def test_predicting_many_rows_takes_the_memory_of_a_block():
    """The one-hot table of all rows would take 66 MB, twice that in double precision."""
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    texts = np.array([f"town {i:03}" for i in range(320)])
    X = pandas.DataFrame({"town": pandas.Categorical(texts[np.arange(1600) % 320])})
    model = regressor(epochs=1, batch_size=256).fit(X, np.arange(1600.0))
    many = pandas.concat([X] * 32, ignore_index=True)
    many["town"] = many["town"].astype("category")
    tracemalloc.start()
    try:
        found = model.predict(many)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40e6
    np.testing.assert_array_equal(found, np.tile(model.predict(X), 32))


def test_no_warnings_come_from_ordinary_data():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for make, y in BOTH:
            results(make().fit(pandas_frame(), y), pandas_frame())
