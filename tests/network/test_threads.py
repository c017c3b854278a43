"""Threads of the caller: many may predict at once, only one may train.

No test waits for time to pass; events decide who runs, and the time-outs only end a failure.
"""

import copy
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import affinet as an
from array_forms import draw

PATIENCE = 30  # seconds


class Gate:
    """A layer that waits, once it is armed, until it is opened."""

    def __init__(self):
        self.armed = False
        self.entered, self.opened = threading.Event(), threading.Event()

    def forward(self, x):
        if self.armed:
            self.entered.set()
            assert self.opened.wait(PATIENCE)
        return x

    def backward(self, dout):
        return dout


@pytest.fixture
def gated():
    """A network whose forward waits at a gate, and the gate."""
    gate = Gate()
    return an.Sequential(
        gate, an.Affine.init(3, 2, rng=0, dtype="float64"), loss=an.SoftmaxWithLoss()
    ), gate


def held(gate, job):
    """Run ``job`` in a thread of its own until it stands at the gate."""
    gate.armed = True
    pool = ThreadPoolExecutor(1)
    future = pool.submit(job)
    assert gate.entered.wait(PATIENCE)
    gate.armed = False
    return pool, future


def release(gate, pool, future):
    gate.opened.set()
    result = future.result(PATIENCE)
    pool.shutdown()
    return result


def test_predictions_of_many_threads_equal_serial_ones_to_the_bit(make_net):
    net = make_net("float32")
    batches = [draw("float32", (n, 3), n) for n in (1, 7, 64, 1500, 3000)] * 8
    serial = [net.predict(x) for x in batches]
    start = threading.Barrier(8)

    def work(first):
        start.wait(PATIENCE)
        return [net.predict(x) for x in batches[first:] + batches[:first]]

    with ThreadPoolExecutor(8) as pool:
        for first, results in enumerate(pool.map(work, range(8))):
            for i, y in enumerate(results):
                np.testing.assert_array_equal(y, serial[(first + i) % len(batches)])


def test_evaluations_of_many_threads_equal_serial_ones(net):
    sets = [(draw("float64", (50, 3), n), np.arange(50) % 2) for n in range(12)]
    serial = [net.evaluate(*each) for each in sets]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda each: net.evaluate(*each), sets)) == serial


def test_two_threads_predict_at_the_same_moment(gated, data):
    net, gate = gated
    pool, future = held(gate, lambda: net.predict(data[0]))
    y = net.predict(data[0])  # while the other stands inside
    np.testing.assert_array_equal(release(gate, pool, future), y)


def test_fit_beside_predict_raises(gated, data):
    net, gate = gated
    before = net.params.flat.copy()
    pool, future = held(gate, lambda: net.predict(data[0]))
    with pytest.raises(RuntimeError, match="predicts"):
        net.fit(*data, epochs=1)
    np.testing.assert_array_equal(net.params.flat, before)
    release(gate, pool, future)
    net.fit(*data, epochs=1)


@pytest.mark.parametrize("call", ["predict", "predict_proba", "evaluate", "fit"])
def test_anything_beside_fit_raises(gated, data, call):
    net, gate = gated
    arguments = data[:1] if call.startswith("predict") else data
    pool, future = held(gate, lambda: net.fit(*data, epochs=1))
    with pytest.raises(RuntimeError, match="trained"):
        getattr(net, call)(*arguments)
    release(gate, pool, future)
    getattr(net, call)(*arguments)


def test_another_network_is_free(gated, make_net, data):
    net, gate = gated
    pool, future = held(gate, lambda: net.fit(*data, epochs=1))
    other = make_net()
    other.fit(*data, epochs=1)
    assert other.predict(data[0]).shape == (6, 2)
    release(gate, pool, future)


def test_callbacks_predict_but_do_not_train(net, data):
    seen = []

    def callback(state):
        seen.append(state.net.predict(data[0]))
        with pytest.raises(RuntimeError, match="trained"):
            state.net.fit(*data, epochs=1)

    net.fit(*data, epochs=2, callbacks=[callback])
    assert len(seen) == 2
    assert (seen[0] != seen[1]).any()


def test_a_refused_call_leaves_no_lock_behind(gated, data):
    net, _ = gated
    for bad in (lambda: net.predict(np.ones((2, 7))), lambda: net.fit(data[0], data[1][:2])):
        with pytest.raises(ValueError, match="shape"):
            bad()
    net.fit(*data, epochs=1)
    net.predict(data[0])


def test_a_failing_layer_leaves_no_lock_behind(data):
    class Failing(Gate):
        def forward(self, x):
            if self.armed:
                raise ZeroDivisionError
            return x

    layer = Failing()
    net = an.Sequential(layer, an.Affine.init(3, 2, rng=0), loss=an.SoftmaxWithLoss())
    layer.armed = True
    for call in (lambda: net.predict(data[0]), lambda: net.fit(*data, epochs=1)):
        with pytest.raises(ZeroDivisionError):
            call()
    layer.armed = False
    net.fit(*data, epochs=1)
    net.predict(data[0])


def test_a_deep_copy_made_by_a_callback_can_train(net, data):
    copies = []
    net.fit(*data, epochs=1, callbacks=[lambda state: copies.append(copy.deepcopy(state.net))])
    np.testing.assert_array_equal(copies[0].params.flat, net.params.flat)
    copies[0].fit(*data, epochs=1)


def test_networks_are_built_in_many_threads_at_once():
    """With the threads changing places as often as the interpreter lets them."""
    living = [an.Sequential(an.ReLU()) for _ in range(200)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def build(_):
        return len([an.Sequential(an.ReLU(), an.Affine.init(2, 2, rng=0)) for _ in range(100)])

    try:
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(build, range(8))) == [100] * 8
    finally:
        sys.setswitchinterval(interval)
    assert len(living) == 200


def test_many_threads_through_networks_of_their_own(make_net, data):
    """Threads may train different networks at once."""

    def train(seed):
        net = make_net()
        net.fit(*data, epochs=5, batch_size=2, seed=seed)
        return net.params.flat.copy()

    serial = [train(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for alone, together in zip(serial, pool.map(train, range(4)), strict=True):
            np.testing.assert_array_equal(alone, together)
