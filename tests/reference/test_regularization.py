"""The reference's L2 penalty and gradient clipping."""

import math

import numpy as np
import pytest

from affinet import reference


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def test_l2_penalty_by_hand():
    loss, dW = reference.l2_penalty(np.array([[1.0, -2], [3, 0]]), 0.5, np.ones((2, 2)))
    assert loss == 0.25 * 14
    np.testing.assert_array_equal(dW, [[1.5, 0], [2.5, 1]])


def test_the_pull_is_the_gradient_of_the_penalty():
    W, step = normal(7), 1e-6
    _, dW = reference.l2_penalty(W, 0.3, np.zeros(7))
    for i in range(7):
        ends = [reference.l2_penalty(W + h * np.eye(7)[i], 0.3, W)[0] for h in (step, -step)]
        assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(dW[i], rel=1e-6, abs=1e-8)


def test_clip_norm_by_hand():
    dW = np.array([[2.0, -3.0], [6.0, 0.0]])
    for max_norm, wanted in ((3.5, dW / 2), (7.0, dW), (1e9, dW)):
        norm, out = reference.clip_norm(dW, max_norm)
        assert norm == 7
        np.testing.assert_array_equal(out, wanted)
    assert reference.clip_norm(np.zeros(3), 1.0) == (0, pytest.approx(np.zeros(3)))
    assert reference.clip_norm(np.zeros(0), 1.0)[0] == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_norm_that_is_not_finite_makes_all_of_it_nan(bad):
    norm, out = reference.clip_norm(np.array([1.0, bad, 0.0]), 1.0)
    assert not math.isfinite(norm)
    assert np.isnan(out).all()


@pytest.mark.parametrize("max_norm", [0.0, -1.0, math.nan])
def test_a_bound_that_is_none_is_refused(max_norm):
    with pytest.raises(ValueError, match=f"^max_norm is {max_norm}, wanted a number above 0"):
        reference.clip_norm(np.ones(2), max_norm)


def test_clip_value_by_hand():
    dW = np.array([[2.0, -3.0], [math.nan, -0.5]])
    wanted = np.array([[1.0, -1.0], [math.nan, -0.5]])
    before = dW.copy()
    np.testing.assert_array_equal(reference.clip_value(dW, 1.0), wanted)
    np.testing.assert_array_equal(dW, before)
    assert reference.clip_value(np.array([math.inf, -math.inf]), 2.0).tolist() == [2, -2]
    single = reference.clip_value(np.array([1, -1], np.float32), 0.1)
    assert single.dtype == np.float32
    assert single.tolist() == [np.float32(0.1), np.float32(-0.1)]


@pytest.mark.parametrize("max_value", [0.0, -1.0, math.nan])
def test_a_bound_of_elements_that_is_none_is_refused(max_value):
    with pytest.raises(ValueError, match=f"^max_value is {max_value}, wanted a number above 0"):
        reference.clip_value(np.ones(2), max_value)
