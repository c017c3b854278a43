"""The door of the compiled plan is safe: it refuses what does not fit and writes nothing."""

import sys

import numpy as np
import pytest

from affinet import _dispatch
from affinet.layers.operation import Operation
from plans import AFFINE, dropout, make, with_data

kernels = _dispatch.kernels


def rows(n):
    """Indices as doors want them: NumPy's own have 32 bits on some machines."""
    return np.arange(n, dtype=np.int64)


@pytest.mark.parametrize(
    "changes",
    [
        {"layers": [AFFINE._replace(starts=(3, 6))]},
        {"layers": [AFFINE._replace(starts=(-1, 6))]},
        {"layers": [AFFINE._replace(starts=(0, 7))]},
        {"layers": [AFFINE._replace(n_outputs=0)]},
        {"layers": [AFFINE, dropout(1.0, 0)]},
        {"layers": []},
        {"layers": [Operation("relu")] * 1001},
        {"grads": np.zeros(7)},
        {"batch_size": 0},
        {"n_inputs": 0},
        {"n_inputs": 2},
        {"rule": "adam"},
        {"averages": [np.zeros(8)]},
        {"rule": "momentum", "averages": [np.zeros(7)]},
    ],
    ids=str,
)
def test_make_plan_refuses(changes):
    with pytest.raises(ValueError, match=r"\w"):
        make(**changes)


def test_make_plan_refuses_unknown_names():
    with pytest.raises(ValueError, match=r"operation 0, conv, is no kernel.*affine.*gelu"):
        make(layers=[Operation("conv")])
    with pytest.raises(ValueError, match=r"no loss is called hinge.*softmax_cross_entropy"):
        make(loss="hinge")
    with pytest.raises(ValueError, match=r"no update rule is called lbfgs.*sgd"):
        make(rule="lbfgs")


def test_make_plan_refuses_mixed_precision():
    with pytest.raises((ValueError, TypeError)):
        make(grads=np.zeros(8, np.float32))


def test_no_memory_is_an_error_and_not_a_crash():
    for most in (2**45, 2**55, 2**62):
        with pytest.raises(MemoryError):
            make(batch_size=min(most, sys.maxsize))


def test_run_refuses_rows_out_of_range():
    plan = with_data(make())
    for bad in (-1, 5, 2**62):
        with pytest.raises(ValueError, match=r"wanted a row 0\.\.4"):
            plan.run(np.array([0, bad], np.int64), 0, np.empty(1), np.empty(1))
        with pytest.raises(ValueError, match=r"wanted a row 0\.\.4"):
            plan.gradients(np.array([0, bad], np.int64), 0)


def test_run_refuses_outputs_of_the_wrong_length():
    plan = with_data(make())
    with pytest.raises(ValueError, match="losses"):
        plan.run(rows(5), 0, np.empty(1), np.empty(2))
    with pytest.raises(ValueError, match="hits"):
        plan.run(rows(5), 0, np.empty(2), np.empty(1))
    for wrong in (1, 3):
        with pytest.raises(ValueError, match="lrs"):
            plan.run(rows(5), 0, np.empty(2), np.empty(2), np.ones(wrong))
    assert plan.updates == 0


@pytest.mark.parametrize("rows", [0, 5])
def test_gradients_refuses_an_empty_or_too_large_batch(rows):
    with pytest.raises(ValueError, match="wanted 1 to 4 rows"):
        with_data(make()).gradients(np.zeros(rows, np.int64), 0)


def test_one_row_and_a_batch_norm_are_refused():
    """A batch of one row has no variance; nothing has changed then."""
    mean, var = np.zeros(3), np.ones(3)
    norm = Operation("batch_norm", starts=(8, 11), numbers=(1e-5, 0.1), arrays=(mean, var))
    layers = [norm, AFFINE]
    params = np.arange(14.0)
    plan = with_data(make(params, np.zeros(14), layers))
    for order in (rows(5), rows(1)):
        batches = -(-len(order) // 4)
        with pytest.raises(ValueError, match=r"one row: operation 0, batch_norm"):
            plan.run(order, 0, np.empty(batches), np.empty(batches))
    with pytest.raises(ValueError, match=r"one row: operation 0, batch_norm"):
        plan.gradients(rows(1), 0)
    single = with_data(make(params, np.zeros(14), layers, batch_size=1))
    with pytest.raises(ValueError, match=r"one row: operation 0, batch_norm"):
        single.run(rows(4), 0, np.empty(4), np.empty(4))
    np.testing.assert_array_equal(params, np.arange(14.0))
    assert not mean.any()
    plan.run(rows(4), 0, np.empty(1), np.empty(1))
    np.testing.assert_allclose(mean, 0.1)


@pytest.mark.parametrize("bad", [-1, 2, 2**40])
def test_class_index_out_of_range_changes_no_parameter(bad):
    params = np.arange(8.0)
    plan = with_data(make(params), t=np.array([0, 1, bad, 1, 0]))
    with pytest.raises(ValueError, match="class index"):
        plan.run(np.array([2, 2, 2, 2], np.int64), 0, np.empty(1), np.empty(1))
    np.testing.assert_array_equal(params, np.arange(8.0))


def test_data_must_be_set_and_fit():
    plan = make()
    with pytest.raises(RuntimeError, match="inputs and targets"):
        plan.gradients(np.zeros(1, np.int64), 0)
    with pytest.raises(ValueError, match="x has shape"):
        plan.set_inputs(np.ones((5, 4)))
    with pytest.raises(ValueError, match="t has shape"):
        plan.set_target_rows(np.ones((5, 3)))
    with pytest.raises(ValueError, match="softmax_cross_entropy only"):
        make(loss="mean_squared_error").set_labels(np.zeros(5, np.int64))
    with pytest.raises((ValueError, TypeError)):
        plan.set_inputs(np.ones((5, 3), np.int64))


def test_targets_shorter_than_inputs_bound_the_rows():
    plan = with_data(make(), t=np.array([0, 1]))
    with pytest.raises(ValueError, match=r"wanted a row 0\.\.1"):
        plan.gradients(np.array([2], np.int64), 0)


def test_arrays_live_as_long_as_the_plan():
    plan = with_data(make(np.arange(8.0), np.zeros(8)))
    loss, hits = plan.gradients(rows(4), 0)
    plan.update()
    assert np.isfinite(loss)
    assert 0 <= hits <= 4
    assert plan.updates == 1


def test_eager_may_be_switched():
    plan = with_data(make())
    plan.eager(True)
    losses = [plan.gradients(rows(4), 0)[0]]
    plan.eager(False)
    losses.append(plan.gradients(rows(4), 0)[0])
    assert losses[0] == losses[1]


def test_several_epochs_in_a_run_are_as_many_runs():
    """Each ends with a short batch of its own; dropout's masks and the rates go on."""
    x = np.random.default_rng(0).standard_normal((5, 3))
    layers = [dropout(0.5, 3), AFFINE]
    orders = np.array([[4, 1, 0, 2, 3], [0, 1, 2, 3, 4], [3, 3, 1, 0, 2]], np.int64)
    rates = np.array([[0.1, 0.2, 0.3, 0.1, 0.0, 0.4], [1, 0.5, 0.7, 1, 0, 0.9]])
    results = []
    for together in (True, False):
        params = np.linspace(-1, 1, 8)
        plan = with_data(make(params, layers=layers), x)
        losses, hits = np.empty(6), np.empty(6)
        if together:
            plan.run(orders.ravel(), 7, losses, hits, rates[0], dropouts=rates[1], epochs=3)
        else:
            for epoch, order in enumerate(orders):
                part = slice(2 * epoch, 2 * epoch + 2)
                lrs, dropouts = rates[:, part].copy()
                plan.run(order, 7 + 2 * epoch, losses[part], hits[part], lrs, dropouts=dropouts)
        assert plan.updates == 6
        results.append((params, losses, hits))
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_run_ends_after_an_epoch_with_a_loss_that_is_not_finite():
    x = np.ones((5, 3))
    x[3] = np.nan
    plan = with_data(make(), x)
    losses, hits = np.full(6, 7.0), np.full(6, 7.0)
    order = np.array([0, 1, 2, 4, 0, 3, 1, 2, 0, 1, 0, 1, 2, 4, 0], np.int64)
    plan.run(order, 0, losses, hits, epochs=3)
    assert plan.updates == 4
    assert np.isfinite(losses[:2]).all()
    assert np.isnan(losses[2:4]).all()
    assert (losses[4:] == 7).all()
    assert (hits[4:] == 7).all()


@pytest.mark.parametrize("epochs", [0, -1, 2, 6])
def test_run_refuses_epochs_of_unequal_length(epochs):
    plan = with_data(make())
    with pytest.raises(ValueError, match=f"epochs is {epochs}, wanted a divisor of order's 5 rows"):
        plan.run(rows(5), 0, np.empty(2), np.empty(2), epochs=epochs)
    assert plan.updates == 0
