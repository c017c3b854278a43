"""SoftmaxWithLoss: values, gradients, and class targets that it refuses."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import affinet as an
from affinet import reference
from array_forms import COMPUTED_IN, FORMS, draw, in_form
from loss_rows import double, softmax_scales
from tolerance import assert_close

repeatable = settings(deadline=None, derandomize=True, max_examples=60)


def check_softmax(x, t, weights=None):
    """Loss, y and dx for logits x and targets t, which stand for rows of ``weights``."""
    before = x.copy(), np.copy(t)
    loss = an.SoftmaxWithLoss()
    value = loss.forward(x, t)
    dx = loss.backward()
    B, C = x.shape
    weights = np.eye(C)[np.asarray(t, int)] if weights is None else double(weights)
    expected, y, wanted_dx = reference.softmax_cross_entropy_rows(double(x), weights)
    dtype = np.result_type(np.float32, x.dtype)
    value_scale, dx_scale = softmax_scales(double(x), weights)
    # exp turns an error in its argument, of the size of the argument, into a relative one.
    spread = 1 + np.ptp(double(x), axis=1, keepdims=True)
    assert isinstance(value, float)
    assert_close(value, expected, reduction=B + C, scale=value_scale, dtype=dtype, name="loss")
    assert_close(loss.y, y, reduction=C, scale=y * spread, name="y")
    assert_close(dx, wanted_dx, reduction=B + C, scale=dx_scale * spread, name="dx")
    assert loss.y.dtype == dx.dtype == dtype
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(t, before[1])
    return value, dx


# SoftmaxWithLoss ---------------------------------------------------------------------------------


@repeatable
@given(
    B=st.integers(1, 7),
    C=st.integers(1, 9),
    dtype=st.sampled_from(sorted(COMPUTED_IN)),
    forms=st.tuples(*[st.sampled_from(sorted(FORMS))] * 2),
    kind=st.sampled_from(["uint8", "int8", "int32", "int64", "uint64", "one-hot", "soft"]),
    size=st.sampled_from([0.1, 1.0, 30.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_softmax_for_any_shape_dtype_form_and_kind_of_target(B, C, dtype, forms, kind, size, seed):
    rng = np.random.default_rng(seed)
    x = draw(dtype, (B, C), seed)
    if x.dtype.kind == "f":
        x = (size * x).astype(dtype)
    labels = rng.integers(0, C, B)
    if kind == "one-hot":
        check_softmax(in_form(forms[0], x), in_form(forms[1], np.eye(C)[labels]), np.eye(C)[labels])
    elif kind == "soft":
        t = rng.dirichlet(np.ones(C), B).astype(np.float32)
        check_softmax(in_form(forms[0], x), in_form(forms[1], t), t)
    else:
        check_softmax(in_form(forms[0], x), in_form(forms[1], labels.astype(kind)))


@pytest.mark.parametrize("dtype", [*COMPUTED_IN, ">i4", ">u2"])
def test_labels_and_one_hot_rows_of_every_dtype_say_the_same(dtype):
    x, labels = draw("float64", (4, 2)), np.array([1, 0, 1, 1])
    loss = an.SoftmaxWithLoss()
    wanted = loss.forward(x, labels), loss.backward()
    targets = [np.eye(2)[labels].astype(dtype)]
    if np.dtype(dtype).kind in "bui":
        targets.append(labels.astype(dtype))
    for t in targets:
        assert loss.forward(x, t) == pytest.approx(wanted[0], rel=1e-15)
        np.testing.assert_allclose(loss.backward(), wanted[1], rtol=1e-15, atol=1e-17)


def test_labels_in_lists():
    loss = an.SoftmaxWithLoss()
    assert loss.forward([[0, 0], [0, 0]], [0, 1]) == pytest.approx(math.log(2))
    assert loss.forward([[0, 0]], [[0.5, 0.5]]) == pytest.approx(math.log(2))


def test_one_row_of_one_dimension():
    loss = an.SoftmaxWithLoss()
    for t in (2, np.int64(2), np.array(2, np.uint8), [0, 0, 1]):
        assert loss.forward([1.0, 2.0, 3.0], t) == pytest.approx(
            math.log(1 + math.e + math.e**2) - 2
        )
        assert loss.y.shape == loss.backward().shape == (3,)
        np.testing.assert_allclose(loss.backward(), loss.y - [0, 0, 1])


def test_soft_rows_need_not_sum_to_one():
    """Rows are weights: twice the weights, twice the loss and the gradient; no weight, none."""
    x, t = draw("float64", (3, 4)), np.abs(draw("float64", (3, 4), 1))
    loss = an.SoftmaxWithLoss()
    value, dx = loss.forward(x, t), loss.backward()
    assert loss.forward(x, 2 * t) == pytest.approx(2 * value)
    np.testing.assert_allclose(loss.backward(), 2 * dx)
    assert loss.forward(x, 0 * t) == 0
    assert not loss.backward().any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniform_logits_cost_the_logarithm_of_the_classes(dtype):
    for size in (0, 1, 1e4, -1e4, 1e30):
        loss = an.SoftmaxWithLoss()
        value = loss.forward(np.full((5, 10), size, dtype), np.arange(5))
        assert value == pytest.approx(math.log(10), rel=1e-6)
        np.testing.assert_allclose(loss.y, 0.1, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1e4, 1e30])
@pytest.mark.parametrize("targets", [np.array([0, 1]), np.eye(2)])
def test_large_logits(dtype, size, targets):
    x = np.array([[size, -size], [size, -size]], dtype)
    loss = an.SoftmaxWithLoss()
    assert loss.forward(x, targets) == pytest.approx(float(x[0, 0]))  # 0 and 2 size, halved
    np.testing.assert_array_equal(loss.y, [[1, 0], [1, 0]])
    np.testing.assert_array_equal(loss.backward(), [[0, 0], [0.5, -0.5]])


def test_float32_logits_whose_difference_is_infinite():
    x = np.array([[3e38, -3e38]], np.float32)
    loss = an.SoftmaxWithLoss()
    assert loss.forward(x, [0]) == 0
    assert loss.forward(x, [1]) >= 6e38 * (1 - 1e-6)
    np.testing.assert_array_equal(loss.backward(), [[1, -1]])


def test_small_losses_are_exact():
    """log(1 + e^-30) is about 9.4e-14; a formula with an added epsilon loses it."""
    loss = an.SoftmaxWithLoss()
    assert loss.forward(np.array([[30.0, 0.0]]), [0]) == pytest.approx(math.log1p(math.exp(-30)))


@pytest.mark.parametrize(
    "targets", [np.array([0]), np.array([[1, 0, 0]]), np.array([[0.5, 0, 0.5]])]
)
def test_minus_infinity_on_a_class_without_weight(targets):
    loss = an.SoftmaxWithLoss()
    value = loss.forward(np.array([[1.0, -np.inf, 1.0]]), targets)
    assert value == pytest.approx(math.log(2))
    assert loss.backward()[0, 1] == 0
    assert np.isfinite(loss.backward()).all()
    np.testing.assert_array_equal(loss.y, [[0.5, 0, 0.5]])


def test_minus_infinity_on_a_class_with_weight_is_an_infinite_loss():
    x = np.array([[1.0, -np.inf]])
    assert an.SoftmaxWithLoss().forward(x, [1]) == np.inf
    assert an.SoftmaxWithLoss().forward(x, [[0.5, 0.5]]) == np.inf


def test_nan_is_not_hidden():
    loss = an.SoftmaxWithLoss()
    assert math.isnan(loss.forward(np.array([[0.0, np.nan], [0.0, 1.0]]), [0, 1]))
    assert np.isnan(loss.backward()[0]).all()
    assert np.isfinite(loss.backward()[1]).all()


def test_a_shift_of_a_row_changes_nothing():
    x, t = draw("float64", (4, 5)), np.arange(4)
    loss = an.SoftmaxWithLoss()
    value, dx = loss.forward(x, t), loss.backward()
    shift = np.array([[0.0], [3.0], [-200.0], [1e3]])
    assert loss.forward(x + shift, t) == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(loss.backward(), dx, atol=1e-13)


def test_the_gradient_of_a_row_sums_to_zero():
    _, dx = check_softmax(draw("float64", (6, 7)), np.arange(6))
    np.testing.assert_allclose(dx.sum(axis=1), 0, atol=1e-16)


def test_one_class_costs_nothing():
    loss = an.SoftmaxWithLoss()
    assert loss.forward(np.array([[3.0], [-2.0]]), [0, 0]) == 0
    assert not loss.backward().any()


def test_probabilities_keep_their_shape_and_take_no_rows():
    loss = an.SoftmaxWithLoss()
    x = draw("float32", (4, 3))
    np.testing.assert_allclose(
        loss.probabilities(x), reference.softmax_forward(double(x)), rtol=1e-5
    )
    np.testing.assert_array_equal(loss.probabilities(x[1]), loss.probabilities(x)[1])
    assert loss.probabilities(np.zeros((0, 3))).shape == (0, 3)
    assert loss.y is None


# Class targets that are refused -------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_labels_of_a_float_dtype(dtype):
    with pytest.raises(TypeError, match=rf"t has dtype {dtype}.*integers"):
        an.SoftmaxWithLoss().forward(np.zeros((2, 3)), np.array([0, 1], dtype))


@pytest.mark.parametrize(
    ("labels", "place"),
    [([0, 3], 1), ([0, -1], 1), ([255, 0], 0), ([-(2**62), 0], 0), ([0, 2**40], 1)],
)
def test_labels_out_of_range(labels, place):
    with pytest.raises(ValueError, match=rf"t\[{place}\] is {labels[place]}, wanted.*0\.\.2"):
        an.SoftmaxWithLoss().forward(np.zeros((2, 3)), np.array(labels))


@pytest.mark.parametrize("label", [2**63, 2**64 - 1])
def test_labels_beyond_64_signed_bits(label):
    with pytest.raises(ValueError, match=rf"t\[0\] is {label}"):
        an.SoftmaxWithLoss().forward(np.zeros((1, 3)), np.array([label], np.uint64))


@pytest.mark.parametrize("shape", [(1,), (3,), (2, 2), (2, 4), (3, 3), (2, 1), (2, 3, 1), ()])
def test_targets_of_a_wrong_shape(shape):
    with pytest.raises(ValueError, match=r"t has shape .*wanted \(2,\)"):
        an.SoftmaxWithLoss().forward(np.zeros((2, 3)), np.zeros(shape, int))


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (0, 0), (0,), (2, 3, 4), ()])
def test_logits_of_a_wrong_shape(shape):
    with pytest.raises(ValueError, match="x has shape"):
        an.SoftmaxWithLoss().forward(np.zeros(shape), np.zeros(shape[:-1], int))
