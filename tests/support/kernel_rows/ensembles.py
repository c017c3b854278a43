"""The members of an ensemble, one after another in a batch."""

from __future__ import annotations

from kernel_rows.row import Kernel, arguments
from kernel_terms import (
    member_affine_backward_terms,
    member_affine_terms,
    member_scale_backward_terms,
    member_scale_terms,
)
from kernel_values import nothing

# k members with r rows each, which make B.
MEMBERS = {
    "rooms": {"k": (1, 3), "r": (0, 1, 5, 43, 400)},
    "derived": {"B": lambda s, a: s.k * s.r},
}

ROWS = (
    Kernel(
        "member_scale_forward",
        arguments("x[B,O] s[k,O]"),
        arguments("out[B,O]"),
        scalars={"b": nothing},
        aliases=(("out", "x"),),
        exact=("out",),
        **MEMBERS,
    ),
    Kernel(
        "member_scale_forward",
        arguments("x[B,O] s[k,O] b[k,O]?"),
        arguments("out[B,O]"),
        terms=member_scale_terms,
        aliases=(("out", "x"),),
        **MEMBERS,
    ),
    Kernel(
        "member_scale_backward",
        arguments("x[B,O] dout[B,O] s[k,O]"),
        arguments("dx[B,O] ds[k,O] db[k,O]?"),
        terms=member_scale_backward_terms,
        aliases=(("dx", "dout"),),
        exact=("dx",),
        **MEMBERS,
    ),
    Kernel(
        "member_affine_forward",
        arguments("x[B,I] W[k,I,O] b[k,O]"),
        arguments("out[B,O]"),
        terms=member_affine_terms,
        **MEMBERS,
    ),
    Kernel(
        "member_affine_backward",
        arguments("x[B,I] dout[B,O] W[k,I,O]"),
        arguments("dx[B,I] dW[k,I,O] db[k,O]"),
        terms=member_affine_backward_terms,
        **MEMBERS,
    ),
)
