"""The products of affine maps, in the precision of the network that a layer is in."""

from __future__ import annotations

from affinet._dispatch import kernels
from affinet._validation import Array


def forward(precision: str | None, x: Array, W: Array, b: Array, out: Array) -> None:
    """out = x W + b; precision None is that of the arrays."""
    if precision is None:
        kernels.affine_forward(x, W, b, out)
    else:
        kernels.gemm_in_parts(x, W, b, precision, "nn", out)


def linear_forward(precision: str | None, x: Array, W: Array, out: Array) -> None:
    """out = x W."""
    if precision is None:
        kernels.gemm_nn(x, W, out)
    else:
        kernels.gemm_in_parts(x, W, None, precision, "nn", out)


def backward_dx(precision: str | None, dout: Array, W: Array, dx: Array) -> None:
    """dx = dout W^T."""
    if precision is None:
        kernels.affine_backward_dx(dout, W, dx)
    else:
        kernels.gemm_in_parts(dout, W, None, precision, "nt", dx)


def backward_dw(precision: str | None, x: Array, dout: Array, dW: Array) -> None:
    """dW = x^T dout."""
    if precision is None:
        kernels.affine_backward_dw(x, dout, dW)
    else:
        kernels.gemm_in_parts(x, dout, None, precision, "tn", dW)
