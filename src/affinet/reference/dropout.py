"""Dropout, with masks that depend only on a key and the row's position."""

from __future__ import annotations

import numpy as np

from affinet.reference._arrays import Array, require_shape

__all__ = [
    "dropout_backward",
    "dropout_forward",
]


def dropout_forward(x: Array, p: float, key: int, step: int, row: int) -> tuple[Array, Array]:
    """Inverted dropout: each element is zeroed with probability p, the others are divided by 1 - p.

    Parameters
    ----------
    x : array of shape (B, O)
    p : float
        Probability of dropping an element, 0 <= p < 1.
    key, step : int
        Unsigned 64-bit numbers that determine the mask.
    row : int
        Index of ``x[0]`` in the whole batch, so that part of a batch gets the matching part of
        the mask.

    Returns
    -------
    out : array of shape (B, O)
        ``x * (1 / (1 - p))`` where mask is 1, 0 elsewhere.
    mask : uint8 array of shape (B, O)
        1 where the element was kept.

    Raises
    ------
    ValueError
        If p is outside 0 <= p < 1.

    Notes
    -----
    The mask depends only on (key, step, row, column): element (r, column) uses word
    ``column % 4`` of Philox4x32-10 for the counter (column // 4, row + r, low half of step, high
    half of step), and is kept if that word is at least ``p * 2**32``.
    Sources: Srivastava et al., JMLR 15, 2014; Salmon et al., SC 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import dropout_forward
    >>> out, mask = dropout_forward(np.ones((1, 8)), 0.5, key=7, step=0, row=0)
    >>> mask
    array([[1, 1, 0, 0, 0, 1, 0, 1]], dtype=uint8)
    >>> out
    array([[2., 2., 0., 0., 0., 2., 0., 2.]])
    """
    if not 0 <= p < 1:
        raise ValueError(f"p is {p!r}, wanted 0 <= p < 1")
    B, O = x.shape  # noqa: E741
    counter = np.empty((B, -(-O // 4), 4), dtype=np.uint64)
    counter[..., 0] = np.arange(counter.shape[1], dtype=np.uint64)
    counter[..., 1] = ((row % 2**32 + np.arange(B, dtype=np.uint64)) % 2**32)[:, np.newaxis]
    counter[..., 2] = step % 2**32
    counter[..., 3] = step >> 32
    words = _philox4x32_10(counter, (key % 2**32, key >> 32))
    mask = words.reshape(B, 4 * counter.shape[1])[:, :O] >= round(p * 2**32)
    return np.where(mask, x * (1 / (1 - float(p))), 0), mask.astype(np.uint8)


def dropout_backward(dout: Array, mask: Array, p: float) -> Array:
    """Gradient of inverted dropout, ``dout / (1 - p)`` where mask is 1, 0 elsewhere.

    Parameters
    ----------
    dout : array of shape (B, O)
    mask : uint8 array of shape (B, O)
        What `dropout_forward` returned.
    p : float
        The p of the forward pass.

    Returns
    -------
    array of shape (B, O)

    Raises
    ------
    ValueError
        If the shapes differ or p is outside 0 <= p < 1.

    Notes
    -----
    Source: Srivastava et al., JMLR 15, 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import dropout_backward
    >>> dropout_backward(np.array([[3.0, 3.0]]), np.array([[0, 1]], dtype=np.uint8), 0.5)
    array([[0., 6.]])
    """
    if not 0 <= p < 1:
        raise ValueError(f"p is {p!r}, wanted 0 <= p < 1")
    require_shape("mask", mask, dout.shape)
    return np.where(mask == 1, dout * (1 / (1 - float(p))), 0)


def _philox4x32_10(counter: Array, key: tuple[int, int]) -> Array:
    """Ten rounds of Philox on four 32-bit words: a random function of counter and key.

    Parameters
    ----------
    counter : uint64 array of shape (..., 4)
        Four words, each below 2^32: the product of two fits into 64 bits.
    key : two ints below 2^32

    Returns
    -------
    uint64 array of shape (..., 4)
        Four words below 2^32.

    Notes
    -----
    Source: Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011;
    the constants are those of its companion library, Random123.

    Examples
    --------
    >>> [f"{word:08x}" for word in _philox4x32_10(np.zeros(4, dtype=np.uint64), (0, 0))]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    half, low_half = np.uint64(32), np.uint64(2**32 - 1)
    c0, c1, c2, c3 = np.moveaxis(counter, -1, 0)
    k0, k1 = key
    for _ in range(10):
        product0 = np.uint64(0xD2511F53) * c0
        product1 = np.uint64(0xCD9E8D57) * c2
        c0 = (product1 >> half) ^ c1 ^ np.uint64(k0)
        c1 = product1 & low_half
        c2 = (product0 >> half) ^ c3 ^ np.uint64(k1)
        c3 = product0 & low_half
        k0 = (k0 + 0x9E3779B9) % 2**32  # the golden ratio
        k1 = (k1 + 0xBB67AE85) % 2**32  # the square root of 3, minus 1
    return np.stack([c0, c1, c2, c3], axis=-1)
