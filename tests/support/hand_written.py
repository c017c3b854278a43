"""Layers as people write them by hand, right and wrong ones, for the tests of gradient_check."""

from __future__ import annotations

import numpy as np

import affinet as an


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


class OwnAffine:
    """As in hand-written programs: nothing declared, x W + b in plain NumPy."""

    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        self.dx = dout @ self.W.T
        return self.dx


class Scale:
    """x * a for a declared parameter that is a Python float."""

    parameters = ("a",)

    def __init__(self, a=0.7):
        self.a = a

    def forward(self, x):
        self.x = x
        return x * self.a

    def backward(self, dout):
        self.da = np.sum(dout * self.x)
        return dout * self.a


class MeanFree:
    """Subtracts the batch's mean, so a shift of x changes nothing."""

    def forward(self, x):
        return x - x.mean(axis=0)

    def backward(self, dout):
        return dout - dout.mean(axis=0)


class OwnDropout:
    """A mask from ``draw``."""

    def __init__(self, draw):
        self.draw = draw

    def forward(self, x, train_flg=True):
        self.mask = self.draw(x.shape) > 0.5 if train_flg else np.ones(x.shape)
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class GeneratorDropout(OwnDropout):
    def __init__(self, generator):
        self.generator = generator

    def draw(self, shape):
        return self.generator.random(shape)


class Block:
    """A layer made of layers."""

    def __init__(self, *layers):
        self.layers = list(layers)

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout


class BookReLU:
    """Its backward writes into dout."""

    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dout[self.mask] = 0
        return dout


class SpoiledAffine(an.Affine):
    """An affine layer whose gradients are spoiled after the backward."""

    def __init__(self, W, b, spoil):
        super().__init__(W, b)
        self.spoil = spoil

    def backward(self, dout, need_dx=True):
        dx = super().backward(dout, need_dx)
        self.spoil(self, dx)
        return dx


def scaled(name, factor):
    def spoil(layer, dx):
        array = dx if name == "x" else getattr(layer, f"d{name}")
        array *= factor

    return spoil
