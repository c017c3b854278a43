"""Every loss, and batches for it."""

from functools import partial

import numpy as np
import pytest

import affinet as an
from affinet import reference
from array_forms import draw

ELEMENTWISE = {
    "MeanSquaredError": (an.MeanSquaredError, reference.mean_squared_error),
    "SumSquaredError": (an.SumSquaredError, reference.sum_squared_error),
    "SigmoidWithLoss": (an.SigmoidWithLoss, reference.sigmoid_cross_entropy),
    "MeanAbsoluteError": (an.MeanAbsoluteError, reference.mean_absolute_error),
    "Huber": (partial(an.Huber, 0.7), partial(reference.huber_loss, delta=0.7)),
    "Poisson": (an.Poisson, reference.poisson_loss),
    "Quantile": (partial(an.Quantile, 0.3), partial(reference.quantile_loss, q=0.3)),
}
LOSSES = {
    "SoftmaxWithLoss": an.SoftmaxWithLoss,
    "smoothed": partial(an.SoftmaxWithLoss, label_smoothing=0.1),
} | {k: v[0] for k, v in ELEMENTWISE.items()}
every_elementwise = pytest.mark.parametrize(
    ("make", "expected"), ELEMENTWISE.values(), ids=ELEMENTWISE
)
every_loss = pytest.mark.parametrize("make", LOSSES.values(), ids=LOSSES)


def double(a):
    return np.array(a, np.float64, order="C")


def in_range(loss, t):
    """Targets as the loss takes them, of the dtype of t."""
    if isinstance(loss, an.SigmoidWithLoss):
        return (t > 0).astype(t.dtype)
    return np.abs(t) if isinstance(loss, an.Poisson) else t


def softmax_scales(x, weights):
    """Sizes of the terms of the loss and of dx, for targets as rows of weights."""
    z = x - x.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(z).sum(axis=1, keepdims=True))
    y = np.exp(z - log_sum)
    loss = np.sum(abs(weights) * (abs(log_sum) + abs(z) + abs(x)), axis=1).mean()
    return loss, (y * abs(weights).sum(axis=1, keepdims=True) + abs(weights)) / len(x)


def batch(make):
    """x and t that the loss takes."""
    x = draw("float64", (4, 3))
    loss = make()
    if isinstance(loss, an.SoftmaxWithLoss):
        return x, np.array([0, 2, 1, 1])
    return x, in_range(loss, draw("float64", (4, 3), 1))
