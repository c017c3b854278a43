"""Every optimizer in every setting, as the tests of optimizers go through them."""

from functools import partial

import numpy as np
import pytest

from parts.optimizers import SETTINGS

OPTIMIZERS = {name: partial(make, 0.1) for name, make in SETTINGS.items()}
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
