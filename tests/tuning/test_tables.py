"""The networks of a search for a table: RealMLP's recipe with other hyper-parameters."""

import numpy as np
import pytest

import affinet as an
from affinet import tuning
from affinet.tables import Table
from affinet.tabular import encode, recipe_for
from affinet.tuning.tables import table_build, varied

TASKS = ["classification", "regression"]


def made(params, task="regression"):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 2))
    y = x[:, 0] if task == "regression" else ["yes" if a > 0 else "no" for a in x[:, 0]]
    table = Table("t", {"a": x[:, 0], "b": x[:, 1], "y": y})
    recipe = recipe_for("realmlp", "default", task, n_rows=300)
    encoding = encode(recipe, table, "y")
    x, t = encoding.inputs(table), encoding.targets(table)
    return x, t, table_build(recipe, encoding, x, t)(params, 0)


@pytest.mark.parametrize("task", TASKS)
def test_without_hyper_parameters_it_is_realmlp_with_one_wave(task):
    recipe = recipe_for("realmlp", "default", task, n_rows=300)
    own = varied(recipe, {})
    changed = {name for name, value in vars(own).items() if getattr(recipe, name) != value}
    assert changed == {"lr_schedule"}


@pytest.mark.parametrize("task", TASKS)
def test_the_space_is_drawn_and_built(task):
    space = tuning.table_space(task)
    usual = recipe_for("realmlp", "default", task, n_rows=1)
    for seed in range(20):
        params = tuning.drawn(space, np.random.default_rng(seed))
        own = varied(usual, params)
        assert own.hidden == (params["width"],) * params["layers"]
        assert 0.4 * usual.lr <= own.lr <= 1.6 * usual.lr
        assert own.number_size == params["embedding"]
        assert own.number_sigma == params["sigma"]
    net = made(params, task)[2][0]
    assert net.layers[-1].W.shape[1] == (1 if task == "regression" else 2)


def test_networks_have_what_their_hyper_parameters_say():
    params = {"layers": 1, "width": 7, "dropout": 0.0, "embedding": 0, "activation": "relu"}
    net, optimizer, options = made(params | {"lr": 0.03, "batch_size": 50})[2]
    kinds = [type(layer).__name__ for layer in net.layers]
    assert kinds == ["Scale", "NTKAffine", "Parametric", "NTKAffine"]
    assert net.layers[1].W.shape == (2, 7)
    assert optimizer.lr == 0.03
    assert options["batch_size"] == 50
    assert "dropout_schedule" not in options  # which fit refuses without a Dropout layer
    assert options["schedule"].lr == 0.03


def test_a_search_with_it_and_rates_that_fall_in_each_rung():
    x, t, _ = made({})
    build = lambda params, seed: made(params)[2]  # noqa: E731
    space = {"width": 16, "layers": 1, "dropout": [0.0, 0.1], "batch_size": 32}
    found = an.search(space, x, t, 4, build=build, epochs=14, rungs=3, patience=None, verbose=0)
    whole = max(found.trials, key=lambda trial: trial.epochs)
    rates = whole.history["lr"]
    assert len(rates) == 14
    for begin, end in ((0, 2), (2, 6), (6, 14)):
        assert rates[end - 1] < 0.1 * max(rates[begin:end])
    assert found.score < 0.1


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"layers": -1}, "layers"),
        ({"width": 0}, "width"),
        ({"embedding": 1.5}, "embedding"),
        ({"sigma": 0.0}, "sigma"),
        ({"dropout": 1.0}, "dropout"),
        ({"lr": -1.0}, "lr"),
        ({"activation": "step"}, "activation is 'step'"),
    ],
)
def test_what_is_refused(params, text):
    with pytest.raises((TypeError, ValueError), match=text):
        made(params)
