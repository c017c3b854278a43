"""The cases that are measured, each with its data, its check and its number of operations.

A case is made of plain numbers and names, so that it can be sent to a process as JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar, TypeAlias

import numpy as np
from nets import NETS, Net, first_parameters, training_data
from verification import require_close

from .checks import book_network, check_training, softmax
from .data import digits, has_mnist, mnist, random_data, random_images, scaled_images
from .precisions import STEP_TOLERANCES
from .tasks import Multiplication, Prediction, Training

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
