"""Callbacks: when they are called, what they see, what they may change."""

import copy

import numpy as np
import pytest

import affinet as an


def test_callbacks_see_the_state_at_the_end_of_every_epoch(net, data):
    states, optimizer = [], an.SGD(0.1)
    history = net.fit(
        *data, epochs=3, batch_size=5, optimizer=optimizer, validation_data=data,
        callbacks=[states.append],
    )  # fmt: skip
    assert [s.epoch for s in states] == [1, 2, 3]
    assert [s.step for s in states] == [5, 10, 15]
    for place, state in enumerate(states):
        assert state.net is net
        assert state.optimizer is optimizer
        assert state.history is history
        assert state.metrics == history.epochs[place]
        assert "val_loss" in state.metrics


def test_a_state_cannot_be_rebound(net, data):
    def callback(state):
        state.epoch = 5

    with pytest.raises(AttributeError, match="epoch"):
        net.fit(*data, callbacks=[callback])


def test_callbacks_come_in_order_after_the_record(net, data):
    calls = []

    def first(state):
        calls.append(("first", len(state.history.epochs), state.net.history is state.history))

    net.fit(*data, epochs=1, callbacks=(first, lambda state: calls.append("second")))
    assert calls == [("first", 1, True), "second"]


def test_any_iterable_of_callbacks_serves_every_epoch(net, data):
    calls = []
    net.fit(*data, epochs=3, callbacks=iter([lambda state: calls.append(state.epoch)]))
    assert calls == [1, 2, 3]


def test_the_learning_rate_may_be_changed(net, data):
    seen = []

    def stop_learning(state):
        seen.append(state.net.params.flat.copy())
        state.optimizer.lr = 0.0

    net.fit(*data, epochs=3, optimizer=an.SGD(0.1), callbacks=[stop_learning])
    np.testing.assert_array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(seen[1], seen[2])


def test_the_parameters_may_be_changed(net, data):
    def clip(state):
        np.clip(state.net.params.flat, -0.1, 0.1, out=state.net.params.flat)

    net.fit(*data, epochs=2, callbacks=[clip])
    assert abs(net.params.flat).max() <= 0.1


def test_figures_may_be_added_to_the_record(net, data):
    def norm(state):
        state.metrics["norm"] = float(np.linalg.norm(state.net.params.flat))

    assert len(net.fit(*data, epochs=2, callbacks=[norm])["norm"]) == 2


@pytest.mark.parametrize("k", [1, 2, 3, 5, 7, 100])
def test_after_every_kth_step_of_the_whole_training(kind, net, data, k):
    calls = []
    callback = an.every_steps(k, lambda state: calls.append((state.epoch, state.step)))
    history = net.fit(*data, epochs=3, batch_size=5, callbacks=[callback])
    assert history.step_kind == kind
    assert calls == [((step - 1) // 5 + 1, step) for step in range(k, 16, k)]


def test_an_attribute_does_what_the_wrapper_does(net, data):
    class Note:
        every_steps = 4
        steps = ()

        def __call__(self, state):
            self.steps += (state.step,)

    note = Note()
    net.fit(*data, epochs=2, batch_size=5, callbacks=[note])
    assert note.steps == (4, 8)


def test_callbacks_after_steps_change_nothing_by_themselves(kind, make_net, data):
    plain, watched = make_net(dropout=0.3), make_net(dropout=0.3)
    one = plain.fit(*data, epochs=3, batch_size=5)
    callbacks = [an.every_steps(2, lambda state: None), an.every_steps(3, lambda state: None)]
    two = watched.fit(*data, epochs=3, batch_size=5, callbacks=callbacks)
    np.testing.assert_array_equal(plain.params.flat, watched.params.flat)
    assert one["loss"] == two["loss"]
    assert one["accuracy"] == two["accuracy"]


def test_what_they_see_are_the_figures_of_the_epoch_so_far(kind, make_net, data):
    seen, twin = [], make_net()
    make_net().fit(
        *data, epochs=2, batch_size=5,
        callbacks=[an.every_steps(3, lambda state: seen.append(dict(state.metrics)))],
    )  # fmt: skip
    history = twin.fit(*data, steps=3, batch_size=5)
    assert {name: seen[0][name] for name in ("epoch", "loss", "accuracy")} == {
        name: history.epochs[0][name] for name in ("epoch", "loss", "accuracy")
    }
    assert [figures["epoch"] for figures in seen] == [1, 2, 2]


def test_they_may_change_the_rate_and_the_layers(make_net, data, monkeypatch):
    def change(state):
        state.optimizer.lr /= 2
        state.net.layers[2].p = 0.05 * state.step

    results = []
    for fuse in (True, False):
        if not fuse:
            monkeypatch.setattr("affinet.training.step.can_fuse", lambda *_: False)
        net, sgd = make_net(dropout=0.3), an.SGD(0.4)
        callbacks = [an.every_steps(2, change)]
        net.fit(*data, epochs=2, batch_size=5, optimizer=sgd, callbacks=callbacks)
        assert sgd.lr == 0.4 / 2**5
        results.append(net.params.flat)
    np.testing.assert_array_equal(*results)


def test_one_that_stops_in_an_epoch_closes_it(kind, make_net, data):
    def stop(state):
        if state.step == 7:
            raise an.StopTraining("enough")

    net, later, twin = make_net(), [], make_net()
    history = net.fit(
        *data, epochs=9, batch_size=5, validation_data=data,
        callbacks=[an.every_steps(1, stop), later.append],
    )  # fmt: skip
    same = twin.fit(*data, steps=7, batch_size=5, validation_data=data)
    assert history.stopped_by == "stop: enough"
    assert history.steps == 7
    assert [state.epoch for state in later] == [1]
    for name in set(history.names) - {"seconds"}:
        assert history[name] == same[name]
    np.testing.assert_array_equal(net.params.flat, twin.params.flat)


def test_other_exceptions_pass_after_a_step(net, data):
    def fail(state):
        if state.step == 7:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        net.fit(*data, epochs=9, batch_size=5, callbacks=[an.every_steps(1, fail)])
    assert (net.history.steps, len(net.history.epochs)) == (7, 1)
    assert net.history.stopped_by == "ZeroDivisionError"


class Chooser:
    """Asks for steps of its choice, and for the ends of epochs."""

    only_looks = True

    def __init__(self, wanted, stop=None):
        self.wanted, self.stop = wanted, stop
        self.asked, self.seen, self.epochs = [], [], []

    def next_step(self, step):
        self.asked.append(step)
        return next((later for later in self.wanted if later > step), 10**9)

    def after_step(self, state):
        self.seen.append(state.step)
        if state.step == self.stop:
            raise an.StopTraining("enough")

    def __call__(self, state):
        self.epochs.append(state.step)


def test_steps_of_a_callbacks_own_choice(kind, make_net, data):
    net, plain, chooser = make_net(), make_net(), Chooser([1, 2, 4, 7])
    net.fit(*data, epochs=2, batch_size=5, callbacks=[chooser, an.every_steps(3, lambda _: None)])
    plain.fit(*data, epochs=2, batch_size=5)
    assert chooser.seen == [1, 2, 4, 7]
    assert len(chooser.epochs) == 2
    assert chooser.asked == sorted(chooser.asked)
    np.testing.assert_array_equal(net.params.flat, plain.params.flat)
    stopping = Chooser([3, 4], stop=3)
    history = make_net().fit(*data, epochs=2, batch_size=5, callbacks=[stopping])
    assert history.stopped_by == "Chooser: enough"
    assert (history.steps, stopping.seen) == (3, [3])
    chooser.after_step = None
    with pytest.raises(TypeError, match="next_step wants an after_step"):
        net.fit(*data, callbacks=[chooser])


def test_callbacks_see_the_rows_trained_on(kind, make_net, data):
    found = []
    make_net().fit(*data, epochs=1, callbacks=[lambda state: found.append(state.data)])
    ((x, t),) = found
    np.testing.assert_array_equal(x.reshape(len(x), -1), np.reshape(data[0], (len(x), -1)))
    np.testing.assert_array_equal(t, data[1])


@pytest.mark.parametrize("every", [0, -1, 1.5, True, "2"])
def test_every_that_is_no_number_of_steps(net, data, every):
    def callback(state):
        pass

    callback.every_steps = every
    with pytest.raises((TypeError, ValueError), match=r"callbacks\[0\].every_steps is"):
        net.fit(*data, callbacks=[callback])
    with pytest.raises((TypeError, ValueError), match="k is"):
        an.every_steps(every, print)
    with pytest.raises(TypeError, match="callback is 5"):
        an.every_steps(1, 5)


def test_a_wrapped_callback_keeps_its_attributes():
    stop = an.EarlyStopping()
    wrapped = copy.deepcopy(an.every_steps(3, stop))
    assert wrapped.every_steps == 3
    assert wrapped.monitor == "val_loss"
    assert wrapped.state_dict() == stop.state_dict()
    assert repr(wrapped) == f"every_steps(3, {stop!r})"
    assert not hasattr(an.every_steps(3, print), "state_dict")


def test_begin_and_end_are_called_once(net, data):
    class Note:
        def __init__(self):
            self.calls = []

        def begin(self, state):
            self.calls.append(("begin", state.step, state.epoch))

        def __call__(self, state):
            self.calls.append(state.epoch)

        def end(self, state):
            self.calls.append(("end", state.step, state.epoch))

    note = Note()
    net.fit(*data, epochs=2, batch_size=5, callbacks=[note])
    assert note.calls == [("begin", 0, 0), 1, 2, ("end", 10, 2)]
