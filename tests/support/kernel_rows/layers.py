"""Matrix products, affine layers, dropout, scales, parametric activations and columns in order."""

from __future__ import annotations

import numpy as np

from kernel_rows.row import Kernel, arguments
from kernel_terms import (
    affine_terms,
    increasing_backward_terms,
    increasing_terms,
    parametric_backward_terms,
    parametric_terms,
    scale_backward_terms,
)
from kernel_values import ANY_64_BITS, a_divisor, drop_rate, no_numbers, one_of, whole, zero_or_one


def product(name, inputs, output, operands):
    """A matrix product of ``operands(a)``, the two factors as they are multiplied."""
    outputs = arguments(output)

    def terms(a):
        left, right = operands(a)
        return {outputs[0].name: (left.shape[1], abs(left) @ abs(right))}

    return Kernel(name, arguments(inputs), outputs, terms=terms)


AFFINE = (arguments("x[B,I] W[I,O] b[O]"), arguments("out[B,O]"))
PARAMETRIC = {
    "activation": one_of("relu", "selu", "mish", "silu", "tanh"),
    "numbers": no_numbers,
}
GROUPS = {"O": (6, 12, 18, 36)}  # columns in groups of 1, 2, 3 or 6

ROWS = (
    product("gemm_nn", "A[M,K] B[K,N]", "out[M,N]", lambda a: (a.A, a.B)),
    product("gemm_nt", "A[M,K] B[N,K]", "out[M,N]", lambda a: (a.A, a.B.T)),
    product("gemm_tn", "A[K,M] B[K,N]", "out[M,N]", lambda a: (a.A.T, a.B)),
    Kernel("affine_forward", *AFFINE, terms=affine_terms),
    Kernel("affine_relu_forward", *AFFINE, terms=affine_terms),
    product("affine_backward_dx", "dout[B,O] W[I,O]", "dx[B,I]", lambda a: (a.dout, a.W.T)),
    product("affine_backward_dw", "x[B,I] dout[B,O]", "dW[I,O]", lambda a: (a.x.T, a.dout)),
    Kernel(
        "affine_backward_db",
        arguments("dout[B,O]"),
        arguments("db[O]"),
        terms=lambda a: {"db": (a.B, np.sum(abs(a.dout), axis=0))},
    ),
    Kernel(
        "increasing_forward",
        arguments("x[B,O]"),
        arguments("out[B,O]"),
        scalars={"n": a_divisor},
        terms=increasing_terms,
        aliases=(("out", "x"),),
        rooms=GROUPS,
    ),
    Kernel(
        "increasing_backward",
        arguments("x[B,O] dout[B,O]"),
        arguments("dx[B,O]"),
        scalars={"n": a_divisor},
        terms=increasing_backward_terms,
        aliases=(("dx", "dout"),),
        rooms=GROUPS,
    ),
    Kernel(
        "dropout_forward",
        arguments("x[B,O]"),
        arguments("out[B,O] mask[B,O]:uint8"),
        scalars={
            "p": drop_rate,
            "key": ANY_64_BITS,
            "step": ANY_64_BITS,
            "row": whole(0, 2**33),
        },
        aliases=(("out", "x"),),
        exact=("out",),
    ),
    Kernel(
        "dropout_backward",
        arguments("dout[B,O] mask[B,O]:uint8"),
        arguments("dx[B,O]"),
        scalars={"p": drop_rate},
        values={"mask": zero_or_one},
        aliases=(("dx", "dout"),),
        exact=("dx",),
    ),
    Kernel(
        "scale_forward",
        arguments("x[B,O] s[O]"),
        arguments("out[B,O]"),
        aliases=(("out", "x"),),
        exact=("out",),
    ),
    Kernel(
        "scale_backward",
        arguments("x[B,O] dout[B,O] s[O]"),
        arguments("dx[B,O] ds[O]"),
        terms=scale_backward_terms,
        aliases=(("dx", "dout"),),
        exact=("dx",),
    ),
    Kernel(
        "parametric_forward",
        arguments("x[B,O] a[O]"),
        arguments("out[B,O] step[B,O]"),
        scalars=PARAMETRIC,
        terms=parametric_terms,
        aliases=(("out", "x"),),
    ),
    Kernel(
        "parametric_backward",
        arguments("x[B,O] dout[B,O] a[O]"),
        arguments("dx[B,O] da[O] step[B,O]"),
        scalars=PARAMETRIC,
        states=("step",),
        terms=parametric_backward_terms,
        aliases=(("dx", "dout"),),
        exact=("step",),
    ),
)
