"""Losses, each with row weights and without; elementwise ones come from the rows of the parts."""

from __future__ import annotations

from itertools import chain

from kernel_rows.row import Kernel, arguments
from kernel_terms import elementwise_loss_terms, gaussian_terms, labels_loss_terms, rows_loss_terms
from kernel_values import labels, logits, nothing, row_weights, smoothing, target_weights
from parts.losses import ELEMENTWISE


def weighted_loss(name, inputs, outputs, *, values, scalars=None, **more):
    """A loss with its optional row weights, and without them."""
    inputs, outputs, scalars = arguments(inputs), arguments(outputs), scalars or {}
    weights = arguments("weights[B]:float64?")
    values = values | {"weights": row_weights}
    more |= {"loss": True, "values": values}
    yield Kernel(name, inputs, outputs, scalars={"weights": nothing} | scalars, **more)
    yield Kernel(name, inputs + weights, outputs, scalars=scalars, **more)


def elementwise_loss(row):
    """The kernel of a loss of outputs and targets, element by element; dx may be either of them."""
    return weighted_loss(
        row.make().kernel,
        f"{row.first}[B,O] t[B,O]",
        "dx[B,O]",
        values={row.first: row.outputs, "t": row.values},
        scalars=row.numbers,
        terms=elementwise_loss_terms(row.loss_size, row.dx_size),
        aliases=(("dx", row.first), ("dx", "t")),
        exact=row.exact,
    )


ROWS = (
    *weighted_loss(
        "gaussian_loss",
        "y[B,P] t[B,P]",
        "dx[B,P]",
        values={},
        terms=gaussian_terms,
        aliases=(("dx", "y"), ("dx", "t")),
        rooms={"P": (2, 4, 8, 16, 18, 34)},
    ),
    *weighted_loss(
        "softmax_cross_entropy_labels",
        "x[B,C] t[B]:int64",
        "y[B,C] dx[B,C]",
        scalars={"label_smoothing": smoothing},
        values={"x": logits, "t": labels},
        terms=labels_loss_terms,
    ),
    *weighted_loss(
        "softmax_cross_entropy_rows",
        "x[B,C] t[B,C]",
        "y[B,C] dx[B,C]",
        scalars={"label_smoothing": smoothing},
        values={"x": logits, "t": target_weights},
        terms=rows_loss_terms,
    ),
    *chain.from_iterable(elementwise_loss(row) for row in ELEMENTWISE.values()),
)
