"""What a network must give, in float64 and plain NumPy, and how far rounding may lead away from it.

Beside every number stands its scale: what it would be if all its terms had one sign. Activations
are no steeper than 1.13, so they hand an error on as it is; a normalisation divides it by what it
divides the numbers by.
"""

import math

import numpy as np

import affinet as an

ERF = np.vectorize(math.erf, otypes=[np.float64])
FUNCTIONS = {
    "ReLU": lambda x, layer: np.maximum(x, 0),
    "LeakyReLU": lambda x, layer: np.where(x > 0, x, layer.slope * x),
    "Sigmoid": lambda x, layer: 1 / (1 + np.exp(-x)),
    "Tanh": lambda x, layer: np.tanh(x),
    "Dropout": lambda x, layer: x,
    "GELU": lambda x, layer: 0.5 * x * (1 + ERF(x / math.sqrt(2))),
    "SiLU": lambda x, layer: x / (1 + np.exp(-x)),
}


def exact(net, x):
    """``(y, scale, reduction)`` for rows x, as `tolerance.assert_close` takes them."""
    y = np.asarray(x, np.float64).reshape(len(x), math.prod(np.shape(x)[1:]))
    y = y if net.input_scale is None else y * net.input_scale
    scale, reduction = abs(y), 1
    for layer in net.layers:
        name = type(layer).__name__
        if name == "Affine":
            W, b = np.float64(layer.W), np.float64(layer.b)
            y, scale = y @ W + b, scale @ abs(W) + abs(b)
            reduction += len(W) + 1
        elif name in ("BatchNorm", "LayerNorm"):
            y, scale = normalized(layer, y, scale, of_batch=name == "BatchNorm")
            reduction += len(layer.gamma) + 4
        else:
            y, scale = FUNCTIONS[name](y, layer), np.maximum(scale, abs(y))
            reduction += 4
    return y, 1.13 ** len(net.layers) * scale, reduction


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
    """A normalisation with numbers of its own, in the layer's dtype, instead of zeros and ones."""
    for name in ("gamma", "beta", "running_mean", "running_var"):
        if hasattr(layer, name):
            old = getattr(layer, name)
            setattr(layer, name, (rng.random(len(old)) + 0.5).astype(old.dtype))
    return layer


def lacking(*names):
    """Those of the names that this affinet does not have."""
    return [name for name in names if not hasattr(an, name)]
