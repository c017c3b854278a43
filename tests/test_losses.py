"""Losses against the reference and against numbers worked out by hand."""

import copy
import math
import pickle
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import affinet as an
from affinet import reference
from affinet._validation import fold_rows
from array_forms import COMPUTED_IN, FORMS, REFUSED, draw, in_form
from tolerance import assert_close

repeatable = settings(deadline=None, derandomize=True, max_examples=60)
ELEMENTWISE = {
    "MeanSquaredError": (an.MeanSquaredError, reference.mean_squared_error),
    "SumSquaredError": (an.SumSquaredError, reference.sum_squared_error),
    "SigmoidWithLoss": (an.SigmoidWithLoss, reference.sigmoid_cross_entropy),
    "MeanAbsoluteError": (an.MeanAbsoluteError, reference.mean_absolute_error),
    "Huber": (partial(an.Huber, 0.7), partial(reference.huber_loss, delta=0.7)),
    "Poisson": (an.Poisson, reference.poisson_loss),
    "Quantile": (partial(an.Quantile, 0.3), partial(reference.quantile_loss, q=0.3)),
}
LOSSES = {
    "SoftmaxWithLoss": an.SoftmaxWithLoss,
    "smoothed": partial(an.SoftmaxWithLoss, label_smoothing=0.1),
} | {k: v[0] for k, v in ELEMENTWISE.items()}
every_elementwise = pytest.mark.parametrize(
    ("make", "expected"), ELEMENTWISE.values(), ids=ELEMENTWISE
)
every_loss = pytest.mark.parametrize("make", LOSSES.values(), ids=LOSSES)


def double(a):
    return np.array(a, np.float64, order="C")


def in_range(loss, t):
    """Targets as the loss takes them, of the dtype of t."""
    if isinstance(loss, an.SigmoidWithLoss):
        return (t > 0).astype(t.dtype)
    return np.abs(t) if isinstance(loss, an.Poisson) else t


def softmax_scales(x, weights):
    """Sizes of the terms of the loss and of dx, for targets as rows of weights."""
    z = x - x.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(z).sum(axis=1, keepdims=True))
    y = np.exp(z - log_sum)
    loss = np.sum(abs(weights) * (abs(log_sum) + abs(z) + abs(x)), axis=1).mean()
    return loss, (y * abs(weights).sum(axis=1, keepdims=True) + abs(weights)) / len(x)


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


# Elementwise losses ------------------------------------------------------------------------------


@repeatable
@given(
    kind=st.sampled_from(sorted(ELEMENTWISE)),
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple),
    dtypes=st.tuples(*[st.sampled_from(sorted(COMPUTED_IN))] * 2),
    forms=st.tuples(*[st.sampled_from(sorted(FORMS))] * 2),
    seed=st.integers(0, 2**32 - 1),
)
def test_elementwise_losses_for_any_shape_dtype_and_form(kind, shape, dtypes, forms, seed):
    make, expected = ELEMENTWISE[kind]
    loss = make()
    x = in_form(forms[0], draw(dtypes[0], shape, seed))
    t = in_form(forms[1], in_range(loss, draw(dtypes[1], shape, seed + 1)))
    weights = np.random.default_rng(seed).integers(0, 3, 1 if x.ndim == 1 else len(x))
    before = x.copy(), t.copy()
    dtype = np.dtype(COMPUTED_IN[dtypes[0]])
    x64, t64 = fold_rows(double(x)), fold_rows(double(t.astype(dtype)))
    for w in (None, weights):
        value, dx = loss.forward(x, t, w), loss.backward()
        wanted, wanted_dx = expected(x64, t64, None if w is None else double(w))
        # A difference is rounded relative to itself, so nothing is lost to cancellation, but with
        # Poisson's rates and the sigmoid.
        size = np.exp(np.maximum(x64, 0)) + abs(t64) * (1 + abs(x64))
        scale = size.sum() if isinstance(loss, an.Poisson) else None
        dx_scale = size if isinstance(loss, an.Poisson | an.SigmoidWithLoss) else None
        assert isinstance(value, float)
        assert_close(
            value, wanted, reduction=x.size + len(x64), scale=scale, dtype=dtype, name="loss"
        )
        assert_close(fold_rows(dx), wanted_dx, reduction=len(x64), scale=dx_scale, name="dx")
        assert dx.dtype == dtype
        assert dx.shape == x.shape
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(t, before[1])


BY_HAND = {  # for x = 1 2 | 3 4 and t = 0 2 | 5 1: the loss and 4 dx
    "MeanSquaredError": (14 / 4, [[2.0, 0.0], [-4.0, 6.0]]),
    "SumSquaredError": (14 / 2, [[4.0, 0.0], [-8.0, 12.0]]),
    "MeanAbsoluteError": (6 / 4, [[1.0, 0.0], [-1.0, 1.0]]),
    "Huber": ((0.7 * (0.65 + 1.65 + 2.65)) / 4, [[0.7, 0.0], [-0.7, 0.7]]),
    "Poisson": (
        (math.e + math.e**2 + math.e**3 + math.e**4 - 4 - 15 - 4) / 4,
        [[math.e, math.e**2 - 2], [math.e**3 - 5, math.e**4 - 1]],
    ),
    "Quantile": ((0.7 * (1 + 3) + 0.3 * 2) / 4, [[0.7, 0.0], [-0.3, 0.7]]),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_values_by_hand(name):
    x, t = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.0, 2.0], [5.0, 1.0]])
    loss, (value, dx) = ELEMENTWISE[name][0](), BY_HAND[name]
    assert loss.forward(x, t) == pytest.approx(value, rel=1e-15)
    np.testing.assert_allclose(4 * loss.backward(), dx, rtol=1e-14)


@every_elementwise
def test_a_column_of_outputs_takes_a_row_of_targets(make, expected):
    loss = make()
    x, t = draw("float64", (5, 1)), in_range(loss, draw("float64", 5, 1))
    value, dx = loss.forward(x, t), loss.backward()
    assert dx.shape == (5, 1)
    assert value == loss.forward(x, t[:, np.newaxis])
    np.testing.assert_array_equal(dx, loss.backward())


@every_elementwise
@pytest.mark.parametrize(
    ("x_shape", "t_shape"),
    [
        ((5,), (5, 1)),  # would broadcast to (5, 5)
        ((5, 1), (1, 5)),
        ((5, 1), (1,)),
        ((5, 1), ()),
        ((5, 2), (5,)),
        ((5, 2), (2,)),
        ((5, 2), (5, 1)),
        ((5, 2), (10,)),
        ((5, 2), (2, 5)),
        ((1, 5), (5,)),
        ((5, 1, 1), (5,)),
        ((5, 1), (4,)),
        ((5,), (4,)),
        ((5,), ()),
        ((), (1,)),
    ],
)
def test_shapes_never_broadcast(make, expected, x_shape, t_shape):
    with pytest.raises(ValueError, match="t has shape"):
        make().forward(np.zeros(x_shape), np.zeros(t_shape))


@every_elementwise
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_empty_batches(make, expected, shape):
    with pytest.raises(ValueError, match=r"x has shape .*at least one"):
        make().forward(np.zeros(shape), np.zeros(shape))


def test_sums_are_carried_in_double_precision():
    """2^24 ones: in float32 a running sum sticks where adding 1 no longer changes it."""
    n = 2**24 + 64
    x, t = np.ones(n, np.float32), np.zeros(n, np.float32)
    assert an.MeanSquaredError().forward(x, t) == 1
    assert an.SumSquaredError().forward(x, t) == n / 2


# Every loss --------------------------------------------------------------------------------------


def batch(make):
    """x and t that the loss takes."""
    x = draw("float64", (4, 3))
    loss = make()
    if isinstance(loss, an.SoftmaxWithLoss):
        return x, np.array([0, 2, 1, 1])
    return x, in_range(loss, draw("float64", (4, 3), 1))


def test_the_table_holds_every_public_loss():
    public = {name for name in an.__all__ if isinstance(getattr(an, name), type)}
    losses = {name for name in public if issubclass(getattr(an, name), an.Loss)} - {"Loss"}
    assert losses == set(LOSSES) - {"smoothed"}


@every_loss
def test_gradient_by_central_differences(make):
    x, t = batch(make)
    loss = make()
    loss.forward(x, t)
    dx = loss.backward()
    for place in np.ndindex(x.shape):
        values = []
        for h in (1e-5, -1e-5):
            moved = x.copy()
            moved[place] += h
            values.append(make().forward(moved, t))
        assert (values[0] - values[1]) / 2e-5 == pytest.approx(dx[place], rel=1e-7, abs=1e-10)


@every_loss
@pytest.mark.parametrize("factor", [1, 2.5, -1.0, 0, np.float32(0.5), np.array(3.0), np.array([2])])
def test_dout_scales_the_gradient(make, factor):
    loss = make()
    loss.forward(*batch(make))
    np.testing.assert_allclose(
        loss.backward(factor), float(np.ravel(factor)[0]) * loss.backward(), rtol=1e-15
    )


@every_loss
def test_backward_twice_gives_equal_and_independent_arrays(make):
    loss = make()
    loss.forward(*batch(make))
    first = loss.backward(1)
    kept = first.copy()
    second = loss.backward(1)
    assert not np.shares_memory(first, second)
    first[...] = np.nan
    np.testing.assert_array_equal(second, kept)
    np.testing.assert_array_equal(loss.backward(), kept)


@every_loss
def test_the_next_forward_leaves_earlier_gradients_alone(make):
    loss = make()
    x, t = batch(make)
    loss.forward(x, t)
    first = loss.backward()
    kept = first.copy()
    loss.forward(2 * x, t)
    loss.backward()
    np.testing.assert_array_equal(first, kept)


@every_loss
def test_the_gradient_is_in_the_dtype_of_x(make):
    x, t = batch(make)
    loss = make()
    for dtype, wanted in (("float16", "float32"), ("float32", "float32"), ("float64", "float64")):
        loss.forward(x.astype(dtype), t)
        assert loss.backward().dtype == loss.backward(np.float64(2)).dtype == wanted


@every_loss
def test_backward_before_forward_names_the_loss(make):
    with pytest.raises(RuntimeError, match=rf"{type(make()).__name__}\.backward.*before forward"):
        make().backward()


@every_loss
@pytest.mark.parametrize("dout", [np.ones(2), np.ones((4, 3)), [], [[1, 2]]])
def test_dout_of_more_than_one_number(make, dout):
    loss = make()
    loss.forward(*batch(make))
    with pytest.raises(ValueError, match="dout has shape"):
        loss.backward(dout)


@every_loss
@pytest.mark.parametrize("dout", ["1", None, 1j])
def test_dout_that_is_no_number(make, dout):
    loss = make()
    loss.forward(*batch(make))
    with pytest.raises(TypeError, match="dout"):
        loss.backward(dout)


@every_loss
@pytest.mark.parametrize("kind", REFUSED)
def test_arrays_that_are_not_of_real_numbers(make, kind):
    good = np.ones((2, 3))
    with pytest.raises(TypeError, match=r"^x has dtype"):
        make().forward(REFUSED[kind], good)
    with pytest.raises(TypeError, match=r"^t has dtype"):
        make().forward(good, REFUSED[kind])


@every_loss
def test_a_refused_forward_leaves_the_last_one_in_place(make):
    loss = make()
    x, t = batch(make)
    loss.forward(x, t)
    dx = loss.backward()
    with pytest.raises(ValueError, match="t has shape"):
        loss.forward(x, t[:2])
    np.testing.assert_array_equal(loss.backward(), dx)


@every_loss
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, copy.copy, lambda a: pickle.loads(pickle.dumps(a))]
)
def test_copies_go_on_where_the_loss_stood(make, copied):
    loss = make()
    x, t = batch(make)
    loss.forward(x, t)
    twin, dx = copied(loss), loss.backward()
    np.testing.assert_array_equal(twin.backward(), dx)
    twin.forward(3 * x, t)
    np.testing.assert_array_equal(loss.backward(), dx)


@every_loss
def test_repr(make):
    assert repr(eval(repr(make()), vars(an))) == repr(make())


def test_repr_by_hand():
    assert repr(an.SoftmaxWithLoss()) == "SoftmaxWithLoss()"
    assert repr(an.SoftmaxWithLoss(0.25)) == "SoftmaxWithLoss(label_smoothing=0.25)"
    assert repr(an.Huber()) == "Huber(delta=1.0)"
    assert repr(an.Quantile(0.5)) == "Quantile(q=0.5)"


# SigmoidWithLoss ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [0.0, 1e-3, 1.0, 30.0, 88.0, 700.0, 1e4, 1e30])
def test_sigmoid_of_any_size(dtype, size):
    """A wrong answer costs its logit, a right one exp(-logit); neither overflows."""
    x = np.array([[size], [size], [-size], [-size]], dtype)
    loss = an.SigmoidWithLoss()
    value = loss.forward(x, [1, 0, 0, 1])
    right = math.log1p(math.exp(-float(x[0, 0])))
    assert value == pytest.approx((2 * right + float(x[0, 0])) / 2, rel=1e-15)
    slope = math.exp(-float(x[0, 0])) / (1 + math.exp(-float(x[0, 0])))
    wanted = np.array([[-slope], [1 - slope], [slope], [slope - 1]]) / 4
    np.testing.assert_allclose(loss.backward(), wanted, rtol=2e-7, atol=np.finfo(dtype).tiny)


def test_small_sigmoid_losses_are_exact():
    loss = an.SigmoidWithLoss()
    value = loss.forward(np.array([[40.0]]), [1])
    assert value == pytest.approx(math.exp(-40), rel=1e-12, abs=0)
    assert loss.backward()[0, 0] == pytest.approx(-math.exp(-40), rel=1e-12, abs=0)


def test_infinite_logits_of_sure_answers_cost_nothing():
    loss = an.SigmoidWithLoss()
    assert loss.forward(np.array([[np.inf, -np.inf]]), [[1, 0]]) == 0
    assert not loss.backward().any()
    assert loss.forward(np.array([[np.inf]]), [[0.5]]) == np.inf


def test_one_sigmoid_is_a_softmax_of_two():
    x, t = draw("float64", (6, 1)), np.array([0, 1, 1, 0, 1, 0])
    one, two = an.SigmoidWithLoss(), an.SoftmaxWithLoss()
    pair = np.hstack([np.zeros((6, 1)), x])
    assert one.forward(x, t) == pytest.approx(two.forward(pair, t), rel=1e-14)
    np.testing.assert_allclose(one.backward()[:, 0], two.backward()[:, 1], atol=1e-16)
    np.testing.assert_allclose(one.probabilities(x)[:, 0], two.y[:, 1], atol=1e-15)


def test_several_labels_add_up():
    x, t = draw("float64", (5, 3)), draw("bool", (5, 3))
    loss = an.SigmoidWithLoss()
    parts = [loss.forward(x[:, [j]], t[:, j]) for j in range(3)]
    assert loss.forward(x, t) == pytest.approx(sum(parts), rel=1e-14)


@pytest.mark.parametrize("shape", [(3,), (0, 2), (4, 2)])
def test_sigmoid_probabilities_keep_their_shape(shape):
    x = draw("float32", shape)
    y = an.SigmoidWithLoss().probabilities(x)
    assert y.shape == shape
    np.testing.assert_allclose(y, 1 / (1 + np.exp(-double(x))), rtol=1e-6)


@pytest.mark.parametrize(
    ("loss", "bad", "wanted"),
    [
        (an.SigmoidWithLoss(), 1.5, "0 <= t <= 1"),
        (an.SigmoidWithLoss(), -0.1, "0 <= t <= 1"),
        (an.SigmoidWithLoss(), 2, "0 <= t <= 1"),
        (an.Poisson(), -1, "t >= 0"),
        (an.Poisson(), -np.inf, "t >= 0"),
    ],
)
def test_targets_out_of_range(loss, bad, wanted):
    t = np.zeros((3, 2))
    t[1, 1] = t[2, 0] = bad
    for door in (
        lambda: loss.forward(np.zeros((3, 2)), t),
        lambda: an.Sequential(an.Affine.init(2, 2), loss=loss).fit(np.zeros((3, 2)), t),
        lambda: an.Sequential(an.Affine.init(2, 2), loss=loss).evaluate(np.zeros((3, 2)), t),
    ):
        with pytest.raises(ValueError, match=rf"t\[1, 1\] is {float(bad)}, wanted {wanted}"):
            door()


@every_elementwise
def test_a_target_of_nan_is_not_hidden(make, expected):
    loss, t = make(), np.zeros((3, 2))
    t[1, 1] = np.nan
    assert math.isnan(loss.forward(np.zeros((3, 2)), t))
    np.testing.assert_array_equal(np.isnan(loss.backward()), np.isnan(t))


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
@pytest.mark.parametrize("bad", ["0.5", None, [0.5, 0.5]])
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


# Weights of rows ---------------------------------------------------------------------------------


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
