"""Temperature scaling: one number that makes a classifier's probabilities match its hit rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array, array_of, require_some_weight, row_weights

PRIOR_ROWS = 10.0  # rows that agree with the network's own probabilities
LOWEST, HIGHEST = 0.05, 20.0
MOST_STEPS = 100
PRECISION = 1e-12  # of log(1 / T)


def fit_temperature(
    outputs: ArrayLike,
    t: ArrayLike,
    sample_weight: ArrayLike | None = None,
    prior_rows: float = PRIOR_ROWS,
) -> float:
    """The temperature T for which softmax(outputs / T) has the lowest log-loss.

    Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, section
    4.2. The log-loss is convex in 1/T; Newton's method finds its minimum, with bisection where a
    step leaves the interval in which the minimum lies.

    With few rows, or with rows that the network classifies without an error, the minimum says
    little: it would be at T = 0. Therefore the objective counts ``prior_rows`` more rows that agree
    with the network's own probabilities: every target is replaced by
    ``(1 - s) t + s softmax(outputs)`` with ``s = prior_rows / (n + prior_rows)``. Their log-loss is
    lowest at T = 1, so T tends to 1 as n tends to 0, and they become negligible as n grows. n is
    the number of rows, or with weights the number of equally weighted rows that carry as much
    information, ``(sum w)^2 / sum w^2``. T is limited to 0.05..20.

    Parameters
    ----------
    outputs : array of shape (N, C)
        Logits of rows that were not trained on.
    t : int array of shape (N,)
        Class indices.
    sample_weight : array of shape (N,), optional
        Weights of the rows, each 0 or more and not all of them 0; their scale does not matter.
    prior_rows : float
        More than 0.

    Returns
    -------
    float
        1 if all classes always have equal logits.

    Raises
    ------
    ValueError
        If shapes differ, a logit is not finite or a class index is out of range.

    Examples
    --------
    A network that says 99 % and is right in 3 of 4 cases is too sure of itself:

    >>> import numpy as np
    >>> sure = np.tile([[4.6, 0.0]], (400, 1))
    >>> t = (np.arange(400) % 4 == 0).astype(int)
    >>> round(fit_temperature(sure, t), 1)
    4.1
    """
    z, places = checked(outputs, t)
    weights = np.ones(len(z))
    if sample_weight is not None:
        weights = row_weights("sample_weight", sample_weight, len(z))
        require_some_weight("sample_weight", weights)
        weights = weights / weights.max()
    n = weights.sum() ** 2 / (weights**2).sum()
    own = prior_rows / (n + prior_rows)
    z = z - z.max(axis=1, keepdims=True)
    # The gradient at b = 1/T is the mean of E[z] - wanted; what is wanted does not depend on b.
    wanted = (1 - own) * z[np.arange(len(z)), places] + own * (softmax(z) * z).sum(axis=1)
    return 1 / lowest_loss(z, wanted, weights / weights.sum())


def calibrated(outputs: ArrayLike, temperature: float) -> Array:
    """softmax(outputs / temperature): probabilities (N, C) in float64 of logits (N, C).

    Examples
    --------
    >>> import numpy as np
    >>> calibrated(np.log([[0.9, 0.1]]), 2.0).round(2)
    array([[0.75, 0.25]])
    """
    z = np.asarray(outputs, np.float64)
    return softmax((z - z.max(axis=1, keepdims=True)) / temperature)


def checked(outputs: ArrayLike, t: ArrayLike) -> tuple[Array, Array]:
    """Logits as float64 (N, C) and class indices (N,)."""
    z, places = array_of("outputs", outputs).astype(np.float64), array_of("t", t)
    if z.ndim != 2 or not z.size:
        raise ValueError(f"outputs has shape {z.shape}, wanted (N, C) with at least one row")
    if not np.isfinite(z).all():
        raise ValueError("outputs holds NaN or infinity, wanted finite logits")
    if places.shape != z.shape[:1] or places.dtype.kind not in "iu":
        raise ValueError(
            f"t has shape {places.shape} and dtype {places.dtype}, wanted ({len(z)},) class indices"
        )
    if places.min() < 0 or places.max() >= z.shape[1]:
        raise ValueError(f"t holds {places.min()}..{places.max()}, wanted 0..{z.shape[1] - 1}")
    return z, places


def softmax(z: Array) -> Array:
    """Softmax of rows whose largest element is 0."""
    p = np.exp(z)
    p /= p.sum(axis=1, keepdims=True)
    return p


def lowest_loss(z: Array, wanted: Array, weights: Array) -> float:
    """The b > 0 at which the mean of ``E[z] - wanted`` is 0, E under softmax(b z), in its bounds.

    z: (N, C) with 0 as the largest element of each row; wanted: (N,); weights: (N,), sum 1.
    """
    low, high = np.log(1 / HIGHEST), np.log(1 / LOWEST)
    place = 0.0  # log b, in which large and small temperatures are alike
    for _ in range(MOST_STEPS):
        b = np.exp(place)
        p = softmax(b * z)
        mean = (p * z).sum(axis=1)
        slope = b * (weights @ (mean - wanted))
        if slope == 0:
            break
        low, high = (place, high) if slope < 0 else (low, place)
        # d/d(log b) of the slope: b^2 times the variance of z, plus the slope itself.
        curvature = b * b * (weights @ ((p * z * z).sum(axis=1) - mean**2)) + slope
        step = place - slope / curvature if curvature > 0 else np.inf
        following = step if low < step < high else (low + high) / 2
        if abs(following - place) < PRECISION:
            break
        place = following
    return float(np.exp(place))
