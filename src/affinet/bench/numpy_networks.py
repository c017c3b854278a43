"""The same training step in pure NumPy, in two styles.

:class:`BookNetwork` is textbook code: a small class for each layer, a new array for every
expression, and an unneeded gradient with respect to the data. :class:`InPlaceNetwork` is the same
optimised by hand. Each of its choices was the fastest of those tried: for small products ``np.dot``
with ``out`` takes half the time of ``np.matmul``, a row of ones times a matrix sums the columns
faster than ``np.sum``, and multiplying by a boolean mask is much faster than ``np.where``,
``np.copyto`` and ``np.putmask``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

from affinet.bench.nets import Array


class Network(Protocol):
    """The interface that the training loop and the verification use."""

    parameters: list[Array]

    def step(self, x: Array, t: Array) -> float:
        """Train on one batch in place; return its loss before the update."""

    def step_on(self, x: Array, t: Array, rows: Array) -> float:
        """Gather the rows of a batch, then :meth:`step`."""


class BookAffine:
    """out = x W + b."""

    def __init__(self, W: Array, b: Array) -> None:
        self.W = W
        self.b = b

    def forward(self, x: Array) -> Array:
        self.x = x
        out: Array = np.dot(x, self.W) + self.b
        return out

    def backward(self, dout: Array) -> Array:
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        dx: Array = np.dot(dout, self.W.T)
        return dx


class BookReLU:
    """y = max(x, 0)."""

    def forward(self, x: Array) -> Array:
        self.positive = x > 0
        return np.maximum(x, 0)

    def backward(self, dout: Array) -> Array:
        return dout * self.positive


class BookSoftmaxWithLoss:
    """Cross-entropy of softmax(x) and class indices t, mean over the rows."""

    def forward(self, x: Array, t: Array) -> float:
        self.t = t
        powers = np.exp(x - np.max(x, axis=1, keepdims=True))
        self.y = powers / np.sum(powers, axis=1, keepdims=True)
        return float(-np.mean(np.log(self.y[np.arange(len(t)), t])))

    def backward(self) -> Array:
        dx: Array = self.y.copy()
        dx[np.arange(len(self.t)), self.t] -= 1
        dx /= len(self.t)
        return dx


class BookNetwork:
    """A network in the style of a textbook.

    Parameters
    ----------
    parameters : list of arrays W1 (I, H), b1 (H,), W2, b2, ...
        Copied.
    lr : float
        Learning rate of plain stochastic gradient descent.
    """

    def __init__(self, parameters: list[Array], lr: float) -> None:
        self.parameters = [array.copy() for array in parameters]
        self.lr = lr
        self.affines = [
            BookAffine(W, b)
            for W, b in zip(self.parameters[::2], self.parameters[1::2], strict=True)
        ]
        self.layers: list[BookAffine | BookReLU] = []
        for affine in self.affines:
            self.layers += [affine, BookReLU()]
        self.layers.pop()  # the loss takes the logits
        self.loss = BookSoftmaxWithLoss()

    def predict(self, x: Array) -> Array:
        """Logits (B, C) for x (B, I)."""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def gradients(self, x: Array, t: Array) -> tuple[float, list[Array]]:
        """The loss on x (B, I) and t (B,), and its gradients in the parameters' order."""
        loss = self.loss.forward(self.predict(x), t)
        dout = self.loss.backward()
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return loss, [array for affine in self.affines for array in (affine.dW, affine.db)]

    def step(self, x: Array, t: Array) -> float:
        """Forward, backward, update on x (B, I) and t (B,); the loss."""
        loss, gradients = self.gradients(x, t)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter -= self.lr * gradient
        return loss

    def step_on(self, x: Array, t: Array, rows: Array) -> float:
        """The step on these rows of the data, in new arrays."""
        return self.step(x[rows], t[rows])


class InPlaceNetwork:
    """A network that allocates every array once and skips the first layer's dx.

    Parameters
    ----------
    parameters : list of arrays W1 (I, H), b1 (H,), W2, b2, ...
        Copied, into one flat buffer, so that the update is two calls.
    lr : float
        Learning rate of plain stochastic gradient descent.
    batch : int
        Rows of every batch.
    """

    def __init__(self, parameters: list[Array], lr: float, batch: int) -> None:
        dtype = parameters[0].dtype
        n_in, n_out = parameters[0].shape[0], parameters[-1].shape[0]
        self.lr = lr
        self.flat = np.concatenate([array.reshape(-1) for array in parameters])
        self.flat_gradients = np.zeros_like(self.flat)
        self.parameters = views(self.flat, parameters)
        self.gradients = views(self.flat_gradients, parameters)

        widths = [b.shape[0] for b in parameters[1::2]]
        self.outs = [np.empty((batch, width), dtype) for width in widths]
        self.douts = [np.empty((batch, width), dtype) for width in widths[:-1]]
        self.masks = [np.empty((batch, width), np.bool_) for width in widths[:-1]]
        self.column = np.empty((batch, 1), dtype)
        self.ones = np.ones(batch, dtype)
        self.row_starts = np.arange(batch) * n_out
        self.places = np.empty(batch, np.int64)  # of each row's class in the flat logits
        self.x = np.empty((batch, n_in), dtype)
        self.t = np.empty(batch, np.int64)

    def step(self, x: Array, t: Array) -> float:
        """Forward, backward, update on x (B, I) and t (B,); the loss."""
        loss = self.forward(x, t)
        self.backward(x)
        np.multiply(self.flat_gradients, self.lr, out=self.flat_gradients)
        np.subtract(self.flat, self.flat_gradients, out=self.flat)
        return loss

    def step_on(self, x: Array, t: Array, rows: Array) -> float:
        """The step on these rows of the data, gathered into one buffer."""
        # mode="clip" writes directly into out; the default mode fills its own buffer first
        np.take(x, rows, axis=0, out=self.x, mode="clip")
        np.take(t, rows, out=self.t, mode="clip")
        return self.step(self.x, self.t)

    def forward(self, x: Array, t: Array) -> float:
        """The loss; afterwards the last of ``outs`` holds its gradient instead of the logits."""
        return self.softmax_loss(self.predict(x), t)

    def predict(self, x: Array) -> Array:
        """Logits (B, C) for x (B, I): the last of ``outs``, which the next call overwrites."""
        last = len(self.outs) - 1
        for i, out in enumerate(self.outs):
            np.dot(x, self.parameters[2 * i], out=out)
            np.add(out, self.parameters[2 * i + 1], out=out)
            if i < last:
                np.maximum(out, 0, out=out)
            x = out
        return x

    def softmax_loss(self, x: Array, t: Array) -> float:
        """Mean of log sum exp(x) - x_t; x becomes (softmax(x) - onehot(t)) / B."""
        flat = x.reshape(-1)
        np.add(self.row_starts, t, out=self.places)
        np.max(x, axis=1, keepdims=True, out=self.column)
        np.subtract(x, self.column, out=x)
        of_classes = float(flat[self.places].sum())
        np.exp(x, out=x)
        np.sum(x, axis=1, keepdims=True, out=self.column)
        np.divide(x, self.column, out=x)
        flat[self.places] -= 1
        np.multiply(x, 1 / len(t), out=x)
        np.log(self.column, out=self.column)
        return (float(self.column.sum()) - of_classes) / len(t)

    def backward(self, x: Array) -> None:
        """Fill ``gradients`` from the loss's gradient in the last of ``outs``."""
        dout = self.outs[-1]
        for i in reversed(range(len(self.outs))):
            below = self.outs[i - 1] if i else x
            np.dot(below.T, dout, out=self.gradients[2 * i])
            np.dot(self.ones, dout, out=self.gradients[2 * i + 1])
            if i:
                np.dot(dout, self.parameters[2 * i].T, out=self.douts[i - 1])
                np.greater(below, 0, out=self.masks[i - 1])
                dout = np.multiply(self.douts[i - 1], self.masks[i - 1], out=self.douts[i - 1])


def views(flat: Array, like: list[Array]) -> list[Array]:
    """``flat`` split into views with the shapes of ``like``, in order."""
    ends = np.cumsum([array.size for array in like])
    return [
        flat[end - array.size : end].reshape(array.shape)
        for end, array in zip(ends, like, strict=True)
    ]


def shuffled_batches(rows: int, batch: int, rng: np.random.Generator) -> Iterator[Array]:
    """Row numbers of each batch of an epoch, every row once."""
    order = rng.permutation(rows)
    for i in range(math.ceil(rows / batch)):
        yield order[i * batch : (i + 1) * batch]


def train(network: Network, x: Array, t: Array, batches: Iterable[Array]) -> list[float]:
    """The training loop around a NumPy network; the loss of every step."""
    return [network.step_on(x, t, rows) for rows in batches]
