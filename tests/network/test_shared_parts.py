"""One activation, dropout or loss in several networks; parts that are used between the halves."""

import copy
import pickle

import numpy as np
import pytest

import affinet as an
from parts.activations import ACTIVATIONS
from parts.losses import LOSSES

X, X2 = np.random.default_rng(0).standard_normal((2, 30, 4))
T = np.random.default_rng(1).standard_normal((30, 3))
ELEMENTWISE = {name: row.make for name, row in ACTIVATIONS.items()}
SHAREABLE = ELEMENTWISE | {
    "Dropout": lambda: an.Dropout(0.5, rng=3),
    "Residual": lambda: an.Residual(an.Tanh(), an.Tanh()),
}


class Double:
    """A layer of no base class that keeps its input."""

    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dout):
        return 2 * self.x * dout


class Declared(Double):
    keeps = ("x",)


class Shifted(an.Tanh):
    """A subclass with a forward of its own, which keeps more than Tanh."""

    def forward(self, x):
        self.shift = np.sign(x)
        return super().forward(x) + self.shift

    def backward(self, dout):
        return super().backward(dout) * np.abs(self.shift)


class HalfLoss(an.MeanSquaredError):
    def forward(self, x, t, weights=None):
        return 0.5 * super().forward(x, t, weights)

    def backward(self, dout=1.0):
        return 0.5 * super().backward(dout)


def net(seed, part, loss):
    return an.Sequential(
        an.Affine.init(4, 5, rng=seed, dtype="float64"),
        part,
        an.Affine.init(5, 3, rng=seed + 1, dtype="float64"),
        loss=loss,
    )


def gradient(actor, use, t):
    actor.forward(X, t)
    use()
    actor.backward()
    return actor.grads.flat.copy()


def uses(part, loss, other, t, actor):
    """What may happen between a network's forward and its backward."""
    inner = np.random.default_rng(2).standard_normal((30, 5))
    return {
        "another network": lambda: other.forward(X2, t),
        "another network's whole step": lambda: (other.forward(X2, t), other.backward()),
        "the part by itself": lambda: part.forward(inner),
        "the loss by itself": lambda: loss.forward(X2[:, :3], t),
        "a copy": lambda: copy.deepcopy(actor).forward(X2, t),
        "a prediction": lambda: actor.predict(X2),
        "an evaluation": lambda: actor.evaluate(X2, t),
    }


@pytest.mark.parametrize("name", SHAREABLE)
def test_an_activation_in_two_networks(name):
    expected = gradient(net(0, SHAREABLE[name](), an.MeanSquaredError()), lambda: None, T)
    for use in uses(None, None, None, None, None):
        part, loss = SHAREABLE[name](), an.MeanSquaredError()
        actor, critic = net(0, part, loss), net(2, part, an.MeanSquaredError())
        found = gradient(actor, uses(part, loss, critic, T, actor)[use], T)
        np.testing.assert_array_equal(found, expected, err_msg=use)
        assert found.any()


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_in_two_networks(name):
    make, t = LOSSES[name].make, LOSSES[name].targets(T)
    expected = gradient(net(0, an.ReLU(), make()), lambda: None, t)
    for use in uses(None, None, None, None, None):
        relu, loss = an.ReLU(), make()
        actor, critic = net(0, relu, loss), net(2, an.ReLU(), loss)
        found = gradient(actor, uses(relu, loss, critic, t, actor)[use], t)
        np.testing.assert_array_equal(found, expected, err_msg=use)
        assert found.any()


def test_layers_with_parameters_may_be_called_between_the_halves():
    layers = an.Affine.init(4, 3, rng=0, dtype="float64"), an.BatchNorm(3, dtype="float64")
    actor = an.Sequential(*layers, an.LayerNorm(3, dtype="float64"), loss=an.MeanSquaredError())
    expected = gradient(actor, lambda: None, T)

    def call_each():
        actor.layers[0].forward(X2)
        actor.layers[1].forward(T, False)
        actor.layers[2].forward(T)

    np.testing.assert_array_equal(gradient(actor, call_each, T), expected)


def test_a_shared_activation_trains_as_two():
    """Both networks step by step in turn, and both through fit."""
    shared, own = an.Tanh(), (an.Tanh(), an.Tanh())
    pairs = [
        [net(0, shared, an.MeanSquaredError()), net(2, shared, an.MeanSquaredError())],
        [net(0, own[0], an.MeanSquaredError()), net(2, own[1], an.MeanSquaredError())],
    ]
    for pair in pairs:
        sgd = an.SGD(0.1)
        for _ in range(5):
            for each in pair:
                each.forward(X, T)
            for each in pair:
                each.backward()
                sgd.update(each.params, each.grads)
        for each in pair:
            each.fit(X, T, epochs=2)
    for one, two in zip(*pairs, strict=True):
        np.testing.assert_array_equal(one.params.flat, two.params.flat)


def test_a_loss_in_two_networks_pickled_between_the_halves():
    loss = an.MeanSquaredError()
    actor, critic = net(0, an.ReLU(), loss), net(2, an.ReLU(), loss)
    actor.forward(X, T)
    critic.forward(X2, T)
    twin = pickle.loads(pickle.dumps(actor))
    actor.backward()
    twin.backward()
    np.testing.assert_array_equal(twin.grads.flat, actor.grads.flat)


@pytest.mark.parametrize("make", [Double, Shifted])
def test_a_custom_layer_in_two_networks_is_refused_by_name(make):
    part = make()
    actor, critic = net(0, part, an.MeanSquaredError()), net(2, part, an.MeanSquaredError())
    actor.forward(X, T)
    critic.forward(X2, T)
    name = make.__name__
    with pytest.raises(RuntimeError, match=rf"layer 1 .*{name}.* another network ran through it"):
        actor.backward()
    critic.backward()
    expected = gradient(net(0, make(), an.MeanSquaredError()), lambda: None, T)
    np.testing.assert_array_equal(gradient(actor, lambda: None, T), expected)


def test_a_custom_layer_that_another_networks_failing_forward_met():
    part = Double()
    actor, critic = net(0, part, an.MeanSquaredError()), net(2, part, an.MeanSquaredError())
    actor.forward(X, T)
    with pytest.raises(ValueError, match="shape"):
        critic.forward(X2, T[:2])
    with pytest.raises(RuntimeError, match="another network ran through it"):
        actor.backward()


def test_a_custom_layer_that_was_called_between_the_halves():
    part = Double()
    actor = net(0, part, an.MeanSquaredError())
    actor.forward(X, T)
    actor.predict(X2)
    with pytest.raises(RuntimeError, match=r"Double.* its attributes x were set since"):
        actor.backward()


def test_a_custom_layer_in_one_network_goes_backward_twice():
    actor = net(0, Double(), an.MeanSquaredError())
    once = gradient(actor, lambda: None, T)
    actor.backward(2.0)
    np.testing.assert_allclose(actor.grads.flat, 2 * once, rtol=1e-12)


def test_a_custom_layer_that_declares_what_it_keeps_may_be_shared():
    part = Declared()
    actor, critic = net(0, part, an.MeanSquaredError()), net(2, part, an.MeanSquaredError())
    expected = gradient(net(0, Double(), an.MeanSquaredError()), lambda: None, T)
    found = gradient(actor, lambda: critic.forward(X2, T), T)
    np.testing.assert_array_equal(found, expected)


def test_a_custom_loss_in_two_networks_is_refused_by_name():
    loss = HalfLoss()
    actor, critic = net(0, an.ReLU(), loss), net(2, an.ReLU(), loss)
    actor.forward(X, T)
    critic.forward(X2, T)
    with pytest.raises(RuntimeError, match="the loss HalfLoss"):
        actor.backward()


def test_a_shallow_copy_is_another_name():
    actor = net(0, an.ReLU(), an.MeanSquaredError())
    twin = copy.copy(actor)
    actor.forward(X, T)
    twin.forward(X2, T)
    actor.backward()
    expected = gradient(net(0, an.ReLU(), an.MeanSquaredError()), lambda: None, T)
    assert (actor.grads.flat != expected).any()
    twin.forward(X, T)
    actor.backward()
    np.testing.assert_array_equal(actor.grads.flat, expected)


def test_one_layer_twice_in_one_network_is_still_refused():
    relu = an.ReLU()
    with pytest.raises(ValueError, match="twice"):
        an.Sequential(relu, relu)
