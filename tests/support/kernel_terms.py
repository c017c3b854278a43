"""Sizes of the terms that a kernel's results are sums of; they bound the rounding.

For each result: (number of terms, sum of their absolute values).
"""

from types import SimpleNamespace

import numpy as np

from affinet import reference
from affinet.reference._columns import divided, joined


def double_terms(a, count):
    """Terms of a sum in double precision, which adds no rounding in float32."""
    return count if a.dtype == np.float64 else 1


def affine_terms(a):
    return {"out": (len(a.W) + 1, abs(a.x) @ abs(a.W) + abs(a.b))}


def value_terms(terms):
    """Of an activation, from ``terms(x, out)``."""
    return terms and (lambda a: {"out": (1, terms(a.x, a.out))})


def slope_terms(terms, kept):
    """Of an activation's backward, from ``terms`` of what it keeps."""
    return terms and (lambda a: {"dx": (1, abs(a.dout) * terms(getattr(a, kept)))})


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


def scale_backward_terms(a):
    return {"ds": (double_terms(a, a.B), np.sum(abs(a.x * a.dout), axis=0))}


def parametric_terms(a):
    step = abs(a.x) + abs(a.step + a.x)
    return {"out": (2, abs(a.x) + abs(a.a) * step), "step": (1, step)}


def parametric_backward_terms(a):
    """Slopes are at most 1.1, and their errors absolute ones."""
    size = abs(a.dout) * (1 + 2.1 * abs(a.a))
    return {"dx": (2, size), "da": (double_terms(a, a.B), np.sum(abs(a.step), axis=0))}


def wave_size(a):
    """Of each wave (B, P, L) 1 and its angle: the angle's rounding is an error of the wave."""
    size = 1 + 2 * np.pi * abs(a.x[:, a.columns, np.newaxis] * a.w)
    return np.tile(size, 2) if a.sines else size + abs(a.b)


def periodic_terms(a):
    values = abs(a.c) + np.einsum("bpl,pml->bpm", wave_size(a), abs(a.V))
    pieces = {
        column: np.concatenate([abs(a.x[:, [column]])] * a.with_x + [values[:, p]], axis=1)
        for p, column in enumerate(a.columns)
    }
    return {"out": (a.L + 1, joined(abs(a.x), pieces))}


def periodic_backward_terms(a):
    dx, pieces = divided(a.x, abs(a.dout), a.columns, a.M + a.with_x)
    dz, waves = pieces[:, :, int(a.with_x) :], wave_size(a)
    if a.rectified:
        outputs = divided(a.x, a.y, a.columns, a.M + a.with_x)[1][:, :, int(a.with_x) :]
        dz = np.where(outputs <= 0, 0, dz)
    slope = np.einsum("bpm,pml->bpl", dz, abs(a.V)) * waves
    if a.sines:
        slope = slope[:, :, : a.K] + slope[:, :, a.K :]
    dx[:, a.columns] = 2 * np.pi * np.sum(slope * abs(a.w), axis=2)
    if a.with_x:
        dx[:, a.columns] += pieces[:, :, 0]
    dw = 2 * np.pi * np.einsum("bpk,bp->pk", slope, abs(a.x[:, a.columns]))
    rows = a.B + a.M
    return {
        "dx": (a.K + a.M, dx),
        "dw": (rows, dw),
        "db": (rows, np.sum(slope, axis=0)),
        "dV": (rows, np.einsum("bpm,bpl->pml", dz, waves)),
        "dc": (rows, np.sum(dz, axis=0)),
    }


def member_scale_terms(a):
    return {"out": (2, reference.member_scale_forward(abs(a.x), abs(a.s), abs(a.b)))}


def member_scale_backward_terms(a):
    _, ds, db = reference.member_scale_backward(abs(a.x), abs(a.dout), abs(a.s))
    rows = double_terms(a, a.r)
    return {"ds": (rows, ds), "db": (rows, db)}


def member_affine_terms(a):
    return {"out": (a.I + 1, reference.member_affine_forward(abs(a.x), abs(a.W), abs(a.b)))}


def member_affine_backward_terms(a):
    dx, dW, db = reference.member_affine_backward(abs(a.x), abs(a.dout), abs(a.W))
    return {"dx": (a.O, dx), "dW": (a.r, dW), "db": (a.r, db)}


def piecewise_terms(a):
    """A share of a bin is a difference of exact numbers, so its rounding is relative."""
    pieces = {}
    for p, column in enumerate(a.columns):
        x, edges = a.x[:, column], a.edges[p]
        s = np.sum(x[:, np.newaxis] >= edges[1 : a.counts[p]], axis=1)
        share = abs(x - edges[s]) / (edges[s + 1] - edges[s])
        size = abs(x[:, np.newaxis] * a.w[p]) + abs(a.b[p]) + share[:, np.newaxis] * abs(a.W[p, s])
        for t in range(a.counts[p]):
            size = size + np.where((s > t)[:, np.newaxis], abs(a.W[p, t]), 0)
        pieces[column] = size
    return {"out": (a.T + 3, joined(abs(a.x), pieces))}


def piecewise_backward_terms(a):
    dx, pieces = divided(a.x, abs(a.dout), a.columns, a.D)
    dW = np.zeros(a.W.shape)
    for p, column in enumerate(a.columns):
        x, edges, g = a.x[:, column], a.edges[p], pieces[:, p]
        s = np.sum(x[:, np.newaxis] >= edges[1 : a.counts[p]], axis=1)
        width = edges[s + 1] - edges[s]
        share = abs(x - edges[s]) / width
        dx[:, column] = np.sum((abs(a.w[p]) + abs(a.W[p, s]) / width[:, np.newaxis]) * g, axis=1)
        for t in range(a.counts[p]):
            weights = np.where(s > t, 1, np.where(s == t, share, 0))
            dW[p, t] = np.sum(
                np.where(weights[:, np.newaxis] == 0, 0, weights[:, np.newaxis] * g), 0
            )
    dw = np.sum(abs(a.x[:, a.columns, np.newaxis]) * pieces, axis=0)
    rows = a.B + 3
    return {
        "dx": (a.D + 4, dx),
        "dw": (rows, dw),
        "db": (rows, np.sum(pieces, axis=0)),
        "dW": (rows, dW),
    }


def embedding_backward_terms(a):
    _, dE = reference.embedding_backward(a.x, abs(a.dout), a.columns, a.firsts, a.dE)
    return {"dE": (a.B, dE)}


def running_terms(a):
    size = abs((1 - a.momentum) * a.running_mean_before) + abs(a.momentum * a.mean)
    return {"running_mean": (1, size)}


def blend_terms(a):
    return {"mean": (2, abs(a.mean_before) + abs(a.tau) * (abs(a.x) + abs(a.mean_before)))}


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


def gaussian_size(a):
    """(|m| + |t|) and (|m| + |t|)^2, each times what exp(-s) is and makes of its errors."""
    s = a.y[:, 1::2]
    e = np.where(np.isposinf(s), 0, np.exp(-s) * (1 + abs(s)))
    far = abs(a.y[:, ::2]) + abs(a.t[:, ::2])
    return far * e, far * far * e


def interleaved(first, second):
    return np.stack([first, second], axis=2).reshape(len(first), -1)


def gaussian_terms(a):
    a.O = a.P  # columns of pairs
    return elementwise_loss_terms(
        lambda a: interleaved(gaussian_size(a)[1], abs(a.y[:, 1::2])),
        lambda a: interleaved(2 * gaussian_size(a)[0], 1 + gaussian_size(a)[1]) / a.P,
    )(a)


def increasing_terms(a):
    size = abs(reference.increasing_forward(np.where(a.x < 0, 0, a.x), a.n))
    return {"out": (a.n + 2, size + np.repeat(abs(a.x[:, :: a.n]), a.n, axis=1))}


def increasing_backward_terms(a):
    return {"dx": (a.n + 2, reference.increasing_backward(a.x, abs(a.dout), a.n))}


def sgd_terms(a):
    return {"W": (2, abs(a.W_before) * (1 + a.lr * a.weight_decay) + abs(a.lr * a.dW))}


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


def scikit_learn_adam_terms(a):
    eps = a.eps / np.sqrt(1 - a.beta2**a.step)
    return adam_terms(SimpleNamespace(**(vars(a) | {"eps": eps})))


def adamw_terms(a):
    terms = adam_terms(a)
    reduction, scale = terms["W"]
    return terms | {"W": (reduction, scale + abs(a.lr * a.weight_decay * a.W_before))}


def muon_terms(a):
    """The iterations amplify an error of the matrix by 3.4445^5 at most, the slope at 0.

    The columns and the rows of the matrix are no longer than 1.3, so are all products.
    """
    longest = a.I + a.O
    step = a.lr * np.sqrt(max(1, a.O / max(a.I, 1))) * 3.4445**5
    return {
        "v": (2, abs(a.momentum * a.v_before) + abs(a.dW)),
        "W": (longest, abs(a.W_before) * (1 + a.lr * a.weight_decay) + step),
    }


def l2_terms(a):
    return {
        "loss": (double_terms(a, a.n), None),
        "dW": (1, abs(a.dW_before) + abs(a.scale * a.W)),
    }


def clip_terms(a):
    return {"loss": (double_terms(a, a.n), None), "out": (double_terms(a, a.n), None)}
