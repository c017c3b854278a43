"""The reference's activations, by hand and at the ends of their ranges."""

import math

import numpy as np
import pytest

from affinet import reference
from parts.activations import ACTIVATIONS
from tolerance import assert_close

DTYPES = [np.float32, np.float64]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


ODD = np.array([-np.inf, -2, -0.0, 0, 2, np.inf, np.nan])


def test_relu_by_hand():
    np.testing.assert_array_equal(reference.relu_forward(ODD), [0, 0, 0, 0, 2, np.inf, np.nan])
    dout = np.arange(1.0, 8)
    np.testing.assert_array_equal(reference.relu_backward(ODD, dout), [0, 0, 0, 0, 5, 6, 7])


def test_relu_blocks_even_an_infinite_gradient():
    dout = np.array([np.inf, np.nan, np.inf, np.nan])
    dx = reference.relu_backward(np.array([-1.0, 0, 1, 1]), dout)
    np.testing.assert_array_equal(dx, [0, 0, np.inf, np.nan])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_edges(name, dtype):
    row, smallest = ACTIVATIONS[name], np.finfo(dtype).smallest_subnormal
    named = {"s": smallest, "-s": -smallest}
    for edge, (y, slope) in row.edges.items():
        x = np.array([named.get(edge, edge)], dtype)
        out = row.forward(x)
        np.testing.assert_array_equal(out, np.array([named.get(y, y)], dtype), err_msg=edge)
        kept = x if row.keeps == "x" else out
        dx = row.backward(kept, np.full(1, 2, dtype))
        np.testing.assert_array_equal(dx, np.full(1, 2 * slope, dtype), err_msg=edge)


def test_gelu_and_silu_at_the_ends():
    x = np.array([-np.inf, -1e4, -1.0, 0.0, 1.0, 1e4, np.inf, np.nan])
    p, s = 0.8413447460685429, 1 / (1 + math.exp(-1))
    gelu, silu = reference.gelu_forward(x), reference.silu_forward(x)
    np.testing.assert_allclose(gelu, [0, 0, p - 1, 0, p, 1e4, np.inf, np.nan], rtol=1e-15)
    np.testing.assert_allclose(silu, [0, 0, s - 1, 0, s, 1e4, np.inf, np.nan], rtol=1e-15)
    for name in ("gelu", "silu"):
        slopes = getattr(reference, f"{name}_backward")(x, np.ones(8))
        np.testing.assert_array_equal(slopes[[0, 1, 3, 5, 6, 7]], [0, 0, 0.5, 1, 1, np.nan])


def test_leaky_relu_by_hand():
    np.testing.assert_array_equal(
        reference.leaky_relu_forward(ODD, 0.25), [-np.inf, -0.5, 0, 0, 2, np.inf, np.nan]
    )
    dout = np.full(7, 8.0)
    np.testing.assert_array_equal(
        reference.leaky_relu_backward(ODD, dout, 0.25), [2, 2, 2, 2, 8, 8, 8]
    )


def test_a_slope_of_one_is_the_identity_and_of_zero_the_relu():
    x, dout = normal(20), normal(20, seed=1)
    np.testing.assert_array_equal(reference.leaky_relu_forward(x, 1), x)
    np.testing.assert_array_equal(reference.leaky_relu_backward(x, dout, 1), dout)
    np.testing.assert_array_equal(reference.leaky_relu_forward(x, 0), reference.relu_forward(x))


def test_sigmoid_by_hand():
    x = np.array([-np.inf, -1e4, 0, math.log(3), -math.log(3), 1e4, np.inf, np.nan])
    assert_close(reference.sigmoid_forward(x), np.array([0, 0, 0.5, 0.75, 0.25, 1, 1, np.nan]))
    y = np.array([0.0, 0.25, 0.5, 1])
    np.testing.assert_array_equal(reference.sigmoid_backward(y, np.full(4, 16.0)), [0, 3, 4, 0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_sigmoid_keeps_its_digits_far_to_the_left(dtype):
    x = np.array([-80.0, -20.0, -5.0], dtype)
    wanted = [1 / (1 + math.exp(-value)) for value in x.tolist()]
    assert_close(reference.sigmoid_forward(x), np.array(wanted))


def test_sigmoids_of_opposite_numbers_sum_to_one():
    x = 10 * normal(100)
    total = reference.sigmoid_forward(x) + reference.sigmoid_forward(-x)
    assert_close(total, np.ones(100))


def test_tanh_by_hand():
    x = np.array([-np.inf, -1e4, 0, math.log(2), 1e-20, 1e4, np.inf, np.nan])
    assert_close(reference.tanh_forward(x), np.array([-1, -1, 0, 0.6, 1e-20, 1, 1, np.nan]))
    y = np.array([-1, -0.5, 0, 0.5, 1])
    np.testing.assert_array_equal(reference.tanh_backward(y, np.full(5, 4.0)), [0, 3, 4, 3, 0])


def test_tanh_is_a_stretched_sigmoid():
    x = normal(100)
    wanted = 2 * reference.sigmoid_forward(2 * x) - 1
    assert_close(reference.tanh_forward(x), wanted, scale=np.full(100, 3.0))
