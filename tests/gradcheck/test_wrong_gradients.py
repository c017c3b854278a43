"""gradient_check fails on every kind of wrong gradient."""

from __future__ import annotations

import math

import numpy as np
import pytest

import affinet as an
from affinet.gradcheck import gradient_check
from affinet.gradcheck.compare import ArrayCheck
from hand_written import OwnAffine, SpoiledAffine, normal, scaled


def negate(name):
    def spoil(layer, dx):
        array = dx if name == "x" else getattr(layer, f"d{name}")
        array *= -1

    return spoil


def transpose(layer, dx):
    layer.dW[...] = layer.dW.T.copy()


def one_element(layer, dx):
    layer.dW[2, 1] *= 1.01


def one_sign(layer, dx):
    layer.dW[3, 3] *= -1


def swapped_rows(layer, dx):
    layer.dW[[0, 1]] = layer.dW[[1, 0]]


SPOILED = {
    "sign of dW": ("W", negate("W")),
    "sign of db": ("b", negate("b")),
    "sign of dx": ("x", negate("x")),
    "dW twice": ("W", scaled("W", 2.0)),
    "dW by a thousandth": ("W", scaled("W", 1.001)),
    "db by a thousandth": ("b", scaled("b", 0.999)),
    "dx by 1e-5": ("x", scaled("x", 1 + 1e-5)),
    "no db": ("b", scaled("b", 0.0)),
    "no dW": ("W", scaled("W", 0.0)),
    "no dx": ("x", scaled("x", 0.0)),
    "dW transposed": ("W", transpose),
    "one element": ("W", one_element),
    "one sign": ("W", one_sign),
    "rows swapped": ("W", swapped_rows),
}


@pytest.mark.parametrize("case", SPOILED)
def test_spoiled_gradient_of_a_layer_fails(case):
    name, spoil = SPOILED[case]
    report = gradient_check(SpoiledAffine(normal(5, 5), normal(5, seed=1), spoil), normal(6, 5))
    assert not report.passed
    assert not report
    assert [c.name for c in report.checks if not c.passed(report.tolerance)] == [name]
    assert report.worst is not None
    assert report.worst.name == name
    assert report.worst.error > report.tolerance
    assert "FAILED" in str(report)
    assert "WRONG" in str(report)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", [case for case, (name, _) in SPOILED.items() if name != "x"])
def test_spoiled_gradient_inside_a_network_fails(case, dtype):
    name, spoil = SPOILED[case]
    net = an.Sequential(
        an.Affine.init(4, 5, rng=0, dtype=dtype),
        an.Tanh(),
        SpoiledAffine(normal(5, 5).astype(dtype), np.zeros(5, dtype), spoil),
        an.Sigmoid(),
        an.Affine.init(5, 3, rng=1, dtype=dtype),
        loss=an.SoftmaxWithLoss(),
    )
    report = gradient_check(net, normal(6, 4), np.arange(6) % 3)
    assert [c.name for c in report.checks if not c.passed(report.tolerance)] == [f"2.{name}"]


def test_wrong_dx_spoils_what_lies_below():
    spoiled = SpoiledAffine(normal(5, 5), np.zeros(5), scaled("x", 1.001))
    net = an.Sequential(
        an.Affine.init(4, 5, rng=0, dtype=np.float64), spoiled, loss=an.MeanSquaredError()
    )
    report = gradient_check(net, normal(6, 4), normal(6, 5))
    wrong = [c.name for c in report.checks if not c.passed(report.tolerance)]
    assert wrong == ["0.W", "0.b", "x"]


@pytest.mark.parametrize("place", [(0, 0), (17, 123), (299, 199)])
def test_one_wrong_element_of_many_is_found_and_named(place):
    def spoil(layer, dx):
        layer.dW[place] *= -1

    report = gradient_check(
        SpoiledAffine(normal(300, 200), np.zeros(200), spoil), normal(3, 300), samples=5
    )
    assert not report
    assert report.worst is not None
    assert (report.worst.name, report.worst.index) == ("W", place)
    assert report.worst.analytic == pytest.approx(-report.worst.numerical)
    assert f"W[{place[0]}, {place[1]}]" in str(report)


class SpoiledLoss(an.SoftmaxWithLoss):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def backward(self, dout=1.0):
        return self.factor * super().backward(dout)


@pytest.mark.parametrize("factor", [6.0, -1.0, 1.001, 0.0])  # 6: the division by B is missing
def test_spoiled_loss_fails(factor):
    x, t = normal(6, 5), np.arange(6) % 5
    assert gradient_check(SpoiledLoss(1.0), x, t)
    assert not gradient_check(SpoiledLoss(factor), x, t)
    net = an.Sequential(an.Affine.init(5, 5, rng=0), loss=SpoiledLoss(factor))
    report = gradient_check(net, x, t)
    assert not any(check.passed(report.tolerance) for check in report.checks)


def test_small_wrong_gradient_is_not_hidden_by_large_ones():
    class TwoScales:
        def forward(self, x):
            self.x = x
            return np.sin(x) * np.array([1.0, 1e-7])

        def backward(self, dout):
            return dout * np.cos(self.x) * np.array([1.0, self.small])

    layer = TwoScales()
    layer.small = 1e-7
    assert gradient_check(layer, normal(4, 2))
    for small in (-1e-7, 1.01e-7, 0.0):
        layer.small = small
        assert not gradient_check(layer, normal(4, 2))


class KeepsFirst(OwnAffine):
    def backward(self, dout):
        dW = getattr(self, "dW", None)
        dx = super().backward(dout)
        if dW is not None:
            self.dW = dW
        return dx


class NeverWrites(OwnAffine):
    def __init__(self, W, b):
        super().__init__(W, b)
        self.dW, self.db = np.zeros_like(W), np.zeros_like(b)

    def backward(self, dout):
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class WritesOneRowLess(NeverWrites):
    def backward(self, dout):
        self.dW[:-1] = self.x[:, :-1].T @ dout
        return super().backward(dout)


class Adds(NeverWrites):
    def backward(self, dout):
        self.dW += self.x.T @ dout
        return super().backward(dout)


class KeepsDx(OwnAffine):
    def backward(self, dout):
        dx = getattr(self, "dx", None)
        super().backward(dout)
        if dx is not None:
            self.dx = dx
        return self.dx


@pytest.mark.parametrize("make", [KeepsFirst, NeverWrites, WritesOneRowLess, Adds, KeepsDx])
@pytest.mark.parametrize("declared", [True, False])
def test_stale_forgotten_and_added_gradients_fail(make, declared):
    layer = make(normal(5, 4), np.zeros(4))
    if declared:
        layer.parameters = ("W", "b")
    x = normal(6, 5)
    report = gradient_check(layer, x)
    wrong = [check.name for check in report.checks if not check.passed(report.tolerance)]
    assert wrong == (["x"] if make is KeepsDx else ["W"])
    layer.forward(x)
    layer.backward(normal(6, 4))
    assert not gradient_check(layer, x)


def test_gradient_missing_or_of_the_wrong_shape_fails():
    class Missing(OwnAffine):
        parameters = ("W", "b")

        def backward(self, dout):
            self.db = dout.sum(axis=0, keepdims=True)
            self.dW = None
            return (dout @ self.W.T).astype(complex)

    report = gradient_check(Missing(normal(5, 4), np.zeros(4)), normal(6, 5))
    assert not report
    text = str(report)
    assert "W: backward gives no gradient: the gradient is None" in text
    assert "b: the gradient has shape (1, 4)" in text
    assert "x: dx has shape (6, 5) and dtype complex128" in text


def test_layer_that_returns_no_dx_fails():
    class NoDx(OwnAffine):
        def backward(self, dout):
            super().backward(dout)

    report = gradient_check(NoDx(normal(5, 4), np.zeros(4)), normal(6, 5))
    assert not report
    assert "dx is None" in str(report)
    assert all(check.passed(report.tolerance) for check in report.checks if check.name != "x")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_gradient_that_is_not_finite_fails(value):
    def spoil(layer, dx):
        layer.dW[1, 2] = value

    report = gradient_check(SpoiledAffine(normal(5, 4), np.zeros(4), spoil), normal(6, 5))
    assert not report
    assert f"W: the gradient is {value} at [1, 2]" in str(report)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_loss_that_is_not_finite_fails(value):
    x = normal(6, 5)
    x[2, 3] = value
    report = gradient_check(an.MeanSquaredError(), x, np.zeros((6, 5)))
    assert not report
    assert f"the loss is {value}" in str(report)
    assert report.worst is None


@pytest.mark.parametrize("hidden", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_single_precision_inside_fails_instead_of_hiding_errors(hidden, seed):
    class Coarse:
        def forward(self, x):
            self.y = np.tanh(x.astype(np.float32))
            return self.y.astype(float) if hidden else self.y

        def backward(self, dout):
            return dout * (1 - self.y.astype(float) ** 2)

    report = gradient_check(Coarse(), normal(6, 5, seed=seed))
    assert not report
    assert ("Coarse.forward gives float32 for float64" in str(report)) is not hidden


def test_gradient_lost_in_the_rounding_of_the_loss_is_told():
    class Faint:
        def forward(self, x):
            self.x = x
            return np.array([1.0 + 1e-11 * np.sin(x).sum()])

        def backward(self, dout):
            return -dout * 1e-11 * np.cos(self.x)

    report = gradient_check(Faint(), normal(2, 2))
    assert not report
    assert "drown in the rounding" in str(report)


def test_a_wrong_direction_is_told_even_where_no_element_can_be_found(monkeypatch):
    """A half of the direction may have no derivative, at a kink; then the search ends."""

    def spoil(layer, dx):
        layer.dW[17, 123] *= -1

    whole, calls = ArrayCheck._along, []

    def along(self, direction):
        calls.append(direction)
        halved = np.count_nonzero(direction) == 300 * 200 // 2
        return None if halved else whole(self, direction)

    monkeypatch.setattr(ArrayCheck, "_along", along)
    layer = SpoiledAffine(normal(300, 200), np.zeros(200), spoil)
    report = gradient_check(layer, normal(3, 300), samples=5)
    assert [check.name for check in report.checks if not check.passed(report.tolerance)] == ["W"]
    assert any(np.count_nonzero(direction) == 300 * 200 // 2 for direction in calls)
