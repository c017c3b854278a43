"""How predictions came out: who is taken for whom, and numbers against the true ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array, number_array, require_finite
from affinet.plotting.figures import BLUE, draw_grid, open_frame, own_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_WRITTEN = 25  # classes up to which a number stands in every cell
LONG_NAME = 3  # characters from which names across are written aslant


def confusion_matrix(
    counts: ArrayLike,
    classes: Sequence[str] | None = None,
    ax: Axes | None = None,
    *,
    normalize: bool = False,
) -> Axes:
    """Draw a confusion matrix: true classes down, predicted ones across.

    Shades are shares of a true class's rows, so that large classes do not outshine small ones.

    Parameters
    ----------
    counts : array of shape (C, C)
        Rows by true class (first) and predicted class (second).
    classes : sequence of C str, optional
        Their names; 0, 1, ... if left out.
    ax : matplotlib.axes.Axes, optional
        Where to draw; left out, a figure of its own is made.
    normalize : bool
        True writes shares of the true class's rows into the cells, not counts.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If counts is not square, or has a number below 0, or the names are not C.

    Examples
    --------
    >>> from affinet.plotting import confusion_matrix
    >>> axes = confusion_matrix([[9, 1], [0, 10]], ["cat", "dog"])
    >>> axes.get_xlabel(), axes.get_ylabel(), [text.get_text() for text in axes.texts]
    ('predicted', 'true', ['9', '1', '0', '10'])
    """
    counts = number_array("counts", counts)
    n = len(counts) if counts.ndim else 0
    if counts.shape != (n, n) or n == 0:
        raise ValueError(f"counts has shape {counts.shape}, wanted (C, C)")
    require_finite("counts", counts)
    if (counts < 0).any():
        raise ValueError(f"counts has {counts.min()}, wanted numbers of rows, 0 or more")
    names = [str(place) for place in range(n)] if classes is None else [str(c) for c in classes]
    if len(names) != n:
        raise ValueError(f"classes has {len(names)} names, wanted {n}")
    rows = counts.sum(axis=1, keepdims=True)
    shares = counts / np.where(rows == 0, 1, rows)
    side = 2.0 + 0.42 * n if n <= MOST_WRITTEN else 6.0
    ax = own_or_new(ax, side + 0.9, side)
    image = ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ax.figure.colorbar(image, ax=ax, label="share of the true class", shrink=0.85)
    if n <= MOST_WRITTEN:
        write_cells(ax, shares, normalize, counts)
    label_classes(ax, names)
    return ax


def write_cells(ax: Axes, shares: Array, normalize: bool, counts: Array) -> None:
    """A number into every cell, white on dark ones."""
    size = 10 if len(shares) <= 6 else 8 if len(shares) <= 12 else 6
    for (row, column), share in np.ndenumerate(shares):
        ax.text(
            column,
            row,
            f"{share:.2f}" if normalize else f"{counts[row, column]:g}",
            color="white" if share > 0.5 else "black",
            ha="center",
            va="center",
            fontsize=size,
        )


def label_classes(ax: Axes, names: Sequence[str]) -> None:
    """Names along both sides, thinned out if they are many."""
    places = range(0, len(names), -(-len(names) // MOST_WRITTEN))
    shown = [names[place] for place in places]
    aslant = max(map(len, shown)) > LONG_NAME and len(names) > 3
    ax.set_xticks(
        places, shown, rotation=45 if aslant else 0, ha="right" if aslant else "center",
        rotation_mode="anchor" if aslant else "default",
    )  # fmt: skip
    ax.set_yticks(places, shown)
    ax.tick_params(length=0)
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")


def predicted_against_true(
    t: ArrayLike, y: ArrayLike, name: str = "the target", ax: Axes | None = None
) -> Axes:
    """Draw predicted numbers over the true ones: a perfect prediction lies on the line.

    Parameters
    ----------
    t, y : array of shape (N,) or (N, 1)
        True and predicted numbers, N >= 1.
    name : str
        What they are, for the labels.
    ax : matplotlib.axes.Axes, optional
        Where to draw; left out, a figure of its own is made.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If lengths differ, there is no row, or a number is not finite.

    Examples
    --------
    >>> from affinet.plotting import predicted_against_true
    >>> axes = predicted_against_true([1.0, 2.0, 3.0], [1.1, 2.2, 2.7], "price")
    >>> axes.get_xlabel(), axes.get_ylabel()
    ('price, true', 'price, predicted')
    """
    t, y = number_array("t", t).reshape(-1), number_array("y", y).reshape(-1)
    if t.shape != y.shape or not t.size:
        raise ValueError(f"t has {t.size} numbers and y {y.size}, wanted as many, at least one")
    require_finite("t", t)
    require_finite("y", y)
    ax = own_or_new(ax, 4.4, 4.2)
    # Many points become transparent, so that where they crowd can be seen.
    alpha = float(np.clip(30 / np.sqrt(t.size), 0.1, 0.8))
    ax.scatter(t, y, s=16, color=BLUE, alpha=alpha, linewidths=0)
    ends = [min(t.min(), y.min()), max(t.max(), y.max())]
    ax.plot(
        ends, ends, color="0.4", linestyle="--", linewidth=1, zorder=3, label="predicted = true"
    )
    ax.set_xlabel(f"{name}, true")
    ax.set_ylabel(f"{name}, predicted")
    ax.set_aspect("equal", adjustable="datalim")
    ax.legend(frameon=False, loc="upper left")
    draw_grid(ax)
    open_frame(ax)
    return ax
