"""A small training, interrupted after any step, with a checkpoint of it."""

import json

import numpy as np
import pytest

import affinet as an
from affinet import archive

KINDS = ("fused", "layer by layer")
ROWS, BATCH, EPOCHS = 23, 5, 3


class Interruption(Exception):  # noqa: N818 - not an error
    pass


def build(*, seed=1, width=6, dropout=0.4, dtype="float64", last=3, middle=()):
    return an.Sequential(
        an.Affine.init(4, width, rng=seed, dtype=dtype),
        an.ReLU(),
        *middle,
        an.Dropout(dropout, rng=9),
        an.Affine.init(width, last, rng=2, dtype=dtype),
        loss=an.SoftmaxWithLoss(),
    )


def train(data, *, net=None, optimizer=None, **options):
    """A training of three epochs; the network, the optimizer and the record."""
    net = build() if net is None else net
    optimizer = an.Adam(0.05) if optimizer is None else optimizer
    history = net.fit(
        *data, optimizer=optimizer, **{"epochs": EPOCHS, "batch_size": BATCH, "seed": 3} | options
    )
    return net, optimizer, history


def interrupt_after(step):
    """A callback that ends the training by an exception."""

    def interrupt(state):
        if state.step == step:
            raise Interruption

    interrupt.comes_last = True  # after the checkpoint of this very step
    return an.every_steps(1, interrupt)


def interrupted(data, path, step, *, every=1, callbacks=(), **options):
    """Train with a checkpoint every ``every`` steps, up to an interruption after ``step``."""
    callbacks = [*callbacks, an.Checkpoint(path, every_steps=every), interrupt_after(step)]
    with pytest.raises(Interruption):
        train(data, callbacks=callbacks, **options)


def record(history):
    """A record without what differs from run to run."""
    content = history.to_dict()
    for epoch in content["epochs"]:
        assert epoch.pop("seconds") > 0
    return content


def assert_same(one, two):
    np.testing.assert_array_equal(one[0].params.flat, two[0].params.flat)
    for a, b in zip(one[0]._arrays().items(), two[0]._arrays().items(), strict=True):
        np.testing.assert_array_equal(a[1], b[1], err_msg=a[0])
    if isinstance(one[1], an.Optimizer):
        states = [optimizer.state_of(net.params.flat) for net, optimizer, _ in (one, two)]
        assert states[0].step == states[1].step
        for a, b in zip(states[0].averages, states[1].averages, strict=True):
            np.testing.assert_array_equal(a, b)
    assert one[1].lr == two[1].lr
    assert record(one[2]) == record(two[2])


def archive_epochs(path):
    description, _ = archive.read_archive(path, "affinet checkpoint", 1)
    return len(description["history"]["epochs"])


def refused(data, match, error=ValueError, **options):
    net = options.pop("net", None) or build(seed=5)
    optimizer = options.pop("optimizer", None) or an.Adam(0.123)
    net.fit(*data, epochs=1, optimizer=optimizer)
    before, history = net.params.flat.copy(), net.history
    is_own = isinstance(optimizer, an.Optimizer)
    state = optimizer.state_of(net.params.flat).copy() if is_own else None
    with pytest.raises(error, match=match) as caught:
        train(data, net=net, optimizer=optimizer, **options)
    np.testing.assert_array_equal(net.params.flat, before)
    assert net.history is history
    if is_own:
        assert optimizer.lr == 0.123
        assert optimizer.state_of(net.params.flat).step == state.step
        for a, b in zip(optimizer.state_of(net.params.flat).averages, state.averages, strict=True):
            np.testing.assert_array_equal(a, b)
    net.predict(data[0])
    return str(caught.value)


def content_of(path):
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    return json.loads(str(arrays.pop("description"))), arrays


def rewrite(path, description, arrays):
    np.savez(path, description=np.array(json.dumps(description)), **arrays)
