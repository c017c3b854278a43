"""Numbers of losses (smoothing, delta, q), and hits."""

import numpy as np
import pytest

import affinet as an
from affinet import reference
from array_forms import draw
from loss_rows import double, softmax_scales
from tolerance import assert_close

# Numbers of losses -------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [-0.1, 1, 1.5, np.nan])
def test_label_smoothing_out_of_range(bad):
    with pytest.raises(ValueError, match=r"label_smoothing is .*wanted 0 <= label_smoothing < 1"):
        an.SoftmaxWithLoss(label_smoothing=bad)


@pytest.mark.parametrize("bad", [0, -1, np.inf, np.nan])
def test_delta_out_of_range(bad):
    with pytest.raises(ValueError, match=r"delta is .*above 0"):
        an.Huber(bad)


@pytest.mark.parametrize("bad", [0, 1, -0.5, 2, np.nan])
def test_q_out_of_range(bad):
    with pytest.raises(ValueError, match=r"q is .*wanted 0 < q < 1"):
        an.Quantile(bad)


@pytest.mark.parametrize("make", [an.SoftmaxWithLoss, an.Huber, an.Quantile])
@pytest.mark.parametrize("bad", ["0.5", None, {0.5}])
def test_numbers_that_are_none(make, bad):
    with pytest.raises(TypeError, match="wanted a number"):
        make(bad)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("smoothing", [0.1, 0.5, 0.9])
def test_smoothed_labels_are_soft_rows(dtype, smoothing):
    x, labels = draw(dtype, (6, 5)), np.array([0, 4, 2, 2, 1, 3])
    soft = (1 - smoothing) * np.eye(5)[labels] + smoothing / 5
    value, y, dx = reference.softmax_cross_entropy_rows(double(x), soft)
    value_scale, dx_scale = softmax_scales(double(x), soft)
    loss = an.SoftmaxWithLoss(smoothing)
    for t in (labels, np.eye(5)[labels]):
        actual = loss.forward(x, t)
        assert_close(actual, value, reduction=11, scale=value_scale, dtype=dtype, name="loss")
        assert_close(loss.backward(), dx, reduction=11, scale=dx_scale, name="dx")
        assert_close(loss.y, y, reduction=5, scale=y * (1 + np.ptp(x)), name="y")


def test_quantiles_and_huber_at_their_ends():
    x, t = draw("float64", (4, 3)), draw("float64", (4, 3), 1)
    half, absolute = an.Quantile(0.5), an.MeanAbsoluteError()
    assert 2 * half.forward(x, t) == pytest.approx(absolute.forward(x, t), rel=1e-15)
    np.testing.assert_allclose(2 * half.backward(), absolute.backward())
    wide, squares = an.Huber(1e9), an.MeanSquaredError()
    assert 2 * wide.forward(x, t) == pytest.approx(squares.forward(x, t), rel=1e-15)
    np.testing.assert_allclose(2 * wide.backward(), squares.backward())


def test_the_quantile_is_where_its_loss_is_least():
    t = np.sort(draw("float64", 101))
    losses = [an.Quantile(0.3).forward(np.full(101, level), t) for level in t]
    assert np.argmin(losses) == 30


# Hits --------------------------------------------------------------------------------------------


def test_hits_of_indices_and_rows():
    y = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
    labels, loss = np.array([0, 1, 1, 1], np.uint8), an.SoftmaxWithLoss()
    for t in (labels, np.eye(2)[labels], labels.tolist()):
        np.testing.assert_array_equal(loss.hits(y, t), [True, True, False, True])
    np.testing.assert_array_equal(loss.hits(y[0], 0), [True])


def test_hits_on_the_right_side_of_zero():
    x = np.array([[1.0, -1.0], [1e-30, 0.0], [2.0, 3.0], [np.nan, -1.0], [-1.0, 1.0]])
    t = np.array([[1, 0], [0.6, 0.5], [1, 0], [0, 0], [0.2, 1]])
    loss = an.SigmoidWithLoss()
    np.testing.assert_array_equal(loss.hits(x, t), [True, True, False, False, True])
    np.testing.assert_array_equal(loss.hits(x[:, :1], t[:, 0]), [True, True, True, False, True])
