"""scikit-learn's contract: its own checks, clones, pickles, searches, importances."""

import inspect
import pickle
import re

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.estimator_checks import check_estimator

from affinet.estimators import TabularClassifier, TabularRegressor
from tabular_frames import (
    CLASS,
    READY,
    VALUE,
    N,
    classifier,
    objects,
    pandas_frame,
    regressor,
    results,
)

# Of a random method a row of weight 2 is not exactly two rows: batches, initial values and the
# scaling of columns count rows.
EXPECTED = {"check_sample_weight_equivalence_on_dense_data": "batches are made of rows"}
BOTH = [(classifier, CLASS), (regressor, VALUE)]
CHECKED = [method for method in READY if method in ("mlp", "realmlp")]  # about a hundred trainings


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", CHECKED)
@pytest.mark.parametrize("estimator", [TabularClassifier, TabularRegressor])
def test_every_check_of_scikit_learn(estimator, method):
    epochs = 20 if (estimator, method) == (TabularClassifier, "realmlp") else 40
    found = check_estimator(
        estimator(method, epochs=epochs, n_threads=1),
        expected_failed_checks=EXPECTED,
        on_fail=None,
        on_skip=None,
    )
    bad = [r for r in found if r["status"] == "failed"]
    assert not bad, [(r["check_name"], r["exception"]) for r in bad]
    assert sum(r["status"] == "passed" for r in found) > 50
    assert {r["check_name"] for r in found if r["status"] == "xfail"} <= EXPECTED.keys()


@pytest.mark.parametrize("method", READY)
@pytest.mark.parametrize(("make", "y"), BOTH)
def test_clones_and_pickles_predict_the_same_bits(make, y, method):
    X = pandas_frame()
    model = make(method=method).fit(X, y)
    wanted = results(model, X)
    assert np.isfinite(wanted).all()
    np.testing.assert_array_equal(results(pickle.loads(pickle.dumps(model)), X), wanted)
    np.testing.assert_array_equal(results(clone(model).fit(X, y), X), wanted)
    assert not np.array_equal(results(clone(model).set_params(random_state=1).fit(X, y), X), wanted)


@pytest.mark.parametrize(("make", "y"), BOTH)
def test_no_bit_depends_on_the_number_of_threads(make, y):
    X = objects()
    one, two = (make(n_threads=n).fit(X, y) for n in (1, 2))
    np.testing.assert_array_equal(one.net_.params.flat, two.net_.params.flat)
    np.testing.assert_array_equal(results(one, X), results(two, X))


def test_searches_and_cross_validation():
    X = pandas_frame()
    search = GridSearchCV(classifier(), {"epochs": [1, 20], "batch_size": [16]}, cv=2)
    search.fit(X, CLASS)
    assert search.best_params_["epochs"] == 20
    scores = cross_val_score(regressor(epochs=60), X, VALUE, cv=2)
    assert scores.mean() > 0.5


def test_permutation_importance_of_a_data_frame():
    X = pandas_frame()[["number", "color", "empty"]]
    model = regressor(epochs=60).fit(X, VALUE)
    found = permutation_importance(model, X, VALUE, n_repeats=2, random_state=0)
    assert found.importances_mean[0] > 0.1
    assert found.importances_mean[2] == 0


@pytest.mark.parametrize("make", [classifier, regressor])
def test_parameters_are_stored_and_documented(make):
    model = make()
    for name, value in model.get_params().items():
        assert getattr(model, name) is value
        described = rf"^(\w+, )*{name}(, \w+)*( : .*)?$"
        assert re.search(described, inspect.cleandoc(type(model).__doc__), re.M)
    with pytest.raises(NotFittedError):
        model.predict(np.zeros((3, 2)))


@pytest.mark.parametrize(
    ("parameter", "value", "wanted"),
    [
        ("method", "mpl", "method is 'mpl', wanted one of 'realmlp'"),
        ("preset", "slow", "preset is 'slow', wanted one of 'fast'"),
        ("epochs", 0, "epochs is 0, wanted 1 or more"),
        ("batch_size", 1.5, "batch_size is 1.5, wanted an integer"),
        ("time_limit", -1, "time_limit is -1"),
        ("validation_fraction", 1.0, "validation_fraction is 1.0"),
        ("validation_data", 3, "validation_data is int, wanted a pair"),
        ("callbacks", [3], "callbacks is .*, wanted a list of callables"),
        ("categorical_features", {"a": 1}, "categorical_features is .*, wanted a list"),
        ("random_state", "x", "random_state is 'x'"),
        ("n_threads", 0, "n_threads is 0"),
    ],
)
@pytest.mark.parametrize(("make", "y"), BOTH)
def test_wrong_parameters_are_refused_by_name(make, y, parameter, value, wanted):
    with pytest.raises((TypeError, ValueError), match=wanted):
        make(**{parameter: value}).fit(objects(), y)


@pytest.mark.parametrize("value", ["even", 3, [{"low": 2}], {"low": -1.0}])
def test_wrong_class_weights_are_refused(value):
    with pytest.raises((TypeError, ValueError), match="class_weight"):
        classifier(class_weight=value).fit(objects(), CLASS)


def test_progress_goes_to_standard_error(capsys):
    classifier().fit(objects(), CLASS)
    assert capsys.readouterr() == ("", "")
    classifier(verbose=True).fit(objects(), CLASS)
    out, err = capsys.readouterr()
    assert out == ""
    assert "val_error" in err


def test_callbacks_see_the_validation_error():
    seen = []
    model = classifier(callbacks=[lambda state: seen.append(state.metrics["val_error"])])
    model.fit(objects(), CLASS)
    assert seen == model.history_["val_error"]


def test_attributes():
    model = classifier(epochs=5).fit(pandas_frame(), CLASS)
    assert model.classes_.tolist() == ["low", "mid", "top"]
    assert model.n_features_in_ == 6
    assert model.feature_names_in_.tolist() == list(pandas_frame().columns)
    assert (model.epochs_, len(model.history_.epochs)) == (5, 5)
    assert model.best_epoch_ == model.history_.best_epoch
    assert model.temperature_ > 0
    assert model.encoding_.target.classes == ("low", "mid", "top")
    assert len(results(model, pandas_frame())) == N
