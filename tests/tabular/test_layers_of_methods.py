"""The networks of the methods: their layers, initial values and optimizers, and averages."""

from dataclasses import replace

import numpy as np
import pytest

import affinet as an
from affinet.tables import Table
from affinet.tabular import build, encode, initialize_from_rows, optimizer_for, outputs, recipe_for
from affinet.tabular.initialization import combination
from affinet.tabular.networks import averaged, tiled
from affinet.tabular.realmlp import place_after
from affinet.tabular.tabm import bin_edges, start_apart

N = 120
RNG = np.random.default_rng(0)
COLORS = RNG.choice(["red", "green", "blue"], N)
LETTERS = RNG.choice([*"abcdefghijkl"], N)  # more than are one-hot with RealMLP
NUMBERS = RNG.standard_normal((N, 3))
VALUE = NUMBERS[:, 0] + (COLORS == "red")


def made(method, task="regression", preset="default", **changes):
    """A recipe, its encoding, encoded rows and targets, and its untrained network."""
    recipe = replace(recipe_for(method, preset, task, N), hidden=(16, 12), **changes)
    y = VALUE if task == "regression" else (VALUE > 0.3).astype(float)
    columns = {
        "a": NUMBERS[:, 0], "letter": list(LETTERS), "b": NUMBERS[:, 1], "color": list(COLORS),
        "c": np.where(np.arange(N) % 5, NUMBERS[:, 2], np.nan), "y": y,
    }  # fmt: skip
    table = Table("t", columns)
    encoding = encode(recipe, table, "y")
    x, t = encoding.inputs(table), encoding.targets(table)
    return recipe, encoding, x, t, build(recipe, encoding, x, t, seed=3)


def kinds(net):
    return [type(layer).__name__ for layer in net.layers]


# TabM --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "bins", "wanted"),
    [
        (np.arange(9.0), 4, [0, 2, 4, 6, 8]),
        (np.array([0.0] * 90 + [1.0] * 10), 10, [0, 0.1, 1]),  # ties are one edge
        (np.array([0.0, 0, 0, 0, 1, 2, 3, 4]), 4, [0, 0.5, 2.25, 4]),
        (np.full(20, 3.0), 5, [3]),  # a constant has no bin
        (np.array([5.0, 1.0]), 48, [1, 5]),
        (np.array([5.0, 1.0, 2.0]), 48, [1, 2, 5]),  # fewer rows than bins
        (np.array([7.0]), 48, []),
        (np.array([]), 48, []),
        (np.array([1.0, 1 + 1e-9, 2.0]), 2, [1, 2]),  # equal in the layer's precision
    ],
)
def test_bin_edges(values, bins, wanted):
    np.testing.assert_allclose(bin_edges(values, bins), wanted)


def test_bins_hold_about_as_many_values():
    values = np.random.default_rng(1).exponential(size=1000)
    edges = bin_edges(values, 48)
    assert len(edges) == 49
    counts = np.histogram(values, edges)[0]
    assert counts.min() >= 20
    assert counts.max() <= 22


@pytest.mark.parametrize("normal", [False, True])
@pytest.mark.parametrize(
    "layer", [an.MemberScale(6, 7), an.BatchEnsemble(6, 7, 2)], ids=lambda layer: layer.kernel
)
def test_members_start_apart(layer, normal):
    """All values of an input have the same factor."""
    start_apart(layer, [3, 1, 1, 2], np.random.default_rng(0), normal)
    factors = layer.s if isinstance(layer, an.MemberScale) else layer.r
    assert factors.shape == (6, 7)
    assert factors.dtype == np.float32
    for group in ([0, 1, 2], [5, 6]):
        assert (factors[:, group] == factors[:, group[:1]]).all()
    assert len(np.unique(factors, axis=0)) >= (6 if normal else 3)
    assert (set(np.unique(abs(factors))) == {1.0}) != normal


@pytest.mark.parametrize(
    ("preset", "wanted"),
    [
        ("fast", ["MemberScale", *["Affine", "ReLU", "Dropout"] * 2, "MemberAffine"]),
        ("default", [*["BatchEnsemble", "ReLU", "Dropout"] * 2, "MemberAffine"]),
        (
            "best",
            ["PiecewiseEmbedding", *["BatchEnsemble", "ReLU", "Dropout"] * 2, "MemberAffine"],
        ),
    ],
)
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_layers_of_tabm(preset, wanted, task):
    recipe, encoding, x, _, net = made("tabm", task, preset)
    assert kinds(net) == wanted
    k = recipe.members
    assert k == (16 if preset == "fast" else 32)
    raw = net.predict(tiled(recipe, x))
    assert raw.shape == (k * N, 2 if task == "classification" else 1)
    members = raw.reshape(k, N, -1)
    assert all((members[0] != other).any() for other in members[1:])
    if preset == "best":
        assert net.layers[0].columns == tuple(encoding.number_inputs)
        assert all(len(edges) <= 49 for edges in net.layers[0].edges.values())
    again = build(recipe, encoding, x, np.zeros(N), seed=3)
    np.testing.assert_array_equal(again.params.flat, net.params.flat)


def test_columns_without_bins_are_not_embedded():
    recipe, encoding, x, t, _ = made("tabm", preset="best")
    x = x.copy()
    first, *others = encoding.number_inputs
    x[:, first] = 1
    assert build(recipe, encoding, x, t, seed=0).layers[0].columns == tuple(others)
    x[:, others] = 1
    assert kinds(build(recipe, encoding, x, t, seed=0))[0] == "BatchEnsemble"


def test_rows_are_tiled_and_averages_are_plain_means():
    recipe = replace(recipe_for("tabm", "default", "regression", N), members=3)
    x = np.arange(8.0).reshape(4, 2)
    np.testing.assert_array_equal(tiled(recipe, x), np.concatenate([x, x, x]))
    np.testing.assert_array_equal(tiled(recipe, np.arange(2)), [0, 1] * 3)
    raw = RNG.standard_normal((12, 1)).astype(np.float32)
    wanted = [[np.mean([raw[i + 4 * m, 0] for m in range(3)])] for i in range(4)]
    np.testing.assert_allclose(averaged(recipe, raw), wanted, rtol=1e-6)
    recipe = replace(recipe, task="classification")
    raw = 5 * RNG.standard_normal((12, 3))
    shares = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    wanted = np.mean([shares[4 * m : 4 * m + 4] for m in range(3)], axis=0)
    found = averaged(recipe, raw)
    np.testing.assert_allclose(np.exp(found), wanted, rtol=1e-12)
    huge = averaged(recipe, np.tile([[1e4, 0.0, -1e4]], (3, 1)))
    assert np.isfinite(huge).all()
    assert averaged(replace(recipe, members=1), raw) is raw
    assert tiled(replace(recipe, members=1), x) is x


def test_outputs_go_through_the_rows_in_blocks(monkeypatch):
    recipe, _, x, _, net = made("tabm", "classification", "fast")
    whole = outputs(recipe, net, x)
    monkeypatch.setattr("affinet.tabular.networks.TILED_ROWS", 50)
    np.testing.assert_array_equal(outputs(recipe, net, x), whole)


@pytest.mark.parametrize("preset", ["fast", "default", "best"])
def test_tabm_decays_weights_and_factors_but_no_biases(preset):
    """Nor the linear part of an embedding, as in the code of TabM's authors."""
    recipe, _, _, _, net = made("tabm", preset=preset)
    if preset == "best":
        net.layers[0].W[:] = 1  # it starts at 0, which no decay changes
    exempt = (".b", ".w")
    optimizer = optimizer_for(recipe, net)
    assert type(optimizer) is an.AdamW
    assert (optimizer.lr, optimizer.weight_decay) == (2e-3, 3e-4)
    before = {name: array.copy() for name, array in net.params.items()}
    gradients = {name: np.zeros_like(array) for name, array in net.params.items()}
    optimizer.update(net.params, gradients)
    for name, array in net.params.items():
        moved = (array != before[name]).any()
        assert moved != name.endswith(exempt), name


# Initial values by the rows ----------------------------------------------------------------------


def wide(rows):
    return rows.normal(3, 4, (400, 5))


@pytest.mark.parametrize("kind", [an.Affine, an.NTKAffine])
def test_every_unit_starts_with_variance_1(kind):
    x = wide(np.random.default_rng(1))
    net = an.Sequential(
        kind.init(5, 9, rng=0, dtype=np.float64), an.Tanh(),
        kind.init(9, 4, rng=1, dtype=np.float64),
    )  # fmt: skip
    initialize_from_rows(net, x, bias="he+5", rng=0)
    out = x
    for layer in net.layers:
        out = layer.predict(out)
        if isinstance(layer, kind):
            np.testing.assert_allclose(out.std(axis=0), 1, rtol=1e-12)
            assert layer.b.any()
    initialize_from_rows(net, x, bias="zeros")
    assert not net.layers[0].b.any()


def test_biases_put_kinks_among_the_rows():
    """A bias is minus a convex combination: each unit's outputs have both signs."""
    x = wide(np.random.default_rng(2))
    net = an.Sequential(an.NTKAffine.init(5, 200, rng=0, dtype=np.float64))
    initialize_from_rows(net, x, rng=0)
    out = net.predict(x)
    assert (out.min(axis=0) <= 0).all()
    assert (out.max(axis=0) >= 0).all()
    out = np.random.default_rng(3).standard_normal((30, 50))
    found = combination(out, np.random.default_rng(0))
    assert (found >= out.min(axis=0)).all()
    assert (found <= out.max(axis=0)).all()
    assert len(np.unique(found)) == 50
    same = combination(np.full((1, 4), 7.0), np.random.default_rng(0))
    np.testing.assert_allclose(same, 7)


def test_a_unit_that_is_constant_keeps_its_weights():
    net = an.Sequential(an.Affine(np.ones((2, 3)), np.zeros(3)))
    initialize_from_rows(net, np.ones((10, 2)), rng=0)
    np.testing.assert_array_equal(net.layers[0].W, np.ones((2, 3)))
    np.testing.assert_allclose(net.layers[0].b, -2)
    assert np.isfinite(net.predict(np.ones((1, 2)))).all()


def test_what_initialization_refuses():
    net = an.Sequential(an.Affine.init(2, 1, rng=0))
    with pytest.raises(ValueError, match=r"bias is 'he', wanted one of zeros, he\+5"):
        initialize_from_rows(net, np.ones((3, 2)), bias="he")
    with pytest.raises(ValueError, match="x has no row"):
        initialize_from_rows(net, np.ones((0, 2)))


# RealMLP -----------------------------------------------------------------------------------------


def test_layers_of_realmlp():
    _, encoding, x, _, net = made("realmlp", "classification")
    assert kinds(net) == [
        "Embedding", "PeriodicEmbedding", "Scale",
        *["NTKAffine", "Parametric", "Dropout"] * 2, "NTKAffine",
    ]  # fmt: skip
    codes, waves = net.layers[:2]
    assert codes.sizes == dict(encoding.code_inputs)
    assert len(codes.sizes) == 1  # the letters; three colors are one-hot
    # The waves' columns hold the numbers, wherever the codes before them have moved them to.
    marked = np.zeros((1, encoding.width), np.float32)
    marked[0, list(encoding.number_inputs)] = 1 + np.arange(len(encoding.number_inputs))
    behind = codes.forward(marked)
    np.testing.assert_array_equal(behind[0, list(waves.columns)], marked[marked > 0])
    assert net.predict(x).shape == (N, 2)


def test_layers_of_realmlp_s():
    _, _, _, _, net = made("realmlp-s")
    assert kinds(net) == ["Scale", *["NTKAffine", "Mish"] * 2, "NTKAffine"]
    assert not net.layers[-1].W.any()
    assert not net.layers[-1].b.any()
    assert 0.5 < net.layers[1].b.std() < 2  # normal


def test_where_a_number_stands_behind_codes():
    assert [place_after(place, {1: 5, 4: 7}, 8) for place in (0, 2, 3, 5)] == [0, 9, 10, 19]
    assert place_after(3, {}, 8) == 3


@pytest.mark.parametrize("method", ["realmlp", "realmlp-s"])
def test_every_kind_of_parameter_has_its_rate_and_decay(method):
    """A step from gradients of 1 moves each parameter by its rate, and the decay by its square."""
    recipe, _, _, _, net = made(method, "classification")
    recipe = replace(recipe, weight_decay=0.1)
    optimizer = optimizer_for(recipe, net)
    kept = {name: array.copy() for name, array in net.params.items()}
    optimizer.update(net.params, {name: np.ones_like(array) for name, array in kept.items()})
    full = method == "realmlp"
    factors = {"NTKAffine.b": (0.1, 0), "Scale.s": (6, 6)}
    if full:
        factors |= {f"PeriodicEmbedding.{name}": (0.1, 0.1) for name in ("w", "b", "V", "c")}
        factors |= {"Parametric.a": (0.1, 0.1)}
    for name, array in net.params.items():
        place, _, short = name.partition(".")
        kind = f"{type(net.layers[int(place)]).__name__}.{short}"
        rate, decay = factors.get(kind, (1, 1))
        lr = recipe.lr * rate
        wanted = kept[name] - lr - lr * 0.1 * decay * kept[name]
        np.testing.assert_allclose(array, wanted, rtol=1e-4, atol=1e-5, err_msg=name)
