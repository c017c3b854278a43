"""The reference's update rules, by hand and in the long run."""

import math

import numpy as np
import pytest

from affinet import reference
from tolerance import assert_close

DTYPES = [np.float32, np.float64]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def test_sgd_by_hand():
    W = reference.sgd_update(np.array([2.0, -4]), 0.25, 0.0, np.array([1.0, 1]))
    np.testing.assert_array_equal(W, [0.5, 2])


def test_sgd_with_weight_decay_by_hand():
    """1 - (2 + 1) / 4 and -2 - (-4 - 2) / 4."""
    W = reference.sgd_update(np.array([2.0, -4]), 0.25, 1.0, np.array([1.0, -2]))
    np.testing.assert_array_equal(W, [0.25, -0.5])


def test_weight_decay_alone_shrinks_by_a_factor():
    W = np.array([8.0, -16])
    for _ in range(3):
        W = reference.sgd_update(np.zeros(2), 0.5, 1.0, W)
    np.testing.assert_array_equal(W, [1, -2])


def test_momentum_by_hand():
    v, W = np.zeros(1), np.ones(1)
    v, W = reference.momentum_update(np.array([2.0]), 0.5, 0.5, v, W)
    assert (v[0], W[0]) == (-1, 0)
    v, W = reference.momentum_update(np.array([2.0]), 0.5, 0.5, v, W)
    assert (v[0], W[0]) == (-1.5, -1.5)


def test_momentum_without_momentum_is_sgd():
    dW, W = normal(9), normal(9, seed=1)
    v, new = reference.momentum_update(dW, 0.1, 0.0, normal(9, seed=2), W)
    np.testing.assert_array_equal(v, -0.1 * dW)
    np.testing.assert_array_equal(new, reference.sgd_update(dW, 0.1, 0.0, W))


def test_momentum_reaches_its_terminal_velocity():
    v, W, dW = np.zeros(1), np.zeros(1), np.ones(1)
    for _ in range(500):
        v, W = reference.momentum_update(dW, 0.1, 0.9, v, W)
    assert_close(v, np.array([-0.1 / (1 - 0.9)]), reduction=100)


def test_nesterov_by_hand():
    """v: -1, -1.5; W: 1 - 0.5 - 1, then -0.5 - 0.75 - 1."""
    v, W = np.zeros(1), np.ones(1)
    v, W = reference.nesterov_update(np.array([2.0]), 0.5, 0.5, v, W)
    assert (v[0], W[0]) == (-1, -0.5)
    v, W = reference.nesterov_update(np.array([2.0]), 0.5, 0.5, v, W)
    assert (v[0], W[0]) == (-1.5, -2.25)


def test_nesterov_looks_ahead():
    """W is theta + momentum v, for the theta and v of Sutskever et al., equations 3 and 4."""
    lr, momentum, curvature = 0.1, 0.9, np.array([0.3, 2.0, 5.0])
    theta, velocity, W = np.ones(3), np.zeros(3), np.ones(3)
    v = np.zeros(3)
    for _ in range(20):
        velocity = momentum * velocity - lr * curvature * (theta + momentum * velocity)
        theta = theta + velocity
        v, W = reference.nesterov_update(curvature * W, lr, momentum, v, W)
        np.testing.assert_allclose(W, theta + momentum * velocity, rtol=1e-11, atol=1e-13)


def test_nesterov_without_momentum_is_sgd():
    dW, W = normal(9), normal(9, seed=1)
    _, new = reference.nesterov_update(dW, 0.1, 0.0, normal(9, seed=2), W)
    np.testing.assert_array_equal(new, reference.sgd_update(dW, 0.1, 0.0, W))


def test_rmsprop_by_hand():
    """h: 4, 4 / 2 + 16 / 2; steps of 3 * 2 / (2 + 1) and 3 * 4 / (sqrt(10) + 1)."""
    h, W = np.array([4.0]), np.array([1.0])
    h, W = reference.rmsprop_update(np.array([2.0]), 3.0, 0.5, 1.0, h, W)
    assert (h[0], W[0]) == (4, -1)
    h, W = reference.rmsprop_update(np.array([4.0]), 3.0, 0.5, 1.0, h, W)
    assert h[0] == 10
    assert_close(W, np.array([-1 - 12 / (math.sqrt(10) + 1)]))


def test_rmsprop_with_a_constant_gradient_comes_to_walk_at_its_rate():
    h, W, dW = np.zeros(2), np.zeros(2), np.array([5.0, -0.2])
    for _ in range(300):
        before = W
        h, W = reference.rmsprop_update(dW, 0.1, 0.9, 1e-12, h, W)
    np.testing.assert_allclose(W - before, -0.1 * np.sign(dW), rtol=1e-9)


def test_adagrad_by_hand():
    h, W = reference.adagrad_update(np.array([4.0]), 3.0, 1.0, np.array([9.0]), np.array([1.0]))
    assert (h[0], W[0]) == (25, -1)


def test_adagrad_steps_shrink_with_the_root_of_their_number():
    h, W = np.zeros(2), np.zeros(2)
    dW = np.array([3.0, -0.01])
    for step in range(1, 30):
        before = W
        h, W = reference.adagrad_update(dW, 0.1, 0.0, h, W)
        wanted = before - 0.1 * np.sign(dW) / math.sqrt(step)
        assert_close(W, wanted, reduction=step, scale=np.ones(2))


def test_adagrad_divides_by_eps_where_there_was_no_gradient():
    h, W = reference.adagrad_update(np.zeros(1), 0.1, 1e-7, np.zeros(1), np.ones(1))
    assert (h[0], W[0]) == (0, 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e6])
def test_the_first_step_of_adam_is_lr_whatever_the_gradient(dtype, size):
    dW = (size * normal(50)).astype(dtype)
    dW = dW[np.abs(dW) > 1e-2 * size]
    zero = np.zeros_like(dW)
    m, v, W = reference.adam_update(dW, 0.01, 0.9, 0.999, 0.0, 1, zero, zero, zero)
    wanted = dW.astype(np.float64)
    assert_close(W, -0.01 * np.sign(wanted))
    assert_close(m, (1 - 0.9) * wanted)
    assert_close(v, (1 - 0.999) * wanted**2)


def test_adam_by_hand():
    """Two steps of its paper's algorithm 1 in fractions, with roots that come out even."""
    m, v, W = np.zeros(1), np.zeros(1), np.zeros(1)
    m, v, W = reference.adam_update(np.array([4.0]), 1.0, 0.5, 0.75, 1.0, 1, m, v, W)
    assert (m[0], v[0]) == (2, 4)
    assert W[0] == -4 / (4 + 1)
    m, v, W = reference.adam_update(np.array([-4.0]), 1.0, 0.5, 0.75, 1.0, 2, m, v, W)
    assert (m[0], v[0]) == (-1, 7)
    assert_close(W, np.array([-4 / 5 + (1 / 0.75) / (math.sqrt(7 / 0.4375) + 1)]))


def test_adam_with_a_constant_gradient_walks_evenly():
    m, v, W = np.zeros(2), np.zeros(2), np.zeros(2)
    dW = np.array([5.0, -0.2])
    for step in range(1, 40):
        m, v, W = reference.adam_update(dW, 0.1, 0.9, 0.999, 1e-9, step, m, v, W)
        np.testing.assert_allclose(W, -0.1 * step * np.sign(dW), rtol=1e-7)


def test_adam_stands_still_without_a_gradient():
    zero = np.zeros(3)
    m, v, W = reference.adam_update(zero, 0.1, 0.9, 0.999, 1e-8, 1, zero, zero, np.ones(3))
    np.testing.assert_array_equal([m, v, W], [zero, zero, np.ones(3)])


@pytest.mark.parametrize("step", [0, -1])
def test_adam_counts_from_one(step):
    zero = np.zeros(1)
    with pytest.raises(ValueError, match=f"^step is {step}, wanted 1 or more"):
        reference.adam_update(zero, 0.1, 0.9, 0.999, 1e-8, step, zero, zero, zero)
    with pytest.raises(ValueError, match=f"^step is {step}, wanted 1 or more"):
        reference.adamw_update(zero, 0.1, 0.9, 0.999, 1e-8, 0.1, step, zero, zero, zero)


def test_adamw_by_hand():
    """Adam's first step is 4 / (4 + 1); the decay takes a quarter of 8 before it."""
    m, v, W = np.zeros(1), np.zeros(1), np.array([8.0])
    m, v, W = reference.adamw_update(np.array([4.0]), 1.0, 0.5, 0.75, 1.0, 0.25, 1, m, v, W)
    assert (m[0], v[0]) == (2, 4)
    assert_close(W, np.array([6 - 4 / 5]))


def test_the_decay_of_adamw_does_not_depend_on_the_gradient():
    """Decoupled: two parameters with the same W and other gradients are pulled alike."""
    dW, W, zero = np.array([1e-3, 1e3]), np.full(2, 4.0), np.zeros(2)
    numbers = (0.1, 0.9, 0.999, 1e-8)
    _, _, with_decay = reference.adamw_update(dW, *numbers, 0.5, 1, zero, zero, W)
    _, _, without = reference.adam_update(dW, *numbers, 1, zero, zero, W)
    np.testing.assert_allclose(without - with_decay, 0.1 * 0.5 * 4, rtol=1e-12)
