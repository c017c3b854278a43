"""Members of ensembles, of different inner shapes."""

import numpy as np
import pytest

import affinet as an


@pytest.fixture
def made():
    """A function that makes members with 4 inputs for a loss, of hidden widths 3, 4, ..."""

    def make(loss=an.SoftmaxWithLoss, n=3, n_outputs=3, dtype="float32"):
        rng = np.random.default_rng(0)
        nets = []
        for width in range(3, 3 + n):
            last = an.Affine.init(width, n_outputs, rng=rng, dtype=dtype)
            last.b = rng.standard_normal(n_outputs).astype(dtype)
            first = an.Affine.init(4, width, rng=rng, dtype=dtype)
            nets.append(an.Sequential(first, an.Tanh(), last, loss=loss and loss()))
        return nets

    return make


@pytest.fixture
def x():
    return np.random.default_rng(1).standard_normal((7, 4)).astype("float32")
