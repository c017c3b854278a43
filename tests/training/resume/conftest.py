"""Data, and a place for a checkpoint."""

import numpy as np
import pytest

from interrupted_training import ROWS


@pytest.fixture
def data():
    rng = np.random.default_rng(6)
    x = rng.standard_normal((ROWS, 4))
    return x, (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "c.npz"
