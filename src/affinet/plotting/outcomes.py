"""Pictures of predictions: confusion matrices, and predicted against true numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array, number_array, require_finite
from affinet.plotting.figures import BLUE, draw_grid, open_frame, own_or_new, share_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_WRITTEN = 25  # classes; with more, the cells have no numbers
MOST_NAMED = 40  # classes; with more, only some of them have labels
LONG_NUMBER = 5  # characters; axes with longer numbers have them rotated
LONG_NAME = 3  # characters; longer names on the x axis are rotated


def confusion_matrix(
    counts: ArrayLike,
    classes: Sequence[str] | None = None,
    ax: Axes | None = None,
    *,
    normalize: bool = False,
) -> Axes:
    """Draw a confusion matrix, with true classes as rows and predicted classes as columns.

    Shades are fractions of the rows of a true class, so that classes of any size can be compared.

    Parameters
    ----------
    counts : array of shape (C, C)
        Number of rows by true class (first) and predicted class (second).
    classes : sequence of C str, optional
        Their names; by default 0, 1, ....
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default, in a new figure.
    normalize : bool
        Write fractions of the true class into the cells instead of counts.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If counts is not square or has a negative number, or if there are not C names.

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
    side = 2.0 + 0.42 * n if n <= MOST_WRITTEN else min(3.0 + 0.17 * n, 10.0)
    ax = own_or_new(ax, side + 0.9, side)
    image = ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ax.figure.colorbar(image, ax=ax, label="fraction of the true class", shrink=0.85)
    if n <= MOST_WRITTEN:
        write_cells(ax, shares, normalize, counts)
    label_classes(ax, names)
    return ax


def write_cells(ax: Axes, shares: Array, normalize: bool, counts: Array) -> None:
    """Write a number into every cell, in white if the cell is dark."""
    size = 10 if len(shares) <= 6 else 8 if len(shares) <= 12 else 6
    for (row, column), share in np.ndenumerate(shares):
        ax.text(
            column,
            row,
            share_text(float(share), 2) if normalize else f"{counts[row, column]:g}",
            color="white" if share > 0.5 else "black",
            ha="center",
            va="center",
            fontsize=size,
        )


def label_classes(ax: Axes, names: Sequence[str]) -> None:
    """Label both axes with the names, or with some of them if there are very many."""
    step = 1 if len(names) <= MOST_NAMED else -(-len(names) // MOST_WRITTEN)
    places = range(0, len(names), step)
    shown = [names[place] for place in places]
    aslant = max(map(len, shown)) > LONG_NAME and len(names) > 3
    ax.set_xticks(
        places, shown, rotation=45 if aslant else 0, ha="right" if aslant else "center",
        rotation_mode="anchor" if aslant else "default",
    )  # fmt: skip
    ax.set_yticks(places, shown)
    ax.tick_params(length=0, labelsize=10 if len(shown) <= MOST_WRITTEN else 8)
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")


def predicted_against_true(
    t: ArrayLike, y: ArrayLike, name: str = "the target", ax: Axes | None = None
) -> Axes:
    """Draw predicted against true numbers: a perfect prediction lies on the line.

    Parameters
    ----------
    t, y : array of shape (N,) or (N, 1)
        True and predicted numbers, N >= 1.
    name : str
        The name of the target, for the labels.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default, in a new figure.

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
        raise ValueError(
            f"t has {t.size} numbers and y {y.size}, wanted the same number, at least one"
        )
    require_finite("t", t)
    require_finite("y", y)
    ax = own_or_new(ax, 4.4, 4.2)
    # Many points are drawn transparent, so that their density can be seen.
    alpha = float(np.clip(30 / np.sqrt(t.size), 0.1, 0.8))
    ax.scatter(t, y, s=16, color=BLUE, alpha=alpha, linewidths=0)
    ends = [min(t.min(), y.min()), max(t.max(), y.max())]
    ax.plot(
        ends, ends, color="0.4", linestyle="--", linewidth=1, zorder=3, label="predicted = true"
    )
    ax.set_xlabel(f"{name}, true")
    ax.set_ylabel(f"{name}, predicted")
    ax.set_aspect("equal", adjustable="datalim")
    label_numbers(ax)
    ax.legend(frameon=False, loc="upper left")
    draw_grid(ax)
    open_frame(ax)
    return ax


def label_numbers(ax: Axes) -> None:
    """Put few, plain numbers on both axes; long ones on the x axis are rotated.

    Without this, numbers such as 450000 run into each other.
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(5))
        axis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:,.10g}"))
    longest = max(len(f"{value:,.10g}") for value in ax.get_xticks())
    ax.tick_params(axis="x", rotation=30 if longest > LONG_NUMBER else 0)
