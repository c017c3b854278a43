"""Before the clock: every trainer must compute what NumPy computes in float64."""

from __future__ import annotations

import math

import numpy as np
from nets import Array, Net
from peers.checks import book_network
from verification import TOLERANCES, Outcome, VerificationError

import affinet as an

from .task import ADAM, Data, Trainer

STEPS = 5
LOOKED_AT = 1000  # test images
# Parts of bfloat16 have 8 binary digits, so an element of a product of random signs is off by about
# 2^-9 of its size. Two hidden layers, whose signs and sizes follow from that, leave a loss within
# 2^-6 of max(1, loss); a wrong formula, rate or batch moves it by tenths.
LOSS_TOLERANCES = {"bfloat16": 2.0**-6}
LOSS_TOLERANCE = 2.0**-8  # of the others; differences of bfloat16x3 grow to 5e-4 in five steps
# Test images that may fall into another class than in float64: those whose two best classes are
# closer than the arithmetic is exact.
SWITCHED = {"bfloat16": 0.03}
SWITCHED_OTHERS = 0.003
# Elements whose gradients have another sign: with an error of 0.06 to 0.08 of the norm (see
# peers/precisions.py) a few per cent, in the others those that a ReLU near 0 turns.
MOVED_APART = {"bfloat16": 0.1}
MOVED_APART_OTHERS = 0.01


def verify(
    name: str, trainer: Trainer, widths: tuple[int, ...], first: list[Array], data: Data
) -> dict[str, float]:
    """Steps of Adam on the same batches in the same order, and predictions behind them.

    Parameters are compared after a single step, element by element: it has the size of the learning
    rate in every element, however small the gradient. So the smallest differences of gradients, as
    of a ReLU whose input is almost 0, become whole steps, in a few elements; a wrong formula moves
    most.

    Returns
    -------
    dict
        ``loss_deviation``, the largest of a loss in five steps; ``switched``, the share of test
        images whose class differs behind them; ``moved_apart``, the largest share of a parameter's
        elements that one step moved to another place.

    Raises
    ------
    VerificationError
        If losses, classes or parameters differ by more than the arithmetic explains.
    """
    take_steps(trainer, first, data, STEPS)
    wanted = right_outcome(trainer, first, data, STEPS)
    found = {"loss_deviation": require_losses(name, trainer, wanted.losses)}
    arrays = [np.array(array) for array in trainer.parameters()]
    found["switched"] = require_classes(name, trainer, arrays, data.test_images[:LOOKED_AT])
    take_steps(trainer, first, data, 1)
    one = [np.array(array) for array in trainer.parameters()]
    right = right_outcome(trainer, first, data, 1).parameters
    found["moved_apart"] = require_parameters(name, trainer, widths, one, right)
    return {what: float(f"{value:.3g}") for what, value in found.items()}


def take_steps(trainer: Trainer, first: list[Array], data: Data, steps: int) -> None:
    """Train on the first batches in their order."""
    rows = steps * trainer.setting.batch
    trainer.start(first, seed=0)
    trainer.load(data.images[:rows], data.classes[:rows])
    trainer.epoch(trainer.setting.lr, shuffle=False)


def right_outcome(trainer: Trainer, first: list[Array], data: Data, steps: int) -> Outcome:
    """The same in float64.

    scikit-learn adds epsilon early, which matters where gradients are about as small: at pixels
    that few images use.
    """
    setting = trainer.setting
    network = book_network(first)
    averages = [(np.zeros_like(W), np.zeros_like(W)) for W in network.parameters]
    beta1, beta2, losses = ADAM["beta1"], ADAM["beta2"], []
    for step in range(1, steps + 1):
        rows = slice((step - 1) * setting.batch, step * setting.batch)
        loss, gradients = network.gradients(data.images[rows] / 255, data.classes[rows])
        losses.append(loss)
        eps = ADAM["eps"] / (math.sqrt(1 - beta2**step) if trainer.early_epsilon else 1.0)
        for i, (W, dW) in enumerate(zip(network.parameters, gradients, strict=True)):
            m, v, W[...] = an.reference.adam_update(
                dW, setting.lr, beta1, beta2, eps, step, *averages[i], W
            )
            averages[i] = m, v
    return Outcome(network.parameters, losses)


def require_losses(name: str, trainer: Trainer, wanted: list[float]) -> float:
    """The largest deviation of a loss, or of their mean, relative to at least 1."""
    losses = list(trainer.losses)
    if len(losses) == 1:
        wanted = [float(np.mean(wanted))]
    tolerance = LOSS_TOLERANCES.get(trainer.precision, LOSS_TOLERANCE)
    deviations = []
    for step, (loss, right) in enumerate(zip(losses, wanted, strict=True)):
        deviations.append(abs(loss - right) / max(1.0, abs(right)))
        if not deviations[-1] <= tolerance:  # true for NaN as well
            raise VerificationError(
                f"{name}: loss {step} is {loss!r}, wanted {right!r} within {tolerance:.1e}"
            )
    return max(deviations)


def require_parameters(
    name: str, trainer: Trainer, widths: tuple[int, ...], found: list[Array], right: list[Array]
) -> float:
    """The largest share of a parameter's elements that are not where they should be."""
    names = Net(name, widths, trainer.setting.batch, 1).parameter_names
    most = MOVED_APART.get(trainer.precision, MOVED_APART_OTHERS)
    near = TOLERANCES["float32"] * trainer.setting.lr
    shares = []
    for parameter, array, wanted in zip(names, found, right, strict=True):
        shares.append(1.0 - float(np.mean(np.abs(array - wanted) <= near)))  # counts NaN as well
        if shares[-1] > most:
            raise VerificationError(
                f"{name}: one step moves {shares[-1]:.1%} of {parameter} to other places than in "
                f"float64, wanted at most {most:.1%}"
            )
    return max(shares)


def require_classes(name: str, trainer: Trainer, arrays: list[Array], images: Array) -> float:
    """The share of images that its own prediction puts into another class than float64."""
    right = book_network(arrays).predict(images / 255).argmax(axis=1)
    share = float(np.mean(trainer.predict(images).argmax(axis=1) != right))
    most = SWITCHED.get(trainer.precision, SWITCHED_OTHERS)
    if not share <= most:
        raise VerificationError(
            f"{name}: {share:.1%} of test images get another class than in float64, "
            f"wanted at most {most:.1%}"
        )
    return share
