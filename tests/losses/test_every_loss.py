"""What holds for every loss: gradients, copies, errors."""

import copy
import pickle

import numpy as np
import pytest

import affinet as an
from array_forms import REFUSED
from loss_rows import LOSSES, batch, every_loss


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
