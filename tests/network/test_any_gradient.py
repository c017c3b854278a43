"""Forward without targets, and any gradient of the outputs put into the backward."""

import numpy as np
import pytest

import affinet as an

X = np.random.default_rng(0).standard_normal((7, 4))
DOUT = np.random.default_rng(1).standard_normal((7, 3))


def network(loss=None, dtype="float64", **options):
    return an.Sequential(
        an.Affine.init(4, 6, rng=1, dtype=dtype),
        an.Residual(an.Affine.init(6, 6, rng=2, dtype=dtype), an.GELU()),
        an.Tanh(),
        an.Affine.init(6, 3, rng=3, dtype=dtype),
        an.Sigmoid(),
        loss=loss,
        **options,
    )


@pytest.mark.parametrize("loss", [None, an.SoftmaxWithLoss()])
def test_the_gradients_of_any_function_of_the_outputs(loss):
    """Of sum(dout * y): against central differences, in parameters and inputs."""
    net = network(loss)
    y = net.forward(X)
    dx = net.backward(DOUT, need_dx=True)
    np.testing.assert_array_equal(y, net.predict(X))

    def value(x):
        return float((DOUT * net.predict(x)).sum())

    np.testing.assert_allclose(dx, an.numerical_gradient(value, X.copy()), rtol=1e-6, atol=1e-9)
    flat, slopes = net.params.flat, np.empty(net.params.flat.size)
    for place in range(flat.size):
        kept, values = flat[place], []
        for h in (1e-6, -1e-6):
            flat[place] = kept + h
            values.append(value(X))
        flat[place] = kept
        slopes[place] = (values[0] - values[1]) / 2e-6
    np.testing.assert_allclose(net.grads.flat, slopes, rtol=1e-6, atol=1e-8)


def test_the_losss_own_gradient_gives_the_same_bits():
    loss, t = an.SoftmaxWithLoss(), np.arange(7) % 3
    net, twin = network(an.SoftmaxWithLoss()), network()
    net.forward(X, t)
    net.backward()
    loss.forward(twin.forward(X), t)
    assert twin.backward(loss.backward()) is None
    np.testing.assert_array_equal(twin.grads.flat, net.grads.flat)


def test_two_networks_in_a_row_are_one():
    """Coupled networks: the second one's dx is the first one's dout."""
    first, second = an.Sequential(*network().layers[:2]), None
    whole = network(an.MeanSquaredError())
    second = an.Sequential(*network().layers[2:], loss=an.MeanSquaredError())
    second.forward(first.forward(X), DOUT)
    dx = first.backward(second.backward(need_dx=True), need_dx=True)
    whole.forward(X, DOUT)
    np.testing.assert_array_equal(dx, whole.backward(need_dx=True))
    found = np.concatenate([first.grads.flat, second.grads.flat])
    np.testing.assert_array_equal(found, whole.grads.flat)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_outputs_and_dout_belong_to_the_caller(dtype):
    """Whoever writes into them, or into x, changes no gradient; dout itself is not changed."""
    net, x = network(dtype=dtype), X.astype(dtype)
    net.forward(x)
    net.backward(DOUT)
    expected = net.grads.flat.copy()
    y = net.forward(x)
    y[...] = 7
    x[...] = 7
    dout = DOUT.astype(dtype)
    net.backward(dout)
    np.testing.assert_array_equal(net.grads.flat, expected)
    np.testing.assert_array_equal(dout, DOUT.astype(dtype))


def test_a_custom_last_layer_may_write_into_dout():
    class Halving:
        def forward(self, x):
            return x / 2

        def backward(self, dout):
            dout /= 2
            return dout

    net, dout = an.Sequential(an.Affine.init(4, 3, rng=0, dtype="float64"), Halving()), DOUT.copy()
    net.forward(X)
    net.backward(dout)
    np.testing.assert_array_equal(dout, DOUT)
    np.testing.assert_allclose(net.grads["0.b"], DOUT.sum(axis=0) / 2)


def test_a_single_row():
    net = network()
    assert net.forward(X[0]).shape == (3,)
    assert net.backward(DOUT[0], need_dx=True).shape == (4,)
    with pytest.raises(ValueError, match=r"dout has shape \(1, 3\), wanted \(3,\)"):
        net.backward(DOUT[:1])


def test_training_mode_is_the_default():
    net = an.Sequential(an.Dropout(0.5, rng=0))
    x = np.ones((50, 4))
    y = net.forward(x)
    assert set(y.ravel()) == {0.0, 2.0}
    np.testing.assert_array_equal(net.backward(x, need_dx=True), y)
    np.testing.assert_array_equal(net.forward(x, train=False), x)
    np.testing.assert_array_equal(net.backward(x, need_dx=True), x)


@pytest.mark.parametrize("dout", [1.0, np.ones(7), np.ones((3, 7)), np.ones((7, 1)), [[1.0] * 3]])
def test_a_dout_of_another_shape_is_refused(dout):
    net = network(an.MeanSquaredError())
    net.forward(X)
    with pytest.raises(ValueError, match=r"dout has shape .*, wanted \(7, 3\)"):
        net.backward(dout)
    with pytest.raises(ValueError, match=r"dout has shape \(\), wanted \(7, 3\)"):
        net.backward()


def test_after_targets_dout_is_one_number():
    net = network(an.MeanSquaredError())
    net.forward(X, DOUT)
    net.backward()
    once = net.grads.flat.copy()
    for two in (2.0, 2, np.float32(2), np.array([2.0])):
        net.backward(two)
        np.testing.assert_allclose(net.grads.flat, 2 * once, rtol=1e-12)
    with pytest.raises(ValueError, match=r"dout has shape \(7, 3\), wanted one number"):
        net.backward(DOUT)
    net.forward(X)
    net.backward(DOUT)
    net.forward(X, DOUT)
    net.backward()
    np.testing.assert_array_equal(net.grads.flat, once)


def test_weights_want_targets():
    with pytest.raises(ValueError, match="weights came without targets"):
        network(an.MeanSquaredError()).forward(X, weights=np.ones(7))


def test_backward_wants_a_forward():
    net = network()
    with pytest.raises(RuntimeError, match="came before forward"):
        net.backward(DOUT)
    net.forward(X)
    with pytest.raises(ValueError, match="at least one row"):
        net.forward(X[:0])
    with pytest.raises(RuntimeError, match="came before forward"):
        net.backward(DOUT)


def test_a_gradient_of_custom_layers_with_parameters():
    class Scale:
        parameters = ("W",)

        def __init__(self):
            self.W = np.array([1.0, 2.0, 3.0, 4.0])

        def forward(self, x):
            self.x = x
            return x * self.W

        def backward(self, dout):
            self.dW = (dout * self.x).sum(axis=0)
            return dout * self.W

    net = an.Sequential(Scale())
    net.forward(X)
    dx = net.backward(np.ones((7, 4)), need_dx=True)
    np.testing.assert_allclose(net.grads["0.W"], X.sum(axis=0))
    np.testing.assert_array_equal(dx, np.broadcast_to(net.params["0.W"], (7, 4)))


def test_calling_a_network_predicts(net, data):
    np.testing.assert_array_equal(net(data[0]), net.predict(data[0]))
    assert net(data[0][0]).shape == (2,)
