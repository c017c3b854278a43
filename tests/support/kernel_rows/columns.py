"""Columns that become several: waves, tables and bins."""

from __future__ import annotations

from kernel_rows.row import Kernel, arguments
from kernel_terms import (
    embedding_backward_terms,
    periodic_backward_terms,
    periodic_terms,
    piecewise_backward_terms,
    piecewise_terms,
)
from kernel_values import (
    ascending,
    beside_codes,
    bin_counts,
    bin_edges,
    first_rows,
    table_rows,
    yes_or_no,
)

# P embedded columns, Q others, which make I; W columns of the output; waves run in blocks of 32
# rows. M is at most 64.
WAVES = "w[P,K] b[P,K] V[P,M,L] c[P,M] columns[P]:int64"
PERIODIC = {
    "scalars": dict.fromkeys(("sines", "with_x", "rectified"), yes_or_no),
    "values": {"columns": ascending},
    "rooms": {"B": (0, 1, 5, 32, 67), "P": (1, 3), "M": (1, 4), "Q": (0, 2)},
    "derived": {
        "I": lambda s, a: s.P + s.Q,
        "L": lambda s, a: 2 * s.K if a.sines else s.K,
        "W": lambda s, a: s.Q + s.P * (s.M + a.with_x),
    },
}
EMBEDDING = {
    "values": {"x": beside_codes, "columns": ascending, "firsts": first_rows},
    "rooms": {"P": (1, 2, 4), "Q": (0, 3), "D": (1, 2, 9)},
    "derived": {
        "I": lambda s, a: s.P + s.Q,
        "R": lambda s, a: sum(table_rows(s.P)),
        "W": lambda s, a: s.Q + s.P * s.D,
    },
}
# P embedded columns, Q others, which make I; t is the most bins.
BINS = "edges[P,U] columns[P]:int64 counts[P]:int64"
PIECEWISE = {
    "values": {"columns": ascending, "counts": bin_counts, "edges": bin_edges},
    "finite": ("edges",),
    "rooms": {"P": (1, 3), "Q": (0, 2), "t": (1, 2, 7)},
    "derived": {
        "I": lambda s, a: s.P + s.Q,
        "T": lambda s, a: s.t,
        "U": lambda s, a: s.t + 1,
        "W": lambda s, a: s.Q + s.P * s.D,
    },
}

ROWS = (
    Kernel(
        "periodic_embedding_forward",
        arguments(f"x[B,I] {WAVES}"),
        arguments("out[B,W]"),
        terms=periodic_terms,
        **PERIODIC,
    ),
    Kernel(
        "periodic_embedding_backward",
        arguments(f"x[B,I] y[B,W] dout[B,W] {WAVES}"),
        arguments("dx[B,I] dw[P,K] db[P,K] dV[P,M,L] dc[P,M]"),
        terms=periodic_backward_terms,
        **PERIODIC,
    ),
    Kernel(
        "embedding_forward",
        arguments("x[B,I] E[R,D] columns[P]:int64 firsts[P]:int64"),
        arguments("out[B,W]"),
        exact=("out",),
        **EMBEDDING,
    ),
    Kernel(
        "embedding_backward",
        arguments("x[B,I] dout[B,W] columns[P]:int64 firsts[P]:int64"),
        arguments("dx[B,I] dE[R,D]"),
        states=("dE",),  # the reference needs its shape
        terms=embedding_backward_terms,
        exact=("dx",),
        **EMBEDDING,
    ),
    Kernel(
        "piecewise_embedding_forward",
        arguments(f"x[B,I] w[P,D] b[P,D] W[P,T,D] {BINS}"),
        arguments("out[B,W]"),
        terms=piecewise_terms,
        **PIECEWISE,
    ),
    Kernel(
        "piecewise_embedding_backward",
        arguments(f"x[B,I] dout[B,W] w[P,D] W[P,T,D] {BINS}"),
        arguments("dx[B,I] dw[P,D] db[P,D] dW[P,T,D]"),
        terms=piecewise_backward_terms,
        **PIECEWISE,
    ),
)
