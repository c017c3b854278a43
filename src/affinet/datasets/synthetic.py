"""Data that is computed: small problems to look at and to test with."""

from __future__ import annotations

import math
import operator
from typing import SupportsFloat, SupportsIndex

import numpy as np
from numpy.typing import NDArray

_SWEEP = 4.0  # radians that an arm turns between the middle and its end


def spiral(
    n_per_class: int = 100,
    n_classes: int = 3,
    noise: float = 0.2,
    rng: int | np.random.Generator = 0,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Points on the arms of a spiral, one arm a class: no straight line separates them.

    Parameters
    ----------
    n_per_class : int, default 100
        Points on each arm, at least 1.
    n_classes : int, default 3
        Arms, at least 1, evenly spaced around the origin.
    noise : float, default 0.2
        Standard deviation of a normal angle added to each point, in radians; 0 gives clean arms.
    rng : int or numpy.random.Generator, default 0
        The source of the noise: a seed of 0 or more, or a Generator, whose state then advances.

    Returns
    -------
    x : (n_per_class * n_classes, 2) float32 array
        The points, within the unit circle.
    t : (n_per_class * n_classes,) int64 array
        The classes: n_per_class zeros, then as many ones, and so on. Shuffle before cutting off a
        part of the rows.

    Raises
    ------
    ValueError
        A count below 1, a noise that is negative or not finite, a negative seed.
    TypeError
        A count that is not an integer, a noise that is not a number, an rng of another kind.

    Notes
    -----
    Point i = 1..n of class k = 0..C-1 has the radius r = i/n and the angle
    2 pi k / C + 4 r + noise * N(0, 1); x = (r sin, r cos). The idea is that of the spiral in
    Stanford's CS231n notes; here no radius is 0, where all classes would share one point.

    Examples
    --------
    >>> from affinet.datasets import spiral
    >>> x, t = spiral(n_per_class=2, noise=0)
    >>> t.tolist()
    [0, 0, 1, 1, 2, 2]
    >>> bool((x[1] ** 2).sum() > 0.999)  # the last point of an arm lies on the unit circle
    True
    """
    n_per_class = _count("n_per_class", n_per_class)
    n_classes = _count("n_classes", n_classes)
    noise = _deviation(noise)
    generator = _generator(rng)
    radius = np.arange(1, n_per_class + 1) / n_per_class
    start = 2 * math.pi * np.arange(n_classes) / n_classes
    angle = start[:, np.newaxis] + _SWEEP * radius
    angle += noise * generator.standard_normal((n_classes, n_per_class))
    x = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=-1)
    t = np.repeat(np.arange(n_classes, dtype=np.int64), n_per_class)
    return x.reshape(-1, 2).astype(np.float32), t


def _count(name: str, value: SupportsIndex) -> int:
    """``value`` as an int of at least 1."""
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    try:
        count = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if count < 1:
        raise ValueError(f"{name} must be at least 1, got {count}")
    return count


def _deviation(value: SupportsFloat) -> float:
    """``value`` as a finite float of at least 0."""
    try:
        if isinstance(value, str | bytes):  # float() would read a number out of a text
            raise TypeError
        deviation = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"noise must be a number, got {value!r}") from None
    if not (math.isfinite(deviation) and deviation >= 0):
        raise ValueError(f"noise must be finite and not negative, got {deviation}")
    return deviation


def _generator(rng: SupportsIndex | np.random.Generator) -> np.random.Generator:
    """``rng`` itself, or a new Generator seeded with it."""
    if isinstance(rng, np.random.Generator):
        return rng
    message = f"rng must be an int or a numpy.random.Generator, got {rng!r}"
    if isinstance(rng, bool | np.bool_):
        raise TypeError(message)
    try:
        seed = operator.index(rng)
    except TypeError:
        raise TypeError(message) from None
    if seed < 0:
        raise ValueError(f"rng must be at least 0 as a seed, got {seed}")
    return np.random.default_rng(seed)
