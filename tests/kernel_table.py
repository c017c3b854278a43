"""What every kernel takes and gives, so that one set of tests can go through all of them.

A `Kernel` is one row of the table: its arguments with the letters of their dimensions, how to
draw sensible values for them, and how large the terms are that its results are sums of. From it
come random problems, calls between guarded borders, and the comparison with `affinet.reference`
in float64.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np

from affinet import reference
from tolerance import assert_close

ROW_DIMENSIONS = "BM"  # these take few rows; all others are columns or lengths of sums
NOT_KERNELS = {
    "Plan",
    "build_level",
    "make_operations",
    "make_plan",
    "set_cache_sizes",
    "set_threads",
    "threads",
}  # public names of a kernel module that compute nothing
GUARD = 64  # elements on either side of every array, more than the widest store has
SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0)
FILL = {"f": np.nan, "i": 2**62, "u": 0xA5}  # by kind of dtype: what must not get into results


# Values ------------------------------------------------------------------------------------------


def normal(rng, shape, sizes):
    return rng.standard_normal(shape)


def normal_with_zeros(rng, shape, sizes):
    return rng.standard_normal(shape) * (rng.random(shape) < 0.8)


def wide(rng, shape, sizes):
    """Magnitudes from 1e-4 to 100, both signs: the bend and both ends of a sigmoid."""
    return rng.standard_normal(shape) * 10 ** rng.uniform(-4, 2, shape)


def bend(rng, shape, sizes):
    """Where slopes are numbers in any precision, so that an infinity times one is no NaN."""
    return rng.uniform(-9, 9, shape)


def unit_interval(rng, shape, sizes):
    return rng.random(shape)


def minus_one_to_one(rng, shape, sizes):
    return rng.uniform(-1, 1, shape)


def logits(rng, shape, sizes):
    """Rows far from zero, so that an exponential of the bare logit would overflow."""
    return 5 * rng.standard_normal(shape) + rng.choice([0, -1e4, 1e4, 100], (shape[0], 1))


def off_centre(rng, shape, sizes):
    """Some columns far from 0, where a variance loses digits if it is a difference of squares."""
    return rng.standard_normal(shape) + rng.choice([0, 30], shape[-1:])


def squares(rng, shape, sizes):
    return normal_with_zeros(rng, shape, sizes) ** 2


def target_weights(rng, shape, sizes):
    return rng.random(shape) * (rng.random(shape) < 0.6)


def probabilities(rng, shape, sizes):
    """0, 1 and what lies between."""
    return np.where(rng.random(shape) < 0.5, rng.integers(0, 2, shape), rng.random(shape))


def counts(rng, shape, sizes):
    return rng.poisson(2.0, shape)


def row_weights(rng, shape, sizes):
    """Weights of rows, a fifth of them 0."""
    return rng.uniform(0.1, 3, shape) * (rng.random(shape) < 0.8)


def labels(rng, shape, sizes):
    return rng.integers(0, sizes["C"], shape)


def zero_or_one(rng, shape, sizes):
    return rng.integers(0, 2, shape)


def log_uniform(low, high):
    return lambda rng: float(10 ** rng.uniform(low, high))


def uniform(low, high):
    return lambda rng: float(rng.uniform(low, high))


def whole(low, high):
    return lambda rng: int(rng.integers(low, high, dtype=np.uint64, endpoint=True))


ANY_64_BITS = whole(0, 2**64 - 1)


def share(rng):
    """What a running mean keeps: the usual ones, where 1 - share is small, or any."""
    return float(rng.choice([0.0, 0.9, 0.999, rng.uniform()]))


def weight_decay(rng):
    return float(rng.choice([0.0, 10 ** rng.uniform(-4, 0)]))


def any_share(rng):
    return float(rng.choice([0.0, 0.1, 1.0, rng.uniform()]))


def yes_or_no(rng):
    return bool(rng.integers(2))


def drop_rate(rng):
    return float(rng.choice([0.0, 0.1, 0.5, rng.uniform(0, 0.95)]))


def smoothing(rng):
    return float(rng.choice([0.0, 0.1, rng.uniform(0, 0.9)]))


def nothing(rng):
    return None


# Sizes of the terms: for each result (number of terms, sum of their absolute values) -------------


def double_terms(a, count):
    """Terms of a sum carried in double, which adds nothing to the roundings of float32."""
    return count if a.dtype == np.float64 else 1


def affine_terms(a):
    return {"out": (len(a.W) + 1, abs(a.x) @ abs(a.W) + abs(a.b))}


def sigmoid_backward_terms(a):
    return {"dx": (1, abs(a.dout * a.y) * (1 + abs(a.y)))}


def tanh_backward_terms(a):
    return {"dx": (1, abs(a.dout) * (1 + a.y * a.y))}


def gelu_terms(a):
    """The error of exp(-x^2 / 2) may be that of its argument."""
    return {"out": (1, abs(a.out) * (1 + np.minimum(a.x, 0) ** 2))}


def gelu_backward_terms(a):
    x = np.clip(a.x, -1e4, 1e4)
    density = np.exp(-x * x / 2)
    below = 1 / (1 + abs(x)) * density  # at least Phi(-|x|)
    return {"dx": (1, abs(a.dout) * (np.where(x > 0, 1, below) + abs(x) * density) * (1 + x * x))}


def silu_backward_terms(a):
    x = np.clip(a.x, -1e4, 1e4)
    share = reference.sigmoid_forward(x)
    return {"dx": (1, abs(a.dout) * share * (1 + abs(x) * (1 - share)))}


def normalized_terms(a, axis):
    """Statistics along an axis, and what is normalized by them.

    A mean's error is one of every distance, and by way of the variance of all results.
    """
    count = max(a.x.shape[axis], 1)
    size = np.sum(abs(a.x), axis=axis, keepdims=True) / count
    distance = a.x - np.expand_dims(a.mean, axis)
    spread = np.sum(abs(distance) * (abs(a.x) + size), axis=axis) / count
    inverse = np.expand_dims(1 / np.sqrt(a.variance + a.eps), axis)
    out = (abs(a.x) + size + abs(distance) * np.expand_dims(spread, axis) * inverse**2) * inverse
    terms = double_terms(a, count)
    return {
        "out": (terms, out * abs(a.gamma) + abs(a.beta)),
        "mean": (terms, np.squeeze(size, axis)),
        "variance": (terms, spread),
    }


def predict_terms(a):
    scale = abs(a.gamma) / np.sqrt(a.variance + a.eps)
    return {"out": (2, (abs(a.x) + abs(a.mean)) * scale + abs(a.beta))}


def batch_norm_backward_terms(a):
    inverse = 1 / np.sqrt(a.variance + a.eps)
    n = (abs(a.x) + abs(a.mean)) * inverse
    dgamma, dbeta = np.sum(abs(a.dout) * n, axis=0), np.sum(abs(a.dout), axis=0)
    through = (dbeta + n * dgamma) / max(a.B, 1) if a.train else 0
    terms = double_terms(a, a.B) + 3
    dx = abs(a.gamma) * inverse * (abs(a.dout) + through)
    return {"dx": (terms, dx), "dgamma": (terms, dgamma), "dbeta": (terms, dbeta)}


def layer_norm_backward_terms(a):
    inverse = 1 / np.sqrt(a.variance + a.eps)[:, np.newaxis]
    n = (abs(a.x) + abs(a.mean)[:, np.newaxis]) * inverse
    d, count = abs(a.dout * a.gamma), max(a.O, 1)
    sum_d, sum_dn = np.sum(d, axis=1, keepdims=True), np.sum(d * n, axis=1, keepdims=True)
    rows, columns = double_terms(a, a.B) + 3, double_terms(a, a.O) + 3
    return {
        "dx": (columns, (d + (sum_d + n * sum_dn) / count) * inverse),
        "dgamma": (rows, np.sum(abs(a.dout) * n, axis=0)),
        "dbeta": (rows, np.sum(abs(a.dout), axis=0)),
    }


def running_terms(a):
    size = abs((1 - a.momentum) * a.running_mean_before) + abs(a.momentum * a.mean)
    return {"running_mean": (1, size)}


def row_distance(x):
    """How far each logit lies below its row's largest: an exponential multiplies errors by it."""
    return np.max(x, axis=1, keepdims=True, initial=-np.inf) - x


def softmax_size(a):
    return np.where(a.y == 0, 0, a.y * (1 + row_distance(a.x)))


def softmax_terms(a):
    return {"y": (a.C, softmax_size(a))}


def log_terms(x):
    """Terms of logsumexp(x_i) - x_ij: the logarithm's argument is a sum, good to a relative u."""
    distance = row_distance(x)
    return 1 + np.log(np.sum(np.exp(-distance), axis=1, keepdims=True)) + distance


def row_shares(a):
    """w_i / sum w as a column; 0 where no row has a weight."""
    weights = np.ones(a.B) if a.weights is None else a.weights
    return (weights / (weights.sum() or 1.0))[:, np.newaxis]


def smooth_terms(a, t, reduction):
    t = (1 - a.label_smoothing) * t + a.label_smoothing / a.C
    y, share = softmax_size(a), row_shares(a)
    loss = np.sum(np.where((share == 0) | (t == 0), 0, share * t * log_terms(a.x)))
    dx = np.where(share == 0, 0, share * (y * np.sum(t, axis=1, keepdims=True) + t))
    return {
        "loss": (a.C + double_terms(a, reduction + a.B), loss),
        "y": (a.C, y),
        "dx": (2 * a.C + double_terms(a, a.B), dx),
    }


def labels_loss_terms(a):
    return smooth_terms(a, np.eye(a.C)[a.t], a.B if a.label_smoothing == 0 else a.B + a.C)


def rows_loss_terms(a):
    return smooth_terms(a, a.t, a.B * a.C)


def elementwise_loss_terms(loss_size=None, dx_size=None):
    """For losses of rows of elements; ``loss_size`` and ``dx_size`` where something cancels."""

    def terms(a):
        share = row_shares(a)
        counted = share != 0
        loss = dx = None
        if loss_size is not None:
            loss = np.sum(np.where(counted, share * loss_size(a), 0)) / a.O
        if dx_size is not None:
            dx = np.where(counted, share * dx_size(a), 0)
        weighing = double_terms(a, a.B)
        return {"loss": (double_terms(a, a.B * a.O) + weighing, loss), "dx": (weighing, dx)}

    return terms


def momentum_terms(a):
    v = abs(a.momentum * a.v_before) + abs(a.lr * a.dW)
    return {"v": (1, v), "W": (1, abs(a.W_before) + v)}


def nesterov_terms(a):
    v = abs(a.momentum * a.v_before) + abs(a.lr * a.dW)
    return {"v": (1, v), "W": (2, abs(a.W_before) + a.momentum * v + abs(a.lr * a.dW))}


def adagrad_terms(a):
    step = abs(a.lr * a.dW) / (np.sqrt(a.h) + a.eps)
    return {"W": (1, abs(a.W_before) + step)}


def adam_terms(a):
    m = abs(a.beta1 * a.m_before) + abs((1 - a.beta1) * a.dW)
    rest1, rest2 = 1 - a.beta1**a.step, 1 - a.beta2**a.step
    step = a.lr * m / rest1 / (np.sqrt(a.v / rest2) + a.eps)
    if a.dtype == np.float64:  # a power near 1, subtracted from 1 in double: its rounding grows
        step *= 1 / rest1 + 1 / rest2
    return {"m": (1, m), "W": (8, abs(a.W_before) + step)}


def adamw_terms(a):
    terms = adam_terms(a)
    reduction, scale = terms["W"]
    return terms | {"W": (reduction, scale + abs(a.lr * a.weight_decay * a.W_before))}


def l2_terms(a):
    return {
        "loss": (double_terms(a, a.n), None),
        "dW": (1, abs(a.dW_before) + abs(a.scale * a.W)),
    }


def clip_terms(a):
    return {"loss": (double_terms(a, a.n), None), "out": (double_terms(a, a.n), None)}


# The table ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Argument:
    """An array argument: its name, the letters of its dimensions, its dtype if that is fixed.

    ``optional`` says that None will do.
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
    """``"x[B,C] t[B]:int64"`` as Arguments; a question mark behind one says that None will do."""
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
    says that a float is returned, ``any_size`` that it is so for no elements too. ``values``
    tells how to draw an array other than by `normal`, ``terms`` how large the terms of the
    results are (a result that is missing has nothing that cancels), ``aliases`` which output may
    be which input. ``exact`` results involve one rounding or none, so that they have to be equal
    to the bit.
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
        return tuple(dict.fromkeys(letter for a in self.arrays for letter in a.dims))

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


def elementwise_loss(name, first="y", *, y=normal, t=normal, loss_size=None, dx_size=None, **more):
    """A loss of outputs and targets, element by element; dx may be either of them."""
    return weighted_loss(
        name,
        f"{first}[B,O] t[B,O]",
        "dx[B,O]",
        values={first: y, "t": t},
        terms=elementwise_loss_terms(loss_size, dx_size),
        aliases=(("dx", first), ("dx", "t")),
        **more,
    )


def update(name, states, scalars, terms, **values):
    state_arrays = arguments(" ".join(f"{state}[n]" for state in states))
    return Kernel(
        name,
        arguments("dW[n]"),
        state_arrays,
        scalars=scalars,
        states=states,
        values={"dW": normal_with_zeros, **values},
        terms=terms,
    )


LR, EPS, SLOPE = log_uniform(-4, 0), log_uniform(-8, 0), uniform(0.01, 1)
AFFINE = (arguments("x[B,I] W[I,O] b[O]"), arguments("out[B,O]"))

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
        elementwise("relu_forward", "x[n]", "out[n]", value=normal_with_zeros, exact=("out",)),
        elementwise(
            "relu_backward", "y[n] dout[n]", "dx[n]", value=normal_with_zeros, exact=("dx",)
        ),
        elementwise(
            "leaky_relu_forward",
            "x[n]",
            "out[n]",
            value=normal_with_zeros,
            scalars={"slope": SLOPE},
            exact=("out",),
        ),
        elementwise(
            "leaky_relu_backward",
            "y[n] dout[n]",
            "dx[n]",
            value=normal_with_zeros,
            scalars={"slope": SLOPE},
            exact=("dx",),
        ),
        elementwise("sigmoid_forward", "x[n]", "out[n]", value=wide),
        elementwise(
            "sigmoid_backward",
            "y[n] dout[n]",
            "dx[n]",
            value=unit_interval,
            terms=sigmoid_backward_terms,
        ),
        elementwise("tanh_forward", "x[n]", "out[n]", value=wide),
        elementwise(
            "tanh_backward",
            "y[n] dout[n]",
            "dx[n]",
            value=minus_one_to_one,
            terms=tanh_backward_terms,
        ),
        elementwise("gelu_forward", "x[n]", "out[n]", value=wide, terms=gelu_terms),
        elementwise(
            "gelu_backward", "x[n] dout[n]", "dx[n]", value=bend, terms=gelu_backward_terms
        ),
        elementwise("silu_forward", "x[n]", "out[n]", value=wide),
        elementwise(
            "silu_backward", "x[n] dout[n]", "dx[n]", value=bend, terms=silu_backward_terms
        ),
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
        *elementwise_loss("mean_squared_error"),
        *elementwise_loss("sum_squared_error", exact=("dx",)),
        *elementwise_loss(
            "sigmoid_cross_entropy",
            "x",
            y=wide,
            t=probabilities,
            dx_size=lambda a: reference.sigmoid_forward(a.x) + a.t,
        ),
        *elementwise_loss("mean_absolute_error", y=normal_with_zeros, t=normal_with_zeros),
        *elementwise_loss(
            "huber_loss",
            y=normal_with_zeros,
            t=normal_with_zeros,
            scalars={"delta": log_uniform(-1, 0.5)},
        ),
        *elementwise_loss(
            "poisson_loss",
            t=counts,
            loss_size=lambda a: np.exp(a.y) + abs(a.t * a.y),
            dx_size=lambda a: (np.exp(a.y) + a.t) / a.O,
        ),
        *elementwise_loss(
            "quantile_loss",
            y=normal_with_zeros,
            t=normal_with_zeros,
            scalars={"q": uniform(0.05, 0.95)},
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
        update(
            "sgd_update",
            ("W",),
            {"lr": LR, "weight_decay": weight_decay},
            lambda a: {"W": (2, abs(a.W_before) * (1 + a.lr * a.weight_decay) + abs(a.lr * a.dW))},
        ),
        update("momentum_update", ("v", "W"), {"lr": LR, "momentum": share}, momentum_terms),
        update("adagrad_update", ("h", "W"), {"lr": LR, "eps": EPS}, adagrad_terms, h=squares),
        update(
            "adam_update",
            ("m", "v", "W"),
            {"lr": LR, "beta1": share, "beta2": share, "eps": EPS, "step": whole(1, 50)},
            adam_terms,
            v=squares,
        ),
        update("nesterov_update", ("v", "W"), {"lr": LR, "momentum": share}, nesterov_terms),
        update(
            "rmsprop_update",
            ("h", "W"),
            {"lr": LR, "decay": share, "eps": EPS},
            adagrad_terms,
            h=squares,
        ),
        update(
            "adamw_update",
            ("m", "v", "W"),
            {
                "lr": LR,
                "beta1": share,
                "beta2": share,
                "eps": EPS,
                "weight_decay": weight_decay,
                "step": whole(1, 50),
            },
            adamw_terms,
            v=squares,
        ),
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
    )
}


# Problems: arguments with values -----------------------------------------------------------------


@dataclass
class Problem:
    """Arguments for one call: ``arrays`` holds the inputs and the states before it."""

    kernel: Kernel
    dtype: np.dtype
    sizes: dict[str, int]
    arrays: dict[str, np.ndarray]
    scalars: dict[str, float]


def problem(kernel, dtype, sizes, rng):
    """A random problem of the given sizes."""
    arrays = {}
    for argument in kernel.arrays:
        if argument in kernel.inputs or argument.name in kernel.states:
            draw = kernel.values.get(argument.name, normal)
            values = draw(rng, argument.shape(sizes), sizes)
            arrays[argument.name] = np.asarray(values).astype(argument.dtype(dtype))
    scalars = {name: draw(rng) for name, draw in kernel.scalars.items()}
    return Problem(kernel, np.dtype(dtype), dict(sizes), arrays, scalars)


def solvable(kernel, sizes):
    """Whether problems of these sizes exist: most losses want at least one element."""
    return not kernel.loss or kernel.any_size or 0 not in sizes.values()


def reference_results(problem, dtype=np.float64):
    """What `affinet.reference` says, computed in ``dtype``; by name."""
    kernel = problem.kernel
    arrays = {name: array.copy() for name, array in problem.arrays.items()}
    for argument in kernel.arrays:
        if argument.name in arrays and argument.fixed_dtype is None:
            arrays[argument.name] = arrays[argument.name].astype(dtype)
    inputs = [arrays[argument.name] for argument in kernel.inputs]
    states = [arrays[name] for name in kernel.states]
    with np.errstate(all="ignore"):  # NaN and infinities are given on purpose
        results = getattr(reference, kernel.name)(*inputs, *problem.scalars.values(), *states)
    if not isinstance(results, tuple):
        results = (results,)
    return dict(zip(kernel.results, results, strict=True))


# Calls between guards ----------------------------------------------------------------------------


class Guarded:
    """An array inside a larger buffer whose borders must not change.

    It starts at an address that is a multiple of the element's size and of nothing else. What is
    read from an input's border shows as NaN or as a label out of range; an output's border is a
    number that no kernel leaves as it is.
    """

    def __init__(self, values, rng, *, written):
        border = -1.5 if written and values.dtype.kind == "f" else FILL[values.dtype.kind]
        before = GUARD + int(rng.integers(1, 16))
        self.buffer = np.full(before + values.size + GUARD, border, dtype=values.dtype)
        self.inside = slice(before, before + values.size)
        self.array = self.buffer[self.inside].reshape(values.shape)
        self.array[...] = values
        self.image = self.buffer.tobytes()

    def unchanged(self):
        return self.buffer.tobytes() == self.image

    def borders_unchanged(self):
        now = self.buffer.copy()
        now[self.inside] = np.frombuffer(self.image, now.dtype)[self.inside]
        return now.tobytes() == self.image


def before_call(problem, argument):
    """What an array holds before the call; an output that is not a state holds rubbish."""
    if argument.name in problem.arrays:
        return problem.arrays[argument.name]
    dtype = argument.dtype(problem.dtype)
    return np.full(argument.shape(problem.sizes), FILL[dtype.kind], dtype)


class Call:
    """The guarded arguments of one call, and what came of it.

    ``alias``, one of `Kernel.aliases`, lets an output lie in an input; ``read_only`` locks the
    inputs.
    """

    def __init__(self, problem, rng, *, alias=(None, None), read_only=False):
        self.kernel, self.problem = problem.kernel, problem
        self.shared_output, self.shared_input = alias
        self.guarded = {}
        for argument in self.kernel.arrays:
            if argument.name == self.shared_output:
                self.guarded[argument.name] = self.guarded[self.shared_input]
                continue
            written = argument in self.kernel.outputs or argument.name == self.shared_input
            guarded = Guarded(before_call(problem, argument), rng, written=written)
            guarded.array.flags.writeable = written or not read_only
            self.guarded[argument.name] = guarded

    def arguments(self):
        arrays = {name: guarded.array for name, guarded in self.guarded.items()}
        return [
            *(arrays[argument.name] for argument in self.kernel.inputs),
            *self.problem.scalars.values(),
            *(arrays[argument.name] for argument in self.kernel.outputs),
        ]

    def run(self, module):
        """Call the kernel, check that nothing but the outputs changed; results by name."""
        returned = getattr(module, self.kernel.name)(*self.arguments())
        self.check_memory()
        outputs = (self.guarded[output.name].array for output in self.kernel.outputs)
        if not self.kernel.loss:
            assert returned is None, f"returned {returned!r}, wanted None"
            return dict(zip(self.kernel.results, outputs, strict=True))
        assert isinstance(returned, float), f"returned {returned!r}, wanted a float"
        return dict(zip(self.kernel.results, (returned, *outputs), strict=True))

    def check_memory(self):
        for argument in self.kernel.inputs:
            if argument.name != self.shared_input:
                assert self.guarded[argument.name].unchanged(), f"input {argument.name} changed"
        for argument in self.kernel.arrays:
            kept = self.guarded[argument.name].borders_unchanged()
            assert kept, f"memory around {argument.name} changed"

    def check_nothing_written(self):
        for name, guarded in self.guarded.items():
            assert guarded.unchanged(), f"{name} changed"


def check_results(problem, actual):
    """Compare results with the reference: in float64 with rounding bounds, exact ones to the bit.

    Raises AssertionError with the result's name.
    """
    kernel, expected = problem.kernel, reference_results(problem)
    rounded = reference_results(problem, problem.dtype) if kernel.exact else {}
    rounded = {name: rounded[name] for name in kernel.exact}
    bounds = known_terms(problem, expected)
    for name in kernel.results:
        if name in rounded or not np.issubdtype(np.asarray(expected[name]).dtype, np.floating):
            wanted = rounded.get(name, expected[name])
            np.testing.assert_array_equal(actual[name], wanted, err_msg=name, strict=True)
            continue
        reduction, scale = bounds.get(name, (1, None))
        assert_close(
            actual[name],
            expected[name],
            reduction=reduction,
            scale=scale,
            dtype=problem.dtype,
            name=f"{kernel.name} {name}",
        )


def known_terms(problem, expected):
    """`Kernel.terms` of everything there is to know: inputs, states before, sizes, results."""
    if problem.kernel.terms is None:
        return {}
    before = {f"{name}_before": problem.arrays[name] for name in problem.kernel.states}
    inputs = {argument.name: problem.arrays[argument.name] for argument in problem.kernel.inputs}
    real = {
        name: array.astype(np.float64) if array.dtype.kind == "f" else array
        for name, array in (inputs | before).items()
    }
    everything = expected | problem.sizes | problem.scalars | real | {"dtype": problem.dtype}
    with np.errstate(all="ignore"):
        return problem.kernel.terms(SimpleNamespace(**everything))


def run_and_check(module, problem, rng, **how):
    """One call between guards, checked; the results by name."""
    actual = Call(problem, rng, **how).run(module)
    check_results(problem, actual)
    return actual


# Sweeps ------------------------------------------------------------------------------------------


def vector_edges(lanes):
    """Column counts at which a loop over vectors begins, ends, or leaves a rest."""
    return sorted({0, 1, lanes - 1, lanes, lanes + 1, 2 * lanes + 3})


def check_edges(module, kernel, dtype, lanes):
    """No row, one, and five, at every combination of column counts from `vector_edges`."""
    rng = np.random.default_rng(1)
    columns = vector_edges(lanes)
    choices = [(0, 1, 5) if letter in ROW_DIMENSIONS else columns for letter in kernel.dimensions]
    for combination in itertools.product(*choices):
        sizes = dict(zip(kernel.dimensions, combination, strict=True))
        if solvable(kernel, sizes):
            run_and_check(module, problem(kernel, dtype, sizes, rng), rng)


def element_by_element(kernel):
    """Whether every element of the first two arrays meets its neighbour of the same place only."""
    return kernel.dimensions == ("n",) or (kernel.loss and kernel.dimensions == ("B", "O"))


def real_arrays(problem):
    """Names of the arrays that can hold a NaN."""
    return [name for name, array in problem.arrays.items() if array.dtype.kind == "f"]


def check_special_values(module, kernel, dtype, lanes):
    """Let all special values of the first two arrays meet, in whole vectors and in the rest."""
    rng, values = np.random.default_rng(2), (*SPECIAL, 1.5, -1.5)
    sizes = {"n": 2 * lanes + 3, "B": 2, "O": 2 * lanes + 3}
    for pair in itertools.product(values, repeat=2):
        made = problem(kernel, dtype, {letter: sizes[letter] for letter in kernel.dimensions}, rng)
        for name, value in zip(real_arrays(made), pair, strict=False):
            made.arrays[name][:] = value
        run_and_check(module, made, rng)
