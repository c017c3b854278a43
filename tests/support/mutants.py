"""Wrong formulas, for each kernel those that someone could write by mistake."""

import inspect

import numpy as np

from affinet import reference
from affinet.reference._weights import weighted_mean
from kernel_table import KERNELS


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


def loss_with(right, factor=1.0, **changes):
    """A loss whose gradient is off by a factor, or that sees an argument altered."""
    names = list(inspect.signature(right).parameters)

    def mutant(*values):
        given = dict(zip(names, values, strict=True))
        given |= {name: alter(given[name]) for name, alter in changes.items()}
        loss, dx = right(**given)
        return loss, factor * dx

    return mutant


def kinks_to_the_right(right, slope=1.0):
    """Slopes at a kink that are those of its right side."""

    def mutant(y, t, weights, *scalars):
        loss, dx = right(y, t, weights, *scalars)
        ones = weighted_mean(y, np.ones_like(y) * slope, weights, y.size)[1]
        return loss, np.where(y == t, ones, dx)

    return mutant


def naive_sigmoid(x, t, weights):
    """Overflows for large logits."""
    e = np.exp(x)
    return weighted_mean(np.log(1 + e) - t * x, e / (1 + e) - t, weights, len(x))


def mean_over_outputs(x, t, weights):
    loss, dx = reference.sigmoid_cross_entropy(x, t, weights)
    return loss / x.shape[1], dx / x.shape[1]


def weighted_with(right):
    """What goes wrong with weights."""

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


def adam_with(eps_inside=False, correct=True, step_off=0, single=False):
    def mutant(dW, lr, beta1, beta2, eps, step, m, v, W):
        one = np.float32(1) if single else 1.0
        rest1, rest2 = (float(one - type(one)(beta)) for beta in (beta1, beta2))
        m, v = beta1 * m + rest1 * dW, beta2 * v + rest2 * dW * dW
        step += step_off
        m_hat, v_hat = (
            (m / (1 - beta1**step), v / (1 - beta2**step)) if correct and step else (m, v)
        )
        root = np.sqrt(v_hat + eps) if eps_inside else np.sqrt(v_hat) + eps
        return m, v, W - lr * m_hat / root

    return mutant


def adamw_with(coupled=False, once_more=False, no_rate=False, late=False):
    """Decay in the gradient, through lr twice, without lr, or of what Adam's step has left."""

    def mutant(dW, lr, beta1, beta2, eps, weight_decay, step, m, v, W):
        adam = (lr, beta1, beta2, eps, step)
        if coupled:
            return reference.adam_update(dW + weight_decay * W, *adam, m, v, W)
        rate = 1 if no_rate else lr * lr if once_more else lr
        if late:
            m, v, W = reference.adam_update(dW, *adam, m, v, W)
            return m, v, W - rate * weight_decay * W
        return reference.adam_update(dW, *adam, m, v, W - rate * weight_decay * W)

    return mutant


def nesterov_with(old=False, plain=False):
    def mutant(dW, lr, momentum, v, W):
        new = momentum * v - lr * dW
        return new, W + (new if plain else momentum * (v if old else new) - lr * dW)

    return mutant


def rmsprop_with(eps_inside=False, late=False, sum_up=False):
    def mutant(dW, lr, decay, eps, h, W):
        new = decay * h + (1 if sum_up else 1 - decay) * dW * dW
        root = np.sqrt((h if late else new) + (eps if eps_inside else 0))
        return new, W - lr * dW / (root + (0 if eps_inside else eps))

    return mutant


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


def adagrad_with(eps_inside=False, late=False):
    def mutant(dW, lr, eps, h, W):
        new = h + dW * dW
        root = np.sqrt((h if late else new) + (eps if eps_inside else 0))
        return new, W - lr * dW / (root + (0 if eps_inside else eps))

    return mutant


def momentum_with(sign=-1, late=False):
    def mutant(dW, lr, momentum, v, W):
        new = momentum * v + sign * lr * dW
        return new, W + (v if late else new)

    return mutant


def gelu_by_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def gelu_that_cancels(x):
    """Phi(x) as 1 - Phi(-x) on both sides."""
    return x * (1 - reference.gelu_forward(-x) / -x)


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
    "relu_forward": {
        "NaN lost": lambda x: np.fmax(x, 0),
        "absolute value": np.abs,
        "nothing": lambda x: x,
    },
    "relu_backward": {
        "kink to the right": lambda y, dout: np.where(y < 0, 0, dout),
        "NaN blocked": lambda y, dout: np.where(y > 0, dout, 0),
        "a product": lambda y, dout: dout * ~(y <= 0),
        "the other side": lambda y, dout: np.where(y <= 0, dout, 0),
    },
    "leaky_relu_forward": {
        "no slope": lambda x, slope: np.where(x < 0, 0, x),
        "the other side": lambda x, slope: np.where(x < 0, x, slope * x),
    },
    "leaky_relu_backward": {
        "no slope": lambda y, dout, slope: np.where(y <= 0, 0, dout),
        "kink to the right": lambda y, dout, slope: np.where(y < 0, slope * dout, dout),
    },
    "sigmoid_forward": {
        "wrong sign": lambda x: reference.sigmoid_forward(-x),
        "by way of tanh, inexact at the end": lambda x: (1 + np.tanh(x / 2)) / 2,
    },
    "sigmoid_backward": {
        "no y": lambda y, dout: dout * (1 - y),
        "no 1 - y": lambda y, dout: dout * y,
        "1 + y": lambda y, dout: dout * y * (1 + y),
    },
    "tanh_forward": {
        "inexact near 0": lambda x: 2 * reference.sigmoid_forward(2 * x) - 1,
        "half the argument": lambda x: np.tanh(x / 2),
    },
    "tanh_backward": {
        "no square": lambda y, dout: dout * (1 - y),
        "1 + y^2": lambda y, dout: dout * (1 + y * y),
    },
    "gelu_forward": {
        "by way of tanh": gelu_by_tanh,
        "inexact on the left": gelu_that_cancels,
        "the distribution alone": lambda x: reference.gelu_forward(x) / x,
        "NaN at -inf": lambda x: x * (reference.gelu_forward(x) / x),
    },
    "gelu_backward": {
        "no density": lambda x, dout: dout * (reference.gelu_forward(x) / x),
        "the other side": lambda x, dout: reference.gelu_backward(-x, dout),
        "density unscaled": lambda x, dout: (
            reference.gelu_backward(x, dout) + dout * x * np.exp(-x * x / 2)
        ),
    },
    "silu_forward": {
        "the logistic function": reference.sigmoid_forward,
        "the other side": lambda x: reference.silu_forward(-x),
        "NaN at -inf": lambda x: x * reference.sigmoid_forward(x),
    },
    "silu_backward": {
        "no product rule": lambda x, dout: dout * reference.sigmoid_forward(x),
        "of the logistic function": lambda x, dout: reference.sigmoid_backward(
            reference.sigmoid_forward(x), dout
        ),
        "for the output": lambda x, dout: reference.silu_backward(reference.silu_forward(x), dout),
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
    "mean_squared_error": {
        "no 2": loss_with(reference.mean_squared_error, 0.5),
        "wrong sign": loss_with(reference.mean_squared_error, -1),
    },
    "sum_squared_error": {
        "a 2": loss_with(reference.sum_squared_error, 2),
        "wrong sign": loss_with(reference.sum_squared_error, -1),
    },
    "sigmoid_cross_entropy": {
        "wrong sign": loss_with(reference.sigmoid_cross_entropy, -1),
        "overflow": naive_sigmoid,
        "a mean over outputs": mean_over_outputs,
        "targets the other way round": loss_with(
            reference.sigmoid_cross_entropy, t=lambda t: 1 - t
        ),
    },
    "mean_absolute_error": {
        "wrong sign": loss_with(reference.mean_absolute_error, -1),
        "kink to the right": kinks_to_the_right(reference.mean_absolute_error),
    },
    "huber_loss": {
        "wrong sign": loss_with(reference.huber_loss, -1),
        "no delta": loss_with(reference.huber_loss, delta=lambda delta: 1.0),
        "squares everywhere": loss_with(reference.huber_loss, delta=lambda delta: 1e9),
    },
    "poisson_loss": {
        "wrong sign": loss_with(reference.poisson_loss, -1),
        "the next count": loss_with(reference.poisson_loss, t=lambda t: t + 1),
    },
    "quantile_loss": {
        "wrong sign": loss_with(reference.quantile_loss, -1),
        "the other tail": loss_with(reference.quantile_loss, q=lambda q: 1 - q),
        "the median": loss_with(reference.quantile_loss, q=lambda q: 0.5),
        "kink to the right": kinks_to_the_right(reference.quantile_loss, 0.5),
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
    "sgd_update": {
        "uphill": lambda dW, lr, weight_decay, W: W + lr * (dW - weight_decay * W),
        "no rate": lambda dW, lr, weight_decay, W: W - dW,
        "no decay": lambda dW, lr, weight_decay, W: W - lr * dW,
        "away from 0": lambda dW, lr, weight_decay, W: W - lr * (dW - weight_decay * W),
        "decay without the rate": lambda dW, lr, weight_decay, W: W - lr * dW - weight_decay * W,
    },
    "momentum_update": {"uphill": momentum_with(sign=1), "old velocity": momentum_with(late=True)},
    "adagrad_update": {
        "eps in the root": adagrad_with(eps_inside=True),
        "old sum": adagrad_with(late=True),
    },
    "adam_update": {
        "eps in the root": adam_with(eps_inside=True),
        "no correction": adam_with(correct=False),
        "step counted from 0": adam_with(step_off=-1),
        "step counted from 2": adam_with(step_off=1),
        "1 - beta in float32": adam_with(single=True),
    },
    "nesterov_update": {
        "old velocity": nesterov_with(old=True),
        "heavy ball": nesterov_with(plain=True),
    },
    "rmsprop_update": {
        "eps in the root": rmsprop_with(eps_inside=True),
        "old mean": rmsprop_with(late=True),
        "a sum": rmsprop_with(sum_up=True),
    },
    "adamw_update": {
        "coupled": adamw_with(coupled=True),
        "rate twice": adamw_with(once_more=True),
        "no rate": adamw_with(no_rate=True),
        "after the step": adamw_with(late=True),
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
}


MUTANTS |= {
    kernel.key: MUTANTS[kernel.name] | weighted_with(getattr(reference, kernel.name))
    for kernel in KERNELS.values()
    if kernel.key == f"{kernel.name} with weights"
}
