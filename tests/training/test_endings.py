"""How a training ends: normally, by a callback, by an error, by Ctrl-C."""

import numpy as np
import pytest

import affinet as an


def test_stop_training_ends_it_normally(net, data):
    later = []

    def stop(state):
        if state.epoch == 2:
            raise an.StopTraining

    history = net.fit(*data, epochs=9, batch_size=5, callbacks=[stop, later.append])
    assert [e["epoch"] for e in history.epochs] == [1, 2]
    assert history.steps == 10
    assert history.stopped_by == "stop"
    assert history is net.history
    assert len(later) == 1


def test_the_record_says_how_an_ordinary_training_ended(net, data):
    assert net.fit(*data, epochs=2).stopped_by == "epochs"
    assert net.fit(*data, steps=2).stopped_by == "steps"
    seen = []
    net.fit(*data, epochs=1, callbacks=[lambda state: seen.append(state.history.stopped_by)])
    assert seen == [None]


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_other_exceptions_pass_and_leave_everything_usable(net, data, error):
    def fail(state):
        if state.epoch == 2:
            raise error("from the callback")

    with pytest.raises(error, match="from the callback"):
        net.fit(*data, epochs=9, batch_size=5, callbacks=[fail])
    assert [e["epoch"] for e in net.history.epochs] == [1, 2]
    assert net.history.steps == 10
    assert net.history.stopped_by == error.__name__
    assert np.isfinite(net.predict(data[0])).all()
    assert len(net.fit(*data, epochs=1).epochs) == 1
    assert len(net.history.epochs) == 1


class Interrupting:
    """A layer that raises in the n-th forward or backward of the training."""

    def __init__(self, n, where):
        self.left, self.where = n, where

    def count(self, where):
        if where == self.where:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt

    def forward(self, x, train=True):
        if train:
            self.count("forward")
        return x

    def backward(self, dout):
        self.count("backward")
        return dout


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_an_interrupted_step_changes_no_parameter_and_history_keeps_whole_epochs(data, where):
    def build(n):
        return an.Sequential(
            an.Affine.init(4, 3, rng=0, dtype="float64"), Interrupting(n, where),
            loss=an.SoftmaxWithLoss(),
        )  # fmt: skip

    net, twin = build(8), build(-1)
    with pytest.raises(KeyboardInterrupt):
        net.fit(*data, epochs=9, batch_size=5)  # five steps an epoch
    twin.fit(*data, steps=7, batch_size=5)
    np.testing.assert_array_equal(net.params.flat, twin.params.flat)
    assert [e["epoch"] for e in net.history.epochs] == [1]
    assert net.history.steps == 7
    net.fit(*data, epochs=1)
    assert len(net.history.epochs) == 1
