"""The piecewise-linear embedding: its formula, bins, edges, and what it refuses."""

import numpy as np
import pytest

import affinet as an

EDGES = {1: (-1.0, 0.0, 2.0), 3: (0.0, 0.5)}


def layer(dtype=np.float64, outputs=3):
    rng = np.random.default_rng(0)
    made = an.PiecewiseEmbedding(4, EDGES, outputs, rng, dtype)
    made.W = rng.standard_normal(made.W.shape).astype(dtype)
    return made


def by_formula(made, x):
    """Each column by a loop over its values and bins."""
    pieces = []
    for column in range(x.shape[1]):
        if column not in made.edges:
            pieces.append(x[:, [column]])
            continue
        p, edges = made.columns.index(column), made.edges[column]
        out = []
        for value in x[:, column]:
            s = sum(value >= edge for edge in edges[1:-1])
            share = (value - edges[s]) / (edges[s + 1] - edges[s])
            whole = sum((made.W[p, t] for t in range(s)), np.zeros(made.W.shape[2]))
            out.append(made.w[p] * value + made.b[p] + whole + share * made.W[p, s])
        pieces.append(np.array(out))
    return np.concatenate(pieces, axis=1)


def test_the_formula():
    made, x = layer(), 3 * np.random.default_rng(1).standard_normal((40, 4))
    assert made.n_outputs == 8
    np.testing.assert_allclose(made.forward(x), by_formula(made, x), rtol=1e-13, atol=1e-14)
    np.testing.assert_array_equal(made.predict(x), made.forward(x))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_at_edges_and_beyond(dtype):
    made = an.PiecewiseEmbedding(1, {0: [0.0, 1.0, 3.0]}, outputs=1, dtype=dtype)
    made.w, made.b, made.W = [[0.0]], [[0.0]], [[[1.0], [4.0]]]
    x = [[-1.0], [0.0], [0.25], [1.0], [2.0], [3.0], [5.0]]
    wanted = [-1, 0, 0.25, 1, 3, 5, 9]
    np.testing.assert_array_equal(made.forward(x).ravel(), wanted)
    dx = made.backward(np.ones((7, 1)))
    np.testing.assert_array_equal(dx.ravel(), [1, 1, 1, 2, 2, 2, 2])
    np.testing.assert_array_equal(made.dW.ravel(), [-1 + 0.25 + 4, 0 + 0.5 + 1 + 2])
    np.testing.assert_array_equal(made.db, [[7]])
    np.testing.assert_array_equal(made.dw, [[10.25]])


def test_a_column_with_fewer_bins_uses_the_first_ones():
    made, x = layer(), np.random.default_rng(2).standard_normal((9, 4))
    before = made.forward(x)
    made.backward(np.ones_like(before))
    assert not made.dW[1, 1].any()
    assert made.dW[0].all()
    W = made.W.copy()
    W[1, 1] = np.nan
    made.W = W
    np.testing.assert_array_equal(made.forward(x), before)


def test_nan_stays_in_its_column():
    made, x = layer(), np.zeros((1, 4))
    x[0, 1] = np.nan
    out = made.forward(x)[0]
    np.testing.assert_array_equal(np.isnan(out), [False, *[True] * 3, *[False] * 4])


def test_initial_values():
    made = an.PiecewiseEmbedding(4, EDGES, 100, rng=0)
    assert made.w.shape == (2, 100)
    assert made.W.shape == (2, 2, 100)
    assert not made.W.any()
    for array in (made.w, made.b):
        assert 0.09 < abs(array).max() <= 0.1
    again = an.PiecewiseEmbedding(4, EDGES, 100, rng=0)
    np.testing.assert_array_equal(again.w, made.w)
    assert (made.columns, made.edges) == ((1, 3), EDGES)


@pytest.mark.parametrize(
    "edges",
    [
        [], [1.0], [1.0, 1.0], [0.0, 2.0, 1.0], [0.0, np.nan], [0.0, np.inf], [-np.inf, 0.0],
        [1.0, 1.0 + 1e-12], [0.0, 1e39], [0.0, 1e-50],
    ],
    ids=str,
)  # fmt: skip
def test_edges_that_do_not_ascend(edges):
    with pytest.raises(ValueError, match=r"edges of column 2 are .* ascend, in single"):
        an.PiecewiseEmbedding(4, {0: [0.0, 1.0], 2: edges})


@pytest.mark.parametrize("columns", [[4], [-1], []])
def test_columns_that_are_not_there(columns):
    with pytest.raises(ValueError, match="column"):
        an.PiecewiseEmbedding(4, dict.fromkeys(columns, (0.0, 1.0)))


@pytest.mark.parametrize("arguments", [{"n_inputs": 0}, {"outputs": 0}, {"outputs": 1.5}])
def test_sizes_that_are_none(arguments):
    with pytest.raises((TypeError, ValueError), match=next(iter(arguments))):
        an.PiecewiseEmbedding(**{"n_inputs": 4, "edges": EDGES} | arguments)


def test_a_network_repeats_the_layer_to_the_bit():
    for dtype in (np.float32, np.float64):
        x = np.random.default_rng(3).standard_normal((50, 4)).astype(dtype)
        net = an.Sequential(layer(dtype), an.Tanh())
        np.testing.assert_array_equal(net.predict(x), an.Tanh().forward(layer(dtype).forward(x)))
