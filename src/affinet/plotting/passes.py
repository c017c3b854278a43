"""A picture of one batch in the three steps of learning: forward, backward, update."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from affinet._validation import Array
from affinet.diagnostics import LayerPass, ThreeSteps
from affinet.plotting.figures import BLUE, GREEN, VERMILION, own_or_new_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 6
MOST_WRITTEN = 36  # numbers; larger matrices show their shape instead


def three_steps(data: ThreeSteps, axes: Any = None) -> Array:
    """Draw every matrix of one training step, with its numbers.

    The first row of panels is the forward pass, from left to right. The second row holds the
    gradients, each below what it belongs to; they are computed from right to left. The other rows
    are the updates of the weights, with the biases as the last row of each matrix.

    Parameters
    ----------
    data : ThreeSteps
        From :func:`affinet.diagnostics.three_steps`.
    axes : array of matplotlib.axes.Axes, optional
        Where to draw, a grid with one column for each panel of the forward row; by default, in
        a new figure.

    Returns
    -------
    array of matplotlib.axes.Axes
        Those that show a matrix.

    Raises
    ------
    ImportError, ValueError
        If matplotlib is not installed; if there are fewer axes.

    Examples
    --------
    >>> import affinet as an
    >>> axes = an.plotting.three_steps(an.diagnostics.three_steps())
    >>> [panel.get_title() for panel in axes[:4]]
    ['x', 'Affine(2 -> 3)', 'ReLU()', 'Affine(3 -> 2)']
    """
    forward = [("x", data.x), *((layer.name, layer.out) for layer in data.layers)]
    if data.y is not None:
        forward.append((f"softmax y\nfor t = {targets_of(data.t)}", data.y))
    backward = [("dx", data.layers[0].dx)]
    backward += [(f"dout of\n{layer.name}", layer.dout) for layer in data.layers]
    updates = [matrices for layer in data.layers if layer.after for matrices in update_of(layer)]
    columns = max(len(forward), COLUMNS)
    n_rows = 2 + -(-len(updates) // columns)
    if axes is not None:
        columns = max(len(forward), len(np.asarray(axes, dtype=object).reshape(-1)) // n_rows)
    panels = own_or_new_grid(axes, n_rows * columns, columns, (1.75, 1.7))
    used = []
    for row, matrices, colour in (
        (0, forward, BLUE), (1, backward, VERMILION), (2, updates, GREEN)
    ):  # fmt: skip
        limit = max((float(np.abs(values).max()) for _, values in matrices), default=0.0) or 1.0
        for place, (name, values) in enumerate(matrices, row * columns):
            draw_matrix(panels[place], name, values, limit, colour)
            used.append(panels[place])
    for panel in panels:
        if panel not in used:
            panel.set_axis_off()
    for row, text in enumerate(("1  forward →", "2  ← backward", "3  update")):
        panels[row * columns].set_ylabel(text, fontsize=10, fontweight="bold")
    write_losses(panels[columns + len(backward)], data)
    return np.array(used, dtype=object)


def update_of(layer: LayerPass) -> list[tuple[str, Array]]:
    """An update as three matrices: before, gradient, after; the bias is the last row."""
    names = ", ".join(layer.after)
    slope = ", ".join(f"d{name}" for name in layer.after)
    titles = (f"{names} of\n{layer.name}", slope, f"{names} after")
    parts = (layer.before, layer.gradients, layer.after)
    return [(title, stacked(part)) for title, part in zip(titles, parts, strict=True)]


def targets_of(t: Array) -> str:
    """Targets in a few characters."""
    numbers = [f"{value:g}" for value in t.reshape(-1)[:4]]
    return ", ".join(numbers) + (", ..." if t.size > 4 else "")


def stacked(arrays: dict[str, Array]) -> Array:
    """Arrays of the same number of columns, one below another."""
    return np.concatenate([np.atleast_2d(array) for array in arrays.values()])


def draw_matrix(ax: Axes, name: str, values: Array, limit: float, colour: str) -> None:
    """Draw a matrix in shades, positive orange and negative purple, with its numbers."""
    values = values.reshape(len(values), -1)
    ax.imshow(values, cmap="PuOr_r", vmin=-1.6 * limit, vmax=1.6 * limit, aspect="auto")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_title(name, fontsize=8.5)
    for spine in ax.spines.values():
        spine.set_color(colour)
        spine.set_linewidth(1.5)
    if values.size > MOST_WRITTEN:
        ax.set_xlabel(" × ".join(map(str, values.shape)), fontsize=8)
        return
    size = 9 if values.shape[1] <= 3 else 7
    for (row, column), value in np.ndenumerate(values):
        ax.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=size)


def write_losses(ax: Axes, data: ThreeSteps) -> None:
    """Write the loss before and after the update, and the rule, into a free panel."""
    rule = data.optimizer.replace(", ", ",\n")
    ax.text(
        0.5, 0.5, f"loss {data.loss:.3f}\nafter the\nupdate {data.loss_after:.3f}\n\n{rule}",
        transform=ax.transAxes, ha="center", va="center", fontsize=9,
    )  # fmt: skip
