"""numerical_gradient: values, order of the error, and arrays that come back to the bit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from affinet.gradcheck import numerical_gradient


@pytest.mark.parametrize("shape", [(), (1,), (5,), (2, 3), (2, 1, 3), (0,), (2, 0)])
@pytest.mark.parametrize("method", ["central", "forward"])
def test_numerical_gradient_of_a_polynomial(shape, method):
    x = np.random.default_rng(0).standard_normal(shape)
    found = numerical_gradient(lambda a: np.sum(a**3 - 2 * a), x, method=method)
    assert found.shape == shape
    assert found.dtype == np.float64
    atol = 1e-7 if method == "central" else 2e-3
    np.testing.assert_allclose(found, 3 * x**2 - 2, rtol=0, atol=atol)


def test_numerical_gradient_of_rosenbrock():
    def rosenbrock(v):
        return (1 - v[0]) ** 2 + 100 * (v[1] - v[0] ** 2) ** 2

    x, y = -1.2, 1.0
    wanted = [-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)]
    found = numerical_gradient(rosenbrock, np.array([x, y]))
    np.testing.assert_allclose(found, wanted, rtol=1e-7)
    np.testing.assert_allclose(numerical_gradient(rosenbrock, np.ones(2)), 0, atol=1e-5)


@pytest.mark.parametrize(("method", "order"), [("central", 2), ("forward", 1)])
def test_error_is_of_the_promised_order(method, order):
    errors = [abs(numerical_gradient(math.exp, 1.0, h, method) - math.e) for h in (1e-2, 5e-3)]
    assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.02)


def test_function_may_ignore_its_argument_and_read_the_array():
    params = {"W": np.arange(6.0).reshape(2, 3)}
    found = numerical_gradient(lambda _: (params["W"] ** 2).sum(), params["W"])
    np.testing.assert_allclose(found, 2 * params["W"], atol=1e-7)


def test_function_gets_the_very_array():
    x, seen = np.ones(3), []
    numerical_gradient(lambda a: seen.append(a is x) or 0.0, x)
    assert seen == [True] * 6


@pytest.mark.parametrize(("method", "calls"), [("central", 8), ("forward", 5)])
def test_number_of_evaluations(method, calls):
    count = []
    numerical_gradient(lambda a: count.append(1) or 0.0, np.ones(4), method=method)
    assert len(count) == calls


def test_view_with_strides_moves_only_its_elements():
    base = np.arange(24.0).reshape(4, 6)
    view, before = base[::2, ::3].T, base.copy()
    found = numerical_gradient(lambda _: np.sum(base**2), view)
    np.testing.assert_allclose(found, 2 * view, atol=1e-6)
    assert np.array_equal(base, before)


@given(
    hnp.arrays(
        st.sampled_from([np.float64, np.float32]),
        hnp.array_shapes(min_dims=0, max_side=3),
        elements=st.floats(-100, 100, width=32),
    )
)
def test_elements_come_back_to_the_bit(x):
    before = x.tobytes()
    numerical_gradient(lambda a: float(np.sum(a)), x, h=0.1)
    assert x.tobytes() == before


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("method", ["central", "forward"])
@pytest.mark.parametrize("fatal_call", [1, 2, 3])
def test_elements_come_back_when_the_function_raises(error, method, fatal_call):
    x, calls = np.array([0.1, -0.0, 0.3]), []

    def f(a):
        calls.append(1)
        if len(calls) == fatal_call:
            raise error
        return a.sum()

    before = x.tobytes()
    with pytest.raises(error):
        numerical_gradient(f, x, method=method)
    assert x.tobytes() == before


@pytest.mark.parametrize("value", [2.0, np.float64(2.0), np.float32(2.0)])
def test_float_gives_float(value):
    seen = []
    found = numerical_gradient(lambda v: seen.append(np.ndim(v)) or v * v, value, h=1e-2)
    assert type(found) is float
    assert found == pytest.approx(4.0, abs=1e-3)
    assert seen == [0, 0]


def test_float32_divides_by_the_step_really_taken():
    x = np.array([1000.1], np.float32)  # its neighbours are 6e-5 apart
    found = numerical_gradient(lambda a: float(a[0]), x, h=1e-4)
    assert found.dtype == np.float64
    assert found[0] == 1.0


def test_long_double_keeps_its_precision():
    x = np.array([0.5], np.longdouble)
    found = numerical_gradient(lambda a: a[0] ** 2, x)
    assert found.dtype == np.longdouble
    assert abs(float(found[0]) - 1.0) < 1e-11


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool, complex, object])
def test_other_kinds_of_numbers_are_refused(dtype):
    with pytest.raises(TypeError, match=r"^x has dtype .*, wanted floats"):
        numerical_gradient(lambda a: 0.0, np.ones(2, dtype))


@pytest.mark.parametrize("x", [[1.0, 2.0], 3, "1", None])
def test_other_things_than_arrays_are_refused(x):
    with pytest.raises(TypeError, match=r"^x is .*, wanted an array of floats or a float"):
        numerical_gradient(lambda a: 0.0, x)


def test_read_only_array_is_refused_by_name():
    x = np.ones(2)
    x.flags.writeable = False
    with pytest.raises(ValueError, match="x is read-only"):
        numerical_gradient(lambda a: 0.0, x)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (np.ones(2), r"f\(x\) has shape \(2,\), wanted one number"),
        (np.ones(0), r"f\(x\) has shape \(0,\)"),
        (None, r"f\(x\) is None"),
        ("1.0", r"f\(x\) is '1.0'"),
        (1j, "wanted one real number"),
    ],
)
@pytest.mark.parametrize("method", ["central", "forward"])
def test_function_has_to_return_one_number(result, message, method):
    x = np.ones(3)
    with pytest.raises(ValueError, match=message):
        numerical_gradient(lambda a: result, x, method=method)
    assert np.array_equal(x, np.ones(3))


def test_one_number_may_come_in_an_array():
    assert numerical_gradient(lambda a: a.sum(keepdims=True), np.ones((1, 1))).item() == (
        pytest.approx(1.0)
    )


@pytest.mark.parametrize("h", [0.0, -1e-4, math.inf, math.nan])
def test_bad_step_is_refused(h):
    with pytest.raises(ValueError, match=r"^h is"):
        numerical_gradient(lambda a: 0.0, np.ones(1), h=h)


def test_step_lost_in_rounding_is_refused():
    x = np.array([0.0, 1e6], np.float32)
    with pytest.raises(ValueError, match=r"h is 0.0001, lost in rounding beside x\[1\]"):
        numerical_gradient(lambda a: 0.0, x)
    assert np.array_equal(x, np.array([0.0, 1e6], np.float32))


def test_unknown_method_is_refused():
    with pytest.raises(ValueError, match="method is 'backward', wanted one of central, forward"):
        numerical_gradient(lambda a: 0.0, np.ones(1), method="backward")
