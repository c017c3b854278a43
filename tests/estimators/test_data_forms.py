"""Data that the estimators take: sparse, data frames, other dtypes and memory orders."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")
from scipy import sparse
from sklearn.exceptions import DataConversionWarning

from affinet.estimators import MLPClassifier, MLPRegressor
from estimator_data import CLASSES, LABELS, SMALL, VALUES, N, X, assert_same, weights_of

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


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
