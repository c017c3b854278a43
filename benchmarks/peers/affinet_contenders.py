"""affinet's contenders: ``fit``, the three visible steps, ``predict``."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from affinet_networks import SequentialNetwork
from nets import Array

import affinet as an
from affinet._dispatch import kernels

from .estimator_fits import WholeFit
from .precisions import product_error
from .tasks import Multiplication, Prediction, Training, Unavailable, set_back

VERSION = f"{an.__version__} ({an.runtime_info()['level']})"


class FitTraining:
    """``net.fit`` with all that it does besides: shuffling, gathering rows, counting hits."""

    shuffles = True

    def __init__(self, task: Training) -> None:
        self.task = task
        rule = an.Adam if task.adam else an.SGD
        scale = 1 / 255 if task.x.dtype == np.uint8 else None
        self.network = SequentialNetwork(task.first, task.lr, rule, scale)
        self.losses: list[float] = []
        self.note = ""

    def run(self, count: int) -> None:
        task = self.task
        kind = "steps" if task.steps else "epochs"
        amount = {kind: count * (task.steps or task.epochs)}
        history = self.network.fit(
            task.x, task.t, task.net.batch, seed=task.seed, l2=task.l2, **amount
        )
        self.losses = history["loss"]
        self.note = f"steps run {history.step_kind}"

    def reset(self) -> None:
        set_back(self.network.parameters, self.task.first)

    def parameters(self) -> list[Array]:
        return list(self.network.parameters)


class PrecisionFit(FitTraining):
    """``net.fit`` of a network whose products have a precision."""

    precision = "float32"

    def __init__(self, task: Training) -> None:
        super().__init__(task)
        self.network.net = at_precision(self.precision, task.first)
        self.network.parameters = list(self.network.net.params.values())

    def error(self) -> float:
        """Of a product, against float64."""
        return product_error(
            self.precision,
            lambda A, B: at_precision(self.precision, [B, np.zeros(B.shape[1], B.dtype)]).predict(
                A
            ),
        )

    def run(self, count: int) -> None:
        super().run(count)
        if self.precision != "float32":
            self.note = f"{self.note}, {an.runtime_info()['precisions'][self.precision]}"


class FitX6(PrecisionFit):
    """Six products of three bfloat16 parts."""

    precision = "bfloat16x6"


class FitX3(PrecisionFit):
    """Three products of two parts."""

    precision = "bfloat16x3"


class FitBfloat16(PrecisionFit):
    """One product."""

    precision = "bfloat16"


class ClassifierFit(WholeFit):
    """``affinet.estimators.MLPClassifier.fit``."""

    def estimator(self) -> Any:
        try:
            from affinet.estimators import MLPClassifier
        except ImportError as error:
            raise Unavailable(str(error)) from None
        return MLPClassifier


class SequentialFit(FitTraining):
    """``net.fit`` called once for each repetition, each with a new optimizer and plan."""

    def run(self, count: int) -> None:
        for _ in range(count):
            super().run(1)


class SequentialTraining:
    """``forward``, ``backward``, ``update`` on the batches in order."""

    shuffles = False

    def __init__(self, task: Training) -> None:
        self.task = task
        self.network = SequentialNetwork(task.first, task.lr)
        self.batches = task.batches()
        self.losses: list[float] = []

    def run(self, count: int) -> None:
        step = self.network.step
        for _ in range(count):
            self.losses = [step(x, t) for x, t in self.batches]

    def reset(self) -> None:
        set_back(self.network.parameters, self.task.first)

    def parameters(self) -> list[Array]:
        return list(self.network.parameters)


class Predict:
    """``net.predict(x)``."""

    gives = "logits"

    def __init__(self, task: Prediction) -> None:
        self.net = SequentialNetwork(task.parameters, lr=1).net
        self.x = task.x

    def run(self, count: int) -> None:
        predict, x = self.net.predict, self.x
        for _ in range(count):
            predict(x)

    def output(self) -> Array:
        return self.net.predict(self.x)


class PredictInto(Predict):
    """``net.predict(x, out=out)``."""

    def __init__(self, task: Prediction) -> None:
        super().__init__(task)
        self.out = np.empty((len(task.x), task.net.widths[-1]), task.x.dtype)

    def run(self, count: int) -> None:
        predict, x, out = self.net.predict, self.x, self.out
        for _ in range(count):
            predict(x, out=out)

    def output(self) -> Array:
        return self.net.predict(self.x, out=self.out)


class Product:
    """The compiled product of this kind."""

    def __init__(self, task: Multiplication) -> None:
        self.gemm: Any = getattr(kernels, f"gemm_{task.kind}")
        self.operands = task.A, task.B, task.out

    def run(self, count: int) -> None:
        gemm, (A, B, out) = self.gemm, self.operands
        for _ in range(count):
            gemm(A, B, out)


def at_precision(precision: str, parameters: list[Array]) -> an.Sequential:
    """A network with ReLU between its affine layers, whose products have this precision."""
    layers: list[Any] = []
    for W, b in zip(parameters[::2], parameters[1::2], strict=True):
        layers += [an.Affine(W, b), an.ReLU()]
    with warnings.catch_warnings():  # the note says it
        warnings.filterwarnings("ignore", ".* is emulated", RuntimeWarning)
        return an.Sequential(
            *layers[:-1],
            loss=an.SoftmaxWithLoss(),
            precision=None if precision == "float32" else precision,
        )


CONTENDERS = {  # the first of each is the one that the peers are compared with
    "step": {"affinet fit": FitTraining, "affinet Sequential": SequentialTraining},
    "precision": {
        "affinet fit": PrecisionFit,
        "affinet bfloat16x6": FitX6,
        "affinet bfloat16x3": FitX3,
        "affinet bfloat16": FitBfloat16,
    },
    "fit": {"affinet MLPClassifier": ClassifierFit, "affinet fit": SequentialFit},
    "seed": {"affinet fit": FitTraining},
    "predict": {"affinet predict": Predict, "affinet predict out=": PredictInto},
    "product": {"affinet": Product},
}
