"""Pictures of the decision regions of networks with two inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array, number_array, require_finite, whole_number
from affinet.plotting.figures import COLOURS, MARKERS, own_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from affinet.network import Sequential

MARGIN = 0.08  # of the data's width and height, around it


def decision_regions(
    net: Sequential,
    x: ArrayLike,
    t: ArrayLike,
    *,
    classes: Sequence[str] | None = None,
    names: Sequence[str] = ("input 1", "input 2"),
    ax: Axes | None = None,
    resolution: int = 300,
) -> Axes:
    """Draw the classes that a network predicts in a plane, and the data on top.

    The more certain the network, the stronger the colour; white lines mark where two classes are
    equally probable.

    Parameters
    ----------
    net : Sequential
        With two inputs, and a loss that gives probabilities.
    x : array of shape (N, 2)
        Points, N >= 1.
    t : array of shape (N,)
        Indices of their classes.
    classes : sequence of C str, optional
        Their names; by default 0, 1, ....
    names : sequence of 2 str
        Names of the two inputs.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default, in a new figure.
    resolution : int
        Number of grid points along each side, at least 2.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If the loss gives no probabilities.
    ValueError
        If x is not (N, 2), or t or the names do not match.

    Examples
    --------
    >>> import affinet as an
    >>> from affinet.plotting import decision_regions
    >>> x, t = an.datasets.spiral(20)
    >>> net = an.Sequential(an.Affine.init(2, 3, rng=0), loss=an.SoftmaxWithLoss())
    >>> axes = decision_regions(net, x, t, resolution=20)
    >>> [text.get_text() for text in axes.get_legend().get_texts()]
    ['0', '1', '2']
    """
    resolution = whole_number("resolution", resolution, 2)
    x, t = number_array("x", x), number_array("t", t)
    if x.ndim != 2 or x.shape[1] != 2 or not len(x):
        raise ValueError(f"x has shape {x.shape}, wanted (N, 2), N >= 1")
    require_finite("x", x)
    if t.shape != (len(x),):
        raise ValueError(f"t has shape {t.shape}, wanted {(len(x),)}")
    if len(names) != 2:
        raise ValueError(f"names has {len(names)} names, wanted 2")
    edges = [edges_of(column, resolution) for column in x.T]
    p = probabilities_on(net, edges)
    n_classes = p.shape[-1]
    labels = [str(k) for k in range(n_classes)] if classes is None else list(map(str, classes))
    if len(labels) != n_classes:
        raise ValueError(f"classes has {len(labels)} names, wanted {n_classes}")
    ax = own_or_new(ax, 5.2, 4.4)
    extent = (edges[0][0], edges[0][-1], edges[1][0], edges[1][-1])
    ax.imshow(blend(p), origin="lower", extent=extent, aspect="auto", interpolation="bilinear")
    found = p.argmax(axis=-1)
    for k in range(n_classes):
        if (found == k).any() and (found != k).any():
            ax.contour(*edges, found == k, levels=[0.5], colors="white", linewidths=1.2)
    draw_points(ax, x, t, labels)
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])
    return ax


def edges_of(values: Array, resolution: int) -> Array:
    """Evenly spaced points from below the smallest value to above the largest."""
    low, high = float(values.min()), float(values.max())
    margin = MARGIN * (high - low) or 1.0
    return np.linspace(low - margin, high + margin, resolution)


def probabilities_on(net: Sequential, edges: Sequence[Array]) -> Array:
    """Probabilities (R, R, C) of the classes on a grid; rows follow the second input."""
    lattice = np.stack(np.meshgrid(*edges), axis=-1)
    p = net.predict_proba(lattice.reshape(-1, 2))
    return p.reshape(*lattice.shape[:2], -1)


def colours_of(n: int) -> Array:
    """n colours (n, 3), red, green and blue from 0 to 1; they repeat after the eighth."""
    codes = [COLOURS[place % len(COLOURS)].lstrip("#") for place in range(n)]
    return np.array([[int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)] for code in codes])


def blend(p: Array) -> Array:
    """Colours (R, R, 3) of the most probable classes, paler where less certain."""
    n_classes = p.shape[-1]
    sure = (p.max(axis=-1, keepdims=True) - 1 / n_classes) / max(1 - 1 / n_classes, 1e-9)
    colour = colours_of(n_classes)[p.argmax(axis=-1)]
    strength = 0.15 + 0.4 * np.clip(sure, 0, 1)
    shades: Array = 1 - strength * (1 - colour)
    return shades


def draw_points(ax: Axes, x: Array, t: Array, labels: Sequence[str]) -> None:
    """Draw the data, each class with its own colour and marker."""
    colours = colours_of(len(labels))
    for k, label in enumerate(labels):
        points = x[t == k]
        ax.scatter(
            points[:, 0],
            points[:, 1],
            color=colours[k],
            marker=MARKERS[k % len(MARKERS)],
            s=22,
            edgecolors="black",
            linewidths=0.5,
            label=label,
        )
    ax.legend(frameon=True, framealpha=0.9, loc="upper right", title="class")


def class_marks(labels: Sequence[str]) -> list[Any]:
    """Legend entries with the colour and marker of each class."""
    from matplotlib.lines import Line2D

    return [
        Line2D(
            [], [], linestyle="none", marker=MARKERS[k % len(MARKERS)], color=colour, label=label,
            markeredgecolor="black", markeredgewidth=0.5,
        )
        for k, (label, colour) in enumerate(zip(labels, colours_of(len(labels)), strict=True))
    ]  # fmt: skip
