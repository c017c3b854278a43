"""Element-wise kernels: how exact they are over the whole range, and that only values matter.

The oracle is NumPy in double precision for float32, and Python's decimal module with 40 digits
for float64. Errors are counted in units of eps, relative to the exact result, after an allowance
of one least subnormal number.
"""

import decimal
import functools
import importlib
import itertools
import math

import numpy as np
import pytest

from affinet import _dispatch, reference
from kernel_calls import Call, Problem, problem
from kernel_table import KERNELS

DIGITS = decimal.Context(prec=40, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN, traps=[])
ROOT_2PI = decimal.Decimal("2.50662827463100050241576528481104525300698674060993831662992357634229")
WORD = {4: np.uint32, 8: np.uint64}
SOFTMAX = ("softmax_forward", "softmax_cross_entropy_labels", "softmax_cross_entropy_rows")
PRODUCTS = ("gemm", "affine_forward", "affine_relu", "affine_backward_dx", "affine_backward_dw")


# Exact results -----------------------------------------------------------------------------------


def exp_of(x):
    """Beyond 800 on either side double precision knows only 0 and infinity."""
    if abs(x) > 800:
        return decimal.Decimal("inf" if x > 0 else 0)
    return DIGITS.exp(x)


def sigmoid_of(x):
    e = exp_of(-abs(x))
    return DIGITS.divide(e if x < 0 else decimal.Decimal(1), DIGITS.add(1, e))


def tanh_of(x):
    if abs(x) < decimal.Decimal("1e-12"):  # x - x^3 / 3, where the quotient would cancel
        return DIGITS.subtract(x, DIGITS.divide(DIGITS.power(x, 3), 3))
    e = exp_of(-2 * abs(x))
    return DIGITS.divide(DIGITS.subtract(1, e), DIGITS.add(1, e)).copy_sign(x)


def normal_of(x):
    """By the series of the integral near 0, by Laplace's continued fraction far from it.

    Beyond 50 on either side double precision knows only 0 and 1.
    """
    if abs(x) > 50:
        return decimal.Decimal(0 if x < 0 else 1)
    z, context = abs(x), decimal.Context(prec=70, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)
    with decimal.localcontext(context):
        density = (-z * z / 2).exp() / ROOT_2PI
        if z < 5:
            term = total = z
            for k in range(1, 400):
                term *= z * z / (2 * k + 1)
                total += term
                if term <= total * decimal.Decimal("1e-65"):
                    break
            tail = decimal.Decimal("0.5") - density * total
        else:
            fraction = z
            for k in range(150 if z < 12 else 40, 0, -1):
                fraction = z + k / fraction
            tail = density / fraction
        return tail if x < 0 else 1 - tail


def gelu_of(x):
    return DIGITS.multiply(x, normal_of(x))


def silu_of(x):
    return DIGITS.multiply(x, sigmoid_of(x))


def double_normal(x):
    """Good where float32 can tell: its own argument's rounding is multiplied by x^2."""
    return np.array([math.erfc(-number / math.sqrt(2)) / 2 for number in x.tolist()])


def double_sigmoid(x):
    e = np.exp(-abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


# Kernel: its oracle in decimal, its oracle in double, and the error that we hold it to, in eps.
# What is asked for is 4; the kernels' files say what was measured.
FUNCTIONS = {
    "_exp": (exp_of, np.exp, 1),
    "sigmoid_forward": (sigmoid_of, double_sigmoid, 2),
    "tanh_forward": (tanh_of, np.tanh, 2),
    "_normal": (normal_of, double_normal, 5),
    "gelu_forward": (gelu_of, lambda x: x * double_normal(x), 5),
    "silu_forward": (silu_of, lambda x: x * double_sigmoid(x), 2),
}
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


@functools.cache
def sweep(dtype):
    """Every sign with every exponent, and most where the functions bend; no NaN or infinity."""
    rng, limits = np.random.default_rng(1), np.finfo(dtype)
    each = 2048 if dtype.itemsize == 4 else 3
    heads = np.arange(2 ** (1 + limits.iexp), dtype=WORD[dtype.itemsize]) << limits.nmant
    tails = rng.integers(0, 2**limits.nmant, (len(heads), each), heads.dtype)
    tails[:, 0], tails[:, 1] = 0, 2**limits.nmant - 1
    patterns = (heads[:, np.newaxis] | tails).ravel().view(dtype)
    n = 2**17 if dtype.itemsize == 4 else 1500
    least, most = (-104, 89) if dtype.itemsize == 4 else (-746, 710)
    middles = (np.arange(2 * least, 2 * most) + 0.5) * np.log(2) / 2  # where a reduction turns
    bends = [
        rng.uniform(least, most, n),
        rng.uniform(-1, 1, n),
        rng.uniform(-25, 25, n),
        rng.uniform(least, np.log(limits.tiny), n),  # subnormal results
        *(np.nextafter(middles.astype(dtype), side, dtype=dtype) for side in (-np.inf, np.inf)),
    ]
    x = np.concatenate([patterns, *(bend.astype(dtype) for bend in bends)])
    return x[np.isfinite(x)]


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


def apply(kernels, name, x):
    out = np.full_like(x, np.nan)
    getattr(kernels, name)(x, out)
    return out


def same_bits(actual, wanted):
    """Equality that tells -0 from 0 and lets a NaN be any NaN."""
    actual, wanted = np.asarray(actual), np.asarray(wanted)
    np.testing.assert_array_equal(actual, wanted, strict=True)
    if actual.dtype.kind == "f":
        numbers = ~np.isnan(wanted)
        np.testing.assert_array_equal(np.signbit(actual)[numbers], np.signbit(wanted)[numbers])


# Accuracy ----------------------------------------------------------------------------------------


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


def logits(rng, shape, dtype):
    """Rows with spreads from nothing to beyond the last exponential that is not 0."""
    spread = 10.0 ** rng.uniform(-3, 2.7, (shape[0], 1))
    return (rng.standard_normal(shape) * spread + rng.choice([0, 1e3], spread.shape)).astype(dtype)


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


# Update rules, in decimal: each gives results and the sums of the absolute values of their terms.


def sgd(dW, lr, weight_decay, W):
    pull = lr * weight_decay * W
    return {"W": (W - lr * dW - pull, abs(W) + abs(lr * dW) + abs(pull))}


def momentum(dW, lr, momentum, v, W):
    new, terms = momentum * v - lr * dW, abs(momentum * v) + abs(lr * dW)
    return {"v": (new, terms), "W": (W + new, abs(W) + terms)}


def nesterov(dW, lr, momentum, v, W):
    new, terms = momentum * v - lr * dW, abs(momentum * v) + abs(lr * dW)
    W_terms = abs(W) + momentum * terms + abs(lr * dW)
    return {"v": (new, terms), "W": (W + momentum * new - lr * dW, W_terms)}


def rmsprop(dW, lr, decay, eps, h, W):
    new = decay * h + (1 - decay) * dW * dW
    step = lr * dW / (square_root(new) + eps)
    return {"h": (new, new), "W": (W - step, abs(W) + abs(step))}


def adagrad(dW, lr, eps, h, W):
    new = h + dW * dW
    step = lr * dW / (square_root(new) + eps)
    return {"h": (new, new), "W": (W - step, abs(W) + abs(step))}


def adam(dW, lr, beta1, beta2, eps, step, m, v, W):
    m_terms = abs(beta1 * m) + abs((1 - beta1) * dW)
    m, v = beta1 * m + (1 - beta1) * dW, beta2 * v + (1 - beta2) * dW * dW
    rate = lr / (1 - beta1**step) / (square_root(v / (1 - beta2**step)) + eps)
    return {"m": (m, m_terms), "v": (v, v), "W": (W - rate * m, abs(W) + rate * m_terms)}


def adamw(dW, lr, beta1, beta2, eps, weight_decay, step, m, v, W):
    pull = lr * weight_decay * W
    results = adam(dW, lr, beta1, beta2, eps, step, m, v, W)
    value, terms = results["W"]
    return results | {"W": (value - pull, terms + abs(pull))}


square_root = np.vectorize(DIGITS.sqrt, otypes=[object])
RULES = {
    "sgd_update": (
        sgd,
        [
            {"lr": lr, "weight_decay": weight_decay}
            for lr, weight_decay in itertools.product([0.1, 1e-3], [0.0, 1e-4, 0.5])
        ],
    ),
    "nesterov_update": (nesterov, [{"lr": 0.1, "momentum": 0.9}, {"lr": 0.01, "momentum": 0}]),
    "rmsprop_update": (
        rmsprop,
        [
            {"lr": lr, "decay": decay, "eps": eps}
            for (lr, eps), decay in itertools.product([(0.01, 1e-8), (0.3, 0.1)], [0.0, 0.9, 0.99])
        ],
    ),
    "adamw_update": (
        adamw,
        [
            {
                "lr": lr,
                "beta1": 0.9,
                "beta2": 0.999,
                "eps": 1e-8,
                "weight_decay": weight_decay,
                "step": step,
            }
            for lr, weight_decay, step in itertools.product(
                [1e-3, 0.3], [0.0, 0.01, 0.7], [1, 7, 10**6]
            )
        ],
    ),
    "momentum_update": (momentum, [{"lr": 0.1, "momentum": 0.9}, {"lr": 0.01, "momentum": 0}]),
    "adagrad_update": (adagrad, [{"lr": 0.01, "eps": 1e-7}, {"lr": 0.3, "eps": 0.1}]),
    "adam_update": (
        adam,
        [
            {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "step": step}
            for (lr, eps), (beta1, beta2), step in itertools.product(
                [(1e-3, 1e-8), (0.3, 0.1)],
                [(0.9, 0.999), (0.0, 0.9), (0.99, 0.123)],
                [1, 2, 7, 1000, 10**6],
            )
        ],
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_the_error_of_an_update(kernels, dtype, name):
    """Within 4 eps of the sum of the terms' absolute values."""
    rng, (rule, settings) = np.random.default_rng(3), RULES[name]
    for scalars in settings:
        made = problem(KERNELS[name], dtype, {"n": 203}, rng)
        made.scalars = scalars
        for array in made.arrays.values():
            array *= 10.0 ** rng.uniform(-2, 2, array.shape)
        actual = Call(made, rng).run(kernels)
        with decimal.localcontext(DIGITS):
            arrays = {
                name: np.array([decimal.Decimal(value) for value in array.tolist()])
                for name, array in made.arrays.items()
            }
            numbers = {name: decimal.Decimal(value) for name, value in scalars.items()}
            exact = rule(**arrays, **numbers)
            for result, (value, terms) in exact.items():
                got = [decimal.Decimal(number) for number in actual[result].tolist()]
                allowed = 4 * decimal.Decimal(float(np.finfo(dtype).eps)) * terms
                assert (abs(np.array(got) - value) <= allowed).all(), (result, scalars)


# Only values matter: neither the lane nor the level, nor what stands beside ----------------------


@pytest.mark.parametrize(
    "kernel",
    [k for k in KERNELS.values() if k.dimensions == ("n",) and not k.loss],
    ids=lambda kernel: kernel.key,
)
def test_an_element_alone_and_in_its_array(kernels, dtype, lanes, kernel):
    rng = np.random.default_rng(4)
    made = problem(kernel, dtype, {"n": 4 * lanes + 3}, rng)
    together = Call(made, rng).run(kernels)
    ends = [1, 2, lanes - 1, lanes, lanes + 1, 3 * lanes + 2]
    for start, size in itertools.product(range(lanes + 2), ends):
        place = slice(start, start + size)
        arrays = {name: array[place] for name, array in made.arrays.items()}
        part = Problem(kernel, dtype, {"n": min(size, 4 * lanes + 3 - start)}, arrays, made.scalars)
        for name, result in Call(part, rng).run(kernels).items():
            same_bits(result, together[name][place])


@every_function
def test_an_element_of_the_sweep_anywhere(kernels, dtype, name):
    x = sweep(dtype)[:: 97 if dtype.itemsize == 4 else 7].copy()
    together = apply(kernels, name, x)
    for start in range(1, 20):
        same_bits(apply(kernels, name, x[start:].copy()), together[start:])
    same_bits(apply(kernels, name, x[::-1].copy()), together[::-1])


@pytest.mark.parametrize("C", [1, 2, 3, 4, 7, 8, 10, 15, 16, 17, 31, 32, 33, 50, 64, 65, 130])
def test_a_row_alone_and_in_its_batch(kernels, dtype, C):
    rng = np.random.default_rng(5)
    x = logits(rng, (37, C), dtype)
    t = rng.integers(0, C, len(x))
    weights = (rng.random(x.shape) * (rng.random(x.shape) < 0.6)).astype(dtype)
    y, dx = np.empty_like(x), np.empty_like(x)
    kernels.softmax_forward(x, y)
    alone = np.empty_like(x[:1])
    for i in range(len(x)):
        kernels.softmax_forward(x[i : i + 1], alone)
        same_bits(alone[0], y[i])
    for name, targets in ((SOFTMAX[1], t), (SOFTMAX[2], weights)):
        function, in_batch = getattr(kernels, name), np.empty_like(x)
        loss, losses = function(x, targets, None, 0.0, in_batch, dx), []
        same_bits(in_batch, y)
        for i in range(len(x)):
            row = slice(i, i + 1)
            losses.append(function(x[row], targets[row], None, 0.0, alone, dx[:1]))
            same_bits(alone[0], y[i])
        assert loss == np.cumsum(losses)[-1] / len(x)  # from the first row to the last


@pytest.mark.parametrize("C", [1, 4, 10, 16, 17])
def test_a_row_without_a_softmax_spoils_no_other(kernels, dtype, C):
    """Rows whose logits are NaN or infinite, between others in a batch."""
    rng = np.random.default_rng(6)
    x = logits(rng, (53, C), dtype)
    x[3, 0], x[20, -1], x[21], x[37, C // 2] = np.nan, np.inf, -np.inf, -np.inf
    y, alone = np.empty_like(x), np.empty_like(x)
    kernels.softmax_forward(x, y)
    for i in range(len(x)):
        kernels.softmax_forward(x[i : i + 1], alone[i : i + 1])
    np.testing.assert_array_equal(y, alone)
    good = np.isfinite(x).all(axis=1)
    assert good.sum() >= len(x) - 4
    np.testing.assert_allclose(y[good].sum(axis=1), 1, rtol=C * np.finfo(dtype).eps)
    assert np.isnan(y[[3, 20, 21]]).all()


def fused_levels():
    """The modules of all levels that can run here and have a fused multiply-add."""
    names = [name for name in _dispatch.compiled_levels() if name in _dispatch.supported_levels()]
    modules = [importlib.import_module(f"affinet._kernels.{name}") for name in names]
    return [module for module in modules if module.build_level()[1]]


def two_levels():
    modules = fused_levels()
    if len(modules) < 2:
        pytest.skip("this processor runs fewer than two levels that fuse multiply-adds")
    return modules


@pytest.mark.parametrize(
    "kernel",
    [kernel for kernel in KERNELS.values() if not kernel.name.startswith(PRODUCTS)],
    ids=lambda kernel: kernel.key,
)
def test_levels_agree_to_the_bit(dtype, kernel):
    first, *others = two_levels()
    for size in (1, 2, 3, 5, 8, 13, 16, 17, 31, 33, 50, 100, 257):
        sizes, rng = dict.fromkeys(kernel.dimensions, size), np.random.default_rng(size)
        made = problem(kernel, dtype, sizes, rng)
        wanted = Call(made, np.random.default_rng(6)).run(first)
        for other in others:
            for name, result in Call(made, np.random.default_rng(7)).run(other).items():
                same_bits(result, wanted[name])


@every_function
def test_levels_agree_over_the_whole_range(dtype, name):
    first, *others = two_levels()
    x = np.concatenate([sweep(dtype), np.array([np.nan, np.inf, -np.inf], dtype)])
    for other in others:
        same_bits(apply(other, name, x), apply(first, name, x))
