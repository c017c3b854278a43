"""Kernels of elementary functions over the whole range of numbers, against exact results."""

import functools

import numpy as np

from decimals import Oracle, double_normal, exp_of, normal_of
from parts.activations import ACTIVATIONS

WORD = {4: np.uint32, 8: np.uint64}
FUNCTIONS = {  # oracles by the kernel's name
    "_exp": Oracle(exp_of, np.exp, eps=1),
    "_normal": Oracle(normal_of, double_normal, eps=5),
} | {f"{row.kernel}_forward": row.oracle for row in ACTIVATIONS.values() if row.oracle}


@functools.cache
def sweep(dtype):
    """Every sign with every exponent, and most where the functions bend; no NaN or infinity."""
    rng, limits = np.random.default_rng(1), np.finfo(dtype)
    each = 1024 if dtype.itemsize == 4 else 3
    heads = np.arange(2 ** (1 + limits.iexp), dtype=WORD[dtype.itemsize]) << limits.nmant
    tails = rng.integers(0, 2**limits.nmant, (len(heads), each), heads.dtype)
    tails[:, 0], tails[:, 1] = 0, 2**limits.nmant - 1
    patterns = (heads[:, np.newaxis] | tails).ravel().view(dtype)
    n = 2**16 if dtype.itemsize == 4 else 1000
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


def logits(rng, shape, dtype):
    """Rows with spreads from nothing to beyond the last exponential that is not 0."""
    spread = 10.0 ** rng.uniform(-3, 2.7, (shape[0], 1))
    return (rng.standard_normal(shape) * spread + rng.choice([0, 1e3], spread.shape)).astype(dtype)
