"""Every optimizer, and gradients for it."""

import numpy as np
import pytest

import affinet as an

OPTIMIZERS = {
    "SGD": lambda: an.SGD(0.1),
    "Momentum": lambda: an.Momentum(0.1, 0.8),
    "AdaGrad": lambda: an.AdaGrad(0.1),
    "Adam": lambda: an.Adam(0.1, 0.8, 0.95, 1e-6),
    "SGD with weight decay": lambda: an.SGD(0.1, 0.3),
    "Nesterov": lambda: an.Nesterov(0.1, 0.8),
    "RMSprop": lambda: an.RMSprop(0.1, 0.8, 1e-6),
    "AdamW": lambda: an.AdamW(0.1, 0.8, 0.95, 1e-6, 0.2),
}
every_optimizer = pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
with_memory = pytest.mark.parametrize(
    "make", [make for make in OPTIMIZERS.values() if make().n_averages > 0]
)


def updated(make, n, W=None, dW=1.0):
    """An optimizer, and an array after n updates by it."""
    W, optimizer = np.ones(2) if W is None else W, make()
    for _ in range(n):
        optimizer.update(W, np.full(W.shape, dW))
    return optimizer, W
