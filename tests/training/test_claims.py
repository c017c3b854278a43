"""One stateful object in two trainings at once is refused by name; in turn it may be used."""

import copy
import threading

import numpy as np
import pytest

import affinet as an

X, T = np.random.default_rng(0).standard_normal((12, 4)), np.arange(12) % 3
PATIENCE = 30


class Own:
    """A layer of no base class: the network trains layer by layer."""

    def forward(self, x):
        return x

    def backward(self, dout):
        return dout


class OwnCallback:
    def begin(self, state):
        self.seen = []

    def __call__(self, state):
        self.seen.append(state.epoch)


def net(seed, *layers, loss=None):
    return an.Sequential(
        an.Affine.init(4, 5, rng=seed, dtype="float64"),
        *layers,
        an.Affine.init(5, 3, rng=seed + 1, dtype="float64"),
        loss=an.SoftmaxWithLoss() if loss is None else loss,
    )


class Pause:
    """A callback that holds its training until it is opened; a plain function to fit."""

    def __init__(self):
        self.entered, self.opened = threading.Event(), threading.Event()

    def __call__(self, state):
        self.entered.set()
        assert self.opened.wait(PATIENCE)


def beside(first, second):
    """Call ``second`` while the training ``first(callback)`` stands in its callback."""
    pause = Pause()
    thread = threading.Thread(target=first, args=(pause,))
    thread.start()
    try:
        assert pause.entered.wait(PATIENCE)
        return second()
    finally:
        pause.opened.set()
        thread.join()


STATEFUL = {
    "EarlyStopping": lambda: an.EarlyStopping("loss"),
    "Monitor": an.diagnostics.Monitor,
    "OwnCallback": OwnCallback,
    "EarlyStopping every": lambda: an.EarlyStopping("loss"),
}


@pytest.mark.parametrize("name", STATEFUL)
def test_a_stateful_callback(name):
    part = STATEFUL[name]()
    one, two = net(0), net(2)
    wrapped = an.every_steps(1, part) if name.endswith("every") else part
    before = two.params.flat.copy()

    def second():
        with pytest.raises(RuntimeError, match=rf"the callback .*{name.split()[0]}.* in use by"):
            two.fit(X, T, epochs=1, callbacks=[wrapped])
        np.testing.assert_array_equal(two.params.flat, before)
        two.fit(X, T, epochs=1, callbacks=[copy.deepcopy(part)])

    beside(lambda pause: one.fit(X, T, epochs=1, callbacks=[part, pause]), second)
    two.fit(X, T, epochs=1, callbacks=[part, part])  # free again, and twice in one training


def test_a_stateful_schedule_and_a_plain_one():
    rule, cosine = an.schedules.ReduceOnPlateau(monitor="loss"), an.schedules.Cosine(0.1)
    one, two = net(0), net(2)

    def second():
        with pytest.raises(RuntimeError, match=r"the schedule ReduceOnPlateau"):
            two.fit(X, T, epochs=1, schedule=rule)
        two.fit(X, T, epochs=1, schedule=cosine)

    beside(lambda pause: one.fit(X, T, epochs=1, schedule=rule, callbacks=[pause]), second)
    beside(
        lambda pause: one.fit(X, T, epochs=1, schedule=cosine, callbacks=[pause]),
        lambda: two.fit(X, T, epochs=1, schedule=cosine),
    )


def test_an_optimizer_whose_rate_a_schedule_sets():
    sgd, rule = an.SGD(0.1), an.schedules.Constant(0.2)
    one, two = net(0), net(2)

    def second(**options):
        with pytest.raises(RuntimeError, match="the optimizer SGD"):
            two.fit(X, T, epochs=1, optimizer=sgd, **options)

    def first(pause, **options):
        one.fit(X, T, epochs=1, optimizer=sgd, callbacks=[pause], **options)

    beside(lambda pause: first(pause, schedule=rule), second)
    beside(first, lambda: second(schedule=rule))
    beside(first, lambda: two.fit(X, T, epochs=1, optimizer=sgd))


@pytest.mark.parametrize("part", [an.ReLU(), an.Dropout(0.5, rng=0), Own()])
def test_a_layer_of_two_trainings_layer_by_layer(part):
    one, two = net(0, Own(), part), net(2, part, Own())

    def second():
        with pytest.raises(RuntimeError, match=f"layer 1 .*{type(part).__name__}.* in use by"):
            two.fit(X, T, epochs=1)

    beside(lambda pause: one.fit(X, T, epochs=1, callbacks=[pause]), second)
    two.fit(X, T, epochs=1)


def test_a_loss_of_two_trainings_layer_by_layer_and_fused():
    loss = an.SoftmaxWithLoss()
    one, two = net(0, Own(), loss=loss), net(2, Own(), loss=loss)

    def second():
        with pytest.raises(RuntimeError, match="the loss SoftmaxWithLoss"):
            two.fit(X, T, epochs=1)

    beside(lambda pause: one.fit(X, T, epochs=1, callbacks=[pause]), second)
    relu = an.ReLU()
    fused = net(4, relu, loss=loss), net(6, relu, loss=loss)
    twins = copy.deepcopy(fused[0]), copy.deepcopy(fused[1])
    beside(
        lambda pause: fused[0].fit(X, T, epochs=1, callbacks=[pause]),
        lambda: fused[1].fit(X, T, epochs=1),
    )
    for each, twin in zip(fused, twins, strict=True):
        assert twin.fit(X, T, epochs=1).step_kind == "fused"
        np.testing.assert_array_equal(each.params.flat, twin.params.flat)


def test_a_training_inside_a_callback_shares_layers_but_no_callback():
    relu, stop, inner = an.ReLU(), an.EarlyStopping("loss"), net(2, Own())
    inner = net(2, Own(), relu)

    def train_another(state):
        inner.fit(X, T, epochs=1)
        with pytest.raises(RuntimeError, match="the callback EarlyStopping"):
            inner.fit(X, T, epochs=1, callbacks=[stop])

    net(0, Own(), relu).fit(X, T, epochs=1, callbacks=[stop, train_another])


@pytest.mark.parametrize("place", ["begin", "callback", "data"])
def test_an_exception_frees_everything(place):
    class Failing(OwnCallback):
        def begin(self, state):
            if place == "begin":
                raise ZeroDivisionError

        def __call__(self, state):
            raise ZeroDivisionError

    part, stop = Failing(), an.EarlyStopping("loss")
    error = ValueError if place == "data" else ZeroDivisionError
    with pytest.raises(error):
        net(0).fit(X, T[:3] if place == "data" else T, epochs=1, callbacks=[stop, part])
    net(2).fit(X, T, epochs=1, callbacks=[stop])


def test_functions_are_shared_freely():
    seen = []

    def note(state):
        seen.append(state.epoch)

    beside(
        lambda pause: net(0).fit(X, T, epochs=1, callbacks=[note, seen.append, pause]),
        lambda: net(2).fit(X, T, epochs=1, callbacks=[note, seen.append]),
    )
    assert len(seen) == 4
