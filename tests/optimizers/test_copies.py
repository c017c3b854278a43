"""Copies of optimizers, and averages that settle at zero."""

import copy
import gc
import pickle

import numpy as np
import pytest

import affinet as an
from affinet.parameters import Parameters
from optimizer_rows import every_optimizer, updated, with_memory

TOGETHER = {"pickle": lambda a: pickle.loads(pickle.dumps(a)), "deepcopy": copy.deepcopy}


@every_optimizer
@pytest.mark.parametrize("how", TOGETHER)
def test_a_copy_together_with_the_parameters_goes_on(make, how):
    params = {"W": np.ones(2), "w": 1.0}
    grads, optimizer = {"W": np.array([0.5, -2]), "w": 0.25}, make()
    for _ in range(3):
        optimizer.update(params, grads)
    copied_params, copied = TOGETHER[how]((params, optimizer))
    for _ in range(3):
        optimizer.update(params, grads)
        copied.update(copied_params, grads)
    np.testing.assert_array_equal(copied_params["W"], params["W"])
    assert copied_params["w"] == params["w"]


@every_optimizer
@pytest.mark.parametrize("how", TOGETHER)
def test_a_copy_together_with_flat_parameters_goes_on(make, how):
    params, optimizer = Parameters({"W": (2,), "b": (1,)}, np.float32), make()
    for _ in range(3):
        optimizer.update(params, {"W": np.ones(2), "b": [2]})
    copied_params, copied = TOGETHER[how]((params, optimizer))
    optimizer.update(params, {"W": np.ones(2), "b": [2]})
    copied.update(copied_params, {"W": np.ones(2), "b": [2]})
    np.testing.assert_array_equal(copied_params.flat, params.flat)


@every_optimizer
@pytest.mark.parametrize("how", TOGETHER)
def test_a_copy_without_the_parameters_keeps_the_rule(make, how):
    optimizer, W = updated(make, 3)
    copied = TOGETHER[how](optimizer)
    assert repr(copied) == repr(optimizer)
    before = W.copy()
    gc.collect()
    other = np.ones(2)
    copied.update(other, np.ones(2))
    np.testing.assert_array_equal(other, updated(make, 1)[1])
    np.testing.assert_array_equal(W, before)


@every_optimizer
@pytest.mark.parametrize("how", [*TOGETHER, "copy"])
def test_a_copy_does_not_disturb_the_original(make, how):
    optimizer, W = updated(make, 3)
    copied = copy.copy(optimizer) if how == "copy" else TOGETHER[how](optimizer)
    stranger = W.copy()
    for array in (W.copy(), stranger):
        copied.update(array, np.full(2, 9.0))
        copied.update({"w": 1.0}, {"w": 9.0})
    optimizer.update(W, np.ones(2))
    np.testing.assert_array_equal(W, updated(make, 4)[1])


@with_memory
def test_a_shallow_copy_has_its_own_memory(make):
    """Updates by the copy are not counted by the original, nor the other way round."""
    optimizer, W = updated(make, 2)
    copied, kept = copy.copy(optimizer), W.copy()
    copied.update(W, np.full(2, 9.0))
    W[...] = kept
    optimizer.update(W, np.ones(2))
    np.testing.assert_array_equal(W, updated(make, 3)[1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "optimizer", [an.Momentum(), an.Nesterov(), an.RMSprop(), an.Adam(), an.AdamW()], ids=repr
)
def test_averages_of_vanished_gradients_settle_at_zero(optimizer, dtype):
    """Subnormal numbers would slow every later step down, and some of them never decay."""
    W, dW = np.ones(20, dtype), np.full(20, 1e-3, dtype)
    optimizer = type(optimizer)()
    optimizer.update(W, dW)
    state = optimizer.state_of(W)
    for average in state.averages:
        assert average.all()
        average *= np.finfo(dtype).tiny / average[0] * 1.05  # one decay from the subnormals
    for _ in range(60):
        optimizer.update(W, np.zeros_like(dW))
    for average in state.averages:
        np.testing.assert_array_equal(average, 0)


def test_nan_does_not_settle():
    for optimizer in (an.Momentum(), an.Nesterov(), an.AdaGrad(), an.RMSprop(), an.Adam()):
        W, dW = np.ones(3), np.array([0.0, np.nan, 1.0])
        optimizer.update(W, dW)
        np.testing.assert_array_equal(np.isnan(W), [False, True, False])


def test_with_a_tiny_eps_small_squares_are_kept():
    W, dW = np.ones(4, "f"), np.full(4, 1e-20, "f")
    an.Adam(lr=0.1, eps=1e-30).update(W, dW)
    np.testing.assert_allclose(W, 0.9, rtol=1e-2)
