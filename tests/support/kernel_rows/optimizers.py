"""Optimizers, whose rows come from those of the parts, averages, penalties and bounds."""

from __future__ import annotations

from kernel_rows.row import Kernel, arguments, elementwise
from kernel_terms import blend_terms, clip_terms, l2_terms, muon_terms
from kernel_values import any_share, log_uniform, normal_with_zeros, uniform, weight_decay
from parts.optimizers import RULES


def update(row):
    """The kernel of an optimizer."""
    return Kernel(
        f"{row.kernel}_update",
        arguments("dW[n]"),
        arguments(" ".join(f"{state}[n]" for state in row.states)),
        scalars=row.numbers,
        states=row.states,
        values={"dW": normal_with_zeros, **row.values},
        terms=row.terms,
    )


ROWS = (
    Kernel(
        "muon_update",
        arguments("dW[I,O]"),
        arguments("v[I,O] W[I,O]"),
        scalars={"lr": log_uniform(-4, 0), "momentum": any_share, "weight_decay": weight_decay},
        states=("v", "W"),
        terms=muon_terms,
    ),
    Kernel(
        "blend",
        arguments("x[n]"),
        arguments("mean[n]"),
        scalars={"tau": any_share},
        states=("mean",),
        terms=blend_terms,
    ),
    *(update(row) for row in RULES),
    Kernel(
        "l2_penalty",
        arguments("W[n]"),
        arguments("dW[n]"),
        scalars={"scale": log_uniform(-3, 1)},
        states=("dW",),
        loss=True,
        any_size=True,
        terms=l2_terms,
    ),
    elementwise(
        "clip_norm",
        "dW[n]",
        "out[n]",
        scalars={"max_norm": uniform(0.2, 6)},
        loss=True,
        any_size=True,
        terms=clip_terms,
    ),
    elementwise(
        "clip_value",
        "dW[n]",
        "out[n]",
        scalars={"max_value": log_uniform(-1, 1)},
        exact=("out",),
    ),
)
