"""Activations: values, gradients, and what happens at edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import affinet as an
from array_forms import COMPUTED_IN, FORMS, draw, in_form
from parts.activations import ACTIVATIONS
from tolerance import assert_close

repeatable = settings(deadline=None, derandomize=True, max_examples=60)


every_case = pytest.mark.parametrize("case", ACTIVATIONS.values(), ids=ACTIVATIONS)


def check(case, x, dout):
    """Forward and backward against the reference, with x and dout as they were."""
    layer, before = case.make(), (x.copy(), dout.copy())
    out = layer.forward(x)
    x64 = np.array(x, np.float64)
    wanted = case.forward(x64)
    scale = case.value_terms(x64, wanted) if case.value_terms else None
    assert_close(out, wanted, scale=scale, name="out")
    dx = layer.backward(dout)
    dout64 = np.array(dout, np.float64)
    needed = x64 if case.keeps == "x" else np.array(out, np.float64)
    with np.errstate(under="ignore"):
        scale = abs(dout64) * (case.slope_terms(needed) if case.slope_terms else 1)
    assert_close(dx, case.backward(needed, dout64), scale=scale, name="dx")
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(dout, before[1])
    assert dx.shape == x.shape
    return out, dx


@repeatable
@given(
    case=st.sampled_from(sorted(ACTIVATIONS)),
    shape=st.lists(st.integers(0, 5), max_size=4).map(tuple),
    forms=st.tuples(*[st.sampled_from(sorted(FORMS))] * 2),
    dtypes=st.tuples(*[st.sampled_from(sorted(COMPUTED_IN))] * 2),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_shape_dtype_and_form(case, shape, forms, dtypes, seed):
    shape = shape or (1,)
    x = in_form(forms[0], draw(dtypes[0], shape, seed))
    out, dx = check(ACTIVATIONS[case], x, in_form(forms[1], draw(dtypes[1], shape, seed + 1)))
    assert out.dtype == COMPUTED_IN[dtypes[0]]
    assert dx.dtype == np.result_type(np.float32, out.dtype, dtypes[1])


@every_case
@pytest.mark.parametrize(("dtype", "wanted"), COMPUTED_IN.items())
def test_dtypes(case, dtype, wanted):
    x = draw(dtype, (3, 4))
    out, dx = check(case, x, np.ones((3, 4), np.float32))
    assert out.dtype == dx.dtype == wanted


@every_case
def test_float64_dout_for_float32_x(case):
    _, dx = check(case, draw("float32", (3, 4)), draw("float64", (3, 4)))
    assert dx.dtype == np.float64


@every_case
@pytest.mark.parametrize("form", FORMS)
def test_forms(case, form):
    for dtype in ("float32", "float64"):
        x, dout = draw(dtype, (5, 7)), draw(dtype, (5, 7), 1)
        check(case, in_form(form, x), in_form(form, dout))


@every_case
def test_transposed_four_dimensional_input(case):
    x = draw("float64", (2, 3, 4, 5)).transpose(0, 2, 3, 1)
    out, dx = check(case, x, draw("float64", x.shape))
    assert out.shape == dx.shape == (2, 4, 5, 3)


@every_case
def test_broadcast_arrays(case):
    check(case, np.broadcast_to(np.float32(0.5), (4, 5)), np.broadcast_to(np.float64(2), (4, 5)))


@every_case
@pytest.mark.parametrize("shape", [(), (0,), (1,), (0, 3), (1, 3), (3, 0)])
def test_small_and_empty_shapes(case, shape):
    out, dx = check(case, draw("float64", shape), np.ones(shape))
    assert isinstance(out, np.ndarray)
    assert out.shape == dx.shape == shape


@every_case
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_length_around_the_vector_width(case, dtype):
    for n in range(40):
        check(case, 3 * draw(dtype, n, n), draw(dtype, n, n + 1))


@every_case
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_over_the_whole_range_of_exponents(case, dtype):
    info = np.finfo(dtype)
    exponents = np.linspace(np.log2(info.tiny), np.log2(info.max) - 1, 200)
    sizes = np.exp2(exponents).astype(dtype)
    x = np.concatenate([sizes, -sizes])
    check(case, x, np.ones_like(x))


# Edges, written out by hand ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("name", "edge"), [(name, edge) for name, case in ACTIVATIONS.items() for edge in case.edges]
)
def test_edges(name, edge, dtype):
    smallest = np.finfo(dtype).smallest_subnormal
    named = {"s": smallest, "-s": -smallest}
    y, slope = ACTIVATIONS[name].edges[edge]
    x = np.full(9, named.get(edge, edge), dtype)  # long enough for a vector and a rest
    layer = ACTIVATIONS[name].make()
    np.testing.assert_array_equal(layer.forward(x), np.full(9, named.get(y, y), dtype))
    np.testing.assert_array_equal(
        layer.backward(np.full(9, 2, dtype)), np.full(9, 2 * slope, dtype)
    )


@every_case
def test_every_edge_has_a_value(case):
    """Where a function is not exact, the smallest numbers may be rounded either way."""
    edges = {"inf", "-inf", "nan", "1e4", "-1e4", "0", "-0.0"}
    assert set(case.edges) in (edges, edges | {"s", "-s"})


@pytest.mark.parametrize("layer", [an.GELU(), an.SiLU()], ids=repr)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_smallest_numbers_are_halved(layer, dtype):
    s = np.finfo(dtype).smallest_subnormal
    x = np.array([2 * s, -2 * s, s, -s], dtype)
    y = layer.forward(x)
    np.testing.assert_array_equal(y[:2], [s, -s])
    assert 0 <= y[2] <= s
    assert -s <= y[3] <= 0
    np.testing.assert_array_equal(layer.backward(np.ones(4, dtype)), np.full(4, 0.5, dtype))


@pytest.mark.parametrize(
    "case", [ACTIVATIONS["ReLU"], ACTIVATIONS["LeakyReLU"]], ids=["ReLU", "LeakyReLU"]
)
def test_infinite_dout_does_not_turn_into_nan(case):
    layer = case.make()
    layer.forward(np.array([-1.0, 1.0]))
    assert not np.isnan(layer.backward(np.array([np.inf, np.inf]))).any()


def test_nan_in_dout_reaches_dx_only_where_the_gradient_passes():
    layer = an.ReLU()
    layer.forward(np.array([-1.0, 1.0]))
    np.testing.assert_array_equal(layer.backward(np.array([np.nan, np.nan])), [0, np.nan])


# Identities --------------------------------------------------------------------------------------


@every_case
def test_gradient_by_central_differences(case):
    h, layer = 1e-5, case.make()
    x = np.linspace(-4, 4, 40)  # no point within h of the kink at 0
    layer.forward(x)
    slope = (layer.predict(x + h) - layer.predict(x - h)) / (2 * h)
    np.testing.assert_allclose(layer.backward(np.ones_like(x)), slope, rtol=1e-8, atol=1e-10)


@every_case
def test_backward_is_linear_in_dout(case):
    layer = case.make()
    layer.forward(draw("float64", 50))
    a, b = draw("float64", 50, 1), draw("float64", 50, 2)
    together = layer.backward(3 * a - b)
    np.testing.assert_allclose(together, 3 * layer.backward(a) - layer.backward(b), atol=1e-14)


def test_symmetries():
    x = draw("float64", 100)
    np.testing.assert_allclose(an.Sigmoid().forward(-x), 1 - an.Sigmoid().forward(x), rtol=1e-14)
    np.testing.assert_array_equal(an.Tanh().forward(-x), -an.Tanh().forward(x))
    np.testing.assert_array_equal(an.ReLU().forward(x) - an.ReLU().forward(-x), x)
    np.testing.assert_allclose(an.Tanh().forward(x), 2 * an.Sigmoid().forward(2 * x) - 1)


def test_known_values():
    """Phi(1), and the logistic function of 1, to sixteen digits."""
    for layer, known in ((an.GELU(), 0.8413447460685429), (an.SiLU(), 0.7310585786300049)):
        y = layer.forward([1.0, -1.0])
        np.testing.assert_allclose(y, [known, known - 1], rtol=1e-15)


def test_parts_of_the_identity():
    """x Phi(x) - (-x) Phi(-x) = x, and the same for the logistic function."""
    x = 5 * draw("float64", 100)
    for layer in (an.GELU(), an.SiLU()):
        np.testing.assert_allclose(layer.forward(x) - layer.forward(-x), x, rtol=1e-15)
        slope = layer.backward(np.ones(100))  # at -x
        layer.forward(x)
        np.testing.assert_allclose(slope + layer.backward(np.ones(100)), 1, rtol=1e-15)


def test_what_keeps_its_input_says_so():
    kept = {name for name, case in ACTIVATIONS.items() if case.make().needs_input}
    assert kept == {name for name, case in ACTIVATIONS.items() if case.keeps == "x"}
    assert kept >= {"GELU", "SiLU"}


@every_case
def test_an_output_that_is_overwritten_matters_only_where_it_is_kept(case):
    """In a network the next layer may overwrite it, which a layer that keeps its input ignores."""
    layer, x = case.make(), draw("float64", 20)
    y = layer.forward(x)
    before = layer.backward(np.ones(20))
    y[:] = 0.9
    assert (layer.backward(np.ones(20)) == before).all() == (case.keeps == "x")


def test_leaky_relu_of_slope_zero_is_relu():
    x, dout = draw("float64", 100), draw("float64", 100, 1)
    leaky, relu = an.LeakyReLU(0), an.ReLU()
    np.testing.assert_array_equal(leaky.forward(x), relu.forward(x))
    np.testing.assert_array_equal(leaky.backward(dout), relu.backward(dout))


def test_leaky_relu_default_and_config():
    assert an.LeakyReLU().forward([-1.0]).item() == -0.01
    assert an.LeakyReLU(0.5).config() == {"slope": 0.5}
    assert repr(an.LeakyReLU(0.5)) == "LeakyReLU(slope=0.5)"


@pytest.mark.parametrize(
    ("slope", "error"),
    [
        (-0.1, ValueError),
        (np.nan, ValueError),
        (np.inf, ValueError),
        ("0.1", TypeError),
        (None, TypeError),
        (1j, TypeError),
        ([0.1], TypeError),
    ],
)
def test_leaky_relu_refuses_a_slope_by_name(slope, error):
    with pytest.raises(error, match="slope"):
        an.LeakyReLU(slope)
