"""affinet's trainers: ``net.fit`` at each precision."""

from __future__ import annotations

import warnings
from itertools import pairwise
from typing import Any

import numpy as np
from nets import Array

import affinet as an

from .task import ADAM, Setting

VERSION = f"{an.__version__} ({an.runtime_info()['level']})"


class Fit:
    """``net.fit`` on the bytes, one call for each epoch: the network scales its inputs."""

    precision = "float32"
    early_epsilon = False

    def __init__(self, widths: tuple[int, ...], setting: Setting) -> None:
        self.setting = setting
        own = None if self.precision == "float32" else self.precision
        layers: list[Any] = []
        for n_in, n_out in pairwise(widths):
            layers += [an.Affine.init(n_in, n_out, rng=0), an.ReLU()]
        with warnings.catch_warnings():  # the note says it
            warnings.filterwarnings("ignore", ".* is emulated", RuntimeWarning)
            self.net = an.Sequential(
                *layers[:-1], loss=an.SoftmaxWithLoss(), input_scale=1 / 255, precision=own
            )
        self.note = "" if own is None else an.runtime_info()["precisions"][own]
        self.losses: list[float] = []

    def start(self, first: list[Array], seed: int) -> None:
        for name, array in zip(self.net.params, first, strict=True):
            self.net.params[name] = array
        self.optimizer = an.Adam(self.setting.lr, **ADAM)
        self.seeds = np.random.SeedSequence(seed)

    def warm_up(self, images: Array, classes: Array) -> None:
        self.load(images[: self.setting.batch], classes[: self.setting.batch])
        self.epoch(self.setting.lr)

    def load(self, images: Array, classes: Array) -> None:
        self.x, self.t = images, classes

    def epoch(self, lr: float, shuffle: bool = True) -> None:
        self.optimizer.lr = lr
        seed = int(self.seeds.spawn(1)[0].generate_state(1)[0])  # another order in every epoch
        history = self.net.fit(
            self.x, self.t, epochs=1, batch_size=self.setting.batch, optimizer=self.optimizer,
            seed=seed, shuffle=shuffle, verbose=0,
        )  # fmt: skip
        self.losses = history["loss"]

    def predict(self, images: Array) -> Array:
        return self.net.predict(images)

    def parameters(self) -> list[Array]:
        return list(self.net.params.values())


class FitX6(Fit):
    """Six products of three bfloat16 parts: as exact as float32."""

    precision = "bfloat16x6"


class FitX3(Fit):
    """Three products of two parts."""

    precision = "bfloat16x3"


class FitBfloat16(Fit):
    """One product."""

    precision = "bfloat16"


TRAINERS = {
    "affinet": Fit,
    "affinet-bfloat16x6": FitX6,
    "affinet-bfloat16x3": FitX3,
    "affinet-bfloat16": FitBfloat16,
}
