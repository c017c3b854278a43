"""Matrix products."""

from __future__ import annotations

from affinet.reference._arrays import Array

__all__ = [
    "gemm_nn",
    "gemm_nt",
    "gemm_tn",
]


def gemm_nn(A: Array, B: Array) -> Array:
    """Matrix product ``A B``.

    Parameters
    ----------
    A : array of shape (M, K)
    B : array of shape (K, N)

    Returns
    -------
    array of shape (M, N)
        ``out[i, j] = sum_k A[i, k] B[k, j]``

    Notes
    -----
    Source: the definition of the product; DL, section 2.2.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import gemm_nn
    >>> gemm_nn(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    return A @ B


def gemm_nt(A: Array, B: Array) -> Array:
    """Matrix product ``A B^T``: the second operand is given transposed.

    Parameters
    ----------
    A : array of shape (M, K)
    B : array of shape (N, K)

    Returns
    -------
    array of shape (M, N)
        ``out[i, j] = sum_k A[i, k] B[j, k]``

    Notes
    -----
    Source: DL, section 2.2.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import gemm_nt
    >>> gemm_nt(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]))
    array([[11.]])
    """
    return A @ B.T


def gemm_tn(A: Array, B: Array) -> Array:
    """Matrix product ``A^T B``: the first operand is given transposed.

    Parameters
    ----------
    A : array of shape (K, M)
    B : array of shape (K, N)

    Returns
    -------
    array of shape (M, N)
        ``out[i, j] = sum_k A[k, i] B[k, j]``

    Notes
    -----
    Source: DL, section 2.2.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import gemm_tn
    >>> gemm_tn(np.array([[1.0], [2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    return A.T @ B
