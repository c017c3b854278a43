"""Verification: contenders that compute different results are not timed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from affinet.bench.nets import Array

# Largest difference between two trained networks, relative to how far training moved the array
# (Frobenius norms). In float64, rounding stays far below. In float32 it is at most 1e-4, except
# that occasionally a ReLU whose input is almost 0 switches sides, also in NumPy compared with its
# own float64; one of them in one row changes W by about 1 / sqrt(rows * units) of its movement:
# 0.02 in the tiny net, 0.001 in the big one. A wrong formula or batch gives 0.1 to 1 and more.
TOLERANCES = {"float32": 3e-2, "float64": 1e-9}


# Largest difference between two products or predictions, relative to the right one (Frobenius
# norms). Rounding in float32 stays below 2e-6 on the networks here.
PREDICTION_TOLERANCE = 1e-5

# How far the mean accuracy of affinet's classifier may be below that of scikit-learn's.
ACCURACY_TOLERANCE = 0.003


class VerificationError(Exception):
    """Two networks that should compute the same result do not."""


@dataclass(frozen=True)
class Outcome:
    """The result of a training: the parameters, and the losses on the way."""

    parameters: list[Array]
    losses: list[float]


def require_equal(
    name: str,
    found: Outcome,
    wanted: Outcome,
    first: list[Array],
    parameter_names: list[str],
    tolerance: float | None = None,
) -> float:
    """The largest deviation of any parameter; an error if it exceeds the tolerance.

    Parameters
    ----------
    name : str
        Who computed ``found``, for the error.
    found, wanted : Outcome
        The outcomes of the contender and of the network to compare it with.
    first : list of arrays
        The parameters before the training.
    parameter_names : list of str
    tolerance : float, optional
        By default that of the parameters' dtype.

    Returns
    -------
    float
        ``max over parameters of ||found - wanted|| / ||wanted - first||``.

    Raises
    ------
    VerificationError
        If a deviation is above the tolerance or not a number, or if a loss differs by more,
        relative to at least 1.
    """
    tolerance = TOLERANCES[str(first[0].dtype)] if tolerance is None else tolerance
    deviations = []
    for parameter, a, b, start in zip(
        parameter_names, found.parameters, wanted.parameters, first, strict=True
    ):
        moved = np.linalg.norm(b.astype(np.float64) - start)
        deviation = float(np.linalg.norm(a.astype(np.float64) - b) / moved)
        if not deviation <= tolerance:  # true for NaN as well
            raise VerificationError(
                f"{name}: {parameter} {a.shape} {a.dtype} deviates by {deviation:.2g} of its "
                f"movement, tolerance {tolerance:.0e}"
            )
        deviations.append(deviation)
    for step, (loss, wanted_loss) in enumerate(zip(found.losses, wanted.losses, strict=True)):
        if not abs(loss - wanted_loss) <= tolerance * max(1.0, abs(wanted_loss)):
            raise VerificationError(
                f"{name}: loss {step} is {loss!r}, wanted {wanted_loss!r} within {tolerance:.0e}"
            )
    return max(deviations)


def require_close(name: str, found: Array, wanted: Array) -> float:
    """``||found - wanted|| / ||wanted||``; an error above :data:`PREDICTION_TOLERANCE`.

    Parameters
    ----------
    name : str
        Who computed ``found``, for the error.
    found, wanted : array
        The result in float32, and the same in float64.
    """
    if found.shape != wanted.shape:
        raise VerificationError(f"{name}: result has shape {found.shape}, wanted {wanted.shape}")
    deviation = float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))
    if not deviation <= PREDICTION_TOLERANCE:
        raise VerificationError(
            f"{name}: result deviates by {deviation:.2g} of its norm, "
            f"tolerance {PREDICTION_TOLERANCE:.0e}"
        )
    return deviation


def require_as_accurate(accuracies: Mapping[str, Sequence[float]]) -> None:
    """Raise if the first contender's mean accuracy is too far below another's.

    Parameters
    ----------
    accuracies : mapping of names to lists of float
        One for each random state; empty if no accuracy was measured.
    """
    means = {name: float(np.mean(found)) for name, found in accuracies.items() if len(found)}
    if not means:
        return
    ours = next(iter(means))
    for name, mean in means.items():
        if not means[ours] >= mean - ACCURACY_TOLERANCE:
            raise VerificationError(
                f"{ours}: accuracy {means[ours]:.4f}, {name} has {mean:.4f}, "
                f"tolerance {ACCURACY_TOLERANCE}"
            )
