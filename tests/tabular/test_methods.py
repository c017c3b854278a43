"""Every method end to end, on a small table."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")

import affinet.estimators.tabular_base as base
from tabular_frames import CLASS, VALUE, N, classifier, objects, regressor, results

X = objects()
MODERN = ("tabm", "realmlp-s", "realmlp")


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    """The recipes with narrow layers and few members: these tests ask for bits, not for scores."""
    right = base.recipe_for

    def recipe_for(*arguments, **options):
        recipe = right(*arguments, **options)
        members = min(recipe.members, 4)
        return replace(recipe, hidden=(24,) * len(recipe.hidden), members=members)

    monkeypatch.setattr(base, "recipe_for", recipe_for)


@pytest.mark.parametrize("method", MODERN)
@pytest.mark.parametrize(("make", "y"), [(classifier, CLASS), (regressor, VALUE)])
def test_bits_by_seed_threads_and_pickles(make, y, method):
    model = make(method=method, epochs=3).fit(X, y)
    wanted = results(model, X)
    assert wanted.shape == ((N, 3) if make is classifier else (N,))
    assert np.isfinite(wanted).all()
    np.testing.assert_array_equal(results(pickle.loads(pickle.dumps(model)), X), wanted)
    again = make(method=method, epochs=3, n_threads=3).fit(X, y)
    np.testing.assert_array_equal(results(again, X), wanted)
    np.testing.assert_array_equal(again.net_.params.flat, model.net_.params.flat)
    other = make(method=method, epochs=3, random_state=1).fit(X, y)
    assert (results(other, X) != wanted).any()
    # A row's prediction depends on no other row, beyond the rounding of products.
    some = results(model, X[5:8])
    np.testing.assert_allclose(some, wanted[5:8], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("preset", ["fast", "best"])
def test_presets_of_tabm(preset):
    model = classifier(method="tabm", preset=preset, epochs=3).fit(X, CLASS)
    kinds = [type(layer).__name__ for layer in model.net_.layers]
    assert ("PiecewiseEmbedding" in kinds) == (preset == "best")
    assert ("MemberScale" in kinds) == (preset == "fast")
    assert np.isfinite(results(model, X)).all()


@pytest.mark.parametrize("method", MODERN)
def test_callbacks_between_epochs_change_nothing(method):
    preset = "best" if method == "tabm" else "default"
    seen = []
    options = {"method": method, "preset": preset, "epochs": 3}
    alone = classifier(**options).fit(X, CLASS)
    watched = classifier(**options, callbacks=[lambda state: seen.append(state.epoch)])
    watched.fit(X, CLASS)
    assert seen == [1, 2, 3]
    np.testing.assert_array_equal(watched.net_.params.flat, alone.net_.params.flat)


@pytest.mark.parametrize("method", MODERN)
def test_it_learns(method):
    # TabM's rate is for wider layers; its patience would end the training of these.
    options = {"epochs": 100, "validation_fraction": 0.0} if method == "tabm" else {"epochs": 30}
    model = classifier(method=method, batch_size=32, **options).fit(X[:120], CLASS[:120])
    assert model.score(X[120:], CLASS[120:]) > 0.6


def test_weights_count():
    """Rows of weight 0 change nothing but batches; a class without weight is not predicted."""
    weights = np.where(CLASS == "low", 0.0, 1.0)
    model = classifier(method="tabm", epochs=20, batch_size=32, validation_fraction=0.0)
    model.fit(X, CLASS, sample_weight=weights)
    assert np.mean(model.predict(X) == "low") < 0.1
