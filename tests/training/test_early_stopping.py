"""Early stopping: when it stops, what it restores, what it writes into the record."""

import numpy as np
import pytest

import affinet as an


class Script:
    """A loss figure for every epoch, as a callback that comes before the one under test."""

    def __init__(self, *figures, name="val_own_loss"):
        self.figures, self.name, self.arrays = figures, name, []

    def __call__(self, state):
        state.metrics[self.name] = self.figures[state.epoch - 1]
        self.arrays.append({name: a.copy() for name, a in state.net._arrays().items()})


class Average:
    """A layer with a buffer."""

    buffers = ("seen",)

    def __init__(self):
        self.seen = np.zeros(4)

    def forward(self, x, train=True):
        if train:
            self.seen += x.sum(axis=0)
        return x

    def backward(self, dout):
        return dout


@pytest.fixture
def own_net():
    return an.Sequential(Average(), an.Affine.init(4, 3, rng=0), loss=an.SoftmaxWithLoss())


def run(net, data, script, epochs=None, **options):
    stop = an.EarlyStopping(**{"monitor": script.name, "patience": 2} | options)
    epochs = len(script.figures) if epochs is None else epochs
    return stop, net.fit(*data, epochs=epochs, batch_size=5, callbacks=[script, stop])


def assert_arrays(net, arrays):
    for name, array in net._arrays().items():
        np.testing.assert_array_equal(array, arrays[name], err_msg=name)


def test_stops_after_patience_and_gives_back_the_best(own_net, data):
    script = Script(3, 2, 2.5, 2, 1, 1)
    _, history = run(own_net, data, script)
    assert len(history.epochs) == 4
    assert history.best_epoch == 2
    assert history.stopped_by == (
        "EarlyStopping: val_own_loss has not become better than 2.0 for 2 epochs"
    )
    assert_arrays(own_net, script.arrays[1])
    assert own_net.layers[0].seen is own_net._arrays()["0.seen"]


def test_gives_back_the_best_at_an_ordinary_end_too(own_net, data):
    script = Script(3, 1, 2)
    _, history = run(own_net, data, script)
    assert (history.best_epoch, history.stopped_by) == (2, "epochs")
    assert_arrays(own_net, script.arrays[1])


def test_a_compiled_network_gets_its_best_back(net, data):
    script = Script(1, 2, 3, 4)
    _, history = run(net, data, script)
    assert history.step_kind == "fused"
    assert_arrays(net, script.arrays[0])
    assert net.layers[0].W is net.params["0.W"]
    net.fit(*data, epochs=1)


def test_on_request_the_last_epoch_stays(own_net, data):
    script = Script(3, 1, 2, 2)
    _, history = run(own_net, data, script, restore_best=False)
    assert history.best_epoch == 2
    assert_arrays(own_net, script.arrays[3])


@pytest.mark.parametrize(
    ("figures", "options", "epochs", "best"),
    [
        ((1, 0.95, 0.9, 0.85), {"min_delta": 0.2}, 3, 1),
        ((1, 0.95, 0.75, 0.7, 0.7), {"min_delta": 0.2}, 5, 3),
        ((1, 1, 1), {}, 3, 1),
        ((1, 1), {"patience": 1}, 2, 1),
        ((np.nan, np.nan, 1, 2), {"patience": 3}, 4, 3),
        ((np.nan, np.nan, 1), {}, 2, None),
        ((1, np.nan, 0.5, np.nan, np.nan), {}, 5, 3),
        ((1, 2, 3, 2, 1), {"mode": "max"}, 5, 3),
    ],
)
def test_when_it_stops(net, data, figures, options, epochs, best):
    _, history = run(net, data, Script(*figures), **options)
    assert (len(history.epochs), history.best_epoch) == (epochs, best)


def test_up_is_better_where_the_name_says_so(net, data):
    _, history = run(net, data, Script(1, 2, 1, 1, 5, name="val_accuracy_of_mine"))
    assert (len(history.epochs), history.best_epoch) == (4, 2)


def test_a_second_fit_begins_anew(net, data):
    script = Script(1, 2, 2, 2, 2)
    stop, first = run(net, data, script)
    again = net.fit(*data, epochs=5, batch_size=5, callbacks=[script, stop])
    assert len(first.epochs) == len(again.epochs) == 3


def test_an_exception_leaves_the_network_as_it_is(net, data):
    script, seen = Script(1, 2, 3), []

    def fail(state):
        seen.append(state.net.params.flat.copy())
        if state.epoch == 2:
            raise KeyError

    with pytest.raises(KeyError):
        net.fit(*data, callbacks=[script, an.EarlyStopping("val_own_loss"), fail])
    np.testing.assert_array_equal(net.params.flat, seen[1])
    assert net.history.stopped_by == "KeyError"
    assert net.history.best_epoch == 1


def test_a_figure_that_is_not_there(net, data):
    with pytest.raises(ValueError, match="monitor is 'val_loss', but the figures are: loss, accur"):
        net.fit(*data, callbacks=[an.EarlyStopping()])
    history = net.fit(*data, epochs=2, validation_data=data, callbacks=[an.EarlyStopping()])
    assert history.stopped_by == "epochs"


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"patience": 0}, ValueError, "patience is 0"),
        ({"patience": 1.5}, TypeError, "patience is 1.5"),
        ({"monitor": 5}, TypeError, "monitor is 5"),
        ({"monitor": "norm"}, ValueError, "give mode"),
        ({"mode": "up"}, ValueError, "mode is 'up'"),
        ({"min_delta": -1}, ValueError, "min_delta is -1"),
    ],
)
def test_arguments_that_are_wrong(options, error, match):
    with pytest.raises(error, match=match):
        an.EarlyStopping(**options)


def test_its_words():
    assert repr(an.EarlyStopping("val_loss", 3)) == "EarlyStopping('val_loss', patience=3)"
