"""NumPy's contenders: as a textbook prints it, and in place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from nets import Array
from numpy_networks import BookNetwork, InPlaceNetwork, train

from .tasks import Multiplication, Prediction, Training, set_back

VERSION = np.__version__


class _Training(ABC):
    """The batches in order."""

    shuffles = False

    def __init__(self, task: Training) -> None:
        self.task = task
        self.network = self.make(task)
        self.batches = task.batches()
        self.losses: list[float] = []

    @abstractmethod
    def make(self, task: Training) -> Any:
        """The network to train."""

    def run(self, count: int) -> None:
        step = self.network.step
        for _ in range(count):
            self.losses = [step(x, t) for x, t in self.batches]

    def reset(self) -> None:
        set_back(self.network.parameters, self.task.first)

    def parameters(self) -> list[Array]:
        return list(self.network.parameters)


class BookTraining(_Training):
    def make(self, task: Training) -> BookNetwork:
        return BookNetwork(task.first, task.lr)


class InPlaceTraining(_Training):
    def make(self, task: Training) -> InPlaceNetwork:
        return InPlaceNetwork(task.first, task.lr, task.net.batch)


class _SeedProgram(_Training):
    """Batches drawn with replacement and gathered from images held as numbers 0..1."""

    dtype = "float32"

    def __init__(self, task: Training) -> None:
        super().__init__(task)
        self.batches = []
        self.x = np.divide(task.x, 255, dtype=self.dtype)

    def run(self, count: int) -> None:
        for _ in range(count):
            self.losses = train(self.network, self.x, self.task.t, self.draw())

    def draw(self) -> Iterator[Array]:
        if self.task.order is not None:
            yield from self.task.order
            return
        rng = np.random.default_rng(0)
        for _ in range(self.task.steps):
            yield rng.choice(len(self.x), self.task.net.batch)

    def make(self, task: Training) -> Any:
        return BookNetwork([array.astype(self.dtype) for array in task.first], task.lr)


class BookSeedProgram64(_SeedProgram):
    dtype = "float64"


class BookSeedProgram32(_SeedProgram):
    pass


class InPlaceSeedProgram(_SeedProgram):
    def make(self, task: Training) -> InPlaceNetwork:
        return InPlaceNetwork(task.first, task.lr, task.net.batch)


class BookPrediction:
    gives = "logits"

    def __init__(self, task: Prediction) -> None:
        self.network: Any = BookNetwork(task.parameters, lr=0)
        self.x = task.x

    def run(self, count: int) -> None:
        predict, x = self.network.predict, self.x
        for _ in range(count):
            predict(x)

    def output(self) -> Array:
        result: Array = self.network.predict(self.x)
        return result


class InPlacePrediction(BookPrediction):
    def __init__(self, task: Prediction) -> None:
        super().__init__(task)
        self.network = InPlaceNetwork(task.parameters, lr=0, batch=len(task.x))


class Product:
    """``np.dot`` with ``out``: what ``np.matmul`` computes, without its overhead on small ones."""

    def __init__(self, task: Multiplication) -> None:
        self.A = task.A.T if task.kind == "tn" else task.A
        self.B = task.B.T if task.kind == "nt" else task.B
        self.out = task.out

    def run(self, count: int) -> None:
        A, B, out = self.A, self.B, self.out
        for _ in range(count):
            np.dot(A, B, out=out)


CONTENDERS = {
    "step": {"NumPy book": BookTraining, "NumPy in place": InPlaceTraining},
    "seed": {
        "NumPy book float64": BookSeedProgram64,
        "NumPy book": BookSeedProgram32,
        "NumPy in place": InPlaceSeedProgram,
    },
    "predict": {"NumPy book": BookPrediction, "NumPy in place": InPlacePrediction},
    "product": {"NumPy": Product},
}
