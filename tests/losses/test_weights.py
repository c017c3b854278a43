"""Weights of rows in every loss."""

import numpy as np
import pytest

import affinet as an
from loss_rows import batch, every_loss


@every_loss
def test_whole_weights_are_rows_repeated(make):
    loss, weights = make(), np.array([2, 0, 3, 1])
    x, t = batch(make)
    again = np.repeat(np.arange(4), weights)
    value, dx = loss.forward(x, t, weights), loss.backward()
    assert value == pytest.approx(loss.forward(x[again], t[again]), rel=1e-14)
    gathered = np.zeros_like(dx)
    np.add.at(gathered, again, loss.backward())
    np.testing.assert_allclose(dx, gathered, rtol=1e-14, atol=1e-16)


@every_loss
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_of_one_change_no_bit_of_the_gradient(make, dtype):
    loss = make()
    x, t = batch(make)
    x = x.astype(dtype)
    value, dx = loss.forward(x, t), loss.backward()
    ones = loss.forward(x, t, np.ones(4, int))
    np.testing.assert_array_equal(loss.backward(), dx)
    if isinstance(loss, an.SoftmaxWithLoss):
        assert ones == value
    else:
        assert ones == pytest.approx(value, rel=1e-15)


@every_loss
def test_only_the_proportions_of_weights_matter(make):
    """But for a sum, which has no mean to divide."""
    loss, weights = make(), np.array([0.5, 0.0, 2.0, 1.25])
    x, t = batch(make)
    value, dx = loss.forward(x, t, weights), loss.backward()
    factor = 8 if isinstance(loss, an.SumSquaredError) else 1
    assert loss.forward(x, t, 8 * weights) == factor * value
    np.testing.assert_array_equal(loss.backward(), factor * dx)


@every_loss
def test_gradient_with_weights(make):
    loss, weights = make(), np.array([0.5, 0.0, 2.0, 1.25])
    x, t = batch(make)

    class Weighted:
        def forward(self, x, t):
            return loss.forward(x, t, weights)

        def backward(self, dout=1.0):
            return loss.backward(dout)

    report = an.gradient_check(Weighted(), x, t)
    assert report.passed, str(report)


@every_loss
def test_a_row_without_weight_counts_nothing(make):
    loss, weights = make(), np.array([1.0, 0.0, 2.0, 1.0])
    x, t = batch(make)
    value, dx = loss.forward(x, t, weights), loss.backward()
    x[1] = np.nan
    assert loss.forward(x, t, weights) == value
    np.testing.assert_array_equal(loss.backward(), dx)
    assert loss.forward(x, t, np.zeros(4)) == 0
    assert not loss.backward().any()


@every_loss
@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([1, 1, 1], ValueError, r"weights has shape \(3,\), wanted \(4,\)"),
        (np.ones((4, 1)), ValueError, r"weights has shape \(4, 1\)"),
        (1.0, ValueError, r"weights has shape \(\)"),
        ([1, 1, -1, 1], ValueError, r"weights\[2\] is -1.0, wanted a finite number of at least 0"),
        ([1, np.nan, 1, 1], ValueError, r"weights\[1\] is nan"),
        ([1, 1, 1, np.inf], ValueError, r"weights\[3\] is inf"),
        ([1e308] * 4, ValueError, "weights has an infinite sum"),
        (["a"] * 4, TypeError, "weights has dtype"),
    ],
    ids=str,
)
def test_weights_that_are_refused(make, weights, error, message):
    with pytest.raises(error, match=message):
        make().forward(*batch(make), weights)


def test_one_row_has_one_weight():
    for loss, t in ((an.SoftmaxWithLoss(), 1), (an.SigmoidWithLoss(), [0, 1, 1])):
        x = np.array([1.0, 2.0, 3.0])
        assert loss.forward(x, t, [2.0]) == pytest.approx(loss.forward(x, t))
        with pytest.raises(ValueError, match=r"wanted \(1,\)"):
            loss.forward(x, t, [1, 1, 1])
