"""Row 8: arrays of more than 2^31 elements, whose indices no 32-bit integer holds."""

from __future__ import annotations

import importlib

import numpy as np

from affinet import _dispatch
from evidence import Row

BORDER, BEYOND = 1 << 31, 64
MEMORY = 12 << 30


def free_memory():
    """Bytes that may be allocated, or 0 where the system does not say."""
    try:
        with open("/proc/meminfo") as file:
            held = dict(line.split(":") for line in file)
    except OSError:
        return 0
    return 1024 * int(held["MemAvailable"].split()[0])


def pattern(n, dtype=np.float32):
    """Numbers that differ on either side of the border, of little memory to make."""
    x = np.empty(n, dtype)
    x[:] = 0.25
    x[::65_537] = -1.5
    x[BORDER - 3 : BORDER + 3] = [1, -2, 3, -4, 5, -6]
    x[-1] = 7
    return x


def spots(n, rng):
    """Where to look: both ends, the border, and anywhere."""
    near = [np.arange(at - 40, at + 40) for at in (40, BORDER, n - 40)]
    return np.concatenate([*near, rng.integers(0, n, 10_000)])


def elementwise(kernels, name, b):
    """A forward of one function in place, against the same on the spots alone."""
    n = BORDER + BEYOND
    x, at = pattern(n), spots(n, b.rng)
    wanted = np.empty(len(at), np.float32)
    getattr(kernels, f"{name}_forward")(x[at], wanted)
    getattr(kernels, f"{name}_forward")(x, x)
    b.expect(np.array_equal(x[at], wanted), f"{name} beyond 2^31 elements")


def rows_of_one(kernels, name, b):
    """A product with more than 2^31 elements in its first matrix: many short rows."""
    K, N = 32, 2
    M = BORDER // K + 5
    A = pattern(M * K).reshape(M, K)
    W, bias = b.rng.standard_normal((K, N)).astype(np.float32), np.ones(N, np.float32)
    out = np.full((M, N), np.nan, np.float32)
    kernels.affine_forward(A, W, bias, out)
    at = np.concatenate([np.arange(20), np.arange(M - 20, M), b.rng.integers(0, M, 1000)])
    wanted = np.empty((len(at), N), np.float32)
    kernels.affine_forward(np.ascontiguousarray(A[at]), W, bias, wanted)
    b.expect(np.array_equal(out[at], wanted), "affine_forward beyond 2^31 elements")


def softmax(kernels, name, b):
    """Many rows of few classes."""
    C = 16
    M = BORDER // C + 5
    x = pattern(M * C).reshape(M, C)
    at = np.concatenate([np.arange(20), np.arange(M - 20, M), b.rng.integers(0, M, 1000)])
    wanted = np.empty((len(at), C), np.float32)
    kernels.softmax_forward(np.ascontiguousarray(x[at]), wanted)
    kernels.softmax_forward(x, x)
    close = np.allclose(x[at], wanted, rtol=1e-6, atol=0)
    b.expect(close, "softmax_forward beyond 2^31 elements")


CASES = [
    *[(elementwise, name) for name in ("relu", "sigmoid", "tanh", "gelu", "silu", "softplus")],
    (rows_of_one, ""),
    (softmax, ""),
]


def batch(b):
    case, name = CASES[b.index % len(CASES)]
    kernels = importlib.import_module(f"affinet._kernels.{_dispatch.supported_levels()[0]}")
    case(kernels, name, b)
    b.case()


ROW = Row(
    number=8,
    title="Arrays of more than 2^31 elements: six activations, a product, softmax",
    holds="equal to the bit to the same rows alone, on both sides of the border",
    aim=len(CASES),
    batch=batch,
    cases="kernels",
    quick=0,
    also=("tests/test_bad_input.py (pytest -m large)",),
    available=lambda: free_memory() > MEMORY,
)
