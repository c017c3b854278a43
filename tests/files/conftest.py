"""A network and its model file."""

import pytest

import affinet as an


@pytest.fixture
def net():
    return an.Sequential(
        an.Affine.init(3, 4, rng=0), an.ReLU(), an.Dropout(0.25), an.Affine.init(4, 2, rng=1),
        loss=an.SoftmaxWithLoss(), input_scale=1 / 255,
    )  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.npz"


@pytest.fixture
def saved(net, path):
    net.save(path)
    return path
