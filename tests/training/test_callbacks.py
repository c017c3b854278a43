"""Callbacks, interruptions, and errors before anything has changed."""

import copy
import io
import re
import sys
import time
import types

import numpy as np
import pytest

import affinet as an
from affinet.training import progress
from array_forms import REFUSED

# Callbacks ---------------------------------------------------------------------------------------


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


# After steps -------------------------------------------------------------------------------------


@pytest.fixture(params=["fused", "layer by layer"])
def kind(request, monkeypatch):
    if request.param != "fused":
        monkeypatch.setattr("affinet.training.step.can_fuse", lambda *_: False)
    return request.param


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
    """Looks at steps of its choice, and at the ends of epochs."""

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


# The end of a training ---------------------------------------------------------------------------


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


# Errors come before any change -------------------------------------------------------------------


def refused(net, error, match, x, t, **options):
    before, history, grads = net.params.flat.copy(), net.history, net.grads.flat.copy()
    with pytest.raises(error, match=match):
        net.fit(x, t, **options)
    np.testing.assert_array_equal(net.params.flat, before)
    np.testing.assert_array_equal(net.grads.flat, grads)
    assert net.history is history
    net.predict(np.ones((1, 4)))


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"epochs": 0}, ValueError, "epochs"),
        ({"epochs": -1}, ValueError, "epochs"),
        ({"epochs": 1.5}, TypeError, "epochs"),
        ({"epochs": True}, TypeError, "epochs"),
        ({"epochs": False}, TypeError, "epochs"),
        ({"epochs": "3"}, TypeError, "epochs"),
        ({"steps": 0}, ValueError, "steps"),
        ({"steps": 2.0}, TypeError, "steps"),
        ({"epochs": 1, "steps": 1}, ValueError, "epochs and steps"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"batch_size": -5}, ValueError, "batch_size"),
        ({"batch_size": 2.5}, TypeError, "batch_size"),
        ({"batch_size": None}, TypeError, "batch_size"),
        ({"seed": -1}, ValueError, "seed"),
        ({"seed": None}, TypeError, "seed"),
        ({"seed": 0.5}, TypeError, "seed"),
        ({"optimizer": "adam"}, TypeError, "optimizer"),
        ({"optimizer": an.Adam}, TypeError, "optimizer"),
        ({"optimizer": 0.1}, TypeError, "optimizer"),
        ({"callbacks": None}, TypeError, "callbacks"),
        ({"callbacks": [None]}, TypeError, "callbacks"),
        ({"callbacks": ["stop"]}, TypeError, "callbacks"),
        ({"callbacks": print}, TypeError, "callbacks"),
        (
            {"validation_data": (np.ones((2, 3)), [0, 1])},
            ValueError,
            r"^validation_data: x has shape \(2, 3\): 3 numbers a row, wanted 4$",
        ),
        ({"validation_data": (np.ones((2, 4)), [0])}, ValueError, "validation_data: t"),
        ({"validation_data": (np.ones((2, 4)), [0, 3])}, ValueError, r"validation_data: t\[1\]"),
        ({"validation_data": (np.ones((2, 4)), [0, 1.5])}, TypeError, "validation_data: t"),
        ({"validation_data": (np.ones((0, 4)), [])}, ValueError, "validation_data: x"),
        ({"validation_data": np.ones((2, 4))}, (TypeError, ValueError), "validation_data"),
        ({"validation_data": (np.ones((2, 4)),)}, (TypeError, ValueError), "validation_data"),
        ({"validation_data": 5}, (TypeError, ValueError), "validation_data"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_options(net, data, options, error, match):
    refused(net, error, match, *data, **{"epochs": None} | options)


@pytest.mark.parametrize("t_value", [-1, 3, 255, -(2**40)])
def test_a_label_out_of_range_in_the_last_row(net, data, t_value):
    t = data[1].copy()
    t[22] = t_value
    refused(net, ValueError, rf"t\[22\] is {t_value}.*0\.\.2", data[0], t)


@pytest.mark.parametrize(
    ("targets", "error"),
    [
        (np.zeros(23), TypeError),
        (np.zeros(22, int), ValueError),
        (np.zeros((23, 2)), ValueError),
        (np.zeros((23, 1), int), ValueError),
        (np.zeros((23, 3, 1)), ValueError),
        (np.zeros((0,), int), ValueError),
        (0, ValueError),
        (np.full(23, "0"), TypeError),
        (np.zeros(23, object), TypeError),
        (None, TypeError),
    ],
)
def test_targets(net, data, targets, error):
    refused(net, error, r"^t\b", data[0], targets)


@pytest.mark.parametrize("shape", [(0, 4), (23, 3), (23, 5), (23,), (), (23, 4, 2)])
def test_inputs_of_a_wrong_shape(net, data, shape):
    refused(net, ValueError, r"\b[xt] has shape", np.zeros(shape), data[1])


@pytest.mark.parametrize("kind", REFUSED)
def test_inputs_that_are_not_of_real_numbers(net, kind):
    refused(net, TypeError, r"^x has dtype", REFUSED[kind], [0, 1])


@pytest.mark.parametrize("t_shape", [(23,), (23, 2), (23, 1), (23, 3, 1), (22, 3)])
def test_targets_of_a_loss_by_elements(make_net, data, t_shape):
    net = make_net(loss=an.MeanSquaredError())
    refused(net, ValueError, r"^t has shape", data[0], np.zeros(t_shape))


@pytest.mark.parametrize("t_shape", [(23,), (23, 2), (23, 1)])
def test_validation_targets_of_a_loss_by_elements(make_net, data, t_shape):
    net = make_net(loss=an.MeanSquaredError())
    refused(
        net, ValueError, r"^validation_data: t has shape", data[0], np.zeros((23, 3)),
        validation_data=(data[0], np.zeros(t_shape)),
    )  # fmt: skip


def test_a_column_of_outputs_takes_a_row_of_targets(data):
    net = an.Sequential(an.Affine.init(4, 1, rng=0), loss=an.MeanSquaredError())
    assert len(net.fit(data[0], data[1], epochs=2, validation_data=data)["val_loss"]) == 2


# Progress ----------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_silent_where_there_is_no_terminal(net, data, capsys):
    net.fit(*data, epochs=2)
    net.fit(*data, epochs=2, verbose=0)
    assert capsys.readouterr() == ("", "")


def test_a_line_an_epoch_on_request(net, data, capsys):
    net.fit(*data, epochs=10, validation_data=data, verbose=1)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("epoch  1/10  loss ")
    assert lines[9].startswith("epoch 10/10  loss ")
    for name in ("accuracy", "val_loss", "val_accuracy"):
        assert f"  {name} " in lines[9]
    assert "seconds" not in lines[0]


@pytest.mark.parametrize(("verbose", "shown"), [(None, True), (1, True), (0, False)])
def test_a_terminal_gets_a_bar(net, data, monkeypatch, verbose, shown):
    pytest.importorskip("tqdm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    net.fit(*data, epochs=2, verbose=verbose)
    assert ("epoch 2/2" in terminal.getvalue()) == shown


def test_a_terminal_without_tqdm_gets_lines(net, data, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    net.fit(*data, epochs=2)
    assert len(terminal.getvalue().splitlines()) == 2


def test_the_bar_shows_loss_accuracy_rows_a_second_and_the_time_left(net, data, monkeypatch):
    pytest.importorskip("tqdm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "DRAWN_EVERY", 0)
    net.fit(*data, epochs=2, batch_size=5, callbacks=[lambda state: time.sleep(0.2)])
    shown = terminal.getvalue()
    assert re.search(r"23\.0/46\.0 \[\d\d:\d\d<\d\d:\d\d, +[\d.]+k?rows/s", shown), shown
    assert re.search(r"loss=[\d.]+, accuracy=[\d.]+", shown), shown


def test_a_bar_is_drawn_seldom_and_ends_with_all_rows(net, data, monkeypatch):
    class Counting:
        calls, rows = 0, 0

        def set_postfix(self, figures, refresh):
            self.calls += 1

        def update(self, rows):
            self.rows += rows

        def write(self, line, file):
            pass

        def close(self):
            pass

    bar = Counting()
    monkeypatch.setattr(
        "affinet.training.trainer.make_progress", lambda *a: progress.Bar(bar, 100, None)
    )
    started = time.perf_counter()
    net.fit(*data, epochs=100)
    assert bar.rows == 2300
    assert bar.calls <= 1 + (time.perf_counter() - started) / progress.DRAWN_EVERY


class Notebook:
    """What IPython's get_ipython gives inside a notebook."""

    kernel = object()


def test_a_notebook_gets_a_bar_on_request(net, data, monkeypatch, capsys):
    pytest.importorskip("tqdm")
    shell = types.SimpleNamespace(get_ipython=Notebook)
    monkeypatch.setitem(sys.modules, "IPython", shell)
    made = []

    def bar():
        tqdm = progress.terminal_bar()
        return lambda **options: made.append(options) or tqdm(**options)

    monkeypatch.setattr(progress, "notebook_bar", bar)
    net.fit(*data, epochs=2)
    assert made == []
    net.fit(*data, epochs=2, verbose=1)
    assert made[0]["total"] == 46
    assert "epoch 2/2" in capsys.readouterr().out
    monkeypatch.setattr(shell, "get_ipython", lambda: None)
    assert not progress.in_notebook()


def test_the_bar_for_notebooks_comes_without_warnings():
    tqdm = pytest.importorskip("tqdm")
    assert issubclass(progress.notebook_bar(), tqdm.tqdm)


def test_no_standard_error_at_all(net, data, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    net.fit(*data, epochs=1)


def test_the_bar_is_closed_after_an_interruption(net, data, monkeypatch):
    closed = []

    class Watched(progress.Silent):
        def close(self):
            closed.append(True)

    monkeypatch.setattr("affinet.training.trainer.make_progress", lambda *a: Watched())
    with pytest.raises(ZeroDivisionError):
        net.fit(*data, callbacks=[lambda state: 1 / 0])
    assert closed == [True]


def test_figures_of_a_broken_training_are_printed_too(net, data, capsys):
    x = data[0].copy()
    x[0] = np.nan
    with pytest.warns(RuntimeWarning, match="diverges"):
        net.fit(x, data[1], epochs=1, verbose=1)
    assert "loss nan" in capsys.readouterr().err
