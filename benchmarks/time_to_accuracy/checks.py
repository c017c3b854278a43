"""Before the clock: every trainer must compute what NumPy computes in float64."""

from __future__ import annotations

import numpy as np
from nets import Array, Net
from peers.cases import book_network, book_outcome
from peers.tasks import Training
from verification import Outcome, VerificationError, require_equal

from .task import Data, Trainer

STEPS = 5
LOOKED_AT = 1000  # test images
# Parts of bfloat16 have 8 binary digits, so an element of a product of random signs is off by about
# 2^-9 of its size. Two hidden layers, whose signs and sizes follow from that, leave a loss within
# 2^-6 of max(1, loss); a wrong formula, rate or batch moves it by tenths.
LOSS_TOLERANCES = {"bfloat16": 2.0**-6}
LOSS_TOLERANCE = 1e-3  # of the others
# Test images that may fall into another class than in float64: those whose two best classes are
# closer than the arithmetic is exact.
SWITCHED = {"bfloat16": 0.03}
SWITCHED_OTHERS = 0.003


def verify(
    name: str, trainer: Trainer, widths: tuple[int, ...], first: list[Array], data: Data
) -> dict[str, float]:
    """Five steps of Adam on the same batches in the same order, and predictions behind them.

    Returns
    -------
    dict
        ``loss_deviation``, the largest of a step's loss; ``deviation``, the largest of a parameter,
        relative to how far it moved; ``switched``, the share of test images whose class differs.

    Raises
    ------
    VerificationError
        If a loss, a class, or, except in bfloat16, a parameter differs by more than the arithmetic
        explains.
    """
    setting = trainer.setting
    rows = STEPS * setting.batch
    images, classes = data.images[:rows], data.classes[:rows]
    trainer.start(first, seed=0)
    trainer.load(images, classes)
    trainer.epoch(setting.lr, shuffle=False)
    net = Net(name, widths, setting.batch, STEPS)
    wanted = book_outcome(Training(net, first, images, classes, setting.lr, adam=True))
    found = {"loss_deviation": require_losses(name, trainer, wanted.losses)}
    arrays = [np.array(array) for array in trainer.parameters()]
    if trainer.precision != "bfloat16":
        right = Outcome(wanted.parameters, [])
        deviation = require_equal(name, Outcome(arrays, []), right, first, net.parameter_names)
        found["deviation"] = deviation
    found["switched"] = require_classes(name, trainer, arrays, data.test_images[:LOOKED_AT])
    return {what: float(f"{value:.3g}") for what, value in found.items()}


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
