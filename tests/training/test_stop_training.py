"""StopTraining ends the training normally wherever a part of the user's raises it."""

import math
import signal

import numpy as np
import pytest

import affinet as an
from affinet.training.team import noting_interrupts

TEXT = "enough"


class Stop:
    """A callback with a method that raises."""

    def __init__(self, where):
        self.calls = []
        setattr(self, where, self.stop)

    def __call__(self, state):
        self.calls.append(state.epoch)

    def stop(self, *_):
        raise an.StopTraining(TEXT)


class Follower:
    """A callback that records what is called."""

    def __init__(self):
        self.calls = []

    def begin(self, state):
        self.calls.append("begin")

    def __call__(self, state):
        self.calls.append(state.epoch)

    def end(self, state):
        self.calls.append("end")
        self.stopped_by = state.history.stopped_by


def test_begin_makes_no_step_and_every_callback_begins_and_ends(kind, net, data):
    before, follower = net.params.flat.copy(), Follower()
    history = net.fit(*data, epochs=3, callbacks=[Stop("begin"), follower])
    assert history.stopped_by == "Stop: enough"
    assert (history.steps, history.epochs, history.step_kind) == (0, [], kind)
    assert follower.calls == ["begin", "end"]
    np.testing.assert_array_equal(net.params.flat, before)
    assert net.history is history
    net.fit(*data, epochs=1)


def test_begin_of_a_training_that_resumes(net, make_net, data, tmp_path):
    file = tmp_path / "part.npz"
    net.fit(*data, epochs=2, callbacks=[an.Checkpoint(file)])
    twin = make_net()
    history = twin.fit(*data, epochs=4, resume=file, callbacks=[Stop("begin")])
    assert (history.stopped_by, len(history.epochs)) == ("Stop: enough", 2)
    np.testing.assert_array_equal(twin.params.flat, net.params.flat)


def test_end_is_called_of_the_others_too(kind, net, data):
    follower = Follower()
    history = net.fit(*data, epochs=2, callbacks=[Stop("end"), follower])
    assert follower.calls == ["begin", 1, 2, "end"]
    assert history.stopped_by == "epochs"  # which had ended it


def test_early_stopping_restores_though_another_end_stops(net, data):
    stop = an.EarlyStopping("val_loss", patience=1)
    history = net.fit(
        *data, epochs=50, optimizer=an.SGD(30.0), validation_data=data,
        callbacks=[Stop("end"), stop],
    )  # fmt: skip
    assert net.evaluate(*data)["loss"] == min(history["val_loss"])


def test_a_metric_ends_it_after_the_epoch_whose_record_is_whole(kind, net, data):
    calls = []

    def count(y, t):
        calls.append(len(y))
        if len(calls) == 2:
            raise an.StopTraining(TEXT)
        return 5.0

    follower = Follower()
    history = net.fit(
        *data, epochs=9, validation_data=data, metrics=[count, "accuracy"], callbacks=[follower]
    )
    assert history.stopped_by == follower.stopped_by == "count: enough"
    assert [len(epoch) for epoch in history.epochs] == [len(history.epochs[0])] * 2
    assert history["val_count"][0] == 5.0
    assert math.isnan(history["val_count"][1])
    assert history["val_accuracy"][1] > 0
    assert follower.calls == ["begin", 1, "end"]


@pytest.mark.parametrize(("last", "epochs"), [(0, 0), (3, 1), (5, 1), (7, 2)])
def test_a_schedule_ends_it_before_the_update_that_it_was_asked_for(
    kind, make_net, data, last, epochs
):
    """With 5 updates an epoch."""

    def rule(progress):
        if progress.step == last:
            raise an.StopTraining(TEXT)
        return 0.1

    net, twin, sgd = make_net(), make_net(), an.SGD(0.3)
    history = net.fit(*data, epochs=4, batch_size=5, optimizer=sgd, schedule=rule)
    assert history.stopped_by == "rule: enough"
    assert (history.steps, len(history.epochs)) == (last, epochs)
    if last:
        reference = twin.fit(*data, steps=last, batch_size=5, optimizer=an.SGD(0.1))
        assert history["loss"] == reference["loss"]
    np.testing.assert_array_equal(net.params.flat, twin.params.flat)


@pytest.mark.parametrize("where", ["begin", "observe"])
def test_a_schedules_other_methods(kind, net, data, where):
    class Rule(an.schedules.Constant):
        def __init__(self):
            super().__init__(0.1)
            setattr(self, where, self.stop)

        def stop(self, *_):
            raise an.StopTraining

    follower = Follower()
    history = net.fit(*data, epochs=3, schedule=Rule(), callbacks=[follower])
    assert history.stopped_by == "Rule"
    assert len(history.epochs) == (where == "observe")
    assert follower.calls == ["begin", "end"]


def test_a_whole_schedule_that_stops_makes_no_further_epoch(net, data):
    class Two(an.schedules.Constant):
        def rates(self, progress, n):
            if progress.epoch == 2:
                raise an.StopTraining("two epochs")
            return super().rates(progress, n)

    history = net.fit(*data, epochs=9, schedule=Two(0.1))
    assert (history.stopped_by, len(history.epochs)) == ("Two: two epochs", 2)


def test_a_layer_or_loss_ends_it_too(data):
    class Layer:
        calls = 0

        def forward(self, x, train=True):
            self.calls += train
            if self.calls > 7:
                raise an.StopTraining(TEXT)
            return x

        def backward(self, dout):
            return dout

    net = an.Sequential(Layer(), an.Affine.init(4, 3, rng=0), loss=an.SoftmaxWithLoss())
    follower = Follower()
    history = net.fit(*data, epochs=9, batch_size=5, callbacks=[follower])
    assert (history.steps, history.stopped_by) == (7, "StopTraining: enough")
    assert len(history.epochs) == 1
    assert follower.calls == ["begin", 1, "end"]


def test_other_exceptions_pass_through(net, data):
    def metric(y, t):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        net.fit(*data, epochs=1, validation_data=data, metrics=[metric])
    assert net.history.stopped_by == "ZeroDivisionError"


def test_an_interrupt_that_is_noted_may_be_raised_at_once():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), noting_interrupts(lambda: True):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
