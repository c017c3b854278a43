"""What a network must predict, in float64 and plain NumPy, and a bound of the rounding error.

Beside every number stands its scale: what it would be if all its terms had one sign. An activation
multiplies an error by its greatest slope at most; a normalization divides it by what it divides
the numbers by.
"""

import math

import numpy as np

import affinet as an
from affinet.network.inner import walk
from parts.activations import ACTIVATIONS

FUNCTIONS = {name: row.formula for name, row in ACTIVATIONS.items()} | {
    "Dropout": lambda x, layer: x
}
STEEPEST = max(row.greatest[0] for row in ACTIVATIONS.values())


def exact(net, x):
    """``(y, scale, reduction)`` for rows x, as `tolerance.assert_close` takes them."""
    y = np.asarray(x, np.float64).reshape(len(x), math.prod(np.shape(x)[1:]))
    y = y if net.input_scale is None else y * net.input_scale
    y, scale, reduction = through(net.layers, y, abs(y))
    return y, STEEPEST ** len(list(walk(net.layers))) * scale, reduction + 1


def through(layers, y, scale):
    """The same behind layers, without the growth of errors by slopes."""
    reduction = 0
    for layer in layers:
        name = type(layer).__name__
        if name == "Residual":
            x, x_scale = y, scale
            y, scale, more = through(layer.layers, x, x_scale)
            projection = () if layer.projection is None else (layer.projection,)
            x, x_scale, most = through(projection, x, x_scale)
            y, scale = y + x, scale + x_scale
            reduction += more + most + 1
        elif name == "Affine":
            W, b = np.float64(layer.W), np.float64(layer.b)
            y, scale = y @ W + b, scale @ abs(W) + abs(b)
            reduction += len(W) + 1
        elif name in ("BatchNorm", "LayerNorm"):
            y, scale = normalized(layer, y, scale, of_batch=name == "BatchNorm")
            reduction += len(layer.gamma) + 4
        else:
            y, scale = FUNCTIONS[name](y, layer), np.maximum(scale, abs(y))
            reduction += 4
    return y, scale, reduction


def normalized(layer, x, scale, *, of_batch):
    gamma, beta = np.float64(layer.gamma), np.float64(layer.beta)
    if of_batch:
        mean, var = np.float64(layer.running_mean), np.float64(layer.running_var)
        deviation = np.sqrt(var + layer.eps)
        error = (scale + abs(mean)) / deviation
    else:
        mean, var = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)
        deviation = np.sqrt(var + layer.eps)
        # The mean and the deviation are off as well, by no more than the worst of the row.
        error = (
            scale.max(axis=1, initial=0, keepdims=True) / deviation * (2 + math.sqrt(len(gamma)))
        )
    return (x - mean) / deviation * gamma + beta, error * abs(gamma) + abs(beta)


def softmax(x):
    """Of each row."""
    powers = np.exp(x - x.max(axis=-1, initial=-np.inf, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def filled(layer, rng):
    """A normalization with random numbers in place of zeros and ones, in the layer's dtype."""
    for name in ("gamma", "beta", "running_mean", "running_var"):
        if hasattr(layer, name):
            old = getattr(layer, name)
            setattr(layer, name, (rng.random(len(old)) + 0.5).astype(old.dtype))
    return layer


def lacking(*names):
    """Those of the names that this affinet does not have."""
    return [name for name in names if not hasattr(an, name)]
