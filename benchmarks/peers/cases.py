"""The cases that are measured, each with its data, its check and its number of operations.

A case is made of plain numbers and names, so that it can be sent to a process as JSON.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any, ClassVar, TypeAlias

import numpy as np
from affinet_networks import fit_order
from nets import NETS, Array, Net, first_parameters, training_data
from numpy_networks import BookNetwork
from verification import Outcome, VerificationError, require_close, require_equal

import affinet as an

from .precisions import STEP_TOLERANCES
from .tasks import ADAM, Multiplication, Prediction, Training

LR = 0.01
CHECKED_BATCHES = 3
PREDICTED_NETS = ("tiny", "seed", "mid")
PREDICTED_ROWS = (1, 32, 1000)
CUBES = (1024, 512)
FITS = {
    "MNIST": Net("MNIST", (784, 50, 10), 100, 600),
    "MNIST shape": Net("MNIST shape", (784, 50, 10), 100, 600),  # random images in its place
    "digits": Net("digits", (64, 64, 10), 200, 8),
}
FIT_EPOCHS = {"MNIST": 5, "MNIST shape": 5, "digits": 200}  # of digits the default number of epochs
FIT_EPOCHS_QUICK = {"MNIST": 2, "MNIST shape": 1, "digits": 200}
FIT_L2 = 1e-4  # scikit-learn's alpha, as the learning rate is its default too
SEED_PROGRAM = Net("seed program", (784, 50, 10), 100, 600)
SEED_STEPS, SEED_STEPS_QUICK = 10_000, 300
SEED_LR = 0.1


@dataclass(frozen=True)
class StepCase:
    """Forward, backward and plain gradient descent, over an epoch of prepared batches."""

    measure: ClassVar[str] = "step"
    net: str

    @property
    def title(self) -> str:
        return f"{self.net} {NETS[self.net].title}"

    @property
    def pieces(self) -> int:
        """Steps or calls in one piece of work."""
        return NETS[self.net].batches

    @property
    def flops(self) -> float:
        """Operations in the matrix products of one step or call."""
        return NETS[self.net].step_flops

    def task(self, batches: int | None = None) -> Training:
        net = NETS[self.net]
        x, t = random_data(self.net, batches or net.batches)
        return Training(net, first_parameters(net, "float32"), x, t, LR)

    def check(self, kind: Any) -> float:
        return check_training(kind, self.task(CHECKED_BATCHES))


@dataclass(frozen=True)
class PrecisionCase(StepCase):
    """The same step at every precision of the matrix products, whose errors stand beside it."""

    measure: ClassVar[str] = "precision"

    def check(self, kind: Any) -> float:
        tolerance = STEP_TOLERANCES.get(kind.precision)
        return check_training(kind, self.task(CHECKED_BATCHES), tolerance)


@dataclass(frozen=True)
class FitCase:
    """A whole fit with Adam, from the checks of the data to the last epoch."""

    measure: ClassVar[str] = "fit"
    net: str
    epochs: int

    @property
    def title(self) -> str:
        epochs = f"{self.epochs} {'epoch' if self.epochs == 1 else 'epochs'}"
        return f"{self.net} {FITS[self.net].title}, Adam, {epochs}"

    @property
    def pieces(self) -> int:
        return self.epochs * FITS[self.net].batches

    @property
    def flops(self) -> float:
        net = FITS[self.net]
        rows = len(digits()[0][0]) if self.net == "digits" else net.batches * net.batch
        return net.step_flops * rows / (net.batches * net.batch)  # the last batch may be smaller

    def task(self) -> Training:
        net = FITS[self.net]
        if self.net == "MNIST shape":
            (x, t), held_out = scaled_images(net.batches * net.batch), None
        else:
            (x, t), held_out = digits() if self.net == "digits" else mnist()
        return Training(
            net,
            first_parameters(net, "float32"),
            x,
            t,
            lr=1e-3,
            adam=True,
            l2=FIT_L2,
            epochs=self.epochs,
            shuffled=True,
            held_out=held_out,
        )

    def check(self, kind: Any) -> float:
        task = self.task()
        rows = CHECKED_BATCHES * task.net.batch
        # Without the penalty, the only gradient of weights of empty pixels: it is so small that the
        # place of Adam's epsilon matters, which differs in scikit-learn.
        task = replace(task, x=task.x[:rows], t=task.t[:rows], l2=0.0, epochs=1, shuffled=False)
        return check_training(kind, task)


@dataclass(frozen=True)
class SeedCase:
    """The classic program: random rows of 60,000 images of 784 bytes, gathered at every step."""

    measure: ClassVar[str] = "seed"
    steps: int

    @property
    def title(self) -> str:
        return f"seed program {SEED_PROGRAM.title}, {self.steps:,} steps from uint8 images"

    @property
    def pieces(self) -> int:
        return self.steps

    @property
    def flops(self) -> float:
        return SEED_PROGRAM.step_flops

    def task(self) -> Training:
        net = SEED_PROGRAM
        x, t = random_images(net.batches * net.batch)
        return Training(net, first_parameters(net, "float32"), x, t, SEED_LR, steps=self.steps)

    def check(self, kind: Any) -> float:
        task = self.task()
        rows = CHECKED_BATCHES * task.net.batch
        task = replace(task, x=task.x[:rows], t=task.t[:rows], steps=CHECKED_BATCHES)
        return check_training(kind, task)


@dataclass(frozen=True)
class PredictCase:
    """A forward pass."""

    measure: ClassVar[str] = "predict"
    net: str
    rows: int

    @property
    def title(self) -> str:
        return f"{self.net}, {self.rows:,} {'row' if self.rows == 1 else 'rows'}"

    @property
    def pieces(self) -> int:
        return 1

    @property
    def flops(self) -> float:
        net = NETS[self.net]
        return net.forward_flops * self.rows / net.batch

    def task(self) -> Prediction:
        net = replace(NETS[self.net], batch=self.rows)
        x, _ = training_data(net, "float32", 1)
        return Prediction(net, first_parameters(net, "float32"), x)

    def check(self, kind: Any) -> float:
        task = self.task()
        wanted = book_network(task.parameters).predict(task.x.astype(np.float64))
        if kind.gives == "probabilities":
            wanted = softmax(wanted)
        return require_close(self.title, np.asarray(kind(task).output()), wanted)


@dataclass(frozen=True)
class ProductCase:
    """A matrix product alone: out (M, N) over K."""

    measure: ClassVar[str] = "product"
    kind: str
    M: int
    N: int
    K: int

    @property
    def title(self) -> str:
        return f"{self.kind.upper()} {self.M}x{self.N}, K {self.K}"

    @property
    def pieces(self) -> int:
        return 1

    @property
    def flops(self) -> float:
        return 2.0 * self.M * self.N * self.K

    def task(self) -> Multiplication:
        M, N, K = self.M, self.N, self.K
        rng = np.random.default_rng(3)
        A = rng.standard_normal((K, M) if self.kind == "tn" else (M, K), np.float32)
        B = rng.standard_normal((N, K) if self.kind == "nt" else (K, N), np.float32)
        return Multiplication(self.kind, A, B, np.empty((M, N), np.float32))

    def check(self, kind: Any) -> float:
        task = self.task()
        A = task.A.T if self.kind == "tn" else task.A
        B = task.B.T if self.kind == "nt" else task.B
        kind(task).run(1)
        return require_close(self.title, task.out, A.astype(np.float64) @ B.astype(np.float64))


Splits: TypeAlias = tuple[tuple[Array, Array], tuple[Array, Array]]  # rows to train on, to test on
Case: TypeAlias = StepCase | FitCase | SeedCase | PredictCase | ProductCase
CASES: dict[str, Any] = {
    kind.measure: kind
    for kind in (StepCase, PrecisionCase, FitCase, SeedCase, PredictCase, ProductCase)
}


def cases(measure: str, nets: list[str], quick: bool) -> list[Case]:
    """The cases of a measure; on these nets, if it is measured on nets."""
    if measure == "step":
        return [StepCase(net) for net in nets]
    if measure == "precision":
        return [PrecisionCase(net) for net in nets]
    if measure == "fit":
        epochs = FIT_EPOCHS_QUICK if quick else FIT_EPOCHS
        images = "MNIST" if has_mnist() else "MNIST shape"
        return [FitCase(net, epochs[net]) for net in (images, "digits")]
    if measure == "seed":
        return [SeedCase(SEED_STEPS_QUICK if quick else SEED_STEPS)]
    if measure == "predict":
        chosen = [net for net in nets if net in PREDICTED_NETS]
        return [PredictCase(net, rows) for net in chosen for rows in PREDICTED_ROWS]
    return product_cases(nets)


def product_cases(nets: list[str]) -> list[Case]:
    """Cubes, then every product of the nets' steps: out, dW, and dx of all layers but the first."""
    found: dict[Case, None] = {}
    for size in CUBES:
        for kind in ("nn", "nt", "tn"):
            found[ProductCase(kind, size, size, size)] = None
    for net in (NETS[name] for name in nets):
        for i, (n_in, n_out) in enumerate(pairwise(net.widths)):
            found[ProductCase("nn", net.batch, n_out, n_in)] = None
            if i > 0:
                found[ProductCase("nt", net.batch, n_in, n_out)] = None
            found[ProductCase("tn", n_in, n_out, net.batch)] = None
    return list(found)


def check_training(kind: Any, task: Training, tolerance: float | None = None) -> float:
    """The largest deviation from the book's network in float64, on the same batches in order.

    affinet's fit chooses the order of the rows, so all others get theirs in that order.
    """
    rows = np.concatenate(fit_order(len(task.x), task.net.batch, task.seed))
    order = [
        np.arange(i, min(i + task.net.batch, len(rows)))
        for i in range(0, len(rows), task.net.batch)
    ]
    in_order = replace(task, x=task.x[rows], t=task.t[rows], order=order)
    contender = kind(task if kind.shuffles else in_order)
    contender.run(1)
    parameters = [np.array(array) for array in contender.parameters()]
    wanted = book_outcome(in_order)
    losses = list(contender.losses)
    if len(losses) == 1:
        wanted = replace(wanted, losses=[float(np.mean(wanted.losses))])
    elif not losses:
        wanted = replace(wanted, losses=[])
    names = task.net.parameter_names
    deviation = require_equal(
        "training", Outcome(parameters, losses), wanted, task.first, names, tolerance
    )
    contender.reset()
    for name, found, first in zip(names, contender.parameters(), task.first, strict=True):
        if not np.array_equal(found, first):
            raise VerificationError(f"reset: {name} is not what it was at first")
    return deviation


def book_network(parameters: list[Array], lr: float = 0.0) -> BookNetwork:
    """The book's network in float64, which decides for all."""
    return BookNetwork([array.astype(np.float64) for array in parameters], lr)


def book_outcome(task: Training) -> Outcome:
    """The right result of training on the batches in order."""
    network = book_network(task.first, task.lr)
    scale = 1 / 255 if task.x.dtype == np.uint8 else 1.0
    averages = [(np.zeros_like(W), np.zeros_like(W)) for W in network.parameters]
    losses = []
    for step, (x, t) in enumerate(task.batches(), start=1):
        x = x.astype(np.float64) * scale
        if not task.adam:
            losses.append(network.step(x, t))
            continue
        loss, gradients = network.gradients(x, t)
        losses.append(loss)
        for i, (W, dW) in enumerate(zip(network.parameters, gradients, strict=True)):
            m, v, W[...] = an.reference.adam_update(
                dW, task.lr, ADAM["beta1"], ADAM["beta2"], ADAM["eps"], step, *averages[i], W
            )
            averages[i] = m, v
    return Outcome(network.parameters, losses)


def softmax(x: Array) -> Array:
    """Row by row."""
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    result: Array = powers / powers.sum(axis=1, keepdims=True)
    return result


@lru_cache(maxsize=2)
def random_data(net: str, batches: int) -> tuple[Array, Array]:
    """Rows and class indices for a net, shared by a library's contenders."""
    return training_data(NETS[net], "float32", batches)


@lru_cache(maxsize=1)
def random_images(rows: int) -> tuple[Array, Array]:
    """Noisy images of ten classes (rows, 784), uint8, and their classes."""
    rng = np.random.default_rng(4)
    kinds = rng.integers(0, 156, (10, 784), np.uint8)
    t = rng.integers(0, 10, rows)
    return kinds[t] + rng.integers(0, 100, (rows, 784), np.uint8), t


@lru_cache(maxsize=1)
def scaled_images(rows: int) -> tuple[Array, Array]:
    """The same as numbers 0..1, float32."""
    images, t = random_images(rows)
    return np.divide(images, 255, dtype=np.float32), t


@lru_cache(maxsize=1)
def digits() -> Splits:
    """The training and test rows of the digits that affinet ships, float32."""
    return an.datasets.load_digits()


@lru_cache(maxsize=1)
def mnist() -> Splits:
    """Those of MNIST."""
    return an.datasets.load_mnist()


def has_mnist() -> bool:
    """Whether AFFINET_DATA_DIR names a folder with MNIST's files; they are not fetched."""
    try:
        return "AFFINET_DATA_DIR" in os.environ and len(mnist()) == 2
    except FileNotFoundError:
        return False
