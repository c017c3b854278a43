"""Normalization over rows and over columns."""

from __future__ import annotations

from kernel_rows.row import Kernel, arguments
from kernel_terms import (
    batch_norm_backward_terms,
    layer_norm_backward_terms,
    normalized_terms,
    predict_terms,
    running_terms,
)
from kernel_values import any_share, log_uniform, off_centre, squares, whole, yes_or_no

EPS = log_uniform(-8, 0)

ROWS = (
    Kernel(
        "batch_norm_forward",
        arguments("x[B,O] gamma[O] beta[O]"),
        arguments("out[B,O] mean[O] variance[O]"),
        scalars={"eps": EPS},
        values={"x": off_centre},
        terms=lambda a: normalized_terms(a, 0),
        aliases=(("out", "x"),),
    ),
    Kernel(
        "batch_norm_predict",
        arguments("x[B,O] gamma[O] beta[O] mean[O] variance[O]"),
        arguments("out[B,O]"),
        scalars={"eps": EPS},
        values={"variance": squares},
        terms=predict_terms,
        aliases=(("out", "x"),),
    ),
    Kernel(
        "batch_norm_backward",
        arguments("x[B,O] dout[B,O] gamma[O] mean[O] variance[O]"),
        arguments("dx[B,O] dgamma[O] dbeta[O]"),
        scalars={"eps": EPS, "train": yes_or_no},
        values={"variance": squares},
        terms=batch_norm_backward_terms,
        aliases=(("dx", "dout"),),
    ),
    Kernel(
        "batch_norm_update",
        arguments("mean[O] variance[O]"),
        arguments("running_mean[O] running_var[O]"),
        scalars={"momentum": any_share, "rows": whole(2, 1000)},
        states=("running_mean", "running_var"),
        values={"variance": squares, "running_var": squares},
        terms=running_terms,
    ),
    Kernel(
        "layer_norm_forward",
        arguments("x[B,O] gamma[O] beta[O]"),
        arguments("out[B,O] mean[B] variance[B]"),
        scalars={"eps": EPS},
        values={"x": off_centre},
        terms=lambda a: normalized_terms(a, 1),
        aliases=(("out", "x"),),
    ),
    Kernel(
        "layer_norm_backward",
        arguments("x[B,O] dout[B,O] gamma[O] mean[B] variance[B]"),
        arguments("dx[B,O] dgamma[O] dbeta[O]"),
        scalars={"eps": EPS},
        values={"variance": squares},
        terms=layer_norm_backward_terms,
        aliases=(("dx", "dout"),),
    ),
)
