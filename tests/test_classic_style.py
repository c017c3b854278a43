"""Code in the classic layer-by-layer style runs unchanged on affinet's classes.

A dict of parameters, layers in an OrderedDict built on those very arrays, a loss layer behind
them, gradients in a dict of the same keys, and three steps that stay visible: forward, backward,
update.
"""

from collections import OrderedDict

import numpy as np
import pytest

import affinet as an
from parts.optimizers import CLASSES


class TwoLayerNet:
    """As such a program would write it, without `Sequential`."""

    def __init__(self, n_in, n_hidden, n_out, dtype=np.float64, dropout=0.0, seed=0):
        rng = np.random.default_rng(seed)
        self.params = {
            "W1": (0.3 * rng.standard_normal((n_in, n_hidden))).astype(dtype),
            "b1": np.zeros(n_hidden, dtype),
            "W2": (0.3 * rng.standard_normal((n_hidden, n_out))).astype(dtype),
            "b2": np.zeros(n_out, dtype),
        }
        self.layers = OrderedDict()
        self.layers["Affine1"] = an.Affine(self.params["W1"], self.params["b1"])
        self.layers["Relu1"] = an.ReLU()
        self.layers["Dropout1"] = an.Dropout(dropout, rng=seed)
        self.layers["Affine2"] = an.Affine(self.params["W2"], self.params["b2"])
        self.last_layer = an.SoftmaxWithLoss()

    def predict(self, x, train_flg=False):
        for name, layer in self.layers.items():
            x = layer.forward(x, train_flg) if "Dropout" in name else layer.forward(x)
        return x

    def loss(self, x, t, train_flg=False):
        return self.last_layer.forward(self.predict(x, train_flg), t)

    def accuracy(self, x, t):
        if t.ndim != 1:
            t = np.argmax(t, axis=1)
        return np.sum(np.argmax(self.predict(x), axis=1) == t) / float(x.shape[0])

    def gradient(self, x, t):
        self.loss(x, t, train_flg=True)
        dout = self.last_layer.backward(1)
        for layer in reversed(list(self.layers.values())):
            dout = layer.backward(dout)
        return {
            "W1": self.layers["Affine1"].dW,
            "b1": self.layers["Affine1"].db,
            "W2": self.layers["Affine2"].dW,
            "b2": self.layers["Affine2"].db,
        }

    def numerical_gradient(self, x, t):
        return {
            name: an.numerical_gradient(lambda _: self.loss(x, t), array)
            for name, array in self.params.items()
        }


def quadrants(n=60, seed=3):
    """Points of the plane in four classes, none of them at a border."""
    rng = np.random.default_rng(seed)
    t = rng.integers(0, 4, n)
    corners = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    return corners[t] + 0.2 * rng.standard_normal((n, 2)), t


OPTIMIZERS = [rule(rule.picture_lr) for rule in CLASSES]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_trains(optimizer, dtype):
    net, (x, t) = TwoLayerNet(2, 16, 4, dtype), quadrants()
    first = net.loss(x, t)
    for i in range(60):
        batch = slice(20 * (i % 3), 20 * (i % 3) + 20)
        grads = net.gradient(x[batch], t[batch])
        optimizer.update(net.params, grads)
    assert net.loss(x, t) < first / 4
    assert net.accuracy(x, t) > 0.95


@pytest.mark.parametrize(
    "targets",
    [
        lambda t: t.astype(np.uint8),
        lambda t: np.eye(4)[t],
        lambda t: np.eye(4, dtype=np.float32)[t],
        lambda t: np.eye(4, dtype=bool)[t],
        lambda t: t.tolist(),
    ],
)
def test_targets_of_every_kind_give_the_same_gradients(targets):
    net, (x, t) = TwoLayerNet(2, 8, 4), quadrants()
    wanted = {name: g.copy() for name, g in net.gradient(x, t).items()}
    for name, gradient in net.gradient(x, targets(t)).items():
        np.testing.assert_allclose(gradient, wanted[name], rtol=1e-12, atol=1e-15)


def test_backpropagation_agrees_with_the_numerical_gradient_that_pokes_w():
    net, (x, t) = TwoLayerNet(2, 5, 4), quadrants(7)
    before = {name: a.copy() for name, a in net.params.items()}
    numerical = net.numerical_gradient(x, t)
    for name, gradient in net.gradient(x, t).items():
        np.testing.assert_allclose(gradient, numerical[name], atol=1e-6, err_msg=name)
        np.testing.assert_array_equal(net.params[name], before[name])


def test_poking_one_element_of_w_by_hand():
    net, (x, t) = TwoLayerNet(2, 5, 4), quadrants(7)
    W, h = net.params["W2"], 1e-4
    grads = net.gradient(x, t)
    for place in np.ndindex(W.shape):
        kept = W[place]
        W[place] = kept + h
        above = net.loss(x, t)
        W[place] = kept - h
        below = net.loss(x, t)
        W[place] = kept
        assert (above - below) / (2 * h) == pytest.approx(grads["W2"][place], abs=1e-7)


def test_updates_are_seen_by_the_layers_in_place():
    net, (x, t) = TwoLayerNet(2, 8, 4), quadrants()
    arrays = dict(net.params)
    before = net.predict(x)
    an.SGD(lr=0.5).update(net.params, net.gradient(x, t))
    assert (net.predict(x) != before).all()
    for name, array in arrays.items():
        assert net.params[name] is array
    assert net.layers["Affine1"].W is arrays["W1"]
    assert net.layers["Affine2"].b is arrays["b2"]


def test_a_book_style_loop_over_the_dict_is_seen_too():
    net, (x, t) = TwoLayerNet(2, 8, 4), quadrants()
    first = net.loss(x, t)
    for _ in range(10):
        grads = net.gradient(x, t)
        for name in ("W1", "b1", "W2", "b2"):
            net.params[name] -= 0.5 * grads[name]
    assert net.loss(x, t) < first


def test_forward_backward_and_update_stay_three_steps():
    net, (x, t) = TwoLayerNet(2, 8, 4), quadrants()
    params = {name: a.copy() for name, a in net.params.items()}

    def same_params():
        return all((net.params[name] == a).all() for name, a in params.items())

    net.loss(x, t)
    assert net.layers["Affine1"].dW is None
    assert same_params()
    dout = net.last_layer.backward(1)
    assert net.layers["Affine2"].dW is None
    for layer in reversed(list(net.layers.values())):
        incoming = dout
        kept = incoming.copy()
        dout = layer.backward(incoming)
        np.testing.assert_array_equal(incoming, kept)
    assert net.layers["Affine1"].dW.any()
    assert same_params()
    grads = {"W1": net.layers["Affine1"].dW}
    kept = grads["W1"].copy()
    an.Adam().update({"W1": net.params["W1"]}, grads)
    np.testing.assert_array_equal(grads["W1"], kept)
    assert not same_params()


def test_float32_images_of_four_dimensions_against_float64_parameters():
    rng = np.random.default_rng(0)
    images = rng.random((6, 3, 4, 2), np.float32).transpose(0, 2, 3, 1)
    net = TwoLayerNet(24, 8, 4)
    grads = net.gradient(images, np.arange(6, dtype=np.uint8) % 4)
    assert grads["W1"].dtype == np.float64
    flat = net.gradient(images.reshape(6, 24), np.arange(6) % 4)
    np.testing.assert_array_equal(grads["W1"], flat["W1"])
    dout = net.last_layer.backward(1)
    for layer in reversed(list(net.layers.values())):
        dout = layer.backward(dout)
    assert dout.shape == (6, 24)


def test_float16_inputs():
    net, (x, t) = TwoLayerNet(2, 8, 4), quadrants()
    half = net.loss(x.astype(np.float16), t)
    assert half == pytest.approx(net.loss(x, t), rel=1e-2)
    assert half == net.loss(x.astype(np.float16).astype(np.float64), t)


def test_no_rows_and_one_row():
    net, (x, t) = TwoLayerNet(2, 8, 4), quadrants()
    assert net.predict(x[:0]).shape == (0, 4)
    assert net.predict(x[:1]).shape == (1, 4)
    assert net.gradient(x[:1], t[:1])["W1"].shape == (2, 8)


def test_assigning_other_weights_to_a_layer():
    net, (x, _) = TwoLayerNet(2, 8, 4), quadrants()
    net.params["W1"] = np.zeros((2, 8))
    net.layers["Affine1"].W = net.params["W1"]
    np.testing.assert_array_equal(net.predict(x), np.tile(net.params["b2"], (len(x), 1)))
    net.params["W1"] += 1
    assert net.predict(x).std() > 0


def test_the_train_flag_of_dropout():
    net, (x, t) = TwoLayerNet(2, 50, 4, dropout=0.5), quadrants()
    assert net.loss(x, t, train_flg=True) != net.loss(x, t, train_flg=True)
    assert net.loss(x, t, train_flg=False) == net.loss(x, t, train_flg=False)


def test_one_optimizer_for_several_networks():
    (x, t), shared = quadrants(), an.Momentum(lr=0.1)
    nets = [TwoLayerNet(2, 8, 4, seed=seed) for seed in (1, 2)]
    alone = [TwoLayerNet(2, 8, 4, seed=seed) for seed in (1, 2)]
    own = [an.Momentum(lr=0.1) for _ in alone]
    for _ in range(5):
        for net, twin, optimizer in zip(nets, alone, own, strict=True):
            shared.update(net.params, net.gradient(x, t))
            optimizer.update(twin.params, twin.gradient(x, t))
    for net, twin in zip(nets, alone, strict=True):
        for name in net.params:
            np.testing.assert_array_equal(net.params[name], twin.params[name])


def test_one_optimizer_per_experiment_in_a_dict():
    """Comparing optimizers on equal networks, as books do."""
    (x, t), losses = quadrants(), {}
    for optimizer in (rule(0.1) for rule in CLASSES):
        net = TwoLayerNet(2, 8, 4, seed=5)
        for _ in range(10):
            optimizer.update(net.params, net.gradient(x, t))
        losses[type(optimizer).__name__] = net.loss(x, t)
    assert len(set(losses.values())) == len(CLASSES)


def test_python_floats_as_parameters_walk_down_a_valley():
    """f(x, y) = x^2 / 20 + y^2, the textbook picture of optimizers."""
    for optimizer in (an.SGD(0.9), an.Momentum(0.1), an.AdaGrad(1.5), an.Adam(0.3)):
        params = {"x": -7.0, "y": 2.0}
        for _ in range(60):
            grads = {"x": params["x"] / 10.0, "y": 2.0 * params["y"]}
            optimizer.update(params, grads)
            assert isinstance(params["x"], float)
        assert params["x"] ** 2 / 20 + params["y"] ** 2 < 0.1


def test_weight_decay_added_to_the_loss_and_the_gradients():
    net, (x, t), decay = TwoLayerNet(2, 8, 4), quadrants(), 0.1
    optimizer = an.SGD(0.5)
    for _ in range(30):
        grads = net.gradient(x, t)
        for name in ("W1", "W2"):
            grads[name] = grads[name] + decay * net.params[name]
        optimizer.update(net.params, grads)
    plain = TwoLayerNet(2, 8, 4)
    for _ in range(30):
        an.SGD(0.5).update(plain.params, plain.gradient(x, t))
    assert np.linalg.norm(net.params["W1"]) < np.linalg.norm(plain.params["W1"])
