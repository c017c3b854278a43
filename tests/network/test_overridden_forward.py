"""A subclass of one of affinet's parts that overrides forward is never passed over."""

import pickle

import numpy as np
import pytest

import affinet as an
from affinet.network.inner import predictions

X = np.random.default_rng(0).standard_normal((6, 3)).astype("float32")
T = np.arange(6) % 3


class Twice(an.ReLU):
    def forward(self, x):
        return 2 * super().forward(x)

    def backward(self, dout):
        return 2 * super().backward(dout)


class TwiceAffine(an.Affine):
    def forward(self, x):
        return 2 * super().forward(x)

    def backward(self, dout):
        return super().backward(2 * dout)


class TwiceNorm(an.BatchNorm):
    def forward(self, x, train=True):
        return 2 * super().forward(x, train)


class TwiceResidual(an.Residual):
    def forward(self, x, train=True):
        return 2 * super().forward(x, train)

    def backward(self, dout):
        return super().backward(2 * dout)


class TwiceDropout(an.Dropout):
    def forward(self, x, train=True):
        return 2 * super().forward(x, train)


class OwnPrediction(Twice):
    def predict(self, x):
        return 3 * super().predict(x)


class Mixed(an.Tanh):
    """A mixin's forward counts too; what Tanh's relatives inherit below it goes on."""


OVERRIDING = {
    "Twice": Twice,
    "TwiceAffine": lambda: TwiceAffine(np.eye(3), np.ones(3)),
    "TwiceNorm": lambda: TwiceNorm(3, dtype="float64"),
    "TwiceResidual": lambda: TwiceResidual(an.Tanh()),
    "TwiceDropout": lambda: TwiceDropout(0.5),
}


@pytest.mark.parametrize("name", OVERRIDING)
@pytest.mark.parametrize("nested", [False, True])
def test_predict_goes_through_an_overridden_forward(name, nested):
    layer = OVERRIDING[name]()
    parent = type(layer).__mro__[1]
    net = an.Sequential(an.Residual(layer) if nested else layer)
    expected = 2 * parent.predict(layer, X) + (X if nested else 0)
    np.testing.assert_array_equal(net.predict(X), expected)
    np.testing.assert_array_equal(net(X[0]), expected[0])
    np.testing.assert_array_equal(dict(predictions(net, X))["0"], expected)
    np.testing.assert_array_equal(net.forward(X, train=False), expected)
    twin = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(twin.predict(X), expected)


def test_a_projection_that_overrides_forward():
    block = an.Residual(an.ReLU(), projection=TwiceAffine(np.eye(3), np.zeros(3)))
    x = X.astype("float64")
    np.testing.assert_array_equal(an.Sequential(block).predict(x), np.maximum(x, 0) + 2 * x)


def test_a_predict_as_new_as_forward_is_used():
    np.testing.assert_array_equal(an.Sequential(OwnPrediction()).predict(X), 3 * np.maximum(X, 0))
    np.testing.assert_array_equal(an.Sequential(Mixed()).predict(X), an.Tanh().predict(X))


def test_what_evaluate_reports_is_what_was_trained():
    net = an.Sequential(
        an.Affine.init(3, 3, rng=0, dtype="float64"), Twice(), loss=an.SoftmaxWithLoss()
    )
    assert net.fit(X, T, epochs=1).step_kind == "layer by layer"
    assert net.evaluate(X, T)["loss"] == net.forward(X, T, train=False)


class Focal(an.SoftmaxWithLoss):
    """Another loss of the same logits; its probabilities are the softmax as before."""

    def forward(self, x, t, weights=None):
        return 3 * super().forward(x, t, weights)

    def backward(self, dout=1.0):
        return super().backward(3 * dout)


class FromScratch(an.SoftmaxWithLoss):
    """Does not call the inherited forward, so nothing is left in ``y``."""

    def forward(self, x, t, weights=None):
        y = self.probabilities(x)
        self.dx = (y - np.eye(3)[t]) / len(t)
        return float(-np.log(y[np.arange(len(t)), t]).mean())

    def backward(self, dout=1.0):
        return dout * self.dx


@pytest.mark.parametrize(("loss", "factor"), [(Focal(), 3), (FromScratch(), 1)])
def test_a_loss_that_overrides_forward(loss, factor):
    def build(loss):
        return an.Sequential(an.Affine.init(3, 3, rng=0, dtype="float64"), loss=loss)

    net, plain = build(loss), build(an.SoftmaxWithLoss())
    expected = plain.evaluate(X, T)
    found = net.evaluate(X, T)
    assert found["loss"] == pytest.approx(factor * expected["loss"], rel=1e-12)
    assert found["accuracy"] == expected["accuracy"]
    np.testing.assert_array_equal(net.predict_proba(X), plain.predict_proba(X))
    history = net.fit(X, T, epochs=3, batch_size=2, optimizer=an.SGD(0.5 / factor))
    reference = plain.fit(X, T, epochs=3, batch_size=2, optimizer=an.SGD(0.5))
    assert history.step_kind == "layer by layer"
    assert history["accuracy"] == reference["accuracy"]
    assert history["loss"] == pytest.approx(factor * np.array(reference["loss"]), rel=1e-9)


class Noisy(an.Sequential):
    """A network whose own forward and backward do more than the inherited ones."""

    calls = 0

    def forward(self, x, t):
        self.calls += 1
        return super().forward(2 * np.asarray(x), t)


def test_fit_goes_through_a_networks_own_forward():
    def build(cls):
        return cls(an.Affine.init(3, 3, rng=0, dtype="float64"), loss=an.SoftmaxWithLoss())

    net, plain = build(Noisy), build(an.Sequential)
    history = net.fit(X, T, epochs=2, batch_size=3)
    assert (net.calls, history.step_kind) == (4, "layer by layer")
    assert history.step_reason == "the network's class Noisy overrides forward"
    plain.fit(2 * X, T, epochs=2, batch_size=3)
    np.testing.assert_array_equal(net.params.flat, plain.params.flat)
