"""ReLU, LeakyReLU, Sigmoid, Tanh, GELU and SiLU: values, gradients, and what happens at edges."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import affinet as an
from affinet import reference
from array_forms import COMPUTED_IN, FORMS, draw, in_form
from tolerance import assert_close

SLOPE = 0.25
repeatable = settings(deadline=None, derandomize=True, max_examples=60)


@dataclass(frozen=True)
class Case:
    """An activation, its two references, and the size of the terms of its derivative f'(x).

    ``backward`` and ``terms`` take the output, or the input where the layer keeps that.
    """

    make: Any
    forward: Any
    backward: Any
    terms: Any
    keeps_input: bool = False
    forward_terms: Any = None


def normal_terms(x):
    """Of Phi(x) + x phi(x); the references' exp(-x^2 / 2) has the error of its argument."""
    x = np.clip(x, -1e4, 1e4)
    density = np.exp(-x * x / 2)
    return (np.where(x > 0, 1, density / (1 + abs(x))) + abs(x) * density) * (1 + x * x)


def logistic_terms(x):
    share = reference.sigmoid_forward(x)
    return share * (1 + np.minimum(abs(x), 1e4) * (1 - share))


CASES = {
    "ReLU": Case(an.ReLU, reference.relu_forward, reference.relu_backward, lambda y: 1),
    "LeakyReLU": Case(
        lambda: an.LeakyReLU(SLOPE),
        lambda x: reference.leaky_relu_forward(x, SLOPE),
        lambda y, dout: reference.leaky_relu_backward(y, dout, SLOPE),
        lambda y: 1,
    ),
    "Sigmoid": Case(
        an.Sigmoid, reference.sigmoid_forward, reference.sigmoid_backward, lambda y: y + y * y
    ),
    "Tanh": Case(an.Tanh, reference.tanh_forward, reference.tanh_backward, lambda y: 1 + y * y),
    "GELU": Case(
        an.GELU,
        reference.gelu_forward,
        reference.gelu_backward,
        normal_terms,
        keeps_input=True,
        forward_terms=lambda x, out: abs(out) * (1 + np.clip(x, -40, 0) ** 2),
    ),
    "SiLU": Case(
        an.SiLU, reference.silu_forward, reference.silu_backward, logistic_terms, keeps_input=True
    ),
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def check(case, x, dout):
    """Forward and backward against the reference, with x and dout as they were."""
    layer, before = case.make(), (x.copy(), dout.copy())
    out = layer.forward(x)
    x64 = np.array(x, np.float64)
    wanted = case.forward(x64)
    scale = case.forward_terms(x64, wanted) if case.forward_terms else None
    assert_close(out, wanted, scale=scale, name="out")
    dx = layer.backward(dout)
    dout64 = np.array(dout, np.float64)
    needed = x64 if case.keeps_input else np.array(out, np.float64)
    with np.errstate(under="ignore"):
        scale = abs(dout64) * case.terms(needed)
    assert_close(dx, case.backward(needed, dout64), scale=scale, name="dx")
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(dout, before[1])
    assert dx.shape == x.shape
    return out, dx


@repeatable
@given(
    case=st.sampled_from(sorted(CASES)),
    shape=st.lists(st.integers(0, 5), max_size=4).map(tuple),
    forms=st.tuples(*[st.sampled_from(sorted(FORMS))] * 2),
    dtypes=st.tuples(*[st.sampled_from(sorted(COMPUTED_IN))] * 2),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_shape_dtype_and_form(case, shape, forms, dtypes, seed):
    shape = shape or (1,)
    x = in_form(forms[0], draw(dtypes[0], shape, seed))
    out, dx = check(CASES[case], x, in_form(forms[1], draw(dtypes[1], shape, seed + 1)))
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

INF, NAN = np.inf, np.nan
# x: (y, dy/dx) for ReLU, LeakyReLU(0.25), Sigmoid, Tanh, GELU and SiLU; s is the smallest number,
# half of which may be rounded either way: GELU and SiLU have their own test of it
EDGES = {
    "inf": ((INF, 1), (INF, 1), (1, 0), (1, 0), (INF, 1), (INF, 1)),
    "-inf": ((0, 0), (-INF, SLOPE), (0, 0), (-1, 0), (0, 0), (0, 0)),
    "nan": ((NAN, 1), (NAN, 1), (NAN, NAN), (NAN, NAN), (NAN, NAN), (NAN, NAN)),
    "1e4": ((1e4, 1), (1e4, 1), (1, 0), (1, 0), (1e4, 1), (1e4, 1)),
    "-1e4": ((0, 0), (-1e4 * SLOPE, SLOPE), (0, 0), (-1, 0), (0, 0), (0, 0)),
    "0": ((0, 0), (0, SLOPE), (0.5, 0.25), (0, 1), (0, 0.5), (0, 0.5)),
    "-0.0": ((0, 0), (0, SLOPE), (0.5, 0.25), (0, 1), (0, 0.5), (0, 0.5)),
    "s": (("s", 1), ("s", 1), (0.5, 0.25), ("s", 1)),
    "-s": ((0, 0), (0, SLOPE), (0.5, 0.25), ("-s", 1)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("place", "edge"),
    [(place, edge) for edge, values in EDGES.items() for place in range(len(values))],
)
def test_edges(place, edge, dtype):
    smallest = np.finfo(dtype).smallest_subnormal
    named = {"s": smallest, "-s": -smallest}
    y, slope = EDGES[edge][place]
    x = np.full(9, named.get(edge, edge), dtype)  # long enough for a vector and a rest
    layer = list(CASES.values())[place].make()
    np.testing.assert_array_equal(layer.forward(x), np.full(9, named.get(y, y), dtype))
    np.testing.assert_array_equal(layer.backward(np.full(9, 2, dtype)), np.full(9, 2 * slope))


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


@pytest.mark.parametrize("case", [CASES["ReLU"], CASES["LeakyReLU"]], ids=["ReLU", "LeakyReLU"])
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
    kept = {name for name, case in CASES.items() if case.make().needs_input}
    assert kept == {name for name, case in CASES.items() if case.keeps_input} == {"GELU", "SiLU"}


@every_case
def test_an_output_that_is_overwritten_matters_only_where_it_is_kept(case):
    """In a network the next layer may work on it: what keeps its input goes on as it was."""
    layer, x = case.make(), draw("float64", 20)
    y = layer.forward(x)
    before = layer.backward(np.ones(20))
    y[:] = 0.9
    assert (layer.backward(np.ones(20)) == before).all() == case.keeps_input


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
