"""Every loss in every setting, as the tests of losses go through them."""

from functools import partial

import numpy as np
import pytest

from parts.losses import LOSSES as ROWS
from parts.losses import SETTINGS, by_reference, row_of

ELEMENTWISE = {
    name: (row.make, partial(by_reference, row.make())) for name, row in ROWS.items() if row.first
}
LOSSES = {name: make for name, (make, _) in SETTINGS.items()}
every_elementwise = pytest.mark.parametrize(
    ("make", "expected"), ELEMENTWISE.values(), ids=ELEMENTWISE
)
every_loss = pytest.mark.parametrize("make", LOSSES.values(), ids=LOSSES)


def double(a):
    return np.array(a, np.float64, order="C")


def in_range(loss, t):
    """Targets as the loss takes them, of the dtype of t."""
    return row_of(loss).targets(t)


def softmax_scales(x, weights):
    """Sizes of the terms of the loss and of dx, for targets as rows of weights."""
    z = x - x.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(z).sum(axis=1, keepdims=True))
    y = np.exp(z - log_sum)
    loss = np.sum(abs(weights) * (abs(log_sum) + abs(z) + abs(x)), axis=1).mean()
    return loss, (y * abs(weights).sum(axis=1, keepdims=True) + abs(weights)) / len(x)
