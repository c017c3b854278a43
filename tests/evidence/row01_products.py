"""Row 1: products, forward, dx, dW and db at every level, against the provable bound.

A sum of k products, in any order, fused or not, is off by at most gamma(k) times the sum of their
absolute values (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1); two
more roundings are granted for the bias. Products in bfloat16 parts lose, relative to the same sum,
what `affinet.reference.gemm_in_parts` says; a number goes through at most 18 additions of its block
and 6 for each block of 32. References are in double, or in extended precision.
"""

from __future__ import annotations

import importlib

import numpy as np

from affinet import _dispatch
from evidence import Row
from tolerance import gamma

MOST = 130
# Sizes at which tiles of 6 or 8 rows and 2 to 4 vectors of 2 to 16 numbers end.
EDGES = sorted({n + d for n in (2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128) for d in (-1, 0, 1)})
CALLS = 16
# What is left out of the products; terms of higher order are 2^-7 of it at most.
LOST = {"bfloat16": 2.0**-7, "bfloat16x3": 3 * 2.0**-16, "bfloat16x6": 2.0**-23}


def size(rng):
    """0 to 130, half of them at the edges of tiles."""
    if rng.random() < 0.5:
        return int(rng.choice(EDGES))
    return int(rng.integers(0, MOST + 1))


def numbers(rng, shape, dtype, exponent):
    """Of one of the kinds that find different errors, times 10^exponent."""
    kind = rng.integers(4)
    if kind == 0:
        x = rng.standard_normal(shape)
    elif kind == 1:
        x = rng.uniform(-1, 1, shape)
    elif kind == 2:
        x = np.ldexp(rng.choice([-1.0, 1.0], shape), rng.integers(-12, 13, shape))
    else:
        x = rng.standard_normal(shape) * (rng.random(shape) < 0.5)
    return (x * 10.0**exponent).astype(dtype)


def problem(rng):
    """The dtype, and (name, arguments, reference, bound) of calls with the same random arrays."""
    dtype = np.dtype(rng.choice(["float32", "float64"]))
    wide = np.float64 if dtype == "f4" else np.longdouble
    most = 40 if dtype == "f8" and rng.random() < 0.9 else MOST  # extended precision is slow
    M, K, N = (min(size(rng), most + 1) for _ in range(3))
    exponent = int(rng.choice([0, 0, 30, -30]))
    a = numbers(rng, (M, K), dtype, exponent)
    b = numbers(rng, (K, N), dtype, -exponent)
    bias = numbers(rng, N, dtype, 0)
    wide_a, wide_b = a.astype(wide), b.astype(wide)
    exact, scale = wide_a @ wide_b, abs(wide_a) @ abs(wide_b)
    added, added_scale = exact + bias.astype(wide), scale + abs(bias)
    flipped = np.ascontiguousarray
    cases = {
        "gemm_nn": ((a, b), exact, scale),
        "gemm_nt": ((a, flipped(b.T)), exact, scale),
        "gemm_tn": ((flipped(a.T), b), exact, scale),
        "affine_forward": ((a, b, bias), added, added_scale),
        "affine_relu_forward": ((a, b, bias), np.maximum(added, 0), added_scale),
        "affine_backward_dx": ((a, flipped(b.T)), exact, scale),
        "affine_backward_dw": ((flipped(a.T), b), exact, scale),
        "affine_backward_db": ((b,), wide_b.sum(0), abs(wide_b).sum(0)),
    }
    # A product below the normal range loses up to half a subnormal number, each of them.
    least = (K + 2) * np.finfo(dtype).smallest_subnormal
    bounded = [
        (name, inputs, value, gamma(K + 2, dtype) * size + least)
        for name, (inputs, value, size) in cases.items()
    ]
    return dtype, bounded + (in_parts(rng, cases, a, b, bias, added) if dtype == "f4" else [])


def in_parts(rng, cases, a, b, bias, added):
    """Products in bfloat16 parts, in one of the three patterns, with the bias."""
    pattern = str(rng.choice(["nn", "nt", "tn"]))
    (left, right), _, scale = cases[f"gemm_{pattern}"]
    K, tiny = a.shape[1], np.float64(np.finfo(np.float32).tiny)  # less counts as 0: parts and sums
    lost = tiny * 3 * (abs(a).sum(1, np.float64)[:, None] + abs(b).sum(0, np.float64))
    lost += tiny * 6 * (K + 32) + 2 * gamma(2, np.float32) * abs(bias)
    found = []
    for precision, part in LOST.items():
        size = scale * (1 + 2.0**-6)
        bound = size * (part + gamma(19 + 6 * -(-K // 32), np.float32)) + lost
        inputs = (left, right, bias, precision, pattern)
        found.append(("gemm_in_parts", inputs, added, bound))
    return found


def check(batch, dtype, name, inputs, exact, bound):
    """One kernel at every level; results start as NaN."""
    arrays = [array for array in inputs if not isinstance(array, str)]
    before = [array.tobytes() for array in arrays]
    what = " ".join([name, *(text for text in inputs if isinstance(text, str)), str(dtype)])
    for level in _dispatch.supported_levels():
        out = np.full(exact.shape, np.nan, dtype)
        getattr(importlib.import_module(f"affinet._kernels.{level}"), name)(*inputs, out)
        batch.case()
        off = abs(out.astype(exact.dtype) - exact)
        shapes = [array.shape for array in arrays]
        batch.expect((off <= bound).all(), f"{what} at {level}: {shapes}")
        if out.size and bound.min() > 0:
            kind = f", {inputs[3]}" if name == "gemm_in_parts" else ""
            batch.measure(f"largest error as a part of the bound{kind}", (off / bound).max())
        same = before == [array.tobytes() for array in arrays]
        batch.expect(same, f"{what} at {level} changed an input")


def batch(b):
    for _ in range(CALLS):
        dtype, cases = problem(b.rng)
        for case in cases:
            check(b, dtype, *case)


ROW = Row(
    number=1,
    title="Products, forward, dx, dW and db at every level and precision, sizes 0 to 130",
    holds="every element is within gamma(k + 2) (|x| |W| + |b|) of the exact one, in "
    "bfloat16 parts within 2^-7, 3 2^-16 or 2^-23 more; inputs unchanged",
    aim=2_000_000,
    batch=batch,
    cases="calls",
    quick=2,
    also=("tests/kernels/test_values.py",),
)
