"""The reference's gradients against central differences."""

import numpy as np
import pytest

from affinet import reference


def central_difference(f, x, h=1e-5):
    """Gradient of the float ``f(x)``; its error is of the order h^2, about 1e-10."""
    gradient = np.empty_like(x)
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = h
        gradient[place] = (f(x + step) - f(x - step)) / (2 * h)
    return gradient


def check_gradient(f, x, analytic):
    np.testing.assert_allclose(analytic, central_difference(f, x), rtol=1e-7, atol=1e-8)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def away_from_the_kink(*shape):
    x = normal(*shape, seed=1)
    return x + 0.01 * np.sign(x)


def test_affine_gradients():
    x, W, b, dout = normal(3, 4), normal(4, 5, seed=1), normal(5, seed=2), normal(3, 5, seed=3)

    def f(x=x, W=W, b=b):
        return np.sum(reference.affine_forward(x, W, b) * dout)

    check_gradient(lambda x: f(x=x), x, reference.affine_backward_dx(dout, W))
    check_gradient(lambda W: f(W=W), W, reference.affine_backward_dw(x, dout))
    check_gradient(lambda b: f(b=b), b, reference.affine_backward_db(dout))


@pytest.mark.parametrize(
    ("name", "scalars"),
    [("relu", ()), ("leaky_relu", (0.1,)), ("leaky_relu", (0.9,)), ("sigmoid", ()), ("tanh", ())],
)
def test_activation_gradients(name, scalars):
    forward = getattr(reference, f"{name}_forward")
    backward = getattr(reference, f"{name}_backward")
    x, dout = 2 * away_from_the_kink(40), normal(40, seed=2)
    dx = backward(forward(x, *scalars), dout, *scalars)
    check_gradient(lambda x: np.sum(forward(x, *scalars) * dout), x, dx)


@pytest.mark.parametrize("name", ["gelu", "silu"])
def test_gradients_of_activations_that_keep_their_input(name):
    forward = getattr(reference, f"{name}_forward")
    x, dout = 3 * normal(40), normal(40, seed=2)
    dx = getattr(reference, f"{name}_backward")(x, dout)
    check_gradient(lambda x: np.sum(forward(x) * dout), x, dx)


def given_statistics(x, gamma, beta, eps):
    mean, variance = np.linspace(-1, 1, 5), np.linspace(0.5, 2, 5)
    return reference.batch_norm_predict(x, gamma, beta, mean, variance, eps), mean, variance


@pytest.mark.parametrize(
    ("forward", "backward"),
    [
        (reference.batch_norm_forward, lambda *a: reference.batch_norm_backward(*a, True)),
        (given_statistics, lambda *a: reference.batch_norm_backward(*a, False)),
        (reference.layer_norm_forward, reference.layer_norm_backward),
    ],
    ids=["batch", "given", "layer"],
)
def test_normalization_gradients(forward, backward):
    x, dout = normal(4, 5), normal(4, 5, seed=1)
    gamma, beta = normal(5, seed=2), normal(5, seed=3)

    def f(x=x, gamma=gamma, beta=beta):
        return np.sum(forward(x, gamma, beta, 1e-2)[0] * dout)

    _, mean, variance = forward(x, gamma, beta, 1e-2)
    dx, dgamma, dbeta = backward(x, dout, gamma, mean, variance, 1e-2)
    check_gradient(lambda x: f(x=x), x, dx)
    check_gradient(lambda gamma: f(gamma=gamma), gamma, dgamma)
    check_gradient(lambda beta: f(beta=beta), beta, dbeta)


@pytest.mark.parametrize("classes", [1, 2, 5])
def test_cross_entropy_gradients(classes):
    x = normal(4, classes)
    t = np.arange(4) % classes
    _, _, dx = reference.softmax_cross_entropy_labels(x, t)
    check_gradient(lambda x: reference.softmax_cross_entropy_labels(x, t)[0], x, dx)
    weights = np.abs(normal(4, classes, seed=3))
    _, _, dx = reference.softmax_cross_entropy_rows(x, weights)
    check_gradient(lambda x: reference.softmax_cross_entropy_rows(x, weights)[0], x, dx)


ELEMENTWISE = {
    "mean_squared_error": (),
    "sum_squared_error": (),
    "sigmoid_cross_entropy": (),
    "mean_absolute_error": (),
    "huber_loss": (0.6,),
    "poisson_loss": (),
    "quantile_loss": (0.2,),
}
WEIGHTS = [None, np.array([0.5, 0.0, 2.0])]


@pytest.mark.parametrize("weights", WEIGHTS, ids=["no weights", "weights"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_loss_gradients(name, weights):
    loss, scalars = getattr(reference, name), ELEMENTWISE[name]
    y, t = normal(3, 4), np.random.default_rng(1).random((3, 4))
    check_gradient(lambda y: loss(y, t, weights, *scalars)[0], y, loss(y, t, weights, *scalars)[1])


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_weighted_cross_entropy_gradients(smoothing):
    x, weights = normal(3, 4), WEIGHTS[1]
    for loss, t in (
        (reference.softmax_cross_entropy_labels, np.array([0, 3, 2])),
        (reference.softmax_cross_entropy_rows, np.abs(normal(3, 4, seed=3))),
    ):
        _, _, dx = loss(x, t, weights, smoothing)
        check_gradient(lambda x, loss=loss, t=t: loss(x, t, weights, smoothing)[0], x, dx)


def test_dropout_gradient():
    x, dout = normal(4, 9), normal(4, 9, seed=1)
    scalars = {"p": 0.4, "key": 1, "step": 2, "row": 3}
    _, mask = reference.dropout_forward(x, **scalars)
    dx = reference.dropout_backward(dout, mask, 0.4)
    check_gradient(lambda x: np.sum(reference.dropout_forward(x, **scalars)[0] * dout), x, dx)
