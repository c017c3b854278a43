"""Networks to train at once, and each with its own fit."""

import threading

import numpy as np

import affinet as an

N = 6  # networks


class OwnReLU(an.ReLU):
    """A custom layer, with which a network trains layer by layer."""


class OwnLoss(an.SoftmaxWithLoss):
    """A custom loss: the step is computed layer by layer."""


def build(seed, width=5, dtype="float64", relu=an.ReLU, loss=None):
    """4 -> width -> ReLU -> Dropout -> 3."""
    return an.Sequential(
        an.Affine.init(4, width, rng=seed, dtype=dtype),
        relu(),
        an.Dropout(0.3, rng=9),
        an.Affine.init(width, 3, rng=seed + 100, dtype=dtype),
        loss=an.SoftmaxWithLoss() if loss is None else loss,
    )


def crowd():
    """Networks of different shapes, dtypes and kinds of step."""
    return [
        build(0),
        build(1, width=9),
        build(2, dtype="float32"),
        build(3, relu=OwnReLU),
        build(4, width=1, loss=OwnLoss()),
        build(5, relu=an.Tanh),
    ]


def data(n=61):
    rng = np.random.default_rng(6)
    x = rng.standard_normal((n, 4))
    return x, (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)


def record(history):
    """A history without what differs from run to run."""
    content = history.to_dict()
    del content["threads"]
    for epoch in content["epochs"]:
        assert epoch.pop("seconds") >= 0
    return content


def require_same(many, own):
    """Parameters, buffers and histories are equal to the bit."""
    for one, other in zip(many, own, strict=True):
        arrays = other._arrays()
        for name, array in one._arrays().items():
            assert array.tobytes() == arrays[name].tobytes(), name
        assert str(record(one.history)) == str(record(other.history))  # NaN is not NaN


class Counter:
    """A stateless callback that counts its calls in all threads."""

    def __init__(self):
        self.calls, self.lock = 0, threading.Lock()

    def __call__(self, state):
        with self.lock:
            self.calls += 1
