"""A network ends alone; Ctrl-C ends all that are in training, as it ends a fit."""

import pickle
import signal
import threading
import warnings

import numpy as np
import pytest

import affinet as an
from many_networks import N, OwnReLU, build, crowd, data, require_same

X, T = data()
PATIENCE = 30  # seconds


def own_fits(n=N, **options):
    nets = crowd()[:n]
    for net in nets:
        net.fit(X, T, **{"epochs": 3, "batch_size": 8} | options)
    return nets


def lists(callback, place=2):
    """The callback for one network, none for the others."""
    return [[callback] if number == place else [] for number in range(N)]


def test_stop_training_ends_one_network(threads):
    def stop(state):
        raise an.StopTraining("enough")

    nets = crowd()
    histories = an.fit_many(nets, X, T, epochs=3, batch_size=8, callback_lists=lists(stop))
    assert [len(history.epochs) for history in histories] == [3, 3, 1, 3, 3, 3]
    assert histories[2].stopped_by == "stop: enough"
    own = own_fits()
    own[2] = crowd()[2]
    own[2].fit(X, T, epochs=3, batch_size=8, callbacks=[stop])
    require_same(nets, own)


def test_a_network_that_fails_ends_alone_and_is_reported(threads):
    def fail(state):
        if state.epoch == 2:
            raise OSError("the disk is full")

    nets, own = crowd(), own_fits()
    with pytest.raises(an.FitManyError) as caught:
        an.fit_many(nets, X, T, epochs=3, batch_size=8, callback_lists=lists(fail))
    error = caught.value
    assert str(error) == (
        "1 of 6 networks failed: 2 (OSError('the disk is full')) (1 sub-exception)"
    )
    assert list(error.failed) == [2]
    assert error.exceptions == (error.failed[2],)
    assert error.histories == [net.history for net in nets]
    assert (len(nets[2].history.epochs), nets[2].history.stopped_by) == (2, "OSError")
    del nets[2], own[2]
    require_same(nets, own)


def test_several_that_fail(three_threads):
    def fail(state):
        raise OSError(f"{state.net.params.flat.size}")

    class Refuses:
        def begin(self, state):
            raise KeyError("no")

        def __call__(self, state): ...

    nets = crowd()
    given = [[fail], [], [Refuses()], [fail], [fail], []]
    with pytest.raises(an.FitManyError, match=r"4 of 6 .*: 0 .*, 2 .*, 3 .* and 1 more") as caught:
        an.fit_many(nets, X, T, epochs=1, callback_lists=given)
    error = caught.value
    assert list(error.failed) == [0, 2, 3, 4]
    assert error.histories[2] is None
    assert [h.stopped_by for h in error.histories if h] == [
        "OSError", "epochs", "OSError", "OSError", "epochs",
    ]  # fmt: skip
    matched, rest = error.split(OSError)
    assert list(matched.failed) == [0, 3, 4]
    assert list(rest.failed) == [2]
    assert rest.histories == error.histories
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert list(again.failed) == [0, 2, 3, 4]


def test_a_custom_layer_that_fails(three_threads):
    class Fails(OwnReLU):
        def backward(self, dout):
            raise ArithmeticError("in the layer")

    nets = [build(0), build(1, relu=Fails), build(2)]
    with pytest.raises(an.FitManyError) as caught:
        an.fit_many(nets, X, T, epochs=1)
    assert isinstance(caught.value.failed[1], ArithmeticError)
    nets[1].predict(X)  # it is not in use any more


@pytest.mark.parametrize("stops", [True, False])
def test_a_network_that_diverges_ends_alone_and_the_warning_names_it(stops, threads):
    whole = len(X)  # a step each epoch: fit itself looks at losses after calls of several steps
    rates = [an.SGD(1e300 if place == 4 else 0.1) for place in range(N)]
    nets = crowd()
    with pytest.warns(RuntimeWarning, match=r"network 4: the loss of epoch") as caught:
        an.fit_many(
            nets, X, T, epochs=3, batch_size=whole, optimizers=rates, stop_if_not_finite=stops
        )
    assert all(str(one.message).startswith("network 4: ") for one in caught)
    assert all(one.filename == __file__ for one in caught)
    assert nets[4].history.stopped_by == ("the loss is not finite" if stops else "epochs")
    own = crowd()
    for place, net in enumerate(own):
        with warnings.catch_warnings(action="ignore"):
            sgd = an.SGD(1e300 if place == 4 else 0.1)
            net.fit(X, T, epochs=3, batch_size=whole, optimizer=sgd, stop_if_not_finite=stops)
    require_same(nets, own)


def test_a_warning_that_is_an_error_comes_after_all_are_trained(three_threads):
    nets = crowd()
    rates = [an.SGD(1e300 if place == 0 else 0.1) for place in range(N)]
    errors = warnings.catch_warnings(action="error")
    with errors, pytest.raises(RuntimeWarning, match="network 0"):
        an.fit_many(nets, X, T, epochs=3, batch_size=8, optimizers=rates)
    require_same(nets[1:], own_fits(optimizer=an.SGD(0.1))[1:])


def test_ctrl_c_ends_all_that_are_in_training(threads):
    """A network that has been trained stays so, one that waits for a thread is as it was."""
    nets = [build(place, width=9 - place) for place in range(N)]  # the longest first
    first = [net.params.flat.copy() for net in nets]
    begun, lock = [], threading.Lock()

    class StopFirst:
        def begin(self, state):
            with lock:
                begun.append(nets.index(state.net))
                last = len(begun) == 1 + threads
            if last:  # one has ended, and every thread holds one that would not end
                signal.raise_signal(signal.SIGINT)

        def __call__(self, state):
            if state.net is nets[0]:
                raise an.StopTraining

    with pytest.raises(KeyboardInterrupt):
        an.fit_many(nets, X, T, epochs=10_000_000, callbacks=[StopFirst()])
    assert sorted(begun) == list(range(1 + threads))
    assert nets[0].history.stopped_by == "StopFirst"
    for place, net in enumerate(nets):
        if place not in begun:
            assert net.history is None
            np.testing.assert_array_equal(net.params.flat, first[place])
        elif place > 0 and net.history is not None:
            assert net.history.stopped_by == "KeyboardInterrupt"
        net.fit(X, T, epochs=1)  # in use no more
    assert an.get_num_threads() == threads


def test_an_exit_in_a_callback_ends_all(three_threads):
    def leave(state):
        raise SystemExit(3)

    nets = crowd()
    with pytest.raises(SystemExit) as caught:
        an.fit_many(nets, X, T, epochs=10_000_000, callback_lists=lists(leave))
    assert caught.value.code == 3
    assert nets[2].history.stopped_by == "SystemExit"
    for net in nets:
        net.predict(X)


def test_a_network_in_use_is_refused_before_any_is_trained(three_threads):
    nets = crowd()
    entered, opened = threading.Event(), threading.Event()

    def pause(state):
        entered.set()
        assert opened.wait(PATIENCE)

    thread = threading.Thread(
        target=nets[3].fit, args=(X, T), kwargs={"epochs": 1, "callbacks": [pause]}
    )
    thread.start()
    try:
        assert entered.wait(PATIENCE)
        with pytest.raises(RuntimeError, match="already being trained"):
            an.fit_many(nets, X, T)
    finally:
        opened.set()
        thread.join()
    assert nets[0].history is None


def test_a_network_in_training_cannot_be_used_elsewhere(three_threads):
    nets, caught = crowd(), []

    def predict_other(state):
        state.net.predict(X)  # its own may be
        try:
            nets[0].predict(X)
        except RuntimeError as error:
            caught.append(str(error))

    meet = threading.Barrier(2, timeout=PATIENCE)
    hold = [[lambda state: (meet.wait(), meet.wait())], [lambda state: (
        meet.wait(), predict_other(state), meet.wait())], *([] for _ in range(N - 2))]  # fmt: skip
    an.fit_many(nets, X, T, epochs=[1] * N, callback_lists=hold)
    assert caught == ["this network is being trained in another thread"]
