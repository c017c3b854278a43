"""affinet's contenders: ``fit_many``, and a loop that calls each network's own ``fit``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from nets import Array

import affinet as an

from .task import Crowd

VERSION = an.__version__


class FitMany:
    """One call of ``fit_many`` on all threads."""

    threads: int | None = None  # as many as the process has

    def __init__(
        self, task: Crowd, shuffle: bool = True, places: Sequence[int] | None = None
    ) -> None:
        """``places`` are the networks to train, all of them by default."""
        self.task = task
        self.places = range(task.n) if places is None else places
        self.options: dict[str, Any] = {"epochs": task.epochs, "batch_size": task.net.batch}
        self.options |= {"shuffle": shuffle, "verbose": 0}
        self.nets = [network(task.net.widths) for _ in self.places]
        self.reset()

    def reset(self) -> None:
        """Start again from the initial parameters."""
        for place, net in zip(self.places, self.nets, strict=True):
            for name, array in zip(net.params, self.task.first, strict=True):
                net.params[name] = array[place]

    def run(self, count: int) -> None:
        """Train all networks."""
        for _ in range(count):
            if self.threads is None:
                self.train()
            else:
                with an.num_threads(self.threads):
                    self.train()

    def train(self) -> None:
        """One call for all."""
        sgd = an.SGD(self.task.lr)
        an.fit_many(self.nets, *self.task.data, optimizer=sgd, seeds=self.places, **self.options)

    def parameters(self) -> list[Array]:
        """The parameters of all networks, (n, ...) each."""
        return [np.stack([net.params[name] for net in self.nets]) for name in self.nets[0].params]


class FitManyAlone(FitMany):
    """The same on one thread."""

    threads = 1


class Loop(FitMany):
    """Each network's own fit, one after the other; its steps may use all threads."""

    def train(self) -> None:
        """One call for each."""
        for seed, net in zip(self.places, self.nets, strict=True):
            optimizer = an.SGD(self.task.lr)
            net.fit(*self.task.data, optimizer=optimizer, seed=seed, **self.options)


class LoopAlone(Loop):
    """The same on one thread: the sum of single fits."""

    threads = 1


def network(widths: tuple[int, ...]) -> an.Sequential:
    """Affine layers with ReLU between them."""
    layers: list[Any] = []
    for n_in, n_out in pairwise(widths):
        layers += [an.Affine.init(n_in, n_out, rng=0), an.ReLU()]
    return an.Sequential(*layers[:-1], loss=an.SoftmaxWithLoss())


CONTENDERS = {
    "fit_many": FitMany,
    "fit_many, 1 thread": FitManyAlone,
    "loop of fits": Loop,
    "loop of fits, 1 thread": LoopAlone,
}
