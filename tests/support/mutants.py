"""Wrong formulas for each kernel, those that someone could write by mistake.

Those of activations, elementwise losses and optimizers are in the rows of these parts, those of
layers that work on columns in column_mutants.py, those of ensembles and of piecewise-linear
embeddings in member_mutants.py.
"""

import numpy as np

from affinet import reference
from affinet.reference._weights import weighted_mean
from column_mutants import COLUMN_MUTANTS
from kernel_table import KERNELS
from member_mutants import MEMBER_MUTANTS
from parts.activations import ACTIVATIONS
from parts.losses import ELEMENTWISE
from parts.optimizers import RULES


def in_groups(x, n, function):
    """The function of groups of n columns, along their last axis."""
    return function(x.reshape(len(x), x.shape[1] // n, n), axis=-1).astype(x.dtype).reshape(x.shape)


def softplus_alone(groups, axis):
    return np.concatenate([groups[..., :1], reference.softplus_forward(groups[..., 1:])], axis=axis)


def backwards(groups, axis):
    return np.flip(groups, axis=axis)


def negated(result):
    return result[0], -result[1]


def halved(result):
    return result[0] / 2, result[1] / 2


def wrong_softmax(x):
    e = np.exp(x)
    return e / e.sum(axis=1, keepdims=True)


def labels_with(loss_of=lambda loss, B: loss, dx_of=lambda dx, B: dx, shift=0, smooth=lambda s: s):
    def mutant(x, t, weights, s):
        loss, y, dx = reference.softmax_cross_entropy_labels(
            x, (t + shift) % x.shape[1], weights, smooth(s)
        )
        return loss_of(loss, len(x)), y, dx_of(dx, len(x))

    return mutant


def rows_that_sum_to_one(x, t, weights, s):
    loss, y, _ = reference.softmax_cross_entropy_rows(x, t, weights, s)
    target = (1 - s) * t + s / x.shape[1]
    return loss, y, weighted_mean(x, y - target, weights, len(x))[1]


def rows_without_a_mean(x, t, weights, s):
    loss, y, dx = reference.softmax_cross_entropy_rows(x, t, weights, s)
    return loss, y, dx * len(x)


def rows_unsmoothed(x, t, weights, s):
    return reference.softmax_cross_entropy_rows(x, t, weights, 0.0)


def weighted_with(right):
    """Mistakes with row weights."""

    def altered(alter):
        return lambda first, t, weights, *rest: right(first, t, alter(weights), *rest)

    def not_by_their_sum(first, t, weights, *rest):
        loss, *others, dx = right(first, t, weights, *rest)
        factor = weights.sum() / len(weights)
        return (loss * factor, *others, (dx * factor).astype(dx.dtype))

    return {
        "no weights": altered(lambda weights: None),
        "the neighbour's weight": altered(lambda weights: np.roll(weights, 1)),
        "weights squared": altered(np.square),
        "rows of weight 0 count": altered(lambda weights: np.maximum(weights, 0.01)),
        "divided by the rows": not_by_their_sum,
    }


def dropout_with(**change):
    def mutant(x, p, key, step, row):
        scalars = {"p": p, "key": key, "step": step, "row": row}
        scalars |= {name: alter(scalars[name]) for name, alter in change.items()}
        return reference.dropout_forward(x, **scalars)

    return mutant


def dropout_in_rows_of_words(x, p, key, step, row):
    """The four words of a counter spread over rows instead of columns."""
    out, mask = reference.dropout_forward(np.ascontiguousarray(x.T), p, key, step, row)
    return out.T, mask.T


def dropout_unscaled(x, p, key, step, row):
    _, mask = reference.dropout_forward(x, p, key, step, row)
    return np.where(mask, x, 0), mask


def l2_with(factor=1, pull=1):
    def mutant(W, scale, dW):
        loss, new = reference.l2_penalty(W, scale, dW)
        return loss * factor, dW + pull * (new - dW)

    return mutant


def clip_always(dW, max_norm):
    norm = float(np.linalg.norm(dW.astype(np.float64)))
    return norm, dW * (max_norm / norm if norm > 0 else 1)


def clip_each(dW, max_norm):
    return reference.clip_norm(dW, max_norm)[0], np.clip(dW, -max_norm, max_norm)


def clip_by_the_largest(dW, max_norm):
    most = float(np.max(abs(dW), initial=0))
    return most, dW if most <= max_norm else dW * (max_norm / most)


def clip_that_hides(dW, max_norm):
    """Infinities to 0, as a factor of 1 / inf has it, and their neighbours too."""
    norm, out = reference.clip_norm(dW, max_norm)
    return norm, np.nan_to_num(out) if np.isinf(norm) else out


def batch_norm_with(factor=lambda B: 1, eps_outside=False, shift=0):
    """The variance times a factor of B, eps outside of the root, or a neighbour's beta."""

    def mutant(x, gamma, beta, eps):
        _, mean, variance = reference.batch_norm_forward(x, gamma, beta, eps)
        variance = variance * factor(len(x))
        root = np.sqrt(variance) + eps if eps_outside else np.sqrt(variance + eps)
        return (x - mean) / root * gamma + np.roll(beta, shift), mean, variance

    return mutant


def batch_norm_gradient_with(change=lambda dx, dgamma, dbeta: (dx, dgamma, dbeta), train=None):
    def mutant(x, dout, gamma, mean, variance, eps, given_train):
        mode = given_train if train is None else train
        results = reference.batch_norm_backward(x, dout, gamma, mean, variance, eps, mode)
        return change(*results)

    return mutant


def layer_norm_by_columns(x, gamma, beta, eps):
    _, mean, variance = reference.layer_norm_forward(x, gamma, beta, eps)
    return reference.batch_norm_forward(x, gamma, beta, eps)[0], mean, variance


def batch_norm_by_rows(x, gamma, beta, eps):
    _, mean, variance = reference.batch_norm_forward(x, gamma, beta, eps)
    return reference.layer_norm_forward(x, gamma, beta, eps)[0], mean, variance


def layer_norm_gradient_with(change=lambda dx, dgamma, dbeta: (dx, dgamma, dbeta), ones=False):
    def mutant(x, dout, gamma, mean, variance, eps):
        used = np.ones_like(gamma) if ones else gamma
        return change(*reference.layer_norm_backward(x, dout, used, mean, variance, eps))

    return mutant


def layer_norm_without_the_mean(x, dout, gamma, mean, variance, eps):
    _, dgamma, dbeta = reference.layer_norm_backward(x, dout, gamma, mean, variance, eps)
    return dout * gamma / np.sqrt(variance + eps)[:, np.newaxis], dgamma, dbeta


def running_with(biased=False, other_way=False, mean_too=False):
    def mutant(mean, variance, momentum, rows, running_mean, running_var):
        share = 1 - momentum if other_way else momentum
        factor = 1 if biased else rows / (rows - 1)
        return (
            (1 - share) * running_mean + share * mean * (factor if mean_too else 1),
            (1 - share) * running_var + share * variance * factor,
        )

    return mutant


MUTANTS = {
    "gemm_nn": {
        "last term": lambda A, B: A[:, :-1] @ B[:-1],
        "first term twice": lambda A, B: A @ B + A[:, :1] @ B[:1],
    },
    "gemm_nt": {"last term": lambda A, B: A[:, :-1] @ B[:, :-1].T},
    "gemm_tn": {"last term": lambda A, B: A[:-1].T @ B[:-1]},
    "affine_forward": {
        "no bias": lambda x, W, b: x @ W,
        "bias subtracted": lambda x, W, b: x @ W - b,
        "the neighbour's bias": lambda x, W, b: x @ W + np.roll(b, 1),
        "bias in the first row only": lambda x, W, b: (
            x @ W + b * (np.arange(len(x)) == 0)[:, np.newaxis]
        ),
    },
    "affine_relu_forward": {
        "no bias": lambda x, W, b: np.maximum(x @ W, 0),
        "no ReLU": reference.affine_forward,
        "bias after the ReLU": lambda x, W, b: np.maximum(x @ W, 0) + b,
    },
    "affine_backward_dx": {"last term": lambda dout, W: dout[:, :-1] @ W[:, :-1].T},
    "affine_backward_dw": {
        "last row": lambda x, dout: x[:-1].T @ dout[:-1],
        "a mean": lambda x, dout: x.T @ dout / max(len(x), 1),
    },
    "affine_backward_db": {
        "last row": lambda dout: dout[:-1].sum(axis=0),
        "a mean": lambda dout: dout.sum(axis=0) / max(len(dout), 1),
    },
    "batch_norm_forward": {
        "unbiased variance": batch_norm_with(lambda B: B / max(B - 1, 1)),
        "a sum of squares": batch_norm_with(lambda B: B),
        "eps outside of the root": batch_norm_with(eps_outside=True),
        "the neighbour's beta": batch_norm_with(shift=1),
        "over rows": batch_norm_by_rows,
    },
    "batch_norm_predict": {
        "eps outside of the root": lambda x, gamma, beta, mean, variance, eps: (
            (x - mean) / (np.sqrt(variance) + eps) * gamma + beta
        ),
        "no mean": lambda x, gamma, beta, mean, variance, eps: (
            x * gamma / np.sqrt(variance + eps) + beta
        ),
        "the batch's statistics": lambda x, gamma, beta, mean, variance, eps: (
            reference.batch_norm_forward(x, gamma, beta, eps)[0]
        ),
    },
    "batch_norm_backward": {
        "always training": batch_norm_gradient_with(train=True),
        "never training": batch_norm_gradient_with(train=False),
        "gradients swapped": batch_norm_gradient_with(
            lambda dx, dgamma, dbeta: (dx, dbeta, dgamma)
        ),
        "dgamma uphill": batch_norm_gradient_with(lambda dx, dgamma, dbeta: (dx, -dgamma, dbeta)),
    },
    "increasing_forward": {
        "no softplus": lambda x, n: in_groups(x, n, np.cumsum),
        "not added up": lambda x, n: in_groups(x, n, softplus_alone),
        "softplus of the first": lambda x, n: in_groups(
            reference.softplus_forward(x), n, np.cumsum
        ),
    },
    "increasing_backward": {
        "from the first on": lambda x, dout, n: reference.increasing_backward(
            x, in_groups(dout, n, backwards), n
        ),
        "no slopes": lambda x, dout, n: reference.increasing_backward(np.full_like(x, 50), dout, n),
        "wrong sign": lambda x, dout, n: -reference.increasing_backward(x, dout, n),
    },
    "gaussian_loss": {
        "wrong sign": lambda y, t, weights: negated(reference.gaussian_loss(y, t, weights)),
        "a standard deviation": lambda y, t, weights: reference.gaussian_loss(
            y * np.tile([1, 2], y.shape[1] // 2).astype(y.dtype), t, weights
        ),
        "a mean over outputs": lambda y, t, weights: halved(reference.gaussian_loss(y, t, weights)),
    },
    "blend": {
        "tau the other way round": lambda x, tau, mean: reference.blend(x, 1 - tau, mean),
        "tau twice": lambda x, tau, mean: reference.blend(x, tau**2, mean),
        "not exactly x for a tau of 1": lambda x, tau, mean: mean + tau * (x - mean),
        "x alone": lambda x, tau, mean: x,
    },
    "batch_norm_update": {
        "biased variance": running_with(biased=True),
        "momentum the other way round": running_with(other_way=True),
        "a factor for the mean": running_with(mean_too=True),
    },
    "layer_norm_forward": {
        "over columns": layer_norm_by_columns,
        "no beta": lambda x, gamma, beta, eps: reference.layer_norm_forward(
            x, gamma, 0 * beta, eps
        ),
    },
    "layer_norm_backward": {
        "no gamma": layer_norm_gradient_with(ones=True),
        "through the numbers alone": layer_norm_without_the_mean,
        "gradients swapped": layer_norm_gradient_with(
            lambda dx, dgamma, dbeta: (dx, dbeta, dgamma)
        ),
    },
    "softmax_forward": {
        "no maximum": wrong_softmax,
        "over columns": lambda x: reference.softmax_forward(x.T).T,
        "maximum of all rows": lambda x: wrong_softmax(x - x.max(initial=-np.inf)),
    },
    "softmax_cross_entropy_labels": {
        "a sum in the loss": labels_with(loss_of=lambda loss, B: loss * B),
        "a sum in the gradient": labels_with(dx_of=lambda dx, B: dx * B),
        "the next class": labels_with(shift=1),
        "the previous class": labels_with(shift=-1),
        "not smoothed": labels_with(smooth=lambda s: 0.0),
        "smoothed by half": labels_with(smooth=lambda s: s / 2),
    },
    "softmax_cross_entropy_rows": {
        "weights taken to sum to 1": rows_that_sum_to_one,
        "a sum in the gradient": rows_without_a_mean,
        "not smoothed": rows_unsmoothed,
    },
    "dropout_forward": {
        "not scaled": dropout_unscaled,
        "words along rows": dropout_in_rows_of_words,
        "p the other way round": dropout_with(p=lambda p: 1 - p if p else p),
        "key cut to 32 bits": dropout_with(key=lambda key: key % 2**32),
        "key with halves swapped": dropout_with(key=lambda key: key % 2**32 << 32 | key >> 32),
        "step cut to 32 bits": dropout_with(step=lambda step: step % 2**32),
        "row ignored": dropout_with(row=lambda row: 0),
        "row one off": dropout_with(row=lambda row: row + 1),
    },
    "dropout_backward": {
        "not scaled": lambda dout, mask, p: np.where(mask, dout, 0),
        "scaled by 1 - p": lambda dout, mask, p: np.where(mask, dout * (1 - p), 0),
        "no mask": lambda dout, mask, p: dout / (1 - p),
    },
    "l2_penalty": {
        "no half": l2_with(factor=2),
        "twice the pull": l2_with(pull=2),
        "away from 0": l2_with(pull=-1),
    },
    "clip_norm": {
        "never": lambda dW, max_norm: (reference.clip_norm(dW, max_norm)[0], dW),
        "always": clip_always,
        "each on its own": clip_each,
        "the largest": clip_by_the_largest,
        "infinities hidden": clip_that_hides,
        "the norm afterwards": lambda dW, max_norm: (
            min(reference.clip_norm(dW, max_norm)[0], max_norm),
            reference.clip_norm(dW, max_norm)[1],
        ),
    },
    "clip_value": {
        "never": lambda dW, max_value: dW,
        "above only": lambda dW, max_value: np.minimum(dW, max_value),
        "below only": lambda dW, max_value: np.maximum(dW, -max_value),
        "from 0": lambda dW, max_value: np.clip(dW, 0, max_value),
        "to 0": lambda dW, max_value: np.where(abs(dW) <= max_value, dW, 0),
        "the norm": lambda dW, max_value: reference.clip_norm(dW, max_value)[1],
        "the next bound": lambda dW, max_value: np.clip(
            dW, -max_value, np.nextafter(dW.dtype.type(max_value), dW.dtype.type(np.inf))
        ),
    },
}


def muon_with(nesterov=True, steps=5, b=-4.775, scaled=True, turned=False, rate=True):
    """The rule without one of its ingredients, or with another number."""

    def mutant(dW, lr, momentum, weight_decay, v, W):
        v = momentum * v + dW
        X = dW + momentum * v if nesterov else v
        X = X / (np.linalg.norm(X) + 1e-7)
        for _ in range(steps):
            A = X @ X.T
            X = 3.4445 * X + (b * A + 2.0315 * (A @ A)) @ X
        I, O = (W.shape[::-1]) if turned else W.shape  # noqa: E741
        step = X * max(1, O / max(I, 1)) ** 0.5 if scaled else X
        return v, W - lr * step - (lr if rate else 1) * weight_decay * W

    return mutant


MUTANTS["muon_update"] = {
    "no look-ahead": muon_with(nesterov=False),
    "four iterations": muon_with(steps=4),
    "another coefficient": muon_with(b=-4.7),
    "no scale": muon_with(scaled=False),
    "the scale of the other side": muon_with(turned=True),
    "decay without the rate": muon_with(rate=False),
}
for activation in ACTIVATIONS.values():
    MUTANTS[f"{activation.kernel}_forward"] = activation.value_mutants
    MUTANTS[f"{activation.kernel}_backward"] = activation.slope_mutants
MUTANTS |= COLUMN_MUTANTS | MEMBER_MUTANTS
MUTANTS |= {row.make().kernel: row.mutants for row in ELEMENTWISE.values()}
MUTANTS |= {f"{row.kernel}_update": row.mutants for row in RULES}
MUTANTS |= {
    kernel.key: MUTANTS[kernel.name] | weighted_with(getattr(reference, kernel.name))
    for kernel in KERNELS.values()
    if kernel.key == f"{kernel.name} with weights"
}
