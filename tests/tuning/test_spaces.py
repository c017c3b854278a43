"""Spaces of hyper-parameters: what is drawn, and what is refused."""

import numpy as np
import pytest

from affinet import tuning
from affinet.tuning.networks import network_of, optimizer_of

SEEDS = range(200)


def draws(distribution):
    return [distribution.draw(np.random.default_rng(seed)) for seed in SEEDS]


def test_values_lie_within_their_bounds_and_reach_near_them():
    uniform = np.array(draws(tuning.Uniform(-1, 3)))
    assert -1 <= uniform.min() < -0.8
    assert 2.8 < uniform.max() < 3
    logs = np.log10(draws(tuning.LogUniform(1e-4, 1)))
    assert -4 <= logs.min() < -3.8
    assert abs(logs.mean() + 2) < 0.3
    assert set(draws(tuning.Integer(1, 3))) == {1, 2, 3}
    assert set(draws(tuning.Integer(8, 33, 8))) == {8, 16, 24, 32}


def test_a_choice_draws_from_its_distributions():
    found = draws(tuning.Choice([0.0, tuning.Uniform(0.2, 0.5)]))
    assert 0.35 < np.mean(np.array(found) == 0) < 0.65
    assert all(value == 0 or 0.2 <= value <= 0.5 for value in found)


def test_a_space_has_lists_constants_and_distributions():
    space = {"layers": [1, 2], "activation": "relu", "lr": tuning.Uniform(0, 1)}
    found = tuning.drawn(space, np.random.default_rng(0))
    assert list(found) == list(space)
    assert found["layers"] in (1, 2)
    assert found["activation"] == "relu"


def test_distributions_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    space = {"lr": stats.loguniform(1e-4, 1e-2)}
    one, two = (tuning.drawn(space, np.random.default_rng(0)) for _ in range(2))
    assert one == two
    assert 1e-4 <= one["lr"] <= 1e-2
    assert type(one["lr"]) is float


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: tuning.Uniform(1, 1), ValueError, "high is 1"),
        (lambda: tuning.LogUniform(0, 1), ValueError, "low"),
        (lambda: tuning.Integer(3, 2), ValueError, "at least low"),
        (lambda: tuning.Integer(1, 2, 0), ValueError, "step"),
        (lambda: tuning.Choice([]), ValueError, "options is empty"),
        (lambda: tuning.Choice("abc"), TypeError, "options"),
        (lambda: tuning.drawn({"lr": []}, None), ValueError, r"space\['lr'\]: options is empty"),
        (lambda: tuning.drawn([1], None), TypeError, "space is"),
        (lambda: tuning.drawn({1: [2]}, None), TypeError, "names as str"),
    ],
)
def test_what_is_refused(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_equal_distributions_are_equal():
    assert tuning.Uniform(0, 1) == tuning.Uniform(0.0, 1.0)
    assert tuning.Uniform(0, 1) != tuning.LogUniform(0.5, 1)
    assert eval(repr(tuning.Integer(1, 3)), vars(tuning)) == tuning.Integer(1, 3)


def test_networks_have_what_their_hyper_parameters_say():
    params = {"layers": 2, "width": 7, "dropout": 0.5, "embedding": 4, "muon_lr": 0.01}
    net = network_of(params, 3, 2, [1], None, 0)
    kinds = [type(layer).__name__ for layer in net.layers]
    assert kinds == ["PeriodicEmbedding", *["Affine", "ReLU", "Dropout"] * 2, "Affine"]
    assert net.predict(np.zeros((5, 3), np.float32)).shape == (5, 2)
    optimizer = optimizer_of(params, net)
    assert type(optimizer).__name__ == "Muon"
    assert "7.W" not in optimizer.matrices(net.params)
    assert type(optimizer_of({}, net)).__name__ == "AdamW"


def test_equal_distributions_have_one_hash():
    one, same, other = (tuning.Uniform(0, high) for high in (1, 1, 2))
    assert hash(one) == hash(same)
    assert {one, same, other} == {one, other}
