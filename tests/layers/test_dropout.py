"""Dropout: masks by key and step, two modes, and a gradient that is the mask."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import affinet as an
from affinet import reference
from array_forms import COMPUTED_IN, FORMS, draw, in_form

repeatable = settings(deadline=None, derandomize=True, max_examples=50)


def ones_dropped(layer, shape=(6, 9)):
    """The mask of the next forward in training mode, as 0 and 1."""
    return np.sign(layer.forward(np.ones(shape), True))


@repeatable
@given(
    p=st.one_of(st.just(0.0), st.floats(0.0, 0.99)),
    shape=st.tuples(st.integers(0, 7), st.integers(0, 13)),
    form=st.sampled_from(sorted(FORMS)),
    dtype=st.sampled_from(sorted(COMPUTED_IN)),
    calls=st.integers(0, 2**40),
    seed=st.integers(0, 2**32 - 1),
)
def test_equals_the_reference(p, shape, form, dtype, calls, seed):
    layer = an.Dropout(p, rng=seed)
    layer.calls = calls
    x, wanted = in_form(form, draw(dtype, shape, seed)), COMPUTED_IN[dtype]
    before = x.copy()
    out = layer.forward(x, True)
    native = x.astype(wanted)
    expected, mask = reference.dropout_forward(native, p, layer.key, calls, 0)
    assert out.dtype == wanted
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(x, before)
    dout = in_form(form, draw(wanted, shape, seed + 1))
    kept = dout.copy()
    dx = layer.backward(dout)
    np.testing.assert_array_equal(dx, reference.dropout_backward(kept, mask, p))
    np.testing.assert_array_equal(dout, kept)


def test_the_train_flag_is_the_second_positional_argument():
    layer, x = an.Dropout(0.5, rng=0), np.ones((4, 50))
    assert (layer.forward(x, True) == 0).any()
    assert (layer.forward(x, False) == 1).all()
    assert (layer.forward(x, train=False) == 1).all()
    assert (layer.forward(x) == 0).any()


@pytest.mark.parametrize("flag", [1, np.True_, True])
def test_flags_of_other_kinds(flag):
    assert (an.Dropout(0.5, rng=0).forward(np.ones((4, 50)), flag) == 0).any()


def test_evaluation_is_the_identity_in_a_new_array():
    layer, x, dout = an.Dropout(0.9, rng=0), draw("float32", (4, 5)), draw("float32", (4, 5), 1)
    for out in (layer.forward(x, False), layer.predict(x)):
        np.testing.assert_array_equal(out, x)
        assert not np.shares_memory(out, x)
    dx = layer.backward(dout)
    np.testing.assert_array_equal(dx, dout)
    assert not np.shares_memory(dx, dout)


def test_kept_numbers_grow_so_that_the_mean_stays():
    layer = an.Dropout(0.25, rng=3)
    out = layer.forward(np.ones((300, 400)), True)
    assert set(np.unique(out)) == {0.0, 1 / (1 - 0.25)}
    # 120,000 Bernoulli draws: five standard deviations of the kept share are 0.006.
    assert abs((out > 0).mean() - 0.75) < 0.006
    assert abs((out > 0).mean(axis=1) - 0.75).max() < 0.13
    assert abs((out > 0).mean(axis=0) - 0.75).max() < 0.15


def test_gradient_is_the_mask():
    layer = an.Dropout(0.4, rng=1)
    out = layer.forward(np.ones((5, 6)), True)
    np.testing.assert_array_equal(layer.backward(np.ones((5, 6))), out)
    np.testing.assert_array_equal(layer.backward(np.full((5, 6), 2.0)), 2 * out)


def test_infinite_and_nan_numbers_are_dropped_too():
    layer = an.Dropout(0.5, rng=1)
    mask = ones_dropped(layer)
    for bad in (np.inf, np.nan):
        layer.calls = 0
        out = layer.forward(np.full((6, 9), bad), True)
        assert (out[mask == 0] == 0).all()
        dx = layer.backward(np.full((6, 9), bad))
        assert (dx[mask == 0] == 0).all()


# Masks are functions of (key, calls, row, column) ------------------------------------------------


def test_the_key_comes_from_the_seed():
    assert an.Dropout(0.5, rng=4).key == an.Dropout(0.5, rng=4).key
    assert an.Dropout(0.5, rng=4).key != an.Dropout(0.5, rng=5).key
    assert an.Dropout(0.5).key != an.Dropout(0.5).key
    assert 0 <= an.Dropout(0.5, rng=4).key < 2**64


def test_the_key_is_drawn_from_a_generator():
    rng = np.random.default_rng(7)
    first, second = an.Dropout(0.5, rng=rng), an.Dropout(0.5, rng=rng)
    assert first.key != second.key
    assert first.key == an.Dropout(0.5, rng=np.random.default_rng(7)).key


def test_masks_change_with_the_calls_and_repeat_with_them():
    layer = an.Dropout(0.5, rng=0)
    masks = [ones_dropped(layer) for _ in range(3)]
    assert (masks[0] != masks[1]).any()
    assert (masks[1] != masks[2]).any()
    layer.calls = 1
    np.testing.assert_array_equal(ones_dropped(layer), masks[1])


def test_calls_count_the_forwards_in_training_mode_only():
    layer, x = an.Dropout(0.5, rng=0), np.ones((2, 3))
    assert layer.calls == 0
    layer.forward(x, True)
    layer.forward(x, False)
    layer.predict(x)
    layer.backward(x)
    assert layer.calls == 1
    layer.forward(x)
    assert layer.calls == 2


def test_a_refused_forward_is_not_counted():
    layer = an.Dropout(0.5, rng=0)
    with pytest.raises(TypeError, match="x"):
        layer.forward(np.array([["a"]]), True)
    assert layer.calls == 0


def test_the_mask_does_not_depend_on_values_dtype_or_number_of_rows():
    whole = ones_dropped(an.Dropout(0.5, rng=2), (8, 5))
    part = ones_dropped(an.Dropout(0.5, rng=2), (3, 5))
    np.testing.assert_array_equal(part, whole[:3])
    layer = an.Dropout(0.5, rng=2)
    single = layer.forward(np.full((8, 5), -3, np.float32), True)
    np.testing.assert_array_equal(single != 0, whole != 0)


def test_the_mask_of_a_narrower_layer_is_a_part_of_a_wider_one():
    wide = ones_dropped(an.Dropout(0.5, rng=2), (4, 11))
    narrow = ones_dropped(an.Dropout(0.5, rng=2), (4, 6))
    np.testing.assert_array_equal(narrow, wide[:, :6])


def test_two_layers_of_different_keys_drop_different_numbers():
    assert (ones_dropped(an.Dropout(0.5, rng=0)) != ones_dropped(an.Dropout(0.5, rng=1))).any()


def test_rows_of_higher_rank_fold():
    flat = ones_dropped(an.Dropout(0.5, rng=0), (3, 8))
    layer = an.Dropout(0.5, rng=0)
    deep = ones_dropped(layer, (3, 2, 2, 2))
    assert deep.shape == (3, 2, 2, 2)
    np.testing.assert_array_equal(deep.reshape(3, 8), flat)
    assert layer.backward(np.ones((3, 2, 2, 2))).shape == (3, 2, 2, 2)


def test_one_dimension_is_one_row():
    np.testing.assert_array_equal(
        ones_dropped(an.Dropout(0.5, rng=0), (8,)), ones_dropped(an.Dropout(0.5, rng=0), (1, 8))[0]
    )


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0,)])
@pytest.mark.parametrize("train", [True, False])
def test_no_numbers(shape, train):
    layer = an.Dropout(0.5, rng=0)
    assert layer.forward(np.zeros(shape), train).shape == shape
    assert layer.backward(np.zeros(shape)).shape == shape


def test_probability_zero_keeps_everything():
    layer, x = an.Dropout(0.0, rng=0), draw("float64", (3, 4))
    np.testing.assert_array_equal(layer.forward(x, True), x)
    np.testing.assert_array_equal(layer.backward(x), x)


@pytest.mark.parametrize("key", [0, 1, 2**63, 2**64 - 1])
def test_keys_of_all_64_bits(key):
    layer, x = an.Dropout(0.5, rng=0), np.ones((3, 4))
    layer.key = key
    expected, _ = reference.dropout_forward(x, 0.5, key, 0, 0)
    np.testing.assert_array_equal(layer.forward(x, True), expected)


# Errors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("p", "error"),
    [
        (1.0, ValueError),
        (1.5, ValueError),
        (-0.1, ValueError),
        (np.nan, ValueError),
        ("0.5", TypeError),
        (None, TypeError),
    ],
)
def test_probabilities_that_are_refused(p, error):
    with pytest.raises(error, match=r"\bp is"):
        an.Dropout(p)


@pytest.mark.parametrize(("rng", "error"), [(-1, ValueError), ("a", TypeError), (1.5, TypeError)])
def test_seeds_that_are_refused(rng, error):
    with pytest.raises(error, match="rng"):
        an.Dropout(0.5, rng=rng)


def test_dout_of_another_shape():
    layer = an.Dropout(0.5, rng=0)
    layer.forward(np.ones((2, 3)), True)
    with pytest.raises(ValueError, match=r"dout has shape \(3, 2\), wanted \(2, 3\)"):
        layer.backward(np.ones((3, 2)))


def test_repr_and_config():
    assert repr(an.Dropout(0.25)) == "Dropout(p=0.25)"
    assert an.Dropout(0.25).config() == {"p": 0.25}
