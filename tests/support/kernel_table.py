"""The arguments and results of every kernel, so that one set of tests can go through all of them.

A `Kernel` is one row of the table: its arguments with the letters of their dimensions, how to
draw sensible values for them, and how large the terms are that its results are sums of.
kernel_calls.py makes random problems of it, calls and comparisons. The rows of activations,
elementwise losses and optimizers come from the rows of these parts, in ``parts``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain
from types import SimpleNamespace

import numpy as np

from kernel_terms import (
    affine_terms,
    batch_norm_backward_terms,
    blend_terms,
    clip_terms,
    elementwise_loss_terms,
    embedding_backward_terms,
    gaussian_terms,
    increasing_backward_terms,
    increasing_terms,
    l2_terms,
    labels_loss_terms,
    layer_norm_backward_terms,
    member_affine_backward_terms,
    member_affine_terms,
    member_scale_backward_terms,
    member_scale_terms,
    muon_terms,
    normalized_terms,
    parametric_backward_terms,
    parametric_terms,
    periodic_backward_terms,
    periodic_terms,
    piecewise_backward_terms,
    piecewise_terms,
    predict_terms,
    rows_loss_terms,
    running_terms,
    scale_backward_terms,
    slope_terms,
    softmax_terms,
    value_terms,
)
from kernel_values import (
    ANY_64_BITS,
    a_divisor,
    any_share,
    ascending,
    beside_codes,
    bin_counts,
    bin_edges,
    drop_rate,
    first_rows,
    labels,
    log_uniform,
    logits,
    no_numbers,
    normal,
    normal_with_zeros,
    nothing,
    off_centre,
    one_of,
    row_weights,
    smoothing,
    squares,
    table_rows,
    target_weights,
    uniform,
    weight_decay,
    whole,
    yes_or_no,
    zero_or_one,
)
from parts.activations import ACTIVATIONS
from parts.losses import ELEMENTWISE
from parts.optimizers import RULES

NOT_KERNELS = {
    "Plan",
    "always_team",
    "build_level",
    "known_losses",
    "known_operations",
    "known_optimizers",
    "make_operations",
    "make_plan",
    "set_cache_sizes",
    "set_threads",
    "team_plan",
    "threads",
}  # public names of a kernel module that compute nothing


@dataclass(frozen=True)
class Argument:
    """An array argument: its name, the letters of its dimensions, its dtype if that is fixed.

    ``optional`` says that None is allowed.
    """

    name: str
    dims: tuple[str, ...]
    fixed_dtype: str | None
    optional: bool = False

    def dtype(self, real):
        return np.dtype(self.fixed_dtype or real)

    def shape(self, sizes):
        return tuple(sizes[letter] for letter in self.dims)


def arguments(text):
    """``"x[B,C] t[B]:int64"`` as Arguments; a question mark after one: None is allowed."""
    found = re.findall(r"(\w+)\[([\w,]+)\](?::(\w+))?(\?)?", text)
    return tuple(
        Argument(name, tuple(dims.split(",")), kind or None, bool(mark))
        for name, dims, kind, mark in found
    )


@dataclass(frozen=True)
class Kernel:
    """One row of the table: a kernel, or one with an optional array and one without it.

    ``inputs``, ``scalars`` (name to a function that draws one) and ``outputs`` stand in the order
    of the call. ``states`` names the outputs that are read before they are overwritten, ``loss``
    says that a float is returned, ``any_size`` that it is returned for no elements too. ``values``
    says how to draw an array other than by `normal`, ``terms`` how large the terms of the
    results are (a result that is missing has nothing that cancels), ``aliases`` which output may
    be which input. ``exact`` results involve one rounding or none, so that they have to be equal
    to the bit. ``rooms`` holds the sizes that a dimension may have, where it cannot have any, and
    ``derived`` how a dimension follows from the others (``s``) and the scalars (``a``). ``finite``
    names inputs that may hold no special value.
    """

    name: str
    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]
    scalars: dict[str, Callable] = field(default_factory=dict)
    states: tuple[str, ...] = ()
    loss: bool = False
    any_size: bool = False
    values: dict[str, Callable] = field(default_factory=dict)
    terms: Callable | None = None
    aliases: tuple[tuple[str, str], ...] = ()
    exact: tuple[str, ...] = ()
    rooms: dict[str, tuple[int, ...]] = field(default_factory=dict)
    derived: dict[str, Callable] = field(default_factory=dict)
    finite: tuple[str, ...] = ()

    @property
    def key(self):
        """Its name in the table."""
        optional = [argument.name for argument in self.inputs if argument.optional]
        return " with ".join([self.name, *optional])

    @property
    def arrays(self):
        return self.inputs + self.outputs

    @property
    def dimensions(self):
        """Letters of the dimensions whose sizes may be chosen."""
        letters = dict.fromkeys(letter for a in self.arrays for letter in a.dims)
        return tuple(letter for letter in letters | self.rooms if letter not in self.derived)

    def sized(self, size, **given):
        """Sizes: ``given`` or else ``size``, or what comes nearest among a dimension's rooms."""
        sizes = dict.fromkeys(self.dimensions, size) | given
        return {
            letter: min(self.rooms.get(letter, [n]), key=lambda room, n=n: abs(room - n))
            for letter, n in sizes.items()
        }

    def all_sizes(self, sizes, scalars):
        """Sizes and those that follow from them."""
        for letter, derive in self.derived.items():
            sizes = sizes | {letter: derive(SimpleNamespace(**sizes), SimpleNamespace(**scalars))}
        return sizes

    @property
    def results(self):
        return ("loss",) * self.loss + tuple(output.name for output in self.outputs)


def elementwise(name, inputs, output, *, value=normal, **more):
    """A kernel of n elements each on its own; the output may be the last input."""
    inputs, outputs = arguments(inputs), arguments(output)
    aliases = ((outputs[0].name, inputs[-1].name),)
    return Kernel(name, inputs, outputs, values={inputs[0].name: value}, aliases=aliases, **more)


def product(name, inputs, output, operands):
    """A matrix product of ``operands(a)``, the two factors as they are multiplied."""
    outputs = arguments(output)

    def terms(a):
        left, right = operands(a)
        return {outputs[0].name: (left.shape[1], abs(left) @ abs(right))}

    return Kernel(name, arguments(inputs), outputs, terms=terms)


def weighted_loss(name, inputs, outputs, *, values, scalars=None, **more):
    """A loss with its optional row weights, and without them."""
    inputs, outputs, scalars = arguments(inputs), arguments(outputs), scalars or {}
    weights = arguments("weights[B]:float64?")
    values = values | {"weights": row_weights}
    more |= {"loss": True, "values": values}
    yield Kernel(name, inputs, outputs, scalars={"weights": nothing} | scalars, **more)
    yield Kernel(name, inputs + weights, outputs, scalars=scalars, **more)


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


EPS = log_uniform(-8, 0)
AFFINE = (arguments("x[B,I] W[I,O] b[O]"), arguments("out[B,O]"))
PARAMETRIC = {
    "activation": one_of("relu", "selu", "mish", "silu", "tanh"),
    "numbers": no_numbers,
}
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
# k members with r rows each, which make B.
MEMBERS = {
    "rooms": {"k": (1, 3), "r": (0, 1, 5, 43, 400)},
    "derived": {"B": lambda s, a: s.k * s.r},
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
GROUPS = {"O": (6, 12, 18, 36)}  # columns in groups of 1, 2, 3 or 6

KERNELS = {
    kernel.key: kernel
    for kernel in (
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
        *chain.from_iterable(activation(row) for row in ACTIVATIONS.values()),
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
        Kernel(
            "softmax_forward",
            arguments("x[B,C]"),
            arguments("y[B,C]"),
            values={"x": logits},
            terms=softmax_terms,
            aliases=(("y", "x"),),
        ),
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
}
