"""Affine against the reference, for the dtypes, shapes and memory layouts that users have."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import affinet as an
from affinet import reference
from array_forms import COMPUTED_IN, FORMS, draw, in_form
from tolerance import assert_close

FLOATS = ["float16", "float32", "float64"]
repeatable = settings(deadline=None, derandomize=True, max_examples=60)
every_form = pytest.mark.parametrize("form", FORMS)


def double(*arrays):
    """The same numbers in native, contiguous float64."""
    return tuple(np.array(a, np.float64, order="C") for a in arrays)


def check_forward(out, x, W, b):
    x, W, b = double(x, W, b)
    x = x.reshape(len(x), len(W))
    scale = abs(x) @ abs(W) + abs(b)
    expected = reference.affine_forward(x, W, b)
    assert_close(out, expected, reduction=W.shape[0] + 1, scale=scale, name="out")


def check_gradients(layer, dx, x, dout):
    x, W, dout = double(x, layer.W, dout)
    rows = x.reshape(len(x), len(W))
    (B, _), O = rows.shape, W.shape[1]  # noqa: E741 - the number of outputs
    expected = {
        "dx": (dx, reference.affine_backward_dx(dout, W).reshape(x.shape), O),
        "dW": (layer.dW, reference.affine_backward_dw(rows, dout), B),
        "db": (layer.db, reference.affine_backward_db(dout), B),
    }
    scales = {
        "dx": reference.affine_backward_dx(abs(dout), abs(W)).reshape(x.shape),
        "dW": reference.affine_backward_dw(abs(rows), abs(dout)),
        "db": reference.affine_backward_db(abs(dout)),
    }
    for name, (actual, wanted, reduction) in expected.items():
        assert_close(actual, wanted, reduction=max(reduction, 1), scale=scales[name], name=name)


def check(layer, x, dout):
    """Forward and backward, with every input as it was before."""
    arrays = {"x": x, "W": layer.W, "b": layer.b, "dout": dout}
    before = {name: a.copy() for name, a in arrays.items()}
    out = layer.forward(x)
    check_forward(out, x, layer.W, layer.b)
    dx = layer.backward(dout)
    check_gradients(layer, dx, x, dout)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)
    return out, dx


def small_layer(n_inputs=3, n_outputs=4, dtype=np.float64):
    return an.Affine(draw(dtype, (n_inputs, n_outputs), 1), draw(dtype, n_outputs, 2))


@repeatable
@given(
    sizes=st.tuples(*[st.integers(0, 9)] * 3),
    dtypes=st.tuples(*[st.sampled_from(FLOATS)] * 3),
    forms=st.tuples(*[st.sampled_from(sorted(FORMS))] * 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_shape_dtype_and_form(sizes, dtypes, forms, seed):
    B, I, O = sizes  # noqa: E741
    x, W, b, dout = (
        in_form(form, draw(dtype, shape, seed + place))
        for place, (form, dtype, shape) in enumerate(
            zip(
                forms,
                [*dtypes, dtypes[0]],
                [(B, I), (I, O), (O,), (B, O)],
                strict=True,
            )
        )
    )
    layer = an.Affine(W, b)
    out, dx = check(layer, x, dout)
    assert out.dtype == np.result_type(np.float32, *dtypes)
    assert dx.dtype == layer.dW.dtype == np.result_type(np.float32, *dtypes[:2])
    assert out.dtype.isnative
    assert out.shape == (B, O)


@pytest.mark.parametrize(("dtype", "wanted"), COMPUTED_IN.items())
def test_x_of_every_dtype(dtype, wanted):
    layer = small_layer(dtype=np.float16)
    x = draw(dtype, (5, 3))
    out = layer.forward(x)
    assert out.dtype == wanted
    check_forward(out, x, layer.W, layer.b)


@pytest.mark.parametrize("dtype", COMPUTED_IN)
def test_dout_of_every_dtype(dtype):
    layer, x = small_layer(), draw("float64", (5, 3))
    layer.forward(x)
    dout = draw(dtype, (5, 4))
    check_gradients(layer, layer.backward(dout), x, dout)


@every_form
@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool", "float16"])
def test_other_dtypes_in_every_form(form, dtype):
    layer, x = small_layer(dtype=np.float32), in_form(form, draw(dtype, (5, 3)))
    check_forward(layer.forward(x), x, layer.W, layer.b)


def test_float32_x_against_float64_parameters():
    layer, x = small_layer(), draw("float32", (5, 3))
    out, dx = check(layer, x, draw("float64", (5, 4)))
    assert out.dtype == dx.dtype == layer.dW.dtype == layer.db.dtype == np.float64


def test_float64_x_against_float32_parameters():
    layer, x = small_layer(dtype=np.float32), draw("float64", (5, 3))
    out, dx = check(layer, x, draw("float64", (5, 4)))
    assert out.dtype == dx.dtype == layer.dW.dtype == np.float64
    assert layer.W.dtype == np.float32


def test_one_bit_of_float64_is_not_lost():
    layer = an.Affine(np.ones((1, 1), np.float32), np.zeros(1, np.float64))
    x = np.array([[1 + 2**-40]])
    assert layer.forward(x).item() == x.item()


def test_rows_that_are_one_row_broadcast():
    x = np.broadcast_to(draw("float64", (3,)), (5, 3))
    dout = np.broadcast_to(np.float64(0.5), (5, 4))
    check(small_layer(), x, dout)


def test_parameters_that_are_broadcast():
    W, b = np.broadcast_to(np.float32(0.5), (3, 4)), np.broadcast_to(np.float32(-1), (4,))
    check(an.Affine(W, b), draw("float32", (5, 3)), draw("float32", (5, 4)))


@pytest.mark.parametrize("axes", [(0, 1, 2, 3), (0, 3, 1, 2), (3, 2, 1, 0)])
def test_four_dimensional_inputs_fold_and_dx_unfolds(axes):
    images = draw("float64", (2, 2, 3, 4)).transpose(axes)
    rows = len(images)
    layer = small_layer(images.size // rows, 5)
    out, dx = check(layer, images, draw("float64", (rows, 5)))
    assert out.shape == (rows, 5)
    assert dx.shape == images.shape


def test_transposed_input_is_not_taken_for_its_memory():
    x = draw("float64", (4, 4))
    layer = small_layer(4, 2)
    assert not np.allclose(layer.forward(x.T), layer.forward(x))
    check(layer, x.T, draw("float64", (4, 2)))


def test_x_of_more_rows_than_memory_order_suggests():
    check(small_layer(6, 4), np.asfortranarray(draw("float32", (5, 2, 3))), draw("float32", (5, 4)))


@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 1), (0, 1, 3)])
def test_no_rows(shape):
    layer = small_layer()
    out = layer.forward(np.zeros(shape, np.float32))
    assert out.shape == (0, 4)
    dx = layer.backward(np.zeros((0, 4)))
    assert dx.shape == shape
    np.testing.assert_array_equal(layer.dW, np.zeros((3, 4)))
    np.testing.assert_array_equal(layer.db, np.zeros(4))


def test_one_row_of_two_dimensions():
    out, dx = check(small_layer(), draw("float64", (1, 3)), draw("float64", (1, 4)))
    assert out.shape == (1, 4)
    assert dx.shape == (1, 3)


def test_one_dimension_is_one_row():
    layer, x, dout = small_layer(), draw("float64", 3), draw("float64", 4)
    out = layer.forward(x)
    assert out.shape == (4,)
    dx = layer.backward(dout)
    assert dx.shape == (3,)
    twin = an.Affine(layer.W, layer.b)
    np.testing.assert_array_equal(out, twin.forward(x[np.newaxis])[0])
    np.testing.assert_array_equal(dx, twin.backward(dout[np.newaxis])[0])
    np.testing.assert_array_equal(layer.dW, twin.dW)
    np.testing.assert_array_equal(layer.db, twin.db)


def test_one_dimension_is_a_column_where_a_row_is_one_number():
    layer, x = small_layer(1, 2), draw("float64", 5)
    out = layer.forward(x)
    assert out.shape == (5, 2)
    dx = layer.backward(np.ones((5, 2)))
    assert dx.shape == (5,)
    np.testing.assert_allclose(dx, np.full(5, layer.W.sum()))


def test_lists_will_do():
    layer = an.Affine([[1.0, 2.0]], [0.5, 0.0])
    assert layer.forward([[2], [3]]).tolist() == [[2.5, 4.0], [3.5, 6.0]]
    assert layer.backward([[1, 0], [0, 1]]).tolist() == [[1.0], [2.0]]
    assert layer.dW.tolist() == [[2.0, 3.0]]


def test_predict_is_forward_that_keeps_nothing():
    layer, x, other = small_layer(), draw("float64", (5, 3)), draw("float64", (2, 3), 9)
    layer.forward(x)
    dout = draw("float64", (5, 4))
    layer.predict(other)
    check_gradients(layer, layer.backward(dout), x, dout)
    np.testing.assert_array_equal(layer.predict(x), layer.forward(x))


def test_infinities_and_nan_go_through():
    layer = an.Affine(np.eye(2), np.zeros(2))
    out = layer.forward(np.array([[np.nan, 1.0], [np.inf, 1.0]]))
    assert np.isnan(out[0]).all()
    assert out[1, 0] == np.inf
    assert np.isnan(out[1, 1])  # inf times 0


def test_need_dx_false_leaves_dx_out_and_nothing_else():
    layer, x, dout = small_layer(), draw("float64", (5, 3)), draw("float64", (5, 4))
    layer.forward(x)
    assert layer.backward(dout, need_dx=False).size == 0
    without = layer.dW.copy(), layer.db.copy()
    layer.backward(dout)
    np.testing.assert_array_equal(layer.dW, without[0])
    np.testing.assert_array_equal(layer.db, without[1])


# What a layer keeps ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
@every_form
def test_keeps_the_very_arrays(dtype, form):
    W, b = in_form(form, draw(dtype, (3, 4))), in_form(form, draw(dtype, 4))
    layer = an.Affine(W, b)
    layer.forward(draw("float64", (5, 3)))
    layer.backward(draw("float64", (5, 4)))
    assert layer.W is W
    assert layer.b is b


@every_form
def test_a_change_in_place_is_seen(form):
    W, b, x = in_form(form, draw("float32", (3, 4))), draw("float32", 4), draw("float32", (5, 3))
    layer = an.Affine(W, b)
    layer.forward(x)
    if not W.flags.writeable:
        W.flags.writeable = True
    W *= 2
    b -= 1
    check(layer, x, draw("float32", (5, 4)))


def test_no_gradients_before_the_first_backward():
    layer = small_layer()
    assert layer.dW is None
    assert layer.db is None
    layer.forward(draw("float64", (2, 3)))
    assert layer.dW is None


def test_assigning_keeps_the_new_array():
    layer, W, b = small_layer(), draw("float32", (3, 4), 5), draw("float32", 4, 6)
    layer.W = W
    layer.b = b
    assert layer.W is W
    assert layer.b is b
    check(layer, draw("float32", (5, 3)), draw("float32", (5, 4)))


def test_assigning_may_change_the_width():
    layer = small_layer()
    layer.W, layer.b = np.ones((2, 7)), np.zeros(7)
    assert layer.forward(np.ones((1, 2))).tolist() == [[2.0] * 7]


def test_in_place_operators_on_the_attribute():
    W = np.ones((3, 4))
    layer = an.Affine(W, np.zeros(4))
    layer.W -= 0.25
    assert layer.W is W
    assert (W == 0.75).all()


def test_backward_changes_no_parameter_and_is_repeatable():
    layer, x, dout = small_layer(), draw("float64", (5, 3)), draw("float64", (5, 4))
    layer.forward(x)
    W, b = layer.W.copy(), layer.b.copy()
    first = layer.backward(dout), layer.dW, layer.db
    kept = [a.copy() for a in first]
    second = layer.backward(dout), layer.dW, layer.db
    for one, two in zip(kept, second, strict=True):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(layer.W, W)
    np.testing.assert_array_equal(layer.b, b)


def test_gradients_do_not_add_up_over_calls():
    layer = small_layer()
    for seed in (1, 2):
        x, dout = draw("float64", (5, 3), seed), draw("float64", (5, 4), seed)
        layer.forward(x)
        check_gradients(layer, layer.backward(dout), x, dout)


# Identities --------------------------------------------------------------------------------------


def test_the_adjoint_identities():
    """<dout, forward(x) - b> = <dx, x> = <dW, W>, and db belongs to a batch of ones."""
    layer, x, dout = small_layer(7, 5), draw("float64", (6, 7)), draw("float64", (6, 5))
    out = layer.forward(x)
    dx = layer.backward(dout)
    product = np.vdot(dout, out - layer.b)
    np.testing.assert_allclose(np.vdot(dx, x), product, rtol=1e-13)
    np.testing.assert_allclose(np.vdot(layer.dW, layer.W), product, rtol=1e-13)
    np.testing.assert_allclose(np.vdot(layer.db, layer.b), np.vdot(dout, out - x @ layer.W))


def test_gradients_by_central_differences():
    layer, x, dout = small_layer(), draw("float64", (5, 3)), draw("float64", (5, 4))
    layer.forward(x)
    dx = layer.backward(dout)

    def slope(array, place, h=0.5):  # the map is linear in each argument: any h is exact
        kept = array[place]
        values = []
        for sign in (1, -1):
            array[place] = kept + sign * h
            values.append(np.vdot(dout, layer.predict(x)))
        array[place] = kept
        return (values[0] - values[1]) / (2 * h)

    for array, gradient in ((x, dx), (layer.W, layer.dW), (layer.b, layer.db)):
        for place in np.ndindex(array.shape):
            np.testing.assert_allclose(slope(array, place), gradient[place], rtol=1e-12, atol=1e-13)


# Errors ------------------------------------------------------------------------------------------


def test_backward_before_forward_names_the_layer():
    with pytest.raises(RuntimeError, match="Affine"):
        small_layer().backward(np.ones((1, 4)))


def test_predict_does_not_count_as_forward():
    layer = small_layer()
    layer.predict(np.ones((1, 3)))
    with pytest.raises(RuntimeError, match="Affine"):
        layer.backward(np.ones((1, 4)))


@pytest.mark.parametrize("shape", [(5, 2), (5, 4), (5, 3, 2), (2,), (5, 0)])
def test_wrong_feature_count(shape):
    with pytest.raises(ValueError, match=r"\bx\b.*3"):
        small_layer().forward(np.zeros(shape))


@pytest.mark.parametrize("shape", [(4,), (5, 3), (4, 4), (5, 1), (1, 4), (5, 4, 1), (4, 5), ()])
def test_dout_of_a_wrong_shape(shape):
    layer = small_layer()
    layer.forward(np.zeros((5, 3)))
    with pytest.raises(ValueError, match=r"dout has shape .*\(5, 4\)"):
        layer.backward(np.zeros(shape))


def test_a_refused_dout_leaves_the_gradients_alone():
    layer = small_layer()
    layer.forward(draw("float64", (5, 3)))
    layer.backward(draw("float64", (5, 4)))
    dW = layer.dW.copy()
    with pytest.raises(ValueError, match="dout"):
        layer.backward(np.zeros((4, 4)))
    np.testing.assert_array_equal(layer.dW, dW)


@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool", "complex64"])
def test_weights_that_are_not_floats(dtype):
    with pytest.raises(TypeError, match=f"W has dtype {dtype}"):
        an.Affine(np.ones((3, 4), dtype), np.zeros(4))
    with pytest.raises(TypeError, match=f"b has dtype {dtype}"):
        an.Affine(np.ones((3, 4)), np.zeros(4, dtype))
    layer = small_layer()
    with pytest.raises(TypeError, match="W"):
        layer.W = np.ones((3, 4), dtype)


@pytest.mark.parametrize("shape", [(3,), (3, 4, 1), ()])
def test_weights_of_wrong_rank(shape):
    with pytest.raises(ValueError, match="W has shape"):
        an.Affine(np.ones(shape), np.zeros(4))


@pytest.mark.parametrize("shape", [(3,), (4, 1), (1, 4), ()])
def test_bias_that_does_not_fit(shape):
    with pytest.raises(ValueError, match="b has shape"):
        an.Affine(np.ones((3, 4)), np.zeros(shape))


def test_bias_that_stops_fitting():
    layer = small_layer()
    layer.W = np.ones((3, 5))
    with pytest.raises(ValueError, match=r"b has shape \(4,\), wanted \(5,\)"):
        layer.forward(np.ones((2, 3)))


# Affine.init -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
def test_init_gives_the_same_net_in_every_dtype(dtype):
    layer = an.Affine.init(6, 5, rng=3, dtype=dtype)
    assert layer.W.dtype == layer.b.dtype == dtype
    exact = an.Affine.init(6, 5, rng=3, dtype="float64")
    np.testing.assert_array_equal(layer.W, exact.W.astype(dtype))
    np.testing.assert_array_equal(layer.b, np.zeros(5))


@pytest.mark.parametrize(
    ("activation", "variance"),
    [
        *((name, 2 / 400) for name in ("relu", "leaky_relu", "gelu", "silu")),
        *((name, 2 / 600) for name in ("linear", "sigmoid", "tanh", "softmax")),
    ],
)
def test_init_scales_for_what_follows(activation, variance):
    W = an.Affine.init(400, 200, rng=0, activation=activation, dtype="float64").W
    # The variance of 80,000 normal numbers lies within 4 of its standard deviations of 0.5 %.
    np.testing.assert_allclose(W.var(), variance, rtol=0.02)
    assert abs(W.mean()) < 4 * np.sqrt(variance / W.size)


def test_init_defaults_and_seeds():
    assert an.Affine.init(2, 3, rng=0).W.dtype == np.float32
    rng = np.random.default_rng(5)
    first, second = an.Affine.init(4, 4, rng=rng), an.Affine.init(4, 4, rng=rng)
    assert (first.W != second.W).any()
    np.testing.assert_array_equal(first.W, an.Affine.init(4, 4, rng=5).W)
    assert (an.Affine.init(4, 4, rng=None).W != an.Affine.init(4, 4, rng=None).W).any()


@pytest.mark.parametrize(
    ("arguments", "error", "name"),
    [
        ({"n_inputs": 0}, ValueError, "n_inputs"),
        ({"n_outputs": -1}, ValueError, "n_outputs"),
        ({"n_inputs": 2.0}, TypeError, "n_inputs"),
        ({"n_outputs": True}, TypeError, "n_outputs"),
        ({"rng": -1}, ValueError, "rng"),
        ({"rng": "seed"}, TypeError, "rng"),
        ({"rng": 0.5}, TypeError, "rng"),
        ({"activation": "swish"}, ValueError, "activation"),
        ({"dtype": "int32"}, TypeError, "dtype"),
        ({"dtype": "complex64"}, TypeError, "dtype"),
    ],
)
def test_init_refuses_by_name(arguments, error, name):
    with pytest.raises(error, match=name):
        an.Affine.init(**{"n_inputs": 2, "n_outputs": 3} | arguments)


def test_repr_shows_the_shape():
    assert repr(an.Affine.init(784, 50, rng=0)) == "Affine(784 -> 50)"
