"""The logistic function, tanh and Mish to the last digit: errors in units in the last place.

The oracle for float32 is double precision, whose own error is a millionth of a unit; for float64 it
is Python's decimal module. ``-m exhaustive`` goes through every float32 number instead of a sample.
"""

import decimal

import numpy as np
import pytest

LIMITS = {"sigmoid_forward": 1.5, "tanh_forward": 1.0, "mish_forward": 4.0}
# Inputs at which earlier formulas were worst, or where a reduction turns.
CRITICAL = {
    "sigmoid_forward": [
        -4.1506429,
        -5.8642149,
        -15.5395813,
        -1.1025,
        -0.4055,
        -0.2877,
        -87.5,
        -103.9,
    ],
    "tanh_forward": [
        0.015568033,
        0.015416865,
        0.5361214,
        0.55,
        0.1732868,
        0.5198604,
        0.8664340,
        9.01,
    ],
    "mish_forward": [-5.1967487, -6.0921373, -0.052743476, -0.013002069, -0.34657359, -88.0],
}
every_function = pytest.mark.parametrize("name", LIMITS)


def exact(name, x):
    """The function in double precision."""
    x = x.astype(np.float64)
    if name == "tanh_forward":
        return np.tanh(x)
    if name == "mish_forward":
        e = np.exp(np.minimum(x, 40))
        return x * (e * (e + 2) / (e * (e + 2) + 2))
    e = np.exp(-abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def units(y, r):
    """How many units in the last place of float32 y is off r."""
    unit = np.ldexp(1.0, np.maximum(np.frexp(r)[1] - 24, -149))
    return abs(y.astype(np.float64) - r) / unit


def check(kernels, name, x):
    """That no y is off by more than the limit, and that tanh is odd."""
    y = np.full_like(x, np.nan)
    getattr(kernels, name)(x, y)
    found = units(y, exact(name, x))
    worst = np.argmax(found)
    assert found[worst] <= LIMITS[name], f"{found[worst]:.3f} units at {x[worst]!r}"
    if name == "tanh_forward":
        mirrored = np.empty_like(x)
        kernels.tanh_forward(-x, mirrored)
        np.testing.assert_array_equal(mirrored.view(np.uint32), (-y).view(np.uint32))


def numbers(start, stop, step=1):
    """The float32 numbers whose words are range(start, stop, step)."""
    return np.arange(start, stop, step, dtype=np.uint32).view(np.float32)


INFINITY = 0x7F800000


@every_function
def test_a_sample_of_all_single_numbers(kernels, name):
    near = np.concatenate([numbers(w - 300, w + 300) for w in words(CRITICAL[name])])
    bend = numbers(*words([0.05, 12.0]), 211)  # where the last digits are hardest
    x = np.concatenate([numbers(0, INFINITY, 4099), bend, near])
    check(kernels, name, x)
    check(kernels, name, -x)


def words(values):
    """The words of the magnitudes of these numbers."""
    return abs(np.array(values, np.float32)).view(np.uint32).tolist()


@pytest.mark.exhaustive
@every_function
def test_every_single_number(kernels, name):
    block = 1 << 22
    for start in range(0, INFINITY, block):
        x = numbers(start, min(start + block, INFINITY))
        check(kernels, name, x)
        check(kernels, name, -x)


@every_function
def test_the_measure_finds_one_unit_more(name):
    """Right results that are moved by two units must be too far off, subnormal ones too."""
    x = np.float32([-100.0, -20.3, -4.15, -0.5, 0.3, 2.0])
    r = exact(name, x)
    assert units(r.astype(np.float32), r).max() <= 0.5
    moved = r.astype(np.float32).view(np.uint32) + np.uint32(2)
    assert units(moved.view(np.float32), r).min() >= 1.5


@every_function
def test_double_numbers(kernels, name):
    """Against 40 digits, at random and near where the formulas change; limits as for float32."""
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.uniform(-8, 8, 1500), rng.uniform(-745, 0, 300), CRITICAL[name]])
    x = np.concatenate([x, np.geomspace(1e-300, 1, 200), -np.geomspace(1e-300, 1, 200)])
    y = np.empty_like(x)
    getattr(kernels, name)(x, y)
    with decimal.localcontext(decimal.Context(prec=60)):
        for one, result in zip(x.tolist(), y.tolist(), strict=True):
            r = exact_decimal(name, decimal.Decimal(one))
            unit = decimal.Decimal(2) ** max(np.frexp(float(r))[1] - 53, -1074)
            assert abs(decimal.Decimal(result) - r) <= decimal.Decimal(LIMITS[name]) * unit, one


def exact_decimal(name, x):
    """The function in the context's digits."""
    if name == "mish_forward":
        e = x.exp()
        return x * e * (e + 2) / (e * (e + 2) + 2)
    e = (-abs(x)).exp()
    if name == "sigmoid_forward":
        return (e if x < 0 else decimal.Decimal(1)) / (1 + e)
    if abs(x) < decimal.Decimal("1e-12"):
        return x - x**3 / 3
    return ((1 - e * e) / (1 + e * e)).copy_sign(x)
