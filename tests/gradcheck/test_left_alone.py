"""gradient_check leaves its arguments alone, and reports layers that do not."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import affinet as an
from affinet.gradcheck import gradient_check
from hand_written import BookReLU, normal


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_network_is_left_alone(dtype):
    net = an.Sequential(
        an.Affine.init(4, 5, rng=0, dtype=dtype),
        an.Dropout(0.5, rng=0),
        an.Affine.init(5, 3, rng=1, dtype=dtype),
        loss=an.SoftmaxWithLoss(),
    )
    x, t = normal(6, 4).astype(dtype), np.arange(6) % 3
    net.forward(x, t)
    net.backward()
    mask, y = net.layers[1]._mask, net.loss.y
    params, grads = net.params.flat.copy(), net.grads.flat.copy()
    x_before, t_before = x.copy(), t.copy()
    assert gradient_check(net, x, t)
    assert np.array_equal(net.params.flat, params)
    assert np.array_equal(net.grads.flat, grads)
    assert net.dtype == dtype
    assert np.shares_memory(net.layers[0].W, net.params.flat)
    assert net.layers[1].calls == 1
    assert net.layers[1]._mask is mask
    assert net.loss.y is y
    assert np.array_equal(x, x_before)
    assert np.array_equal(t, t_before)
    net.backward()
    assert np.array_equal(net.grads.flat, grads)


def test_single_layer_is_left_alone():
    W, b = normal(4, 3).astype(np.float32), np.zeros(3, np.float32)
    layer = an.Affine(W, b)
    out = layer.forward(normal(2, 4))
    layer.backward(out)
    dW, before = layer.dW, copy.deepcopy((W, b, layer.dW, layer.db))
    assert gradient_check(layer, normal(5, 4))
    assert layer.W is W
    assert layer.b is b
    assert layer.dW is dW
    for was, now in zip(before, (W, b, layer.dW, layer.db), strict=True):
        assert np.array_equal(was, now)
    W.flags.writeable = False
    assert gradient_check(layer, normal(5, 4))


def test_layer_inside_a_network_can_be_checked_by_itself():
    net = an.Sequential(
        an.Affine.init(4, 5, rng=0), an.Affine.init(5, 3, rng=0), loss=an.MeanSquaredError()
    )
    before = net.params.flat.copy()
    assert gradient_check(net.layers[1], normal(2, 5))
    assert np.array_equal(net.params.flat, before)
    assert net.layers[1].in_network


def test_backward_that_changes_dout_fails():
    report = gradient_check(BookReLU(), normal(6, 5))
    assert not report
    assert report.problems == ("BookReLU.backward changes dout, which it must leave alone",)
    assert all(check.passed(report.tolerance) for check in report.checks)
    net = an.Sequential(
        an.Affine.init(5, 4, rng=0),
        BookReLU(),
        an.Affine.init(4, 3, rng=0),
        loss=an.SoftmaxWithLoss(),
    )
    report = gradient_check(net, normal(6, 5), np.arange(6) % 3)
    assert report.problems == ("1.BookReLU.backward changes dout, which it must leave alone",)


def test_forward_that_changes_x_fails():
    class InPlace(BookReLU):
        def forward(self, x):
            self.mask = x <= 0
            x[self.mask] = 0
            return x

        def backward(self, dout):
            return np.where(self.mask, 0, dout)

    x = normal(6, 5)
    before = x.copy()
    report = gradient_check(InPlace(), x)
    assert report.problems == ("InPlace.forward changes x, which it must leave alone",)
    assert np.array_equal(x, before)


@pytest.mark.parametrize("method", ["forward", "backward"])
@pytest.mark.parametrize("rebind", [True, False])
def test_change_of_a_parameter_fails(method, rebind):
    class Restless(an.Affine):
        def drift(self):
            if rebind:
                self.W = self.W * 0.999
            else:
                self.W *= 0.999

        def forward(self, x):
            if method == "forward":
                self.drift()
            return super().forward(x)

        def backward(self, dout, need_dx=True):
            dx = super().backward(dout, need_dx)
            if method == "backward":
                self.drift()
            return dx

    report = gradient_check(Restless(normal(5, 4), np.zeros(4)), normal(6, 5))
    assert not report
    assert f"Restless.{method} changes W, which it must leave alone" in report.problems


def test_loss_that_changes_its_targets_fails():
    class Greedy(an.MeanSquaredError):
        def forward(self, x, t):
            value = super().forward(x, t)
            t *= 0
            return value

    t = normal(3, 2)
    report = gradient_check(Greedy(), normal(3, 2), t)
    assert "Greedy.forward changes t, which it must leave alone" in report.problems
    assert np.array_equal(t, normal(3, 2))
