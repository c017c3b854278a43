"""Activations, whose rows come from those of the parts, and softmax."""

from __future__ import annotations

from itertools import chain

from kernel_rows.row import Kernel, arguments, elementwise
from kernel_terms import slope_terms, softmax_terms, value_terms
from kernel_values import logits
from parts.activations import ACTIVATIONS


def activation(row):
    """The two kernels of an activation."""
    yield elementwise(
        f"{row.kernel}_forward",
        "x[n]",
        "out[n]",
        value=row.x,
        scalars=row.numbers,
        exact=("out",) * row.exact,
        terms=value_terms(row.value_terms),
    )
    yield elementwise(
        f"{row.kernel}_backward",
        f"{row.keeps}[n] dout[n]",
        "dx[n]",
        value=row.kept,
        scalars=row.numbers,
        exact=("dx",) * row.exact,
        terms=slope_terms(row.slope_terms, row.keeps),
    )


ROWS = (
    *chain.from_iterable(activation(row) for row in ACTIVATIONS.values()),
    Kernel(
        "softmax_forward",
        arguments("x[B,C]"),
        arguments("y[B,C]"),
        values={"x": logits},
        terms=softmax_terms,
        aliases=(("y", "x"),),
    ),
)
