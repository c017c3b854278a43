"""The error of exp, sigmoid, tanh, GELU, SiLU and softmax against results in 40 decimal digits."""

import decimal
import functools

import numpy as np
import pytest

from affinet import reference
from exact_results import DIGITS, FUNCTIONS, apply, exp_of, logits, normal_of, same_bits, sweep

every_function = pytest.mark.parametrize("name", FUNCTIONS)


def errors(actual, exact, allowance=1):
    """Errors in units of eps: a float64 array shaped as actual.

    exact: float64 where actual is float32, an array of Decimals where it is float64. Results too
    large for the dtype have to be infinite, and count as exact then. allowance: how many least
    subnormal numbers are for free.
    """
    limits = np.finfo(actual.dtype)
    number = decimal.Decimal if exact.dtype == object else np.float64
    eps, most = number(float(limits.eps)), number(float(limits.max))
    least = number(float(limits.tiny)) * eps
    free = np.array([number(value) for value in np.broadcast_to(allowance, exact.shape).tolist()])
    too_large = abs(exact) > most * (1 + eps)
    assert (actual[too_large] == np.inf).all()
    actual = np.array([number(value) for value in np.where(too_large, 0, actual).tolist()])
    exact = np.where(too_large, number(0), exact)
    beyond = np.maximum(abs(actual - exact) - free * least, number(0))
    # Where the exact result is 0, nothing more than the least number is allowed.
    return (beyond / np.where(exact == 0, least, abs(exact)) / eps).astype(np.float64)


def allowance(name, x):
    """Least numbers for free: one, and where a subnormal exp(x) is multiplied by x, |x| halves."""
    return np.where(x < 0, 1 + abs(x.astype(float)) / 2, 1) if name == "silu_forward" else 1


@functools.cache
def exact_results(name, dtype):
    x, (in_decimal, in_double, _) = sweep(dtype), FUNCTIONS[name]
    if dtype.itemsize == 4:
        with np.errstate(over="ignore", under="ignore"):
            return in_double(x.astype(np.float64))
    return np.array([in_decimal(decimal.Decimal(value)) for value in x.tolist()])


@every_function
def test_the_error_over_the_whole_range(kernels, dtype, name):
    x = sweep(dtype)
    found = errors(apply(kernels, name, x), exact_results(name, dtype), allowance(name, x))
    worst = np.argmax(found)
    assert found[worst] <= FUNCTIONS[name][2], f"{found[worst]:.3f} eps at {x[worst]!r}"


@every_function
def test_a_larger_error_would_be_found(dtype, name):
    """The measure itself: results off by two units too many, or by two least subnormal numbers."""
    exact = exact_results(name, dtype)[::16]
    with np.errstate(over="ignore", under="ignore"):
        right = exact.astype(dtype)
    assert errors(right, exact).max() <= 0.5
    with np.errstate(over="ignore", under="ignore"):
        held = FUNCTIONS[name][2]
        assert errors(right * dtype.type(1 + (held + 2) * np.finfo(dtype).eps), exact).max() > held
        assert errors(right + 2 * np.finfo(dtype).smallest_subnormal, exact).max() > 2


@every_function
def test_infinities_zeros_and_nan(kernels, dtype, lanes, name):
    special = np.array([-np.inf, np.inf, 0.0, -0.0, np.nan, -np.nan], dtype)
    wanted = {
        "_exp": [0, np.inf, 1, 1, np.nan, np.nan],
        "sigmoid_forward": [0, 1, 0.5, 0.5, np.nan, np.nan],
        "tanh_forward": [-1, 1, 0.0, -0.0, np.nan, np.nan],
        "_normal": [0, 1, 0.5, 0.5, np.nan, np.nan],
        "gelu_forward": [0, np.inf, 0.0, -0.0, np.nan, np.nan],
        "silu_forward": [0, np.inf, 0.0, -0.0, np.nan, np.nan],
    }
    wanted = np.array(wanted[name], dtype)
    for shift in range(lanes + 1):  # each of them in every lane, and in the rest
        same_bits(
            apply(kernels, name, np.roll(np.resize(special, 4 * lanes + 1), shift)),
            np.roll(np.resize(wanted, 4 * lanes + 1), shift),
        )


def test_the_largest_and_the_least_exponentials(kernels, dtype):
    """Where exp becomes infinite, and where it becomes 0."""
    limits = np.finfo(dtype)
    top = np.nextafter(dtype.type(np.log(float(limits.max))), dtype.type(0))
    bottom = dtype.type(np.log(float(limits.smallest_subnormal)))
    x = np.array([top, top * (1 + 4 * limits.eps), bottom, bottom - 1, -limits.max], dtype)
    out = apply(kernels, "_exp", x)
    assert 0.99 * limits.max < out[0] < np.inf
    assert out[1] == np.inf
    same_bits(out[2:], np.array([limits.smallest_subnormal, 0, 0], dtype))


def test_what_holds_exactly(kernels, dtype):
    """tanh is odd and does not leave [-1, 1], the logistic function not [0, 1]."""
    x = sweep(dtype)
    tanh, sigmoid = apply(kernels, "tanh_forward", x), apply(kernels, "sigmoid_forward", x)
    same_bits(apply(kernels, "tanh_forward", -x), -tanh)
    assert (abs(tanh) <= 1).all()
    assert ((sigmoid >= 0) & (sigmoid <= 1)).all()
    assert (apply(kernels, "_exp", x) >= 0).all()


def test_how_far_the_normal_distribution_reaches(kernels, dtype):
    """It is 0 only where it is less than half the least number, and the slopes go on as far."""
    least = np.finfo(dtype).smallest_subnormal
    x = -np.linspace(13, 15, 2001) if dtype.itemsize == 4 else -np.linspace(37.6, 39, 2001)
    x = x.astype(dtype)
    p, y = apply(kernels, "_normal", x), apply(kernels, "gelu_forward", x)
    exact = np.array([normal_of(decimal.Decimal(value)) for value in x.tolist()])
    assert p[0] > 0
    assert not p[-1]
    number = decimal.Decimal(float(least))
    assert all(abs(decimal.Decimal(float(a)) - b) <= number for a, b in zip(p, exact, strict=True))
    assert (y <= 0).all()
    slopes = np.empty_like(x)
    kernels.gelu_backward(x, np.ones_like(x), slopes)
    assert (slopes <= 0).all()
    assert slopes[0] < -least


def test_slopes_near_where_they_vanish(kernels, dtype):
    """GELU and SiLU are least where x is -0.7518 and -1.2785: there only terms bound the error."""
    for name, root in (("gelu", -0.7517915246935645), ("silu", -1.2784645427610738)):
        x = (root + np.linspace(-1e-3, 1e-3, 501)).astype(dtype)
        slopes, y = np.empty_like(x), np.empty_like(x)
        getattr(kernels, f"{name}_backward")(x, np.ones_like(x), slopes)
        getattr(kernels, f"{name}_forward")(x, y)
        exact = getattr(reference, f"{name}_backward")(x.astype(np.float64), np.ones(501))
        assert abs(slopes - exact).max() <= 4 * np.finfo(dtype).eps * 0.5
        assert (np.diff(np.sign(slopes)) >= 0).all()


def exact_softmax(x):
    """In double for float32, in decimal for float64; also the distance from the row's maximum."""
    if x.dtype == np.float32:
        distance = x.max(axis=1, keepdims=True).astype(np.float64) - x
        e = np.exp(-distance)
    else:
        x = np.array([decimal.Decimal(value) for value in x.ravel().tolist()]).reshape(x.shape)
        distance = np.max(x, axis=1, keepdims=True) - x
        e = np.vectorize(DIGITS.exp, otypes=[object])(-distance)
    return e / np.sum(e, axis=1, keepdims=True), distance.astype(np.float64)


@pytest.mark.parametrize("C", [1, 2, 3, 10, 16, 17, 33, 100])
def test_the_error_of_softmax(kernels, dtype, C):
    """Within (6 + |x - max| / 2 + C) eps: the difference itself is rounded."""
    x = logits(np.random.default_rng(2), (400 if dtype.itemsize == 4 else 20, C), dtype)
    y = np.empty_like(x)
    kernels.softmax_forward(x, y)
    with decimal.localcontext(DIGITS):
        exact, distance = exact_softmax(x)
        found = errors(y.ravel(), exact.ravel()).reshape(x.shape)
    assert (found <= 6 + distance / 2 + C).all()


def test_the_logarithm_of_a_sum(kernels, dtype):
    """C equal logits cost log(C), which is the logarithm of an exact sum."""
    for C in [*range(1, 200), 1000, 4095, 4096, 65537]:
        x, t = np.zeros((1, C), dtype), np.zeros(1, np.int64)
        loss = kernels.softmax_cross_entropy_labels(
            x, t, None, 0.0, np.empty_like(x), np.empty_like(x)
        )
        assert loss == pytest.approx(np.log(C), rel=2.0**-52, abs=0)


def test_the_error_of_a_single_sigmoid_loss(kernels):
    """log(1 + exp(-x)) and its slope for a right answer, from where it is 1 to where it is 0."""
    x = np.concatenate([np.linspace(0, 3, 301), np.geomspace(1e-9, 700, 300), [0.881373587]])
    t, dx = np.ones((1, 1)), np.empty((1, 1))
    for one in x:
        with decimal.localcontext(DIGITS):
            e = exp_of(-decimal.Decimal(float(one)))
            exact, slope = DIGITS.ln(1 + e), -e / (1 + e)
            if e < decimal.Decimal("1e-12"):  # where the logarithm loses digits to the 1
                exact = e - e * e / 2
        loss = kernels.sigmoid_cross_entropy(np.full((1, 1), one), t, None, dx)
        assert loss == pytest.approx(float(exact), rel=2 * 2.0**-52, abs=0)
        assert dx[0, 0] == pytest.approx(float(slope), rel=2 * 2.0**-52, abs=0)
