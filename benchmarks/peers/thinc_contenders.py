"""thinc's contenders; thinc computes its products on one thread."""

from __future__ import annotations

from importlib.metadata import version
from itertools import pairwise
from typing import Any

import numpy as np
from nets import Array
from thinc.api import SGD, Relu, Softmax, chain

from .tasks import Prediction, Training

VERSION = version("thinc")


class ModelTraining:
    """``begin_update``, the loss's gradient, ``finish_update``; thinc computes no loss."""

    shuffles = False

    def __init__(self, task: Training) -> None:
        self.task = task
        self.model = model(task.net.widths)
        self.optimizer = SGD(task.lr, L2=0.0, grad_clip=0.0, use_averages=False)
        self.batches = task.batches()
        self.rows = np.arange(task.net.batch)
        self.losses: list[float] = []
        self.reset()

    def run(self, count: int) -> None:
        for _ in range(count):
            for x, t in self.batches:
                self.step(x, t)

    def step(self, x: Array, t: Array) -> None:
        y, backprop = self.model.begin_update(x)
        dout = y.copy()
        dout[self.rows, t] -= 1
        dout /= len(t)
        backprop(dout)
        self.model.finish_update(self.optimizer)

    def reset(self) -> None:
        set_model(self.model, self.task.first)

    def parameters(self) -> list[Array]:
        return [
            np.ascontiguousarray(layer.get_param(name).T)
            for layer in self.model.layers
            for name in "Wb"
        ]


class ModelPrediction:
    """``predict``, whose last layer is the softmax."""

    gives = "probabilities"

    def __init__(self, task: Prediction) -> None:
        self.model = model(task.net.widths)
        set_model(self.model, task.parameters)
        self.x = task.x

    def run(self, count: int) -> None:
        predict, x = self.model.predict, self.x
        for _ in range(count):
            predict(x)

    def output(self) -> Array:
        result: Array = self.model.predict(self.x)
        return result


def model(widths: tuple[int, ...]) -> Any:
    """Layers of ReLU and a last one of softmax."""
    layers = [Relu(n_out, n_in) for n_in, n_out in pairwise(widths[:-1])]
    made = chain(*layers, Softmax(widths[-1], widths[-2]))
    made.initialize()
    return made


def set_model(model: Any, first: list[Array]) -> None:
    """Overwrite the model's parameters, whose weights are (O, I)."""
    for layer, W, b in zip(model.layers, first[::2], first[1::2], strict=True):
        layer.set_param("W", np.ascontiguousarray(W.T))
        layer.set_param("b", b.copy())


CONTENDERS = {"step": {"thinc": ModelTraining}, "predict": {"thinc": ModelPrediction}}
