"""Estimators for tables with several networks: ``n_estimators``, ``bootstrap`` and ``cv``."""

import copy
import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")
pytest.importorskip("pandas", reason="needs pandas")

import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, RepeatedKFold

from affinet.estimators import TabularClassifier, TabularRegressor
from affinet.estimators.tabular_ensemble import by_encoding, single_models

ROWS = 200
FEW = {"epochs": 3, "random_state": 3}


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.standard_normal(ROWS), "b": rng.choice(["u", "v", "w"], ROWS)})
    X.loc[::9, "a"] = np.nan
    number = X["a"].fillna(0).to_numpy() + (X["b"] == "u").to_numpy()
    return X, np.where(number > 0.3, "yes", "no"), number


@pytest.fixture(scope="module")
def ensemble(table):
    X, y, _ = table
    return TabularClassifier(**FEW, n_estimators=3).fit(X, y)


def test_the_first_member_is_the_single_model(table, ensemble):
    X, y, _ = table
    one = TabularClassifier(**FEW).fit(X, y)
    first, *others = (member.predict_proba(X) for member in ensemble.estimators_)
    np.testing.assert_array_equal(first, one.predict_proba(X))
    assert ensemble.estimators_[0].temperature_ == one.temperature_
    assert ensemble.estimators_[0].best_epoch_ == one.best_epoch_
    assert all((other != first).any() for other in others)


def test_predictions_are_the_mean(table, ensemble):
    X, _, number = table
    mean = np.mean([member.predict_proba(X) for member in ensemble.estimators_], axis=0)
    np.testing.assert_array_equal(ensemble.predict_proba(X), mean)
    np.testing.assert_array_equal(ensemble.predict(X), ensemble.classes_[mean.argmax(axis=1)])
    model = TabularRegressor("mlp", **FEW, n_estimators=2).fit(X, number)
    own = [member.predict(X) for member in model.estimators_]
    np.testing.assert_array_equal(model.predict(X), np.mean(own, axis=0))


@pytest.mark.parametrize("n_threads", [1, 2])
def test_bits_do_not_depend_on_the_threads(table, ensemble, n_threads):
    X, y, _ = table
    again = TabularClassifier(**FEW, n_estimators=3, n_threads=n_threads).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), ensemble.predict_proba(X))


@pytest.mark.parametrize("copied", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy])
def test_copies_predict_the_same_and_encode_once(table, ensemble, copied):
    X, *_ = table
    other = copied(ensemble)
    np.testing.assert_array_equal(other.predict_proba(X), ensemble.predict_proba(X))
    assert len(by_encoding(single_models(other))) == 1


def test_what_one_network_has_is_asked_of_the_members(ensemble):
    for name in ("net_", "encoding_", "temperature_", "history_"):
        with pytest.raises(AttributeError, match=f"has no {name}; each of its estimators_ has"):
            getattr(ensemble, name)
        assert hasattr(ensemble.estimators_[2], name)
    with pytest.raises(AttributeError, match="no attribute 'nets_'"):
        _ = ensemble.nets_


def test_another_fit_forgets_the_ensemble(table, ensemble):
    X, y, _ = table
    model = copy.deepcopy(ensemble).set_params(n_estimators=1).fit(X, y)
    assert not hasattr(model, "estimators_")
    model.set_params(cv=2).fit(X, y)
    assert not hasattr(model, "net_")
    assert len(model.estimators_) == 2


def test_bootstrap_samples_differ_and_are_repeatable(table):
    X, y, _ = table
    make = TabularClassifier("mlp", **FEW, n_estimators=2, bootstrap=True)
    one, two = clone(make).fit(X, y), clone(make).fit(X, y)
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))
    plain = clone(make).set_params(bootstrap=False).fit(X, y)
    assert (plain.predict_proba(X) != one.predict_proba(X)).any()
    single = clone(make).set_params(n_estimators=1).fit(X, y)
    np.testing.assert_array_equal(single.predict_proba(X), one.estimators_[0].predict_proba(X))


@pytest.mark.parametrize("weighted", [False, True])
def test_each_fold_is_a_model_of_the_other_rows(table, weighted):
    X, y, _ = table
    splits = list(KFold(3).split(X))
    weights = np.linspace(0.5, 2, ROWS) if weighted else None
    model = TabularClassifier("mlp", **FEW, cv=KFold(3)).fit(X, y, sample_weight=weights)
    for member, (train, test) in zip(model.estimators_, splits, strict=True):
        held = (X.iloc[test], y[test], *([weights[test]] if weighted else []))
        alone = TabularClassifier(
            "mlp", epochs=3, random_state=member.random_state, validation_data=held
        ).fit(X.iloc[train], y[train], sample_weight=weights[train] if weighted else None)
        wanted = alone.predict_proba(X.iloc[test])
        np.testing.assert_array_equal(model.out_of_fold_[test], wanted)
    mean = np.mean([member.predict_proba(X) for member in model.estimators_], axis=0)
    np.testing.assert_array_equal(model.predict_proba(X), mean)


def test_rows_in_several_folds_and_in_none(table):
    X, _, number = table
    cv = RepeatedKFold(n_splits=2, n_repeats=2, random_state=0)
    model = TabularRegressor("mlp", **FEW, cv=cv).fit(X, number)
    assert len(model.estimators_) == 4
    assert model.out_of_fold_.shape == (ROWS,)
    assert np.isfinite(model.out_of_fold_).all()
    half = np.arange(ROWS // 2), np.arange(ROWS // 2, ROWS)
    model = TabularRegressor("mlp", **FEW, cv=[half]).fit(X, number)
    assert np.isnan(model.out_of_fold_[half[0]]).all()
    np.testing.assert_array_equal(
        model.out_of_fold_[half[1]], model.estimators_[0].predict(X.iloc[half[1]])
    )


def test_a_class_that_a_fold_lacks_has_probability_0(table):
    X, y, _ = table
    y = y.astype(object)
    y[:3] = "maybe"
    splits = [(np.arange(3, ROWS), np.arange(3)), (np.arange(100), np.arange(100, ROWS))]
    model = TabularClassifier("mlp", **FEW, cv=splits)
    unknown = pytest.warns(UserWarning, match="classes that the training rows lack")
    with unknown, pytest.raises(ValueError, match="no row has a class that y has"):
        model.set_params(cv=splits).fit(X, y)
    splits[0] = np.arange(3, 150), np.r_[0:3, 150:ROWS]
    with pytest.warns(UserWarning, match="classes that the training rows lack"):
        model.set_params(cv=splits).fit(X, y)
    np.testing.assert_array_equal(model.classes_, ["maybe", "no", "yes"])
    assert (model.out_of_fold_[:3, 0] == 0).all()
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)


def test_folds_of_several_networks(table):
    X, _, number = table
    model = TabularRegressor("mlp", **FEW, cv=2, n_estimators=2).fit(X, number)
    assert [len(member.estimators_) for member in model.estimators_] == [2, 2]
    own = [single.predict(X) for single in single_models(model)]
    np.testing.assert_array_equal(model.predict(X), np.mean(own, axis=0))


def test_folds_beside_validation_data_are_refused(table):
    X, y, _ = table
    with pytest.raises(ValueError, match="validation_data and cv are both given"):
        TabularClassifier(cv=2, validation_data=(X, y)).fit(X, y)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"cv": 1}, ValueError, "cv is 1, wanted 2 or more"),
        ({"cv": "5"}, TypeError, "cv is '5'"),
        ({"n_estimators": 0}, ValueError, "n_estimators is 0, wanted 1 or more"),
        ({"n_estimators": 2.5}, TypeError, "n_estimators is 2.5"),
        ({"bootstrap": 1}, TypeError, "bootstrap is 1, wanted True or False"),
        ({"cv": 300}, ValueError, "n_splits=300"),
    ],
)
def test_parameters_are_checked(table, options, error, text):
    X, y, _ = table
    with pytest.raises(error, match=text):
        TabularClassifier(**options).fit(X, y)


def test_an_interrupt_keeps_the_networks_that_were_trained(table):
    X, _, number = table

    def interrupt(state):
        if state.epoch == 2:
            raise KeyboardInterrupt

    model = TabularRegressor(
        "mlp", epochs=3, random_state=0, n_estimators=3, n_threads=1, callbacks=[interrupt]
    )
    with pytest.warns(UserWarning, match="interrupted; 1 of 3 networks are kept"):
        model.fit(X, number)
    assert len(model.estimators_) == 1
    assert np.isfinite(model.predict(X)).all()


def test_epochs_of_a_time_limit_repeat_the_bits(table):
    X, _, number = table
    limited = TabularRegressor("mlp", n_estimators=2, time_limit=0.3, random_state=0).fit(X, number)
    epochs = limited.estimators_[0].epochs_
    again = TabularRegressor("mlp", n_estimators=2, epochs=epochs, random_state=0).fit(X, number)
    np.testing.assert_array_equal(again.predict(X), limited.predict(X))


def test_searches_choose_the_number(table):
    X, _, number = table
    search = GridSearchCV(TabularRegressor("mlp", **FEW), {"n_estimators": [1, 2]}, cv=2)
    assert search.fit(X, number).best_params_["n_estimators"] in (1, 2)
