"""The same networks in affinet: in the classic style, and as a Sequential."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

from affinet.bench.nets import Array
from affinet.layers import Affine, ReLU
from affinet.losses import MeanSquaredError, SoftmaxWithLoss
from affinet.network import Sequential
from affinet.optimizers import SGD
from affinet.training import History


class ClassicNetwork:
    """Layer by layer: a dict of parameters, layers in an OrderedDict, an optimizer for dicts.

    It also computes the first layer's dx, as textbook code does.

    Parameters
    ----------
    parameters : list of arrays W1 (I, H), b1 (H,), W2, b2, ...
        Copied.
    lr : float
        Learning rate of plain stochastic gradient descent.
    """

    def __init__(self, parameters: list[Array], lr: float) -> None:
        self.parameters = [array.copy() for array in parameters]
        n_layers = len(parameters) // 2
        self.params: dict[str, Array] = {}
        self.layers: OrderedDict[str, Any] = OrderedDict()
        for i in range(1, n_layers + 1):
            W, b = self.parameters[2 * i - 2 : 2 * i]
            self.params[f"W{i}"], self.params[f"b{i}"] = W, b
            self.layers[f"Affine{i}"] = Affine(W, b)
            if i < n_layers:
                self.layers[f"ReLU{i}"] = ReLU()
        self.loss = SoftmaxWithLoss()
        self.optimizer = SGD(lr)

    def predict(self, x: Array) -> Array:
        """Logits (B, C) for x (B, I), through each layer's forward."""
        for layer in self.layers.values():
            x = layer.forward(x)
        return x

    def gradient(self, x: Array, t: Array) -> tuple[float, dict[str, Array]]:
        """The loss on x (B, I) and t (B,), and its gradients by the parameters' names."""
        loss = self.loss.forward(self.predict(x), t)
        dout = self.loss.backward(1)
        for layer in reversed(self.layers.values()):
            dout = layer.backward(dout)
        gradients = {}
        for i in range(1, len(self.parameters) // 2 + 1):
            affine = self.layers[f"Affine{i}"]
            gradients[f"W{i}"], gradients[f"b{i}"] = affine.dW, affine.db
        return loss, gradients

    def step(self, x: Array, t: Array) -> float:
        """Forward, backward, update on x (B, I) and t (B,); the loss."""
        loss, gradients = self.gradient(x, t)
        self.optimizer.update(self.params, gradients)
        return loss


class SequentialNetwork:
    """:class:`affinet.Sequential`, with three visible steps or inside ``fit``.

    Parameters
    ----------
    parameters : list of arrays W1 (I, H), b1 (H,), W2, b2, ...
        Copied.
    lr : float
        Learning rate.
    rule : optimizer class
        Called with the learning rate; by default plain stochastic gradient descent.
    input_scale : float, optional
        Multiplies every input.
    """

    def __init__(
        self,
        parameters: list[Array],
        lr: float,
        rule: type[Any] = SGD,
        input_scale: float | None = None,
    ) -> None:
        layers: list[Any] = []
        for W, b in zip(parameters[::2], parameters[1::2], strict=True):
            layers += [Affine(W, b), ReLU()]
        self.net = Sequential(*layers[:-1], loss=SoftmaxWithLoss(), input_scale=input_scale)
        self.parameters = list(self.net.params.values())
        self.lr = lr
        self.rule = rule
        self.optimizer = rule(lr)

    def step(self, x: Array, t: Array) -> float:
        """Forward, backward, update on x (B, I) and t (B,); the loss."""
        loss = self.net.forward(x, t)
        self.net.backward()
        self.optimizer.update(self.net.params, self.net.grads)
        return loss

    def fit(
        self,
        x: Array,
        t: Array,
        batch: int,
        epochs: int | None = None,
        seed: int = 0,
        steps: int | None = None,
        l2: float = 0.0,
    ) -> History:
        """Train for a number of epochs or steps with ``net.fit`` and a new optimizer."""
        return self.net.fit(
            x,
            t,
            epochs=epochs,
            steps=steps,
            batch_size=batch,
            optimizer=self.rule(self.lr),
            seed=seed,
            l2=l2,
            verbose=0,
        )


class Recorder:
    """A custom layer that passes its input on and records what it receives in training."""

    def __init__(self) -> None:
        self.seen: list[Array] = []

    def forward(self, x: Array, train: bool = True) -> Array:
        if train:
            self.seen.append(x.copy())
        return x

    def backward(self, dout: Array) -> Array:
        return dout


def fit_order(rows: int, batch: int, seed: int) -> list[Array]:
    """Row numbers of each batch of the first epoch of a ``fit`` with this seed.

    The order depends only on the seed and the number of rows, so a fit on the row numbers reveals
    it. ``rows`` is below 2^24, up to which float32 represents every integer.
    """
    recorder = Recorder()
    numbers = np.arange(rows, dtype=np.float32).reshape(-1, 1)
    net = Sequential(recorder, loss=MeanSquaredError())
    net.fit(numbers, numbers, epochs=1, batch_size=batch, seed=seed, verbose=0)
    return [seen.reshape(-1).astype(np.int64) for seen in recorder.seen]
