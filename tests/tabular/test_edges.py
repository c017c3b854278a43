"""What recipes and their training do at their edges."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import affinet as an
from affinet.tables import Encoding, Table
from affinet.tabular import Recipe, build, epochs_within, recipe_for, train
from affinet.tabular.linear import minimize
from affinet.tabular.options import LastBest, keep_best
from affinet.tabular.temperature import lowest_loss


@pytest.fixture
def encoding():
    rng = np.random.default_rng(0)
    return Encoding.fit(Table("t", {"a": rng.random(9), "t": rng.random(9)}), "t")


X = np.linspace(-1, 1, 9, dtype=np.float32).reshape(-1, 1)


def made(encoding, method, **changes):
    recipe = recipe_for(method, "default", "regression", n_rows=9)
    recipe = Recipe.from_json(recipe.to_json() | changes)
    return build(recipe, encoding, X, X[:, 0], seed=0)


def kinds(net):
    return [type(layer).__name__ for layer in net.layers]


@pytest.mark.parametrize("method", ["mlp", "realmlp", "tabm"])
def test_dropout_is_in_a_network_only_where_the_recipe_has_some(encoding, method):
    assert "Dropout" in kinds(made(encoding, method, dropout=0.5))
    assert "Dropout" not in kinds(made(encoding, method, dropout=0.0))


def test_an_mlp_whose_last_layer_is_not_zero(encoding):
    assert made(encoding, "mlp", zero_last=False).layers[-1].W.any()
    assert not made(encoding, "mlp", zero_last=True).layers[-1].W.any()


def test_a_realmlp_without_scale_and_biases(encoding):
    net = made(encoding, "realmlp", input_scale=False, bias_init="zeros")
    assert "Scale" not in kinds(net)
    assert not net.layers[-1].b.any()
    assert made(encoding, "realmlp", bias_init="normal", zero_last=False).layers[-1].b.any()


@pytest.mark.parametrize(
    ("name", "value"), [("method", "forest"), ("task", "ranking"), ("members", 0), ("members", 1.5)]
)
def test_records_of_no_recipe_are_refused(name, value):
    record = recipe_for("mlp", "default", "regression", n_rows=9).to_json()
    with pytest.raises(ValueError, match=f"not the record of a recipe: .*{value}"):
        Recipe.from_json(record | {name: value})


def test_the_best_epoch_travels_with_a_checkpoint():
    net = an.Sequential(an.Affine.init(2, 1, rng=0), loss=an.MeanSquaredError())
    best = LastBest("loss", 3)
    best.begin(SimpleNamespace(net=net))
    state = {"lowest": 0.5, "waited": 2, "arrays": {"0.W": np.ones((2, 1)), "0.b": np.ones(1)}}
    best.load_state_dict(state)
    assert best.state_dict() == state
    with pytest.raises(ValueError, match=r"the best epoch has arrays of .*, wanted"):
        best.load_state_dict(state | {"arrays": {"0.W": np.ones((3, 1))}})
    best.load_state_dict(state | {"arrays": None})
    assert best.state_dict()["arrays"] is None


def test_an_average_that_has_not_begun_is_reported_beside_the_best_epoch():
    net = an.Sequential(an.Affine.init(2, 1, rng=0), loss=an.MeanSquaredError())
    best = LastBest("loss", None)
    best.arrays = {"0.W": np.ones((2, 1)), "0.b": np.zeros(1)}
    with pytest.warns(UserWarning, match="average: EMA.* begins after 1 updates"):
        keep_best(net, best, an.EMA(0.9))
    assert (net.layers[0].W == 1).all()


def test_a_search_that_cannot_descend_or_ends_by_its_steps():
    start = np.array([1.0, 2.0])
    rising = iter(range(1000))
    found = minimize(lambda place: (float(next(rising)), np.ones(2)), start)
    np.testing.assert_array_equal(found, start)
    # A line: the slope never falls below its first, and no curvature is kept.
    found = minimize(lambda place: (-float(place.sum()), -np.ones(2)), start)
    assert (found > start).all()


def interrupt(state):
    raise KeyboardInterrupt


def test_ctrl_c_ends_a_training_whose_networks_are_not_kept(encoding):
    recipe = recipe_for("mlp", "default", "regression", n_rows=9)
    net = build(recipe, encoding, X, X[:, 0], seed=0)
    options = {"epochs": 2, "callbacks": [interrupt], "verbose": 0}
    with pytest.raises(KeyboardInterrupt):
        train(net, recipe, X, X[:, 0], validation=None, keep_interrupted=False, **options)


def test_epochs_of_whole_batches_fit_into_a_time_limit(encoding):
    recipe = replace(
        recipe_for("mlp", "default", "regression", n_rows=9), whole_batches=True, batch_size=4
    )
    net = build(recipe, encoding, X, X[:, 0], seed=0)
    assert 1 <= epochs_within(net, recipe, X, X[:, 0], validation=None, seconds=0.01, epochs=3) <= 3


def test_a_temperature_is_found_in_a_bounded_number_of_steps(monkeypatch):
    z = np.array([[0.0, -1.0], [0.0, -2.0], [-3.0, 0.0]])
    wanted = np.array([0.0, -2.0, 0.0])
    weights = np.full(3, 1 / 3)
    whole = lowest_loss(z, wanted, weights)
    monkeypatch.setattr("affinet.tabular.temperature.MOST_STEPS", 1)
    assert lowest_loss(z, wanted, weights) != whole


def test_equal_logits_have_every_temperature():
    b = lowest_loss(np.zeros((3, 2)), np.zeros(3), np.full(3, 1 / 3))
    assert np.isfinite(b)
    assert b > 0
