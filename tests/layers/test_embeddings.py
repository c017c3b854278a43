"""PeriodicEmbedding and Embedding: values by hand, shapes, and what they refuse."""

import numpy as np
import pytest

import affinet as an


def waves(kind, columns=(1,), **arrays):
    K, M = np.shape(arrays["w"])[1], np.shape(arrays["c"])[1]
    layer = an.PeriodicEmbedding(3, columns, K, M, kind, rng=0, dtype=np.float64)
    for name, value in arrays.items():
        setattr(layer, name, np.array(value, np.float64))
    return layer


X = np.array([[7.0, 0.25, 8.0], [7.0, 1.0, 9.0]])


def test_pbld_by_hand():
    """Two waves of one and of half a turn per unit, the second half a turn ahead."""
    layer = waves(
        "pbld", w=[[1, 0.5]], b=[[0, np.pi]], V=[[[1, 10], [0, 2]]], c=[[100, 0]]
    )  # fmt: skip
    root = np.sqrt(0.5)
    wanted = [[7, 0.25, 100 - 10 * root, -2 * root, 8], [7, 1, 111, 2, 9]]
    np.testing.assert_allclose(layer.forward(X), wanted, rtol=1e-14, atol=1e-14)
    dout = np.array([[1.0, 2.0, 1.0, 0.0, 3.0], [0.0, 0.0, 0.0, 0.0, 0.0]])
    dx = layer.backward(dout)
    # d cos(2 pi x) = -2 pi sin(2 pi / 4), d 10 cos(pi x + pi) = 10 pi sin(pi / 4)
    slope = -2 * np.pi + 10 * np.pi * root
    np.testing.assert_allclose(dx, [[1, 2 + slope, 3], [0, 0, 0]], rtol=1e-13)
    np.testing.assert_allclose(layer.dc, [[1, 0]])
    np.testing.assert_allclose(layer.dV, [[[0, -root], [0, 0]]], atol=1e-14)
    np.testing.assert_allclose(layer.db, [[-1, 10 * root]], rtol=1e-13)
    np.testing.assert_allclose(layer.dw, [[-np.pi / 2, 5 * np.pi * root]], rtol=1e-13)


def test_plr_by_hand():
    layer = waves("plr", w=[[1]], b=[[9]], V=[[[2, 3], [-1, -5]]], c=[[0, 1]])
    np.testing.assert_allclose(
        layer.forward(X), [[7, 3, 0, 8], [7, 2, 0, 9]], rtol=1e-14, atol=1e-14
    )
    dx = layer.backward(np.array([[0.0, 1.0, 1.0, 0.0], [0.0, 1.0, 1.0, 5.0]]))
    np.testing.assert_allclose(dx, [[0, -4 * np.pi, 0], [0, 6 * np.pi, 5]], rtol=1e-13)
    np.testing.assert_allclose(layer.dV, [[[1, 1], [0, 0]]], atol=1e-14)
    np.testing.assert_allclose(layer.dc, [[2, 0]])
    np.testing.assert_array_equal(layer.db, [[0]])
    np.testing.assert_allclose(layer.dw, [[-np.pi + 6 * np.pi]], rtol=1e-13)


def test_columns_keep_their_order():
    layer = waves(
        "plr", columns=(2, 0), w=[[0], [0]], b=[[0], [0]], V=np.zeros((2, 2, 2)),
        c=[[1, 2], [3, 4]],
    )  # fmt: skip
    assert layer.columns == (0, 2)
    np.testing.assert_array_equal(layer.predict(X), [[1, 2, 0.25, 3, 4], [1, 2, 1, 3, 4]])


def test_initial_parameters():
    layer = an.PeriodicEmbedding(20, frequencies=100, outputs=4, sigma=3.0, rng=0)
    assert layer.columns == tuple(range(20))
    assert layer.w.std() == pytest.approx(3, rel=0.05)
    assert abs(layer.b).max() <= np.float32(np.pi)
    assert 0.09 < abs(layer.V).max() <= 0.1
    assert abs(layer.c).max() <= 0.1
    assert an.PeriodicEmbedding(20, frequencies=100, kind="plr").V.shape == (20, 3, 200)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": []}, "columns is empty"),
        ({"columns": [3]}, "below 3"),
        ({"columns": [-1]}, "a column is -1"),
        ({"columns": [1, 1]}, "wanted different ones"),
        ({"columns": [0.5]}, "a column is 0.5"),
        ({"kind": "sin"}, "kind is 'sin', wanted one of pbld, plr"),
        ({"outputs": 65}, "outputs is 65, wanted at most 64"),
        ({"outputs": 0}, "outputs is 0"),
        ({"frequencies": 0}, "frequencies is 0"),
        ({"sigma": 0.0}, "sigma is 0"),
        ({"sigma": np.nan}, "sigma is nan"),
        ({"dtype": "int32"}, "dtype is int32"),
    ],
    ids=str,
)
def test_waves_that_cannot_be_are_refused(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        an.PeriodicEmbedding(3, **arguments)


def table(dtype=np.float64):
    layer = an.Embedding(4, {2: 2, 0: 3}, outputs=2, rng=0, dtype=dtype)
    layer.E = np.arange(10).reshape(5, 2).astype(dtype)
    return layer


CODES = np.array([[2.0, 7.0, 0.0, 8.0], [0.0, 7.5, 1.0, 8.5], [2.0, -7.0, 1.0, -8.0]])


def test_an_embedding_by_hand():
    """Column 0 has the rows 0 to 2 of E, column 2 the rows 3 and 4."""
    layer = table()
    assert (layer.columns, layer.sizes, layer.n_outputs) == ((0, 2), {0: 3, 2: 2}, 6)
    wanted = [[4, 5, 7, 6, 7, 8], [0, 1, 7.5, 8, 9, 8.5], [4, 5, -7, 8, 9, -8]]
    np.testing.assert_array_equal(layer.forward(CODES), wanted)
    np.testing.assert_array_equal(layer.predict(CODES[0]), wanted[0])
    dx = layer.backward(np.arange(18.0).reshape(3, 6))
    np.testing.assert_array_equal(dx, [[0, 2, 0, 5], [0, 8, 0, 11], [0, 14, 0, 17]])
    np.testing.assert_array_equal(layer.dE, [[6, 7], [0, 0], [12, 14], [3, 4], [24, 26]])


@pytest.mark.parametrize("code", [3, -1, 0.5, np.nan, np.inf, -np.inf, 1e300])
def test_what_is_no_code_is_refused(code):
    layer, x = table(), CODES.copy()
    x[1, 0] = code
    words = rf"^x has {code:g} in row 1, column 0, wanted a code: a whole number from 0 to 2$"
    for call in (layer.forward, layer.predict):
        with pytest.raises(ValueError, match=words.replace("+", r"\+")):
            call(x)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool", "float16", "float32", ">f8"])
def test_codes_of_any_type(dtype):
    x = np.array([[1, 0, 1, 0], [0, 1, 0, 1]]).astype(dtype)
    np.testing.assert_array_equal(table().forward(x), table().forward(x.astype(float)))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({}, "columns is empty"),
        ({4: 2}, "below 4"),
        ({-1: 2}, "a column is -1"),
        ({0: 0}, "a size is 0"),
        ({0: 2.5}, "a size is 2.5"),
        ({0.5: 2}, "a column is 0.5"),
        ({"a": 2}, "a column is 'a'"),
        ({"0": 2, 0: 3}, "each column once"),
        ([3, 2], "sizes is .3, 2., wanted a mapping"),
        (None, "sizes is None"),
    ],
    ids=str,
)
def test_tables_that_cannot_be_are_refused(sizes, message):
    with pytest.raises((TypeError, ValueError), match=message):
        an.Embedding(4, sizes)


def test_reprs():
    assert repr(table()) == "Embedding(n_inputs=4, sizes={0: 3, 2: 2}, outputs=2)"
    wanted = "PeriodicEmbedding(n_inputs=3, frequencies=16, outputs=3, kind='pbld')"
    assert repr(an.PeriodicEmbedding(3)) == wanted
    assert "columns=[1]" in repr(an.PeriodicEmbedding(3, [1]))
