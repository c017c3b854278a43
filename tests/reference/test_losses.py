"""The reference's softmax and losses."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affinet import reference
from tolerance import assert_close

DTYPES = [np.float32, np.float64]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


ELEMENTWISE = {
    "mean_squared_error": (),
    "sum_squared_error": (),
    "sigmoid_cross_entropy": (),
    "mean_absolute_error": (),
    "huber_loss": (0.6,),
    "poisson_loss": (),
    "quantile_loss": (0.2,),
}


# Softmax and its losses --------------------------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 2**32),
    rows=st.integers(0, 5),
    classes=st.integers(1, 40),
    size=st.sampled_from([0.0, 1.0, 100.0, 1e4, 1e30]),
    dtype=st.sampled_from(DTYPES),
)
def test_softmax_rows_are_probabilities(seed, rows, classes, size, dtype):
    x = (size * normal(rows, classes, seed=seed)).astype(dtype)
    y = reference.softmax_forward(x)
    assert ((y >= 0) & (y <= 1)).all()
    assert_close(y.sum(axis=1), np.ones(rows), reduction=2 * classes)
    np.testing.assert_array_equal(y.argmax(axis=1), x.argmax(axis=1))


def test_softmax_by_hand():
    y = reference.softmax_forward(np.log(np.array([[1.0, 2, 5], [3, 3, 2]])))
    assert_close(y, np.array([[0.125, 0.25, 0.625], [0.375, 0.375, 0.25]]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shift", [-1e4, 1e4, 2.0**20])
def test_softmax_does_not_see_a_common_shift(dtype, shift):
    x = np.arange(-8, 8, dtype=dtype).reshape(2, 8)  # whole numbers shift exactly
    np.testing.assert_array_equal(
        reference.softmax_forward(x + dtype(shift)), reference.softmax_forward(x)
    )


def test_softmax_of_odd_rows():
    x = np.array([[0, -np.inf], [np.nan, 0], [np.inf, 0], [-np.inf, -np.inf], [1e4, -1e4]])
    y = reference.softmax_forward(x)
    np.testing.assert_array_equal(y, [[1, 0], [np.nan] * 2, [np.nan] * 2, [np.nan] * 2, [1, 0]])


def test_softmax_without_classes_or_rows():
    assert reference.softmax_forward(np.zeros((3, 0))).shape == (3, 0)
    assert reference.softmax_forward(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", [1, 2, 10, 1000])
@pytest.mark.parametrize("level", [0, 1e4, -1e4])
def test_cross_entropy_of_equal_logits_is_log_c(dtype, classes, level):
    x, t = np.full((7, classes), level, dtype), np.arange(7) % classes
    loss, y, dx = reference.softmax_cross_entropy_labels(x, t)
    assert_close(loss, math.log(classes), dtype=dtype, reduction=classes)
    assert_close(y, np.full((7, classes), 1 / classes))
    assert_close(dx, (1 / classes - np.eye(classes)[t]) / 7, scale=np.full(dx.shape, 2 / 7))


@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_entropy_of_sure_answers(dtype):
    x = np.array([[1e4, -1e4], [1e4, -1e4]], dtype)
    assert reference.softmax_cross_entropy_labels(x, np.array([0, 0]))[0] == 0
    assert reference.softmax_cross_entropy_labels(x, np.array([1, 1]))[0] == 2e4
    assert reference.softmax_cross_entropy_labels(x, np.array([0, 1]))[0] == 1e4


def test_cross_entropy_by_hand():
    x = np.log(np.array([[1.0, 2, 5], [3, 3, 2]]))
    loss, y, dx = reference.softmax_cross_entropy_labels(x, np.array([2, 0]))
    assert_close(loss, -(math.log(0.625) + math.log(0.375)) / 2)
    assert_close(y, np.array([[0.125, 0.25, 0.625], [0.375, 0.375, 0.25]]))
    wanted = np.array([[0.0625, 0.125, -0.1875], [-0.3125, 0.1875, 0.125]])
    assert_close(dx, wanted, scale=np.ones((2, 3)))


def test_cross_entropy_keeps_its_digits_where_the_answer_is_nearly_sure():
    """log(1 + e^-30) is e^-30 to 13 digits; a loss worked out from y would be 0 or noise."""
    loss, _, _ = reference.softmax_cross_entropy_labels(np.array([[0.0, 30]]), np.array([0]))
    assert_close(loss, 30 + math.exp(-30))


def test_labels_and_one_hot_rows_mean_the_same():
    x, t = 3 * normal(6, 4), np.array([0, 1, 2, 3, 3, 0])
    labels = reference.softmax_cross_entropy_labels(x, t)
    rows = reference.softmax_cross_entropy_rows(x, np.eye(4)[t])
    for a, b in zip(labels, rows, strict=True):
        assert_close(a, np.asarray(b), scale=np.abs(b) + 1)


def test_rows_are_linear_in_their_weights():
    x, t, u = normal(3, 5), np.abs(normal(3, 5, seed=1)), np.abs(normal(3, 5, seed=2))
    loss_t, _, dx_t = reference.softmax_cross_entropy_rows(x, t)
    loss_u, _, dx_u = reference.softmax_cross_entropy_rows(x, u)
    loss, _, dx = reference.softmax_cross_entropy_rows(x, 2 * t + u)
    assert_close(loss, 2 * loss_t + loss_u, reduction=15)
    assert_close(dx, 2 * dx_t + dx_u, reduction=10, scale=np.full((3, 5), 10.0))


def test_a_soft_target_equal_to_y_leaves_no_gradient():
    x = normal(4, 6)
    y = reference.softmax_forward(x)
    loss, _, dx = reference.softmax_cross_entropy_rows(x, y)
    assert_close(loss, float(-np.sum(y * np.log(y)) / 4), reduction=24)
    assert_close(dx, np.zeros((4, 6)), reduction=6, scale=y)


def test_no_weight_no_loss_even_for_an_infinite_logit():
    x = np.array([[0.0, 0.0, -np.inf]])
    loss, y, dx = reference.softmax_cross_entropy_rows(x, np.array([[1.0, 0, 0]]))
    assert_close(loss, math.log(2))
    np.testing.assert_array_equal(y, [[0.5, 0.5, 0]])
    np.testing.assert_array_equal(dx, [[-0.5, 0.5, 0]])
    assert reference.softmax_cross_entropy_rows(x, np.array([[0.0, 0, 1]]))[0] == math.inf
    assert reference.softmax_cross_entropy_rows(x, np.zeros((1, 3)))[0] == 0


def test_cross_entropy_gradients_sum_to_zero_in_every_row():
    x = 5 * normal(6, 9)
    _, _, dx = reference.softmax_cross_entropy_labels(x, np.arange(6))
    assert_close(dx.sum(axis=1), np.zeros(6), reduction=18, scale=np.abs(dx).sum(axis=1))


@pytest.mark.parametrize("bad", [-1, 3, 100])
def test_a_label_out_of_range_is_named_with_its_row(bad):
    with pytest.raises(ValueError, match=rf"t\[1\] is {bad}, wanted a class from 0 to 2"):
        reference.softmax_cross_entropy_labels(np.zeros((4, 3)), np.array([2, bad, 0, -7]))


# Squared errors ----------------------------------------------------------------------------------


def test_squared_errors_by_hand():
    y, t = np.array([[1.0, 2], [3, 4]]), np.array([[1.0, 0], [6, 4]])
    loss, dx = reference.mean_squared_error(y, t)
    assert loss == 13 / 4
    np.testing.assert_array_equal(dx, [[0, 1], [-1.5, 0]])
    loss, dx = reference.sum_squared_error(y, t)
    assert loss == 6.5
    np.testing.assert_array_equal(dx, [[0, 2], [-3, 0]])


def test_other_elementwise_losses_by_hand():
    y, t = np.array([[1.0, 2], [3, 4]]), np.array([[1.0, 0], [6, 4]])
    loss, dx = reference.mean_absolute_error(y, t)
    assert loss == 5 / 4
    np.testing.assert_array_equal(dx, [[0, 0.25], [-0.25, 0]])
    loss, dx = reference.huber_loss(y, t, None, 2.5)
    assert loss == (2 + 2.5 * 1.75) / 4
    np.testing.assert_array_equal(dx, [[0, 0.5], [-0.625, 0]])
    loss, dx = reference.quantile_loss(y, t, None, 0.75)
    assert loss == (0.25 * 2 + 0.75 * 3) / 4
    np.testing.assert_array_equal(dx, [[0, 0.0625], [-0.1875, 0]])
    loss, dx = reference.poisson_loss(np.log(y), t)
    assert loss == pytest.approx((10 - 6 * math.log(3) - 4 * math.log(4)) / 4)
    np.testing.assert_allclose(dx, [[0, 0.5], [-0.75, 0]], atol=1e-15)
    loss, dx = reference.sigmoid_cross_entropy(np.log(y), np.array([[1.0, 0], [0.5, 0]]))
    wanted = math.log(2) + math.log(3) + math.log(4) - math.log(3) / 2 + math.log(5)
    assert loss == pytest.approx(wanted / 2)
    np.testing.assert_allclose(2 * dx, [[-0.5, 2 / 3], [0.25, 0.8]], rtol=1e-15)


def test_weights_by_hand():
    y, t = np.array([[1.0, 2], [3, 4], [np.nan, np.inf]]), np.zeros((3, 2))
    weights = np.array([3.0, 1.0, 0.0])
    loss, dx = reference.mean_squared_error(y, t, weights)
    assert loss == (3 * 5 + 25) / 8
    np.testing.assert_array_equal(dx, [[0.75, 1.5], [0.75, 1], [0, 0]])
    loss, dx = reference.sum_squared_error(y, t, weights)
    assert loss == (3 * 5 + 25) / 2
    np.testing.assert_array_equal(dx, [[3, 6], [3, 4], [0, 0]])
    for name, scalars in ELEMENTWISE.items():
        with np.errstate(all="ignore"):
            loss, dx = getattr(reference, name)(y, t, np.zeros(3), *scalars)
        assert loss == 0
        assert not dx.any()


def test_smoothing_by_hand():
    """Logits 0 and log 3: probabilities 1/4 and 3/4; targets 0.9 and 0.1."""
    x = np.array([[0.0, math.log(3)]])
    wanted = -0.9 * math.log(1 / 4) - 0.1 * math.log(3 / 4)
    for loss, y, dx in (
        reference.softmax_cross_entropy_labels(x, np.array([0]), None, 0.2),
        reference.softmax_cross_entropy_rows(x, np.array([[1.0, 0]]), None, 0.2),
    ):
        assert loss == pytest.approx(wanted)
        np.testing.assert_allclose(y, [[0.25, 0.75]])
        np.testing.assert_allclose(dx, [[-0.65, 0.65]])


def test_sums_over_elements_are_carried_in_double():
    y, t = np.full(3_000_000, 0.1, np.float32), np.zeros(3_000_000, np.float32)
    term = np.float32(0.1) * np.float32(0.1)
    assert_close(reference.mean_squared_error(y, t)[0], float(term), reduction=3_000_000)
    assert_close(reference.sum_squared_error(y, t)[0], 1.5e6 * float(term), reduction=3_000_000)


@pytest.mark.parametrize(
    "call",
    [
        lambda: reference.mean_squared_error(np.ones(0), np.ones(0)),
        lambda: reference.sum_squared_error(np.ones((3, 0)), np.ones((3, 0))),
        lambda: reference.sigmoid_cross_entropy(np.ones((0, 2)), np.ones((0, 2))),
        lambda: reference.quantile_loss(np.ones((3, 0)), np.ones((3, 0))),
        lambda: reference.softmax_cross_entropy_labels(np.ones((0, 3)), np.ones(0, int)),
        lambda: reference.softmax_cross_entropy_rows(np.ones((0, 3)), np.ones((0, 3))),
        lambda: reference.softmax_cross_entropy_rows(np.ones((3, 0)), np.ones((3, 0))),
    ],
)
def test_there_is_no_loss_of_nothing(call):
    with pytest.raises(ValueError, match=r"^[xy] has shape .* wanted at least one element"):
        call()
