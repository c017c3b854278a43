"""Matrix products whose float32 factors are split into bfloat16 parts, to the bit."""

from __future__ import annotations

import numpy as np

from affinet.reference._arrays import Array, require_shape

__all__ = ["bfloat16_parts", "gemm_in_parts"]

STEPS = 32  # of k in a block
SMALLEST = 2.0**-126  # of float32's normal numbers

# Parts of A and of B that are multiplied, the smallest products first.
PRODUCTS = {
    "bfloat16": ((0, 0),),
    "bfloat16x3": ((0, 1), (0, 0), (1, 0)),
    "bfloat16x6": ((0, 2), (0, 1), (1, 1), (1, 0), (2, 0), (0, 0)),
}


def bfloat16_parts(x: Array, n: int) -> Array:
    """Numbers split into n bfloat16 parts, each the nearest to what the ones before it left.

    Parameters
    ----------
    x : float32 array of any shape
    n : int
        Number of parts, 1 or more. Each adds 8 binary digits; three hold any float32 whose digits
        are all above 2^-126.

    Returns
    -------
    float32 array of shape (n, ...), n in front of the shape of x
        Ties go to the even part. Below 2^-126 in size a part is zero with its sign. Infinity and
        NaN stay what they are, and numbers from 3.3961776e38 on are infinity in bfloat16.

    Notes
    -----
    Source: Henry, Tang, Heinecke, "Leveraging the bfloat16 artificial intelligence datatype for
    higher-precision computations", ARITH 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import bfloat16_parts
    >>> parts = bfloat16_parts(np.array([np.pi], np.float32), 3)
    >>> parts.ravel()
    array([ 3.1406250e+00,  9.6893311e-04, -1.1920929e-06], dtype=float32)
    >>> parts.sum() == np.float32(np.pi)
    np.True_
    """
    rest = np.asarray(x, np.float32)
    parts = []
    for _ in range(n):
        parts.append(_nearest(rest))
        with np.errstate(invalid="ignore"):  # infinity - infinity
            rest = rest - parts[-1]
    return np.array(parts)


def gemm_in_parts(A: Array, B: Array, b: Array | None, precision: str, pattern: str) -> Array:
    """``A B + b``, the sum over products of the factors' bfloat16 parts, as the kernels compute it.

    The sum over k goes block by block, 32 steps each, of which the last is filled up with zeros. In
    each block the parts' products follow each other. One consists of two chains of multiply-adds
    from zero, over the block's even steps and over its odd ones; their sum is added to the element.
    All this rounds to nearest, and what is below 2^-126 counts as zero. ``b`` is added last. An
    element that then is not finite is computed again as one chain in float32, from ``b`` on.

    Parameters
    ----------
    A, B : float32 arrays of shape (M, K) and (K, N)
        With ``pattern`` "nt" B has the shape (N, K), with "tn" A has (K, M).
    b : float32 array of shape (N,), or None
    precision : str
        "bfloat16": one part and one product, "bfloat16x3": two parts and three products, or
        "bfloat16x6": three parts and six.
    pattern : str
        "nn" for ``A B``, "nt" for ``A B^T``, "tn" for ``A^T B``.

    Returns
    -------
    float32 array of shape (M, N)
        Relative to ``|A| |B|`` an element is off by at most 2^-7, 3 2^-16 or 2^-23, and by the
        rounding of the sums; on average by much less, see :doc:`/guides/precision`.

    Notes
    -----
    Source: the parts as in :func:`bfloat16_parts`; the chains are those of Intel's instruction
    TDPBF16PS (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2), as found by
    comparing its results bit by bit.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import gemm_in_parts
    >>> A, B = np.array([[1.0, 1.001]], np.float32), np.array([[1.0], [3.0]], np.float32)
    >>> [gemm_in_parts(A, B, None, name, "nn").item() for name in ("bfloat16", "bfloat16x6")]
    [4.0, 4.003000259399414]
    """
    if pattern == "nt":
        B = B.T
    elif pattern == "tn":
        A = A.T
    if b is not None:
        require_shape("b", b, B.shape[1:])
    with np.errstate(all="ignore"):  # infinities and NaN are computed again
        out = _sums(A, B, PRODUCTS[precision])
        if b is not None:
            out = out + b
        for i, j in np.argwhere(~np.isfinite(out)):
            out[i, j] = _chain(A[i], B[:, j], np.float32(0) if b is None else b[j])
    return out


def _sums(A: Array, B: Array, products: tuple[tuple[int, int], ...]) -> Array:
    n = max(part for pair in products for part in pair) + 1
    (M, K), N = A.shape, B.shape[1]
    blocks = -(-K // STEPS)
    parts_of_A, parts_of_B = np.zeros((n, M, blocks * STEPS)), np.zeros((n, blocks * STEPS, N))
    parts_of_A[:, :, :K], parts_of_B[:, :K] = bfloat16_parts(A, n), bfloat16_parts(B, n)
    out = np.zeros((M, N), np.float32)
    for first in range(0, K, STEPS):
        for i, j in products:
            a = parts_of_A[i, :, first : first + STEPS]
            b = parts_of_B[j, first : first + STEPS]
            chains = []
            for start in (0, 1):
                total = np.zeros((M, N), np.float32)
                for k in range(start, STEPS, 2):  # in double precision the product is exact
                    total = _rounded(np.multiply.outer(a[:, k], b[k]) + total)
                chains.append(total.astype(np.float64))
            out = _rounded(out + _rounded(chains[0] + chains[1]).astype(np.float64))
    return out


def _nearest(x: Array) -> Array:
    """The bfloat16 numbers nearest to float32 numbers, as float32."""
    word = x.view(np.uint32)
    near = ((word + np.uint32(0x7FFF) + (word >> 16 & 1)) & np.uint32(0xFFFF0000)).view(np.float32)
    near = np.where(np.abs(x) < SMALLEST, np.copysign(np.float32(0), x), near)
    result: Array = np.where(np.isfinite(x), near, x)
    return result


def _rounded(x: Array) -> Array:
    """Double to single precision; what is below 2^-126 after rounding is zero, with its sign.

    x is the sum of two numbers of 24 digits, rounded to 53: rounding it again is as rounding the
    exact sum once (Figueroa, "When is double rounding innocuous?", SIGNUM Newsletter 30, 1995).
    """
    out = x.astype(np.float32)
    tiny = np.abs((x * 2.0**64).astype(np.float32)) < SMALLEST * 2.0**64
    return np.where(tiny, np.copysign(np.float32(0), out), out)


def _chain(a: Array, b: Array, start: np.float32) -> np.float32:
    """``start`` + a b as one chain of float32's fused multiply-adds."""
    total = np.float64(start)
    for product in a.astype(np.float64) * b:  # exact
        total = np.float64(np.float32(_sum_to_odd(product, total)))
    return np.float32(total)


def _sum_to_odd(x: np.float64, y: np.float64) -> np.float64:
    """x + y rounded to odd, so that rounding it again is as rounding the exact sum once.

    Boldo, Melquiond, "Emulation of a FMA and correctly rounded sums: proved algorithms using
    rounding to odd", IEEE Transactions on Computers 57, 2008.
    """
    total = x + y
    back = total - x
    rest = (x - (total - back)) + (y - back)  # what rounding took: Knuth's exact sum
    if np.isfinite(rest) and rest != 0 and not total.view(np.int64) & 1:
        total = np.nextafter(total, np.copysign(np.inf, rest))
    return total
