"""Row 1: products, forward, dx, dW and db at every level, against the provable bound.

A sum of k products, in any order, fused or not, is off by at most gamma(k) times the sum of their
absolute values (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1); two
more roundings are granted for the bias. References are in double, or in extended precision.
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
    """(name, arguments, reference, scale, length) of a random call."""
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
    return (
        dtype,
        K,
        {
            "gemm_nn": ((a, b), exact, scale),
            "gemm_nt": ((a, flipped(b.T)), exact, scale),
            "gemm_tn": ((flipped(a.T), b), exact, scale),
            "affine_forward": ((a, b, bias), added, added_scale),
            "affine_relu_forward": ((a, b, bias), np.maximum(added, 0), added_scale),
            "affine_backward_dx": ((a, flipped(b.T)), exact, scale),
            "affine_backward_dw": ((flipped(a.T), b), exact, scale),
            "affine_backward_db": ((b,), wide_b.sum(0), abs(wide_b).sum(0)),
        },
    )


def check(batch, name, dtype, length, case):
    """One kernel at every level; results start as NaN."""
    inputs, exact, scale = case
    before = [array.tobytes() for array in inputs]
    # A product below the normal range loses up to half a subnormal number, each of them.
    bound = gamma(length + 2, dtype) * scale + (length + 2) * np.finfo(dtype).smallest_subnormal
    for level in _dispatch.supported_levels():
        out = np.full(exact.shape, np.nan, dtype)
        getattr(importlib.import_module(f"affinet._kernels.{level}"), name)(*inputs, out)
        batch.case()
        off = abs(out.astype(exact.dtype) - exact)
        shapes = [array.shape for array in inputs]
        batch.expect((off <= bound).all(), f"{name} {dtype} at {level}: {shapes}")
        if out.size and scale.max() > 0:
            batch.measure("largest error as a part of the bound", (off / bound).max())
        same = before == [array.tobytes() for array in inputs]
        batch.expect(same, f"{name} {dtype} at {level} changed an input")


def batch(b):
    for _ in range(CALLS):
        dtype, length, cases = problem(b.rng)
        for name, case in cases.items():
            check(b, name, dtype, length, case)


ROW = Row(
    number=1,
    title="Products, forward, dx, dW and db at every level, sizes 0 to 130",
    holds="every element is within gamma(k + 2) (|x| |W| + |b|) of the exact one; inputs unchanged",
    aim=2_000_000,
    batch=batch,
    cases="calls",
    quick=2,
    also=("tests/kernels/test_values.py",),
)
