"""Losses, hits and weights of rows of a compiled plan, whole and in shares of a batch."""

import numpy as np
import pytest

from affinet import _dispatch
from affinet.layers.operation import Operation
from plans import AFFINE, dropout, make, with_data

kernels = _dispatch.kernels


def test_weights_bound_the_rows_and_are_summed():
    plan = with_data(make())
    plan.gradients(np.array([0, 1, 1]), 0)
    assert plan.weight_sum == 3
    plan.set_weights(np.array([0.5, 2.0, 0.25]))
    plan.gradients(np.array([0, 1, 1]), 0)
    assert plan.weight_sum == 4.5
    with pytest.raises(ValueError, match=r"order\[1\] is 3, wanted a row 0\.\.2"):
        plan.gradients(np.array([0, 3]), 0)
    with pytest.raises(ValueError, match="weights has shape"):
        plan.set_weights(np.empty(0))
    for wrong in (np.ones(5, np.float32), np.ones((5, 1)), None, np.ones(10)[::2]):
        with pytest.raises((TypeError, ValueError)):
            plan.set_weights(wrong)


def test_hits_are_sums_of_weights():
    params = np.array([1.0, 0, 0, 0, 0, 0, 0, 0.5])  # the first input decides
    x = np.array([[1.0, 0, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0], [2, 0, 0]])
    plan = with_data(make(params, batch_size=5), x, np.array([0, 0, 1, 1, 0]))
    assert plan.gradients(np.arange(5), 0)[1] == 3
    plan.set_weights(np.array([0.5, 8, 4, 0.25, 2]))
    assert plan.gradients(np.arange(5), 0)[1] == 2.75
    rows = make(params, loss="sigmoid_cross_entropy", batch_size=5)
    rows.set_inputs(x)
    rows.set_target_rows(np.array([[1.0, 1], [0, 1], [0, 1], [1, 1], [1, 0]]))
    assert rows.gradients(np.arange(5), 0)[1] == 2
    rows.set_weights(np.array([0.5, 8, 4, 0.25, 2]))
    assert rows.gradients(np.arange(5), 0)[1] == 8.5
    values = make(params, loss="poisson_loss", batch_size=5)
    values.set_inputs(x)
    values.set_target_rows(np.ones((5, 2)))
    assert values.gradients(np.arange(5), 0)[1] == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("C", [1, 2, 4, 10, 15, 16, 17, 40])
def test_the_first_of_the_highest_is_the_hit(C, dtype):
    """With weights 2^row the sum tells which rows were hits; integers have many ties."""
    B, rng = 50, np.random.default_rng(C)
    x = rng.integers(-2, 3, (B, C)).astype(dtype)
    x[7], x[23], x[44, -1] = 1, np.nan, np.nan  # where a logit is NaN, all of softmax's outputs are
    best = np.where(np.isnan(x).any(axis=1), 0, x.argmax(axis=1))
    t = np.where(rng.random(B) < 0.5, best, rng.integers(0, C, B))
    params = np.concatenate([np.eye(C, dtype=dtype).ravel(), np.zeros(C, dtype)])
    layers = [Operation("affine", n_outputs=C, starts=(0, C * C))]
    plan = make(params, np.zeros_like(params), layers, batch_size=B, n_inputs=C)
    plan.set_inputs(x)
    plan.set_labels(t)
    plan.set_weights(2.0 ** np.arange(B))
    for rows in (1, 15, 16, 17, 33, B):
        expected = (2.0 ** np.arange(rows))[best[:rows] == t[:rows]].sum()
        assert plan.gradients(np.arange(rows), 0)[1] == expected


def test_set_loss_of_another_loss():
    for name in ("huber_loss", "hinge"):
        with pytest.raises(ValueError, match=f"made for softmax_cross_entropy, not for {name}"):
            make().set_loss(name, 1.0)


@pytest.mark.parametrize(
    ("loss", "good", "bad"),
    [
        ("softmax_cross_entropy", 0.1, (-0.1, 1.0, np.nan)),
        ("huber_loss", 0.5, (0.0, -1.0, np.inf, np.nan)),
        ("quantile_loss", 0.5, (0.0, 1.0, np.nan)),
        *((name, 0.0, (0.5, np.nan)) for name in kernels.known_losses()
          if name not in ("softmax_cross_entropy", "huber_loss", "quantile_loss")),
    ],
)  # fmt: skip
def test_set_loss_refuses_a_number(loss, good, bad):
    plan = make(loss=loss)
    plan.set_loss(loss, good)
    for number in bad:
        with pytest.raises(ValueError, match=r"\d|nan|inf"):
            plan.set_loss(loss, number)


@pytest.mark.parametrize("loss", ["huber_loss", "quantile_loss"])
def test_a_loss_without_its_number_does_not_run(loss):
    plan = make(loss=loss)
    plan.set_inputs(np.ones((5, 3)))
    plan.set_target_rows(np.ones((5, 2)))
    with pytest.raises(RuntimeError, match=f"the number of {loss}"):
        plan.gradients(np.arange(2), 0)
    plan.set_loss(loss, 0.5)
    assert np.isfinite(plan.gradients(np.arange(2), 0)[0])


@pytest.mark.parametrize("weights", [None, np.array([0.5, 0, 2, 1, 0.25])])
def test_shares_of_a_batch_add_up(weights):
    """Rows 0 and 1, none, and rows 2 and 3 of a batch: with their places, and divided by it all."""
    layers = [dropout(0.4, 77), AFFINE]
    x, order = np.random.default_rng(3).standard_normal((5, 3)), np.array([4, 2, 0, 3])
    whole, part = np.zeros(8), np.zeros(8)
    plans = [with_data(make(grads=grads, layers=layers), x) for grads in (whole, part)]
    total = 4.0
    for plan in plans:
        plan.set_regularization(0.5, 0.01)
        if weights is not None:
            plan.set_weights(weights)
            total = weights[order].sum()
    loss, hits = plans[0].gradients(order, 5)
    told, summed = [], np.zeros(8)
    for rows, place in ((order[:2], 0), (order[:0], 2), (order[2:], 2)):
        told.append(plans[1].gradients(rows, 5, place, total))
        summed += part
    assert told[1] == (0, 0)
    part[:] = summed
    penalty = plans[1].regularize(total)
    assert sum(share for share, _ in told) + penalty == pytest.approx(loss, rel=1e-15)
    assert sum(found for _, found in told) == hits
    np.testing.assert_allclose(part, whole, rtol=1e-14)
    assert np.linalg.norm(whole) == pytest.approx(0.01)
    for plan in plans:
        plan.update()
    assert plans[1].updates == 1


def test_gradients_refuses_a_total():
    plan = with_data(make())
    for total in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match=r"^total is"):
            plan.gradients(np.arange(2), 0, 0, total)
    with pytest.raises(ValueError, match="wanted 0 to 4 rows"):
        plan.gradients(np.zeros(5, np.int64), 0, 0, 5.0)
