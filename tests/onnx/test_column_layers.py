"""Layers of columns and NTKAffine in ONNX files: values, cycles, damaged records."""

import copy
import re

import numpy as np
import pytest

import affinet as an
import parts.layers
from array_forms import draw
from onnx_graphs import W1, Made, layers_of
from onnx_records import altered, arrays, assert_same, config, nothing, run, with_array

pytest.importorskip("onnx", reason="needs onnx, the extra onnx")

NAMES = (
    *("NTKAffine", "Scale", "Parametric", "PeriodicEmbedding", "Embedding", "PiecewiseEmbedding"),
    *("MemberScale", "BatchEnsemble", "MemberAffine"),
)
SETTINGS = [name for name in parts.layers.SETTINGS if name.partition(",")[0] in NAMES]
OLDEST = 13


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return np.dtype(request.param)


@pytest.fixture
def made(tmp_path):
    return Made(tmp_path)


def whole(dtype):
    """All five, one behind another."""
    rng = np.random.default_rng(1)
    table = an.Embedding(6, {1: 5, 4: 3}, outputs=4, rng=rng, dtype=dtype)
    waves = an.PeriodicEmbedding(table.n_outputs, [0, 5, 11], rng=rng, sigma=1.0, dtype=dtype)
    plr = an.PeriodicEmbedding(7, [3, 6], 5, 4, kind="plr", rng=rng, dtype=dtype)
    n, last = waves.n_outputs, plr.n_outputs
    W, V = rng.standard_normal((n, 7)).astype(dtype), rng.standard_normal((last, 2)).astype(dtype)
    layers = [
        table,
        waves,
        parts.layers.learned(an.Scale(n, dtype)),
        an.NTKAffine(W, np.linspace(-1, 1, 7, dtype=dtype)),
        parts.layers.learned(an.Parametric(7, "tanh", dtype)),
        plr,
        parts.layers.learned(an.Parametric(last, an.LeakyReLU(0.1), dtype)),
        an.NTKAffine(V, np.zeros(2, dtype)),
        parts.layers.learned(an.Scale(2, dtype)),
    ]
    return an.Sequential(*layers)


def rows(dtype, n=60):
    x = draw("float64", (n, 6))
    x[:, 1], x[:, 4] = np.arange(n) % 5, np.arange(n) % 3
    return x.astype(dtype)


@pytest.mark.parametrize("opset", [OLDEST, 17, 20])
@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting(path, dtype, setting, opset):
    net = an.Sequential(parts.layers.SETTINGS[setting](4, dtype))
    an.onnx.export(net, path, opset=opset)
    x = parts.layers.inputs(setting, draw("float64", (17, 4))).astype(dtype)
    assert_same(an.onnx.load(path), net, x)
    lacking = "mish" in repr(net) or ("leaky_relu" in repr(net) and opset != 17)
    if dtype == np.float32 or not lacking:  # it lacks some activations in double precision
        y = net.predict(x)
        np.testing.assert_allclose(run(path, x), y, rtol=0, atol=40 * np.finfo(dtype).eps)
        assert run(path, x[:0]).shape == (0, y.shape[1])
        np.testing.assert_allclose(run(path, x[:1]), y[:1], rtol=0, atol=40 * np.finfo(dtype).eps)


@pytest.mark.parametrize("scale", [None, 0.5])
def test_a_network_of_all(path, dtype, scale):
    net, x = whole(dtype), rows(dtype)
    if scale is not None:
        net = an.Sequential(*map(copy.deepcopy, net.layers[2:]), input_scale=scale)
        x = draw("float64", (9, net.layers[0].n)).astype(dtype)
    an.onnx.export(net, path)
    assert_same(an.onnx.load(path), net, x)
    np.testing.assert_allclose(run(path, x), net.predict(x), rtol=0, atol=1e3 * np.finfo(dtype).eps)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_layers_of_few_columns(path, dtype, n):
    """A factor of one column is no input_scale, and an NTKAffine of one or four no Affine."""
    for layer in (
        an.Scale(n, dtype),
        an.Parametric(n, "selu", dtype),
        an.NTKAffine.init(n, 3, rng=0, dtype=dtype),
        an.PeriodicEmbedding(n, rng=0, dtype=dtype),
    ):
        net = an.Sequential(an.NTKAffine.init(2, n, rng=1, dtype=dtype), layer, input_scale=0.25)
        an.onnx.export(net, path)
        assert_same(an.onnx.load(path), net, np.ones((3, 2), dtype))


def test_in_a_branch(path, dtype):
    inner = parts.layers.learned(an.Scale(5, dtype)), an.Parametric(5, "gelu", dtype)
    net = an.Sequential(
        an.Affine.init(3, 5, rng=0, dtype=dtype),
        an.Residual(*inner, an.NTKAffine.init(5, 5, rng=1, dtype=dtype)),
        an.Residual(an.Parametric(5, "silu", dtype)),
        an.PeriodicEmbedding(5, rng=2, dtype=dtype),
    )
    an.onnx.export(net, path)
    assert_same(an.onnx.load(path), net, draw("float64", (7, 3)).astype(dtype))


# Without a record: other writers' graphs ---------------------------------------------------------


def test_a_product_with_a_vector_is_a_scale(made):
    made.add("MatMul", "_", W1)
    made.add("Mul", np.float32([1, -2, 3, 0, 5]), "_")
    net = made.load()
    assert layers_of(net) == "Affine Scale"
    x = draw("float64", (3, 4)).astype("f")
    np.testing.assert_allclose(net.predict(x), x @ W1 * [1, -2, 3, 0, 5], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("turned", [False, True])
def test_a_mixture_is_a_parametric_activation(made, turned):
    x = made.add("MatMul", "_", W1)
    made.add("Selu")
    made.add("Sub", "_", x)
    made.add("Mul", "_", np.float32([1, 0.5, 0, 2, -1]))
    made.add("Add", *(("_", x) if turned else (x, "_")))
    net = made.load()
    assert layers_of(net) == "Affine Parametric"
    assert repr(net.layers[1].activation) == "SELU()"
    np.testing.assert_array_equal(net.layers[1].a, [1, 0.5, 0, 2, -1])


def test_a_mixture_of_a_product_is_refused(made):
    x = made.add("MatMul", "_", W1)
    made.add("MatMul", "_", np.eye(5, dtype="f"))
    made.add("Sub", "_", x)
    made.add("Mul", "_", np.ones(5, "f"))
    made.add("Add", x, "_")
    assert "not an activation" in made.refused()


def test_a_gather_without_a_record_is_refused(made):
    made.add("Gather", "_", np.int64([0, 2, 1, 3]), axis=1)
    assert "(Gather): affinet has no layer for it" in made.refused()


# Damaged records ---------------------------------------------------------------------------------


WAVES = {
    "another type": (nothing, config(type="Affine"), "not a layer of several nodes"),
    "no type": (nothing, config(type=None), "not a layer of several nodes"),
    "another layer": (nothing, config(type="Embedding"), "names the arrays"),
    "an argument too many": (nothing, config(more=1), "does not describe a PeriodicEmbedding"),
    "a column too many": (nothing, config(columns=[0, 1, 2, 3]), "arrays hold"),
    "a column beyond": (nothing, config(columns=[1, 9]), "below 4"),
    "other columns": (nothing, config(columns=[0, 2]), "compute something else"),
    "no columns": (nothing, config(columns=None), "columns are missing"),
    "another kind": (nothing, config(kind="plr"), "arrays hold"),
    "a kind unknown": (nothing, config(kind="sin"), "kind is"),
    "many outputs": (nothing, config(outputs=10**12), "arrays hold"),
    "many frequencies": (nothing, config(frequencies=10**12), "arrays hold"),
    "many inputs": (nothing, config(n_inputs=10**12), "compute something else"),
    "inputs in words": (nothing, config(n_inputs="4"), "does not describe"),
    "more inputs": (nothing, config(n_inputs=5), "compute something else"),
    "no arrays": (nothing, lambda r: r | {"arrays": None}, "names the arrays"),
    "an array missing": (nothing, arrays(w="nowhere"), "'nowhere'"),
    "arrays swapped": (nothing, arrays(w="0.b", b="0.w"), "compute something else"),
    "a number": (nothing, arrays(w=3), "the array 3"),
    "integers": (nothing, arrays(w="0.columns"), "no constant of floats"),
    "no input": (nothing, lambda r: r | {"input": None}, "names the input None"),
    "another input": (nothing, lambda r: r | {"input": "0.Cos"}, "compute something else"),
    "an unknown input": (nothing, lambda r: r | {"input": "z"}, "compute something else"),
    "another order": (
        with_array("0.order", np.arange(8)), lambda r: r, "compute something else",
    ),
    "another turn": (
        with_array("0.turn", np.float32(6)), lambda r: r, "compute something else",
    ),
    "a list": (nothing, lambda r: [1], "affinet has no layer for it"),
}  # fmt: skip


@pytest.mark.parametrize("name", WAVES)
def test_a_damaged_record_of_waves_is_refused(path, name):
    an.onnx.export(an.Sequential(an.PeriodicEmbedding(4, [1, 3], 5, 2, rng=0)), path)
    alter, record, words = WAVES[name]
    message = altered(path, alter, record)
    assert re.search(words, message), message
    assert "0.Gather" in message or "damaged" in message


TABLES = {
    "other sizes": (config(sizes={"0": 2, "2": 3}), "compute something else"),
    "a size too small": (config(sizes={"0": 2, "2": 2}), "arrays hold"),
    "a large size": (config(sizes={"0": 10**15, "2": 2}), "arrays hold"),
    "a list of sizes": (config(sizes=[3, 2]), "does not describe an? Embedding|damaged"),
    "another column": (config(sizes={"1": 3, "2": 2}), "compute something else"),
    "other outputs": (config(outputs=1), "arrays hold"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_damaged_record_of_tables_is_refused(path, name):
    an.onnx.export(an.Sequential(an.Embedding(4, {0: 3, 2: 2}, 2, rng=0)), path)
    record, words = TABLES[name]
    assert re.search(words, altered(path, nothing, record))


def test_a_record_of_another_activation_is_refused(path):
    net = an.Sequential(an.Affine.init(3, 3, rng=0), an.Parametric(3, "tanh"))
    an.onnx.export(net, path)
    assert "compute something else" in altered(path, nothing, config(activation="relu"))
