"""Losses: the type of a row, and a row each."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

import affinet as an
from affinet import reference
from affinet.reference._weights import weighted_mean
from array_forms import draw
from kernel_values import (
    counts,
    log_uniform,
    normal,
    normal_with_zeros,
    probabilities,
    uniform,
    wide,
)

E = math.e


@dataclass(frozen=True)
class LossRow:
    """One loss of outputs x and targets t.

    Attributes
    ----------
    make : callable
        Returns the loss, with settings other than the defaults.
    targets : callable
        Targets that the loss takes, of an array of any numbers (B, O), in its dtype.
    other_targets : dict
        The same for further kinds of target, such as one-hot rows, by their name.
    variants : dict
        Further settings by name, each a callable like ``make``.
    by_hand : tuple, optional
        The loss of ``x = [[1, 2], [3, 4]]``, ``t = [[0, 2], [5, 1]]``, and 4 dx.
    first : str, optional
        What the kernel calls x, if it takes x and t (B, O) element by element; the table of kernels
        has the others.
    outputs, values : callables of kernel_values
        How the kernel's tests draw x and t.
    numbers : dict
        How they draw the kernel's numbers, by name.
    loss_size, dx_size : callables, optional
        Sizes of the terms of the loss and of dx where something cancels.
    exact : tuple of str
        Results of the kernel that involve one rounding or none.
    mutants : dict
        Wrong formulas by their mistake; the tests must find each of them.
    """

    make: Callable
    targets: Callable = lambda t: t
    other_targets: dict[str, Callable] = field(default_factory=dict)
    variants: dict[str, Callable] = field(default_factory=dict)
    by_hand: tuple | None = None
    first: str | None = "y"
    outputs: Callable = normal
    values: Callable = normal
    numbers: dict[str, Callable] = field(default_factory=dict)
    loss_size: Callable | None = None
    dx_size: Callable | None = None
    exact: tuple[str, ...] = ()
    mutants: dict[str, Callable] = field(default_factory=dict)


def by_reference(loss, x, t, weights=None):
    """The loss and dx, as `affinet.reference` computes them with the numbers of ``loss``."""
    kernel = loss.kernel
    if loss.takes_labels:
        kernel += "_labels" if np.ndim(t) < np.ndim(x) else "_rows"
    function = getattr(reference, kernel)
    names = list(inspect.signature(function).parameters)[3:]
    value, *_, dx = function(x, t, weights, **{name: getattr(loss, name) for name in names})
    return value, dx


def loss_with(right, factor=1.0, **changes):
    """A loss whose gradient is off by a factor, or that sees an argument altered."""
    names = list(inspect.signature(right).parameters)

    def mutant(*values):
        given = dict(zip(names, values, strict=True))
        given |= {name: alter(given[name]) for name, alter in changes.items()}
        loss, dx = right(**given)
        return loss, factor * dx

    return mutant


def kinks_to_the_right(right, slope=1.0):
    """Slopes at a kink that are those of its right side."""

    def mutant(y, t, weights, *scalars):
        loss, dx = right(y, t, weights, *scalars)
        ones = weighted_mean(y, np.ones_like(y) * slope, weights, y.size)[1]
        return loss, np.where(y == t, ones, dx)

    return mutant


def naive_sigmoid(x, t, weights):
    """Overflows for large logits."""
    e = np.exp(x)
    return weighted_mean(np.log(1 + e) - t * x, e / (1 + e) - t, weights, len(x))


def mean_over_outputs(x, t, weights):
    loss, dx = reference.sigmoid_cross_entropy(x, t, weights)
    return loss / x.shape[1], dx / x.shape[1]


def class_indices(t):
    """A class for each row, all of them where there are enough rows."""
    return np.arange(len(t)) % t.shape[1]


def one_hot(t):
    return np.eye(t.shape[1], dtype=t.dtype)[class_indices(t)]


def soft_rows(t):
    return (abs(t) / abs(t).sum(axis=1, keepdims=True)).astype(t.dtype)


LOSSES = {
    "SoftmaxWithLoss": LossRow(
        an.SoftmaxWithLoss,
        class_indices,
        other_targets={"one-hot": one_hot, "soft rows": soft_rows, "unnormalized rows": abs},
        variants={"smoothed": partial(an.SoftmaxWithLoss, label_smoothing=0.1)},
        first=None,
    ),
    "MeanSquaredError": LossRow(
        an.MeanSquaredError,
        by_hand=(14 / 4, [[2.0, 0.0], [-4.0, 6.0]]),
        mutants={
            "no 2": loss_with(reference.mean_squared_error, 0.5),
            "wrong sign": loss_with(reference.mean_squared_error, -1),
        },
    ),
    "SumSquaredError": LossRow(
        an.SumSquaredError,
        by_hand=(14 / 2, [[4.0, 0.0], [-8.0, 12.0]]),
        exact=("dx",),
        mutants={
            "a 2": loss_with(reference.sum_squared_error, 2),
            "wrong sign": loss_with(reference.sum_squared_error, -1),
        },
    ),
    "SigmoidWithLoss": LossRow(
        an.SigmoidWithLoss,
        lambda t: (t > 0).astype(t.dtype),
        other_targets={"probabilities": lambda t: (1 / (1 + np.exp(-t))).astype(t.dtype)},
        first="x",
        outputs=wide,
        values=probabilities,
        dx_size=lambda a: reference.sigmoid_forward(a.x) + a.t,
        mutants={
            "wrong sign": loss_with(reference.sigmoid_cross_entropy, -1),
            "overflow": naive_sigmoid,
            "a mean over outputs": mean_over_outputs,
            "targets the other way round": loss_with(
                reference.sigmoid_cross_entropy, t=lambda t: 1 - t
            ),
        },
    ),
    "MeanAbsoluteError": LossRow(
        an.MeanAbsoluteError,
        by_hand=(6 / 4, [[1.0, 0.0], [-1.0, 1.0]]),
        outputs=normal_with_zeros,
        values=normal_with_zeros,
        mutants={
            "wrong sign": loss_with(reference.mean_absolute_error, -1),
            "kink to the right": kinks_to_the_right(reference.mean_absolute_error),
        },
    ),
    "Huber": LossRow(
        partial(an.Huber, 0.7),
        by_hand=((0.7 * (0.65 + 1.65 + 2.65)) / 4, [[0.7, 0.0], [-0.7, 0.7]]),
        outputs=normal_with_zeros,
        values=normal_with_zeros,
        numbers={"delta": log_uniform(-1, 0.5)},
        mutants={
            "wrong sign": loss_with(reference.huber_loss, -1),
            "no delta": loss_with(reference.huber_loss, delta=lambda delta: 1.0),
            "squares everywhere": loss_with(reference.huber_loss, delta=lambda delta: 1e9),
        },
    ),
    "Poisson": LossRow(
        an.Poisson,
        abs,
        by_hand=(
            (E + E**2 + E**3 + E**4 - 4 - 15 - 4) / 4,
            [[E, E**2 - 2], [E**3 - 5, E**4 - 1]],
        ),
        values=counts,
        loss_size=lambda a: np.exp(a.y) + abs(a.t * a.y),
        dx_size=lambda a: (np.exp(a.y) + a.t) / a.O,
        mutants={
            "wrong sign": loss_with(reference.poisson_loss, -1),
            "the next count": loss_with(reference.poisson_loss, t=lambda t: t + 1),
        },
    ),
    "Quantile": LossRow(
        partial(an.Quantile, 0.3),
        by_hand=((0.7 * (1 + 3) + 0.3 * 2) / 4, [[0.7, 0.0], [-0.3, 0.7]]),
        outputs=normal_with_zeros,
        values=normal_with_zeros,
        numbers={"q": uniform(0.05, 0.95)},
        mutants={
            "wrong sign": loss_with(reference.quantile_loss, -1),
            "the other tail": loss_with(reference.quantile_loss, q=lambda q: 1 - q),
            "the median": loss_with(reference.quantile_loss, q=lambda q: 0.5),
            "kink to the right": kinks_to_the_right(reference.quantile_loss, 0.5),
        },
    ),
    "LogCosh": LossRow(
        an.LogCosh,
        by_hand=(
            (math.log(math.cosh(1)) + math.log(math.cosh(2)) + math.log(math.cosh(3))) / 4,
            [[math.tanh(1), 0.0], [-math.tanh(2), math.tanh(3)]],
        ),
        outputs=normal_with_zeros,
        values=normal_with_zeros,
        mutants={
            "wrong sign": loss_with(reference.log_cosh_loss, -1),
            "a square": reference.mean_squared_error,
            "an absolute value": reference.mean_absolute_error,
        },
    ),
}
ELEMENTWISE = {name: row for name, row in LOSSES.items() if row.first is not None}

# Every loss in every setting: (make, targets) by its name and what is special.
SETTINGS = {name: (row.make, row.targets) for name, row in LOSSES.items()} | {
    f"{name}, {variant}": (make, row.targets)
    for name, row in LOSSES.items()
    for variant, make in row.variants.items()
}
# And with every kind of target.
WITH_EVERY_TARGET = SETTINGS | {
    f"{name}, {kind}": (make, targets)
    for name, (make, _) in SETTINGS.items()
    for kind, targets in LOSSES[name.partition(",")[0]].other_targets.items()
}


def row_of(loss):
    """The row of a loss, of its class or of a subclass."""
    return next(LOSSES[cls.__name__] for cls in type(loss).__mro__ if cls.__name__ in LOSSES)


def batch(make):
    """x (4, 3) and t that the loss takes."""
    return draw("float64", (4, 3)), row_of(make()).targets(draw("float64", (4, 3), 1))
