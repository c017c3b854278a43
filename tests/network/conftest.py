"""A small network and data for it."""

import numpy as np
import pytest

import affinet as an


def build(dtype=np.float64, **options):
    """3 -> 5 -> ReLU -> 4 -> Tanh -> 2, with a softmax loss unless told otherwise."""
    return an.Sequential(
        an.Affine.init(3, 5, rng=1, dtype=dtype),
        an.ReLU(),
        an.Affine.init(5, 4, rng=2, dtype=dtype),
        an.Tanh(),
        an.Affine.init(4, 2, rng=3, dtype=dtype),
        **{"loss": an.SoftmaxWithLoss()} | options,
    )


@pytest.fixture
def make_net():
    return build


@pytest.fixture
def net():
    return build()


@pytest.fixture
def data():
    rng = np.random.default_rng(4)
    return rng.standard_normal((6, 3)), rng.integers(0, 2, 6)
