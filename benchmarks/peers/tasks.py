"""The tasks of every library: to train a network, to predict with one, to multiply.

A contender is a class that is constructed with one of these tasks and runs it repeatedly.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Protocol

from nets import Array, Net

ADAM = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}  # the defaults of every library that has it


class Unavailable(Exception):  # noqa: N818 - a reason to leave a contender out, not a fault
    """This contender cannot run here because something outside its library is missing."""


@dataclass(frozen=True)
class Training:
    """A network, its first parameters, and data to train it on.

    Attributes
    ----------
    net : Net
        Gives the widths and the batch size; the number of batches follows from the data.
    first : list of arrays W1 (I, H), b1 (H,), W2, b2, ...
        float32.
    x : array (N, I)
        float32, or images of uint8 that stand for x / 255.
    t : array (N,) of int64
        Class indices.
    lr : float
        Learning rate.
    adam : bool
        Adam instead of plain stochastic gradient descent.
    l2 : float
        Strength of a penalty ``l2 / 2 sum W^2 / B`` on the weights.
    epochs : int
        Passes over the data in one piece of work, for contenders that train several in a call.
    shuffled : bool
        True: a classifier's ``fit`` shuffles the rows before every epoch. False: batches are taken
        in the order of the rows, except by affinet's ``fit`` in a training step, which is timed
        with its shuffling.
    order : list of arrays of row numbers, optional
        Batches for contenders that would otherwise draw their own.
    steps : int
        Updates in one piece of work, for contenders that draw batches; 0: train ``epochs`` epochs.
    seed : int
        For contenders that shuffle.
    held_out : tuple of arrays (M, I) and (M,), optional
        Rows to measure accuracy on, and their classes.
    """

    net: Net
    first: list[Array]
    x: Array
    t: Array
    lr: float
    adam: bool = False
    l2: float = 0.0
    epochs: int = 1
    shuffled: bool = False
    order: list[Array] | None = None
    steps: int = 0
    seed: int = 0
    held_out: tuple[Array, Array] | None = None

    def batches(self) -> list[tuple[Array, Array]]:
        """The data in batches, in order, as views."""
        starts = range(0, len(self.x), self.net.batch)
        return [(self.x[i : i + self.net.batch], self.t[i : i + self.net.batch]) for i in starts]


@dataclass(frozen=True)
class Prediction:
    """A network's parameters (as in :class:`Training`) and the rows (B, I) to predict."""

    net: Net
    parameters: list[Array]
    x: Array


@dataclass(frozen=True)
class Multiplication:
    """out (M, N) = A B, all of float32 and in C order.

    kind "nn": A is (M, K), B is (K, N); "nt": B lies as (N, K); "tn": A lies as (K, M).
    """

    kind: str
    A: Array
    B: Array
    out: Array


class Trainer(Protocol):
    """A contender that trains.

    ``losses`` are those of the last piece of work: one for each step, their mean, or none if the
    library does not report any. ``shuffles`` is True if it takes the rows in affinet's fit's order.
    """

    losses: list[float]
    shuffles: bool

    def __init__(self, task: Training) -> None: ...

    def run(self, count: int) -> None:
        """Do the work ``count`` times, and wait until it is done."""

    def reset(self) -> None:
        """Set the parameters back to the first ones."""

    def parameters(self) -> list[Array]:
        """The parameters as they are now, in the order and shapes of ``first``."""


class Predictor(Protocol):
    """A contender that predicts; ``gives`` is "logits" or "probabilities"."""

    gives: str

    def __init__(self, task: Prediction) -> None: ...

    def run(self, count: int) -> None:
        """Predict ``count`` times."""

    def output(self) -> Array:
        """The predictions (B, C)."""


class Multiplier(Protocol):
    """A contender that multiplies."""

    def __init__(self, task: Multiplication) -> None: ...

    def run(self, count: int) -> None:
        """Multiply ``count`` times."""


def threads() -> int:
    """The number of threads set for this process."""
    return int(os.environ.get("OMP_NUM_THREADS", "1"))


def set_back(parameters: list[Array], first: list[Array]) -> None:
    """Overwrite NumPy parameters with the first ones."""
    for parameter, start in zip(parameters, first, strict=True):
        parameter[...] = start
