"""Synthetic data: small problems to plot and to test with."""

from __future__ import annotations

import math
import operator
from typing import SupportsFloat, SupportsIndex

import numpy as np
from numpy.typing import NDArray

_SWEEP = 4.0  # radians that an arm turns between the center and its end


def spiral(
    n_per_class: int = 100,
    n_classes: int = 3,
    noise: float = 0.2,
    rng: int | np.random.Generator = 0,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Points on the arms of a spiral, one arm for each class: no straight line separates them.

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
        The classes: n_per_class zeros, n_per_class ones, and so on. Shuffle before splitting the
        rows.

    Raises
    ------
    ValueError
        A count below 1, a noise that is negative or not finite, a negative seed.
    TypeError
        A count that is not an integer, a noise that is not a number, an rng of another kind.

    Notes
    -----
    Point i = 1..n of class k = 0..C-1 has the radius r = i/n and the angle
    2 pi k / C + 4 r + noise * N(0, 1); x = (r sin, r cos). The idea is from
    the spiral in Stanford's CS231n notes; here no radius is 0, where all classes would meet.

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


def xor(
    n_per_corner: int = 50, noise: float = 0.15, rng: int | np.random.Generator = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Points around the corners of the unit square, with the exclusive or of the corner as class.

    The smallest problem that needs a hidden layer: a straight line separates at most three of the
    four corners correctly.

    Parameters
    ----------
    n_per_corner : int, default 50
        Points around each corner, at least 1.
    noise : float, default 0.15
        Standard deviation of the normal distances from the corner, in each direction.
    rng : int or numpy.random.Generator, default 0
        The source of the noise: a seed of 0 or more, or a Generator, whose state then advances.

    Returns
    -------
    x : (4 n_per_corner, 2) float32 array
        The points around (0, 0), (0, 1), (1, 0) and (1, 1), in this order.
    t : (4 n_per_corner,) int64 array
        The classes: 0 where the corner's two coordinates are equal, 1 where they differ.

    Raises
    ------
    ValueError
        A count below 1, a noise that is negative or not finite, a negative seed.
    TypeError
        A count that is not an integer, a noise that is not a number, an rng of another kind.

    Examples
    --------
    >>> from affinet.datasets import xor
    >>> x, t = xor(n_per_corner=1, noise=0)
    >>> x.tolist(), t.tolist()
    ([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0])
    """
    n = _count("n_per_corner", n_per_corner)
    noise = _deviation(noise)
    generator = _generator(rng)
    corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    x = np.repeat(corners, n, axis=0) + noise * generator.standard_normal((4 * n, 2))
    return x.astype(np.float32), np.repeat(np.array([0, 1, 1, 0], dtype=np.int64), n)


def two_moons(
    n_per_class: int = 100, noise: float = 0.1, rng: int | np.random.Generator = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Points on two interleaved half circles: no straight line separates them.

    Parameters
    ----------
    n_per_class : int, default 100
        Points on each half circle, at least 1.
    noise : float, default 0.1
        Standard deviation of the normal distances from the half circle, in each direction.
    rng : int or numpy.random.Generator, default 0
        The source of the noise: a seed of 0 or more, or a Generator, whose state then advances.

    Returns
    -------
    x : (2 n_per_class, 2) float32 array
    t : (2 n_per_class,) int64 array
        The classes: n_per_class zeros, the upper half circle around (0, 0), then n_per_class
        ones, the lower half circle around (1, 0.5).

    Raises
    ------
    ValueError
        A count below 1, a noise that is negative or not finite, a negative seed.
    TypeError
        A count that is not an integer, a noise that is not a number, an rng of another kind.

    Examples
    --------
    >>> from affinet.datasets import two_moons
    >>> x, t = two_moons(n_per_class=2, noise=0)
    >>> x.round(2).tolist(), t.tolist()
    ([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.5], [2.0, 0.5]], [0, 0, 1, 1])
    """
    n = _count("n_per_class", n_per_class)
    noise = _deviation(noise)
    generator = _generator(rng)
    angle = np.linspace(0.0, math.pi, n)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    lower = np.stack([1.0 - np.cos(angle), 0.5 - np.sin(angle)], axis=-1)
    x = np.concatenate([upper, lower]) + noise * generator.standard_normal((2 * n, 2))
    return x.astype(np.float32), np.repeat(np.arange(2, dtype=np.int64), n)


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
        if isinstance(value, str | bytes):  # float() would parse text
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
