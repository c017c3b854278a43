"""Custom layers and losses: anything with forward and backward."""

import gc
import pickle
from types import SimpleNamespace

import numpy as np
import pytest

import affinet as an
from affinet.network.kept import declared
from array_forms import draw


class Double:
    """No parameters, no base class."""

    def forward(self, x):
        return 2 * x

    def backward(self, dout):
        return 2 * dout


class Scale:
    """One parameter, in plain NumPy."""

    parameters = ("W",)

    def __init__(self, n, dtype=np.float64):
        self.W = np.linspace(0.5, 1.5, n).astype(dtype)

    def forward(self, x):
        self.x = x
        return x * self.W

    def backward(self, dout):
        self.dW = (dout * self.x).sum(axis=0)
        return dout * self.W


class Noise:
    """Two modes, chosen by the second positional argument."""

    def __init__(self):
        self.flags = []

    def forward(self, x, train_flg=True):
        self.flags.append(train_flg)
        return x + 1 if train_flg else x

    def backward(self, dout):
        return dout


class OnlyKeyword(Noise):
    def forward(self, x, *, train=True):
        self.flags.append(train)
        return x


class AbsoluteError:
    """A loss without a base class."""

    def forward(self, x, t):
        self.sign = np.sign(x - t) / x.size
        return np.abs(x - t).mean()

    def backward(self, dout=1.0):
        return dout * self.sign


class Decayed(an.Affine):
    """Affine with weight decay in its gradient, in a backward with the plainest signature."""

    def backward(self, dout):
        dx = super().backward(dout)
        self.dW += 0.1 * self.W
        return dx


def numerical(net, x, t):
    flat = net.params.flat
    slopes = np.empty_like(flat)
    for place in range(flat.size):
        kept, values = flat[place], []
        for h in (1e-5, -1e-5):
            flat[place] = kept + h
            values.append(net.forward(x, t))
        flat[place] = kept
        slopes[place] = (values[0] - values[1]) / 2e-5
    return slopes


def test_gradients_through_layers_of_ones_own(data):
    net = an.Sequential(
        Scale(3), an.Affine.init(3, 4, rng=0, dtype="float64"), Double(), an.Tanh(), Scale(4),
        an.Affine.init(4, 2, rng=1, dtype="float64"), loss=an.SoftmaxWithLoss(),
    )  # fmt: skip
    assert list(net.params) == ["0.W", "1.W", "1.b", "4.W", "5.W", "5.b"]
    net.forward(*data)
    net.backward()
    np.testing.assert_allclose(net.grads.flat, numerical(net, *data), rtol=1e-6, atol=1e-9)


def test_parameters_of_ones_own_layer_become_views():
    layer = Scale(3)
    W = layer.W
    net = an.Sequential(layer)
    assert layer.W is net.params["0.W"]
    assert np.shares_memory(layer.W, net.params.flat)
    net.params.flat *= 2
    np.testing.assert_array_equal(layer.W, 2 * W)


def test_gradients_of_ones_own_layer_are_collected_and_its_own_stay(data):
    layer = Scale(3)
    net = an.Sequential(layer, loss=an.MeanSquaredError())
    net.forward(data[0], np.zeros((6, 3)))
    net.backward()
    np.testing.assert_array_equal(net.grads["0.W"], layer.dW)
    net.grads.flat[:] = 0
    assert layer.dW.any()


def test_training_with_layers_of_ones_own(data):
    net = an.Sequential(
        Scale(3), an.Affine.init(3, 2, rng=0, dtype="float64"), loss=an.SoftmaxWithLoss()
    )
    before = net.params.flat.copy()
    history = net.fit(*data, epochs=30, batch_size=4, optimizer=an.Adam(0.1))
    assert history["loss"][-1] < history["loss"][0]
    assert (net.params.flat != before).all()
    assert net.layers[0].W is net.params["0.W"]


def test_the_train_flag_is_told_by_position(data):
    layer = Noise()
    net = an.Sequential(layer, an.Affine.init(3, 2, rng=0), loss=an.SoftmaxWithLoss())
    net.forward(*data)
    net.forward(*data, train=False)
    net.predict(data[0])
    net.evaluate(*data)
    assert layer.flags == [True, False, False, False]
    layer.flags.clear()
    net.fit(*data, epochs=1, batch_size=6)
    assert layer.flags == [False, True]  # a look at the shapes, then the step


def test_a_keyword_only_flag_is_left_at_its_default(data):
    layer = OnlyKeyword()
    net = an.Sequential(layer, an.Affine.init(3, 2, rng=0), loss=an.SoftmaxWithLoss())
    net.forward(*data)
    net.predict(data[0])
    assert layer.flags == [True, True]


def test_a_layer_may_change_the_width(data):
    class Twice:
        def forward(self, x):
            return np.concatenate([x, x], axis=1)

        def backward(self, dout):
            n = dout.shape[1] // 2
            return dout[:, :n] + dout[:, n:]

    net = an.Sequential(
        an.Affine.init(3, 2, rng=0, dtype="float64"), Twice(),
        an.Affine.init(4, 2, rng=1, dtype="float64"), loss=an.SoftmaxWithLoss(),
    )  # fmt: skip
    net.forward(*data)
    net.backward()
    np.testing.assert_allclose(net.grads.flat, numerical(net, *data), rtol=1e-6, atol=1e-9)


def test_blocks_of_rows_through_layers_of_ones_own():
    net = an.Sequential(Double(), Scale(3))
    x = draw("float64", (3000, 3))
    np.testing.assert_array_equal(net.predict(x), 2 * x * net.params["1.W"])


def test_a_loss_of_ones_own(data):
    net = an.Sequential(an.Affine.init(3, 1, rng=0, dtype="float64"), loss=AbsoluteError())
    t = np.ones((6, 1))
    assert net.forward(data[0], t) == np.abs(net.predict(data[0]) - t).mean()
    net.backward()
    np.testing.assert_allclose(net.grads.flat, numerical(net, data[0], t), atol=1e-9)
    assert list(net.evaluate(data[0], t)) == ["loss"]
    history = net.fit(data[0], t, epochs=20, optimizer=an.Adam(0.05), validation_data=(data[0], t))
    assert history["val_loss"][-1] < history["val_loss"][0]
    assert "accuracy" not in history.names


def test_a_subclass_of_affine_with_the_plain_signature_of_backward(data):
    """need_dx is specific to Affine; a subclass need not know it."""
    W, b = draw("float64", (3, 2)), np.zeros(2)
    net = an.Sequential(Decayed(W, b), loss=an.SoftmaxWithLoss())
    plain = an.Sequential(an.Affine(W, b), loss=an.SoftmaxWithLoss())
    for each in (net, plain):
        each.forward(*data)
        each.backward()
    np.testing.assert_allclose(net.grads["0.W"], plain.grads["0.W"] + 0.1 * W)
    np.testing.assert_array_equal(net.grads["0.b"], plain.grads["0.b"])


def test_a_gradient_that_a_layer_forgot(data):
    class Forgetful(Scale):
        def backward(self, dout):
            return dout

    net = an.Sequential(Forgetful(3), loss=an.MeanSquaredError())
    net.forward(data[0], np.zeros((6, 3)))
    with pytest.raises(AttributeError, match="dW"):
        net.backward()


def test_a_gradient_of_a_wrong_shape(data):
    class Wrong(Scale):
        def backward(self, dout):
            self.dW = np.zeros(5)
            return dout

    net = an.Sequential(Wrong(3), loss=an.MeanSquaredError())
    net.forward(data[0], np.zeros((6, 3)))
    with pytest.raises(ValueError, match=r"0\.W has shape \(5,\), wanted \(3,\)"):
        net.backward()


@pytest.mark.parametrize("dtype", ["int64", "bool", "complex128", "object"])
def test_parameters_of_ones_own_that_are_no_floats(dtype):
    layer = Scale(3)
    layer.W = np.ones(3, dtype)
    with pytest.raises(TypeError, match="layer 0: W"):
        an.Sequential(layer)


def test_a_layer_of_ones_own_in_two_living_networks():
    """Its array can be a view of one buffer only."""
    layer = Scale(3)
    first = an.Sequential(layer)
    with pytest.raises(ValueError, match="another network"):
        an.Sequential(layer)
    assert layer.W is first.params["0.W"]


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_layer_of_ones_own_in_a_network_that_was_pickled(protocol):
    """The flat buffer of such a network may itself be a view, of the pickle's bytes."""
    net = pickle.loads(pickle.dumps(an.Sequential(Scale(3)), protocol))
    with pytest.raises(ValueError, match="another network"):
        an.Sequential(net.layers[0])
    assert net.layers[0].W is net.params["0.W"]
    net.params.flat[:] = 7
    assert (net.layers[0].W == 7).all()


def test_a_layer_of_ones_own_is_free_again_when_its_network_dies():
    layer = Scale(3)
    first = an.Sequential(layer)
    del first
    gc.collect()
    second = an.Sequential(layer)
    assert layer.W is second.params["0.W"]


def test_a_network_of_ones_own_layers_pickles():
    net = an.Sequential(Scale(3), Double())
    twin = pickle.loads(pickle.dumps(net))
    assert twin.layers[0].W is twin.params["0.W"]
    np.testing.assert_array_equal(twin.predict(np.ones((1, 3))), net.predict(np.ones((1, 3))))


def test_repr_and_summary_show_layers_of_ones_own():
    net = an.Sequential(Scale(3), Double())
    assert "Scale" in repr(net)
    assert "3 parameters" in net.summary()


class FirstColumns(an.Layer):
    """The first four columns: of affinet's base class, and yet of another width."""

    def predict(self, x):
        return np.ascontiguousarray(x[:, :4])

    def forward(self, x):
        self.shape = x.shape
        return self.predict(x)

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        dx[:, :4] = dout
        return dx


@pytest.mark.parametrize("behind_another", [False, True])
def test_ones_own_subclass_of_layer_may_change_the_width(behind_another):
    before = [an.Affine.init(6, 6, rng=0, dtype="float64"), an.ReLU()] if behind_another else []
    last = an.Affine.init(4, 2, rng=1, dtype="float64")
    net = an.Sequential(*before, FirstColumns(), last, loss=an.SoftmaxWithLoss())
    x, t = np.random.default_rng(0).standard_normal((20, 6)), np.arange(20) % 2
    assert an.gradient_check(net, x, t).passed
    assert net.fit(x, t, epochs=1, batch_size=5).step_kind == "layer by layer"


def test_parts_without_a_declaration_may_keep_anything():
    assert declared(object()) is None
    assert declared(SimpleNamespace()) is None
    assert declared(SimpleNamespace(forward=abs)) is None
