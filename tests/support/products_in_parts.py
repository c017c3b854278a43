"""Operands for products in bfloat16 parts, and their products by a level's kernels."""

import numpy as np

PRECISIONS = ("bfloat16", "bfloat16x3", "bfloat16x6")
PATTERNS = ("nn", "nt", "tn")
KINDS = ("normal", "spread", "relu", "products near 2^-126", "any size", "special")


def numbers(rng, kind, *shape):
    """float32 numbers of one kind."""
    x = rng.standard_normal(shape)
    if kind == "spread":
        x *= 2.0 ** rng.integers(-20, 20, shape)
    elif kind == "relu":
        x = np.maximum(x, 0)
    elif kind == "products near 2^-126":
        x *= 2.0 ** rng.integers(-70, -55, shape)
    elif kind == "any size":
        x *= 2.0 ** rng.integers(-149, 127, shape)
    elif kind == "special":
        hard = rng.choice([np.inf, -np.inf, np.nan, 3.4e38, 1e-45, -0.0], shape)
        x = np.where(rng.random(shape) < 0.01, hard, x)
    return x.astype(np.float32)


def operands(rng, kind, M, K, N, pattern):
    A = numbers(rng, kind, *((K, M) if pattern == "tn" else (M, K)))
    return A, numbers(rng, kind, *((N, K) if pattern == "nt" else (K, N)))


def product(kernels, A, B, b, precision, pattern):
    shape = A.shape[pattern == "tn"], B.shape[pattern != "nt"]
    out = np.full(shape, 7, np.float32)
    kernels.gemm_in_parts(A, B, b, precision, pattern, out)
    return out


def require_nothing_else_written(kernels, A, B, precision):
    """out = A B, in the middle of memory that must stay as it is; so must A and B."""
    before, shape = (A.copy(), B.copy()), (len(A), B.shape[1])
    room = np.full(shape[0] * shape[1] + 128, 7, np.float32)
    kernels.gemm_in_parts(A, B, None, precision, "nn", room[64:-64].reshape(shape))
    assert (room[:64] == 7).all()
    assert (room[-64:] == 7).all()
    np.testing.assert_array_equal(A, before[0])
    np.testing.assert_array_equal(B, before[1])
