"""MLPClassifier and MLPRegressor with several networks: ``n_estimators``, ``bootstrap``, ``cv``."""

import copy
import pickle
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")

from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold
from sklearn.utils.estimator_checks import check_estimator

import affinet as an
from affinet.estimators import MLPClassifier, MLPRegressor, TabularRegressor

ROWS = 120
RNG = np.random.default_rng(0)
X = RNG.standard_normal((ROWS, 4))
CLASSES = np.array(["a", "b", "c"])[(X[:, 0] > 0).astype(int) + (X[:, 1] > 1)]
TARGETS = {
    "two classes": CLASSES == "a",
    "three classes": CLASSES,
    "labels": (X[:, :2] > 0).astype(int),
}
FEW = {"hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 1}

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("y", TARGETS.values(), ids=TARGETS)
def test_the_first_member_is_the_single_model(y, early_stopping):
    make = MLPClassifier(**FEW, early_stopping=early_stopping)
    one, three = clone(make).fit(X, y), clone(make).set_params(n_estimators=3).fit(X, y)
    own = [member.predict_proba(X) for member in three.estimators_]
    np.testing.assert_array_equal(own[0], one.predict_proba(X))
    assert three.estimators_[0].loss_curve_ == one.loss_curve_
    assert all((other != own[0]).any() for other in own[1:])
    mean = np.mean(own, axis=0)
    np.testing.assert_array_equal(three.predict_proba(X), mean)
    if y.ndim == 2:
        np.testing.assert_array_equal(three.predict(X), mean > 0.5)
    else:
        np.testing.assert_array_equal(three.predict(X), three.classes_[mean.argmax(axis=1)])


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("options", [{}, {"loss": "poisson"}])
def test_numbers_are_averaged(solver, options):
    t = np.abs(X[:, :2])
    make = MLPRegressor(**FEW, **options, solver=solver, learning_rate_init=1e-3)
    model = clone(make).set_params(n_estimators=2).fit(X, t)
    own = [member.predict(X) for member in model.estimators_]
    np.testing.assert_array_equal(own[0], clone(make).fit(X, t).predict(X))
    np.testing.assert_array_equal(model.predict(X), np.mean(own, axis=0))
    assert model.n_outputs_ == 2
    assert model.n_iter_ == 3


def test_each_member_is_its_own_single_model():
    model = MLPRegressor(**FEW, n_estimators=3).fit(X, X[:, 0])
    for member in model.estimators_[1:]:
        alone = clone(member).fit(X, X[:, 0])
        np.testing.assert_array_equal(alone.predict(X), member.predict(X))


@pytest.mark.parametrize("n_threads", [1, 2])
def test_bits_do_not_depend_on_the_threads(n_threads):
    make = MLPClassifier(**FEW, n_estimators=4, bootstrap=True)
    wanted = clone(make).fit(X, CLASSES).predict_proba(X)
    found = make.set_params(n_threads=n_threads).fit(X, CLASSES).predict_proba(X)
    np.testing.assert_array_equal(found, wanted)


def test_a_bootstrap_member_is_trained_on_its_sample():
    make = MLPRegressor(**FEW, n_estimators=2)
    plain = clone(make).fit(X, X[:, 0])
    sample = clone(make).set_params(bootstrap=True).fit(X, X[:, 0])
    for one, other in zip(plain.estimators_, sample.estimators_, strict=True):
        assert (one.predict(X) != other.predict(X)).any()


@pytest.mark.parametrize("incremental", [False, True])
def test_partial_fit_continues_every_member(incremental):
    make = MLPClassifier(**FEW, n_estimators=3)
    model, first = clone(make), clone(make).set_params(n_estimators=1)
    for _ in range(3):
        model.partial_fit(X, CLASSES, classes=CLASSES)
        first.partial_fit(X, CLASSES, classes=CLASSES)
    np.testing.assert_array_equal(model.estimators_[0].predict_proba(X), first.predict_proba(X))
    assert [member.t_ for member in model.estimators_] == [first.t_] * 3
    before = model.estimators_[1].predict_proba(X)
    model.set_params(learning_rate_init=0.05).partial_fit(X, CLASSES)
    assert model.estimators_[1].learning_rate_init == 0.05
    assert (model.estimators_[1].predict_proba(X) != before).any()
    with pytest.raises(ValueError, match="n_estimators is 2, wanted 3 as at the first call"):
        model.set_params(n_estimators=2).partial_fit(X, CLASSES)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_each_fold_is_a_model_of_the_other_rows(solver):
    weights = np.linspace(0.5, 2, ROWS)
    options = {**FEW, "solver": solver}
    model = MLPClassifier(**options, cv=KFold(3)).fit(X, CLASSES, sample_weight=weights)
    for member, (train, test) in zip(model.estimators_, KFold(3).split(X), strict=True):
        held = X[test], CLASSES[test], weights[test]
        alone = MLPClassifier(
            **{**options, "random_state": member.random_state}, validation_data=held
        ).fit(X[train], CLASSES[train], sample_weight=weights[train])
        np.testing.assert_array_equal(model.out_of_fold_[test], alone.predict_proba(X[test]))
    mean = np.mean([member.predict_proba(X) for member in model.estimators_], axis=0)
    np.testing.assert_array_equal(model.predict_proba(X), mean)


def test_folds_of_several_numbers_and_of_labels():
    model = MLPRegressor(**FEW, cv=2).fit(X, X[:, :2])
    assert model.out_of_fold_.shape == (ROWS, 2)
    model = MLPClassifier(**FEW, cv=2, n_estimators=2).fit(X, TARGETS["labels"])
    assert model.out_of_fold_.shape == (ROWS, 2)
    assert [len(member.estimators_) for member in model.estimators_] == [2, 2]
    assert model.predict(X).shape == (ROWS, 2)


def test_a_class_that_a_fold_lacks_has_probability_0():
    y = CLASSES.copy()
    y[:] = np.where(np.arange(ROWS) < 3, "z", CLASSES)
    splits = [(np.arange(ROWS), np.arange(60)), (np.arange(3, ROWS), np.arange(3, 60))]
    model = MLPClassifier(**FEW, cv=splits).fit(X, y)
    assert [len(member.classes_) for member in model.estimators_] == [4, 3]
    p = model.predict_proba(X)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    own = model.estimators_[0].predict_proba(X)
    np.testing.assert_array_equal(p[:, 3], (own[:, 3] + 0) / 2)


@pytest.mark.parametrize("copied", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy])
def test_copies_predict_and_continue_alike(copied):
    model = MLPClassifier(**FEW, n_estimators=2).partial_fit(X, CLASSES, classes=CLASSES)
    other = copied(model)
    for one in (model, other):
        one.partial_fit(X, CLASSES)
    np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("make", [MLPRegressor, TabularRegressor])
def test_an_earlier_pickle_gets_the_defaults_of_new_parameters(make):
    model = make(random_state=0).set_params(n_threads=1)
    old = copy.deepcopy(model)
    state = {k: v for k, v in model.__getstate__().items() if k not in ("cv", "n_estimators")}
    old.__dict__.clear()
    old.__setstate__(state)
    assert old.get_params() == model.get_params()


def test_what_one_network_has_is_asked_of_the_members():
    model = MLPClassifier(**FEW).fit(X, CLASSES).set_params(n_estimators=2).fit(X, CLASSES)
    for name in ("coefs_", "intercepts_", "net_", "loss_curve_"):
        with pytest.raises(AttributeError, match=f"has no {name}; each of its estimators_ has"):
            getattr(model, name)
    model.coefs_ = model.estimators_[0].coefs_
    with pytest.raises(ValueError, match="were set on an ensemble"):
        model.predict(X)
    del model.coefs_
    with pytest.raises(ValueError, match="one of its estimators_"):
        model.calibrate(X, CLASSES)
    model.set_params(n_estimators=1).fit(X, CLASSES)
    assert not hasattr(model, "estimators_")
    assert len(model.coefs_) == 2


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"n_estimators": 2, "solver": "lbfgs"}, "solver is 'lbfgs' with n_estimators above 1"),
        ({"n_estimators": 2, "warm_start": True}, "warm_start is True with n_estimators"),
        ({"cv": 2, "validation_data": (X, CLASSES)}, "validation_data and cv are both given"),
        ({"cv": 1}, "cv is 1, wanted 2 or more"),
        ({"n_estimators": 0}, "n_estimators is 0"),
    ],
)
def test_what_contradicts_is_refused(options, text):
    with pytest.raises(ValueError, match=text):
        MLPClassifier(**FEW, **options).fit(X, CLASSES)


@pytest.mark.parametrize("options", [{"cv": 2}, {"bootstrap": True}])
def test_partial_fit_refuses_what_needs_all_rows(options):
    model = MLPClassifier(**FEW, **options)
    with pytest.raises(AttributeError, match="partial_fit") as caught:
        model.partial_fit(X, CLASSES, classes=CLASSES)
    assert f"with {next(iter(options))}" in str(caught.value.__cause__)


def test_an_interrupt_keeps_the_networks_that_were_trained():
    seen = []

    def interrupt(state):
        seen.append(state.epoch)
        if len(seen) == 5:
            raise KeyboardInterrupt

    model = MLPRegressor(**FEW, n_estimators=3, n_threads=1, callbacks=[interrupt])
    with pytest.warns(UserWarning, match="2 of 3 networks are kept"):
        model.fit(X, X[:, 0])
    assert len(model.estimators_) == 2
    assert np.isfinite(model.predict(X)).all()


def test_one_warning_for_all_that_did_not_converge():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        MLPRegressor(**FEW, n_estimators=3).fit(X, X[:, 0])
    found = [w for w in caught if issubclass(w.category, ConvergenceWarning)]
    assert len(found) == 1
    assert "3 of 3 networks" in str(found[0].message)
    assert found[0].filename == __file__


@pytest.mark.parametrize("options", [{"n_estimators": 2}, {"cv": 2}])
def test_a_conversion_asks_for_one_network(options):
    model = MLPRegressor(**FEW, **options).fit(X, X[:, 0])
    with pytest.raises(TypeError, match="several networks"):
        an.from_sklearn(model)


@pytest.mark.filterwarnings("ignore")
def test_the_contract_of_scikit_learn():
    fast = {"learning_rate_init": 0.05, "max_iter": 20, "hidden_layer_sizes": (8,)}
    check_estimator(MLPRegressor(**fast, cv=2, n_estimators=2), on_skip=None)
