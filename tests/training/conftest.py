"""Networks and data to train on."""

import numpy as np
import pytest

import affinet as an


def build(dtype=np.float64, loss=None, dropout=None):
    """4 -> 6 -> ReLU [-> Dropout] -> 3."""
    middle = [] if dropout is None else [an.Dropout(dropout, rng=9)]
    return an.Sequential(
        an.Affine.init(4, 6, rng=1, dtype=dtype),
        an.ReLU(),
        *middle,
        an.Affine.init(6, 3, rng=2, dtype=dtype),
        loss=an.SoftmaxWithLoss() if loss is None else loss,
    )


class Recorder:
    """A first layer that passes everything through and records its batches in training."""

    def __init__(self):
        self.batches = []

    def forward(self, x, train=True):
        if train:
            self.batches.append(np.array(x))
        return x

    def backward(self, dout):
        return dout


@pytest.fixture
def make_net():
    return build


@pytest.fixture
def net():
    return build()


@pytest.fixture
def data():
    """23 rows: with batches of 5 the last one is smaller."""
    rng = np.random.default_rng(6)
    x = rng.standard_normal((23, 4))
    return x, (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)


@pytest.fixture
def recording():
    """A network that records its batches, the recorder, and data whose rows are their numbers."""
    recorder = Recorder()
    net = an.Sequential(
        recorder, an.Affine.init(1, 2, rng=0, dtype="float64"), loss=an.SoftmaxWithLoss()
    )
    x = np.arange(23.0)[:, np.newaxis]
    return net, recorder, (x, np.arange(23) % 2)


@pytest.fixture(params=["fused", "layer by layer"])
def kind(request, monkeypatch):
    """Both kinds of training step."""
    if request.param != "fused":
        monkeypatch.setattr("affinet.training.step.can_fuse", lambda *_: False)
    return request.param
