"""What is learned by heart, and what a network's form can separate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from affinet._validation import Array
from affinet.diagnostics import NetworkRegions, Overfitting, Remedy
from affinet.plotting.figures import (
    BLACK,
    BLUE,
    VERMILION,
    finish,
    note,
    own_or_new_grid,
)
from affinet.plotting.regions import decision_regions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RESOLUTION = 120  # points along each side of one of many panels


def overfitting(data: Overfitting, axes: Any = None) -> Array:
    """Draw training and test accuracy by epoch for every remedy, with the gap at the end.

    Lines are means over the seeds, bands go from the least to the greatest of them.

    Parameters
    ----------
    data : Overfitting
        From :func:`affinet.diagnostics.overfitting`.
    axes : array of matplotlib.axes.Axes, optional
        Where to draw, one for each remedy; left out, a figure of its own is made.

    Returns
    -------
    array of matplotlib.axes.Axes, (R,)

    Raises
    ------
    ImportError, ValueError
        Without matplotlib; for fewer axes.

    Examples
    --------
    >>> import affinet as an
    >>> data = an.diagnostics.overfitting(epochs=2, seeds=[0])
    >>> len(an.plotting.overfitting(data))
    4
    """
    panels = own_or_new_grid(axes, len(data.remedies), 2, (4.4, 3.0))
    low = float(min(data.train.min(), data.test.min()))
    for r, (ax, remedy) in enumerate(zip(panels, data.remedies, strict=True)):
        draw_gap(ax, data, r)
        ax.set_title(title_of(remedy), fontsize=10)
        ax.set_ylim(max(0.0, low - 0.05), 1.03)
    panels[0].legend(loc="lower right", bbox_to_anchor=(1, 0.1), fontsize=8, frameon=False)
    return panels


def title_of(remedy: Remedy) -> str:
    """A remedy in words and numbers."""
    numbers = []
    if remedy.dropout:
        numbers.append(f"p = {remedy.dropout:g}, inputs {remedy.input_dropout:g}")
    if remedy.weight_decay:
        numbers.append(f"decay {remedy.weight_decay:g}")
    return f"{remedy.name}\n{'; '.join(numbers)}" if numbers else f"{remedy.name} against it"


def draw_gap(ax: Axes, data: Overfitting, r: int) -> None:
    """Both accuracies of one remedy, and the distance at the end."""
    epochs = np.arange(1, data.train.shape[-1] + 1)
    rows = f"{data.n_rows} rows trained on", f"{data.n_test} other rows"
    styles = ((data.train, rows[0], VERMILION, "--"), (data.test, rows[1], BLUE, "-"))
    for values, label, colour, stroke in styles:
        ax.plot(epochs, values[r].mean(axis=0), color=colour, linestyle=stroke, label=label)
        ends = values[r].min(axis=0), values[r].max(axis=0)
        ax.fill_between(epochs, *ends, color=colour, alpha=0.2, linewidth=0)
    if data.label_noise:
        known = 1 - data.label_noise
        ax.axhline(
            known, color=BLACK, linewidth=1, linestyle=":",
            label=f"right labels: {known:.0%}",
        )  # fmt: skip
    train, test = data.train[r, :, -1].mean(), data.test[r, :, -1].mean()
    note(ax, f"{train:.3f} − {test:.3f}: gap {data.gaps[r]:.3f}", "lower right")
    finish(ax, "epoch", "accuracy")


def network_regions(data: NetworkRegions, axes: Any = None) -> Array:
    """Draw the decision regions of every net on every problem; a row for each problem.

    Parameters
    ----------
    data : NetworkRegions
        From :func:`affinet.diagnostics.network_regions`.
    axes : array of matplotlib.axes.Axes, optional
        Where to draw, one for each net and problem; left out, a figure of its own is made.

    Returns
    -------
    array of matplotlib.axes.Axes

    Raises
    ------
    ImportError, ValueError
        Without matplotlib; for fewer axes.

    Examples
    --------
    >>> import affinet as an
    >>> data = an.diagnostics.network_regions(["XOR"], steps=20)
    >>> len(an.plotting.network_regions(data))
    3
    """
    n_columns = len(data.trials[0])
    panels = own_or_new_grid(axes, len(data.trials) * n_columns, n_columns, (2.6, 2.4))
    trials = [trial for row in data.trials for trial in row]
    for place, (ax, trial) in enumerate(zip(panels, trials, strict=True)):
        decision_regions(trial.net, trial.x, trial.t, ax=ax, resolution=RESOLUTION)
        ax.get_legend().remove()  # which class is which does not matter here
        units = "-".join(map(str, trial.widths)) or "no hidden layer"
        ax.set_title(f"{trial.name} ({units}): test {trial.test:.0%}", fontsize=10)
        ax.set_xlabel("")
        ax.set_ylabel(trial.problem if place % n_columns == 0 else "", fontsize=11)
        ax.set_xticks([])
        ax.set_yticks([])
    return panels
