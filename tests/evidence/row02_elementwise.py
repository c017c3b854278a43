"""Row 2: activations and their derivatives on every float32 number, in units in the last place.

The reference is double precision, whose own error is a millionth of such a unit. The unit of a
subnormal result is the least subnormal number, so gradual underflow counts, too.
"""

from __future__ import annotations

import importlib
import math

import numpy as np

from affinet import _dispatch
from decimals import double_sigmoid, erfc
from evidence import Row
from slopes import KEEP_OUTPUT, SLOPES

STEP, QUICK_STEP = 4096, 65_521
FIRSTS = 2531  # odd, so that 4096 batches are all numbers
ALL = 1 << 32
# Largest error in ulp: of results in the normal range, and of subnormal ones.
LIMITS = {"relu": 0, "relu'": 0, "leaky_relu": 0.5, "sigmoid": 1.5, "tanh": 1.0}
OTHERS = 4.0
DERIVATIVES = 6.0  # a product rule's terms, and two more roundings
STEPS = ("relu", "selu")  # at NaN, their slope is the constant one of the right
SLOPE = 0.01


def gelu(x):
    """By erfc: the left tail does not cancel."""
    return x * erfc(x * -math.sqrt(0.5)) / 2


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-abs(x)))


def selu(x):
    low = 1.7580993408473769 * np.expm1(np.minimum(x, 0))
    return np.where(x < 0, low, 1.0507009873554805 * x)


FORMULAS = {
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x > 0, x, np.float64(np.float32(SLOPE)) * x),
    "sigmoid": double_sigmoid,
    "tanh": np.tanh,
    "gelu": gelu,
    "silu": lambda x: x * double_sigmoid(x),
    "mish": lambda x: x * np.tanh(softplus(x)),
    "selu": selu,
    "softplus": softplus,
}


def inputs(batch):
    """Numbers of all sizes, in the quick form fewer."""
    if batch.quick:
        words = np.arange(batch.index * 7919, ALL, QUICK_STEP, dtype=np.uint64)
    else:
        # Every 4096th number, from another first one each time: a part of a run sees all sizes.
        words = np.arange(batch.index * FIRSTS % STEP, ALL, STEP, dtype=np.uint64)
    return words.astype(np.uint32).view(np.float32)


def value(level, name, x):
    y = np.full_like(x, -7.25)
    numbers = (SLOPE,) if name == "leaky_relu" else ()
    kernels = importlib.import_module(f"affinet._kernels.{level}")
    getattr(kernels, f"{name}_forward")(x, *numbers, y)
    return y


def errors(y, exact):
    """Errors in ulp of the exact result, and where that is subnormal."""
    with np.errstate(all="ignore"):
        size = np.frexp(exact)[1]
        unit = np.ldexp(1.0, np.maximum(size - 24, -149))
        found = abs(y.astype(np.float64) - exact) / unit
    found[y == exact] = 0  # infinities
    return found, size < -125


def check(batch, name, x, exact):
    """One function at all levels; those with equal bits are measured once."""
    nan, seen = np.isnan(x), []
    for level in _dispatch.supported_levels():
        y = value(level, name, x)
        if any(np.array_equal(y.view(np.uint32), other.view(np.uint32)) for other in seen):
            continue
        seen.append(y)
        batch.expect(np.isnan(y[nan]).all(), f"{name} at {level} loses a NaN")
        # Only where y is not the exact result, rounded, is the error above half a unit.
        with np.errstate(all="ignore"):
            far = np.flatnonzero((y != exact.astype(np.float32)) & ~nan)
        batch.measure(f"{name}, ulp", 0.5 if name != "relu" else 0.0)
        found, subnormal = errors(y[far], exact[far])
        for where, measured in (("", ~subnormal), (", subnormal results", subnormal)):
            report(batch, f"{name}{where}", level, found, x[far], measured)
        if name == "tanh":
            mirrored = value(level, name, -x)
            odd = (mirrored.view(np.uint32) == (-y).view(np.uint32)) | nan
            batch.expect(odd.all(), f"tanh at {level} is not odd")


def check_slope(batch, name, x):
    """One derivative at all levels, with dout = 1, in units of its terms' size."""
    nan, seen = np.isnan(x), []
    for level in _dispatch.supported_levels():
        kept, slope = value(level, name, x) if name in KEEP_OUTPUT else x, np.full_like(x, -7.25)
        kernels = importlib.import_module(f"affinet._kernels.{level}")
        getattr(kernels, f"{name}_backward")(kept, np.ones_like(x), slope)
        if any(np.array_equal(slope.view(np.uint32), other.view(np.uint32)) for other in seen):
            continue
        seen.append(slope)
        exact, size = SLOPES[name](kept.astype(np.float64))
        kept_nan = name in STEPS or np.isnan(slope[nan]).all()
        batch.expect(kept_nan, f"{name}' at {level} loses a NaN")
        with np.errstate(all="ignore"):
            far = np.flatnonzero((slope != exact.astype(np.float32)) & ~nan)
            unit = np.ldexp(1.0, np.maximum(np.frexp(size[far])[1] - 24, -149))
            found = abs(slope[far] - exact[far]) / unit
        batch.measure(f"{name}', ulp", 0.5 if name != "relu" else 0.0)
        report(batch, f"{name}'", level, found, x[far], np.full(len(far), True))


def report(batch, name, level, found, x, where):
    if not where.any():
        return
    worst = np.argmax(np.where(where, found, -1))
    batch.measure(f"{name}, ulp", found[worst])
    rest = DERIVATIVES if name.endswith("'") else OTHERS
    limit = LIMITS.get(name.partition(",")[0], rest)
    batch.expect(
        found[worst] <= limit,
        f"{name} at {level}: {found[worst]:.3f} ulp at {float(x[worst])!r}, allowed {limit}",
    )


def batch(b):
    x = inputs(b)
    with np.errstate(all="ignore"):
        wide = x.astype(np.float64)
        for name, formula in FORMULAS.items():
            exact = formula(wide)
            # x times a gate that is 0: the formula in double has no limit at -inf.
            exact[(wide == -np.inf) & np.isnan(exact)] = 0
            check(b, name, x, exact)
        for name in SLOPES:
            check_slope(b, name, x)
    b.case(x.size)


ROW = Row(
    number=2,
    title="Activations and their derivatives on all 2^32 float32 numbers, at every level",
    holds="ReLU exact, LeakyReLU rounded once, sigmoid <= 1.5 ulp with gradual underflow, "
    "tanh <= 1 ulp and odd, the others <= 4 ulp, their derivatives (') <= 6 ulp of the terms, "
    "which may cancel; NaN stays NaN",
    aim=ALL,
    batch=batch,
    cases="numbers",
    quick=1,
    also=("tests/kernels/test_last_digits.py",),
)
