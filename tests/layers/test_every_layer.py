"""What holds for every layer alike."""

import copy
import pickle

import numpy as np
import pytest

from array_forms import FORMS, REFUSED, draw, in_form
from parts.layers import LAYERS, make

NUMBERS, DOUT = draw("float64", (5, 3)), draw("float64", (5, 3), 1)
COPIES = {
    "pickle": lambda layer: pickle.loads(pickle.dumps(layer)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}


@pytest.fixture(params=LAYERS)
def layer(request):
    return make(request.param)


@pytest.fixture
def x(layer):
    return LAYERS[type(layer).__name__].inputs(NUMBERS)


def test_backward_before_forward_names_the_layer(layer):
    with pytest.raises(RuntimeError, match=rf"{type(layer).__name__}\.backward.*before forward"):
        layer.backward(DOUT)


@pytest.mark.parametrize("kind", REFUSED)
def test_x_that_is_not_of_real_numbers(layer, kind):
    for call in (layer.forward, layer.predict):
        with pytest.raises(TypeError, match=r"^x has dtype"):
            call(REFUSED[kind])


@pytest.mark.parametrize("kind", REFUSED)
def test_dout_that_is_not_of_real_numbers(layer, x, kind):
    layer.forward(x[:2])
    with pytest.raises(TypeError, match=r"^dout has dtype"):
        layer.backward(REFUSED[kind])


@pytest.mark.parametrize("nothing", [None, {}, object(), {1, 2}])
def test_x_that_is_no_array_at_all(layer, nothing):
    with pytest.raises(TypeError, match=r"^x\b"):
        layer.forward(nothing)


def test_rows_of_unequal_length(layer):
    with pytest.raises(ValueError, match=r"^x is not a rectangular"):
        layer.forward([[1.0, 2.0, 3.0], [4.0]])


@pytest.mark.parametrize("shape", [(3, 5), (5, 4), (5,), (1, 5, 3), (15,), (0, 3)])
def test_dout_of_another_shape(layer, x, shape):
    layer.forward(x)
    with pytest.raises(ValueError, match=r"^dout has shape .*wanted \(5, 3\)"):
        layer.backward(np.ones(shape))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_numbers(layer, x, form):
    """To the bit: the memory layout does not affect the values."""
    twin = copy.deepcopy(layer)
    np.testing.assert_array_equal(layer.forward(in_form(form, x)), twin.forward(x))
    dx = layer.backward(in_form(form, DOUT))
    np.testing.assert_array_equal(dx, twin.backward(DOUT))
    assert dx.shape == x.shape


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dout_is_never_changed(layer, x, form, dtype):
    layer.forward(x)
    dout = in_form(form, DOUT.astype(dtype))
    layer.backward(dout)
    np.testing.assert_array_equal(dout, DOUT.astype(dtype))


def test_x_is_never_changed_and_results_share_no_memory_with_inputs(layer, x):
    given, dout = x.copy(), DOUT.copy()
    out = layer.forward(given)
    dx = layer.backward(dout)
    np.testing.assert_array_equal(given, x)
    for result in (out, dx, layer.predict(given)):
        assert not np.shares_memory(result, given)
        assert not np.shares_memory(result, dout)
        assert result.flags.writeable
    assert not np.shares_memory(out, dx)


def test_results_of_one_call_survive_the_next(layer, x):
    out = layer.forward(x)
    dx = layer.backward(DOUT)
    kept = out.copy(), dx.copy()
    layer.forward(2 * x + 1)
    layer.backward(3 * DOUT)
    np.testing.assert_array_equal(out, kept[0])
    np.testing.assert_array_equal(dx, kept[1])


def test_backward_may_be_repeated(layer, x):
    layer.forward(x)
    first = layer.backward(DOUT).copy()
    np.testing.assert_array_equal(layer.backward(DOUT), first)


def test_a_refused_forward_leaves_the_last_one_in_place(layer, x):
    twin = copy.deepcopy(layer)
    layer.forward(x)
    twin.forward(x)
    with pytest.raises(TypeError, match="x"):
        layer.forward([["a"]])
    np.testing.assert_array_equal(layer.backward(DOUT), twin.backward(DOUT))


def test_no_rows_and_one_row(layer, x):
    for rows in (0, max(1, LAYERS[type(layer).__name__].least_rows)):
        assert layer.forward(x[:rows]).shape == (rows, 3)
        assert layer.backward(DOUT[:rows]).shape == (rows, 3)


def test_shapes_may_change_from_call_to_call(layer, x):
    for rows in (5, max(1, LAYERS[type(layer).__name__].least_rows), 4, 0, 5):
        layer.forward(x[:rows])
        assert layer.backward(DOUT[:rows]).shape == (rows, 3)


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_goes_on_where_the_layer_stood(layer, x, how):
    layer.forward(x)
    twin = COPIES[how](layer)
    assert repr(twin) == repr(layer)
    np.testing.assert_array_equal(twin.backward(DOUT), layer.backward(DOUT))
    np.testing.assert_array_equal(twin.forward(2 * x), layer.forward(2 * x))


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_made_before_any_call(layer, x, how):
    twin = COPIES[how](layer)
    np.testing.assert_array_equal(twin.forward(x), layer.forward(x))


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_does_not_disturb_the_original(layer, x, how):
    out = layer.forward(x)
    twin = COPIES[how](layer)
    twin.forward(x[3:])
    twin.backward(np.ones((2, 3)))
    expected = pickle.loads(pickle.dumps(layer)).backward(DOUT)
    np.testing.assert_array_equal(layer.backward(DOUT), expected)
    assert out.shape == x.shape


@pytest.mark.parametrize("how", COPIES)
def test_assigning_to_a_copy_leaves_the_original_its_array(how):
    layer = make("Affine")
    W = layer.W
    twin = COPIES[how](layer)
    twin.W = np.zeros((3, 3))
    assert layer.W is W
    assert not twin.W.any()


def test_layers_of_a_shallow_copy_share_the_array_and_deep_ones_do_not():
    layer = make("Affine")
    assert copy.copy(layer).W is layer.W
    assert not np.shares_memory(copy.deepcopy(layer).W, layer.W)


def test_every_public_method_has_a_docstring(layer):
    for name in dir(layer):
        if not name.startswith("_") and callable(getattr(layer, name)):
            assert getattr(layer, name).__doc__, name
