"""Elementwise losses: any shape and dtype, by hand, and shapes that never broadcast."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import affinet as an
from affinet._validation import fold_rows
from array_forms import COMPUTED_IN, FORMS, draw, in_form
from loss_rows import ELEMENTWISE, double, every_elementwise, in_range
from tolerance import assert_close

repeatable = settings(deadline=None, derandomize=True, max_examples=60)


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
