"""The errors of exp, sine, cosine, activations and softmax against results in 40 decimal digits."""

import decimal
import functools

import numpy as np
import pytest

from affinet import reference
from decimals import DIGITS, exp_of, normal_of, turns_of
from everywhere import everywhere
from exact_results import FUNCTIONS, apply, logits, same_bits, sweep
from parts.activations import ACTIVATIONS

every_function = pytest.mark.parametrize("name", FUNCTIONS)


def errors(actual, exact):
    """Errors in units of eps: a float64 array shaped as actual.

    exact: float64 where actual is float32, an array of Decimals where it is float64. Results too
    large for the dtype have to be infinite, and count as exact then. One least subnormal number is
    for free.
    """
    limits = np.finfo(actual.dtype)
    number = decimal.Decimal if exact.dtype == object else np.float64
    eps, most = number(float(limits.eps)), number(float(limits.max))
    least = number(float(limits.tiny)) * eps
    too_large = abs(exact) > most * (1 + eps)
    assert (actual[too_large] == np.inf).all()
    actual = np.array([number(value) for value in np.where(too_large, 0, actual).tolist()])
    exact = np.where(too_large, number(0), exact)
    beyond = np.maximum(abs(actual - exact) - least, number(0))
    # Where the exact result is 0, nothing more than the least number is allowed.
    return (beyond / np.where(exact == 0, least, abs(exact)) / eps).astype(np.float64)


@functools.cache
def exact_results(name, dtype):
    x, oracle = sweep(dtype), FUNCTIONS[name]
    if dtype.itemsize == 4:
        with np.errstate(over="ignore", under="ignore"):
            return oracle.in_double(x.astype(np.float64))
    return np.array([oracle.in_decimal(decimal.Decimal(value)) for value in x.tolist()])


@functools.cache  # many levels have the same bits
def errors_of(name, dtype, results):
    return errors(np.frombuffer(results, dtype), exact_results(name, dtype))


@every_function
@everywhere
def test_the_error_over_the_whole_range(kernels, dtype, name):
    x = sweep(dtype)
    found = errors_of(name, dtype, apply(kernels, name, x).tobytes())
    worst = np.argmax(found)
    assert found[worst] <= FUNCTIONS[name].eps, f"{found[worst]:.3f} eps at {x[worst]!r}"


@every_function
def test_a_larger_error_would_be_found(dtype, name):
    """The measure itself: results off by two units too many, or by two least subnormal numbers."""
    exact = exact_results(name, dtype)[::16]
    with np.errstate(over="ignore", under="ignore"):
        right = exact.astype(dtype)
    assert errors(right, exact).max() <= 0.5
    with np.errstate(over="ignore", under="ignore"):
        held = FUNCTIONS[name].eps
        assert errors(right * dtype.type(1 + (held + 2) * np.finfo(dtype).eps), exact).max() > held
        assert errors(right + 2 * np.finfo(dtype).smallest_subnormal, exact).max() > 2


@every_function
def test_infinities_zeros_and_nan(kernels, dtype, lanes, name):
    special = np.array([-np.inf, np.inf, 0.0, -0.0, np.nan, -np.nan], dtype)
    wanted = {
        "_exp": [0, np.inf, 1, 1, np.nan, np.nan],
        "_normal": [0, 1, 0.5, 0.5, np.nan, np.nan],
    }
    for row in ACTIVATIONS.values():
        values = [row.edges[x][0] for x in ("-inf", "inf", "0", "-0.0", "nan", "nan")]
        wanted[f"{row.kernel}_forward"] = values
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


def in_turns(kernels, t):
    """Cosine and sine of t turns, by a periodic embedding of one column with one frequency, 1."""
    one, zero = np.ones((1, 1), t.dtype), np.zeros((1, 1), t.dtype)
    V, out = np.eye(2, dtype=t.dtype)[np.newaxis], np.full((len(t), 2), np.nan, t.dtype)
    columns, c = np.zeros(1, np.int64), np.zeros((1, 2), t.dtype)
    arrays = (t[:, np.newaxis].copy(), one, zero, V, c, columns)
    kernels.periodic_embedding_forward(*arrays, True, False, False, out)
    return out[:, 0], out[:, 1]


def exact_turns(t):
    if t.dtype == np.float64:
        exact = [turns_of(decimal.Decimal(value)) for value in t.tolist()]
        return tuple(np.array(values, object) for values in zip(*exact, strict=True))
    angle = 2 * np.pi * (t.astype(np.float64) - np.rint(t.astype(np.float64)))
    return np.cos(angle), np.sin(angle)


def turns(dtype):
    """Few turns, many, and what lies at both ends of quarters."""
    rng, n = np.random.default_rng(4), 2**17 if dtype.itemsize == 4 else 700
    digits = np.finfo(dtype).nmant
    quarters = (np.arange(-16, 17) / 8).astype(dtype)
    parts = [
        rng.uniform(-1, 1, n),
        rng.uniform(-1000, 1000, n),
        rng.standard_normal(n) * 2.0 ** rng.uniform(-digits, digits + 2, n),
        *(np.nextafter(quarters, side, dtype=dtype) for side in (dtype.type(9), dtype.type(-9))),
        quarters,
    ]
    return np.concatenate([part.astype(dtype) for part in parts])


def test_the_error_of_cosine_and_sine(kernels, dtype):
    """Absolute, whatever the angle; near 0, a sine's error is relative."""
    t, held = turns(dtype), 1.7 if dtype.itemsize == 4 else 1.5
    for actual, exact in zip(in_turns(kernels, t), exact_turns(t), strict=True):
        number = decimal.Decimal if exact.dtype == object else np.float64
        found = np.array([number(value) for value in actual.tolist()]) - exact
        assert abs(found).max() <= number(held * float(np.finfo(dtype).eps))
    small = dtype.type(2) ** -np.arange(8, 40).astype(dtype)
    sine, exact = in_turns(kernels, small)[1], exact_turns(small)[1]
    assert errors(sine, exact).max() <= 1.5


def test_the_measure_of_cosine_and_sine_finds_a_larger_error(dtype):
    """Angles that are one rounding of a turn off."""
    t = dtype.type(0.25) * (1 + 4 * np.arange(1, 9, dtype=dtype))  # the next number is eps off
    cosine = exact_turns(np.nextafter(t, dtype.type(99)))[0]
    assert min(abs(cosine)) > 1.7 * float(np.finfo(dtype).eps)


def test_cosine_and_sine_of_many_turns(kernels, dtype):
    """Halves and quarters as long as the precision has them; whole turns beyond."""
    quarter, half = 2.0 ** (np.finfo(dtype).nmant - 2), 2.0 ** (np.finfo(dtype).nmant - 1)
    fractions = np.array([0, 0.25, 0.5, 0.75] * 2)
    wanted = np.array([[1, 0, -1, 0] * 2, [0, 1, 0, -1] * 2])
    for t in (quarter - 5 + fractions, -(quarter - 5) + fractions, quarter / 2 + fractions):
        assert (t.astype(dtype) == t).all()
        np.testing.assert_allclose(in_turns(kernels, t.astype(dtype)), wanted, atol=1e-7)
    t = (half + np.arange(0, 40, 0.5)).astype(dtype)
    for some in (t, -t, t + half / 2):
        cosine, sine = in_turns(kernels, some)
        np.testing.assert_array_equal(cosine, 1 - 2 * (2 * (some % 1)))
        np.testing.assert_array_equal(sine, 0)
    most = np.array([4 * half, 1e30, np.finfo(dtype).max, -np.finfo(dtype).max], dtype)
    np.testing.assert_array_equal(in_turns(kernels, most), [[1] * 4, [0] * 4])


def test_cosine_and_sine_of_special_values(kernels, dtype, lanes):
    special = np.array([-np.inf, np.inf, np.nan, 0.0, -0.0, 0.5], dtype)
    for shift in range(lanes + 1):  # each of them in every lane, and in the rest
        t = np.roll(np.resize(special, 4 * lanes + 1), shift)
        cosine, sine = in_turns(kernels, t)
        np.testing.assert_array_equal(np.isnan(cosine), ~np.isfinite(t))
        np.testing.assert_array_equal(np.isnan(sine), ~np.isfinite(t))
        np.testing.assert_array_equal(cosine[t == 0], 1)
        np.testing.assert_array_equal(sine[t == 0], 0)
        np.testing.assert_array_equal(cosine[t == 0.5], -1)


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
