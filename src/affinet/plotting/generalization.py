"""Pictures of overfitting and of the regions that nets of several forms separate."""

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
    share_text,
)
from affinet.plotting.regions import class_marks, decision_regions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RESOLUTION = 120  # points along each side of one of many panels


def overfitting(data: Overfitting, axes: Any = None) -> Array:
    """Draw training and test accuracy by epoch for every remedy, with the gap at the end.

    Lines are means over the seeds, bands range from the smallest to the largest value.

    Parameters
    ----------
    data : Overfitting
        From :func:`affinet.diagnostics.overfitting`.
    axes : array of matplotlib.axes.Axes, optional
        Where to draw, one for each remedy; by default, in a new figure.

    Returns
    -------
    array of matplotlib.axes.Axes, (R,)

    Raises
    ------
    ImportError, ValueError
        If matplotlib is not installed; if there are fewer axes.

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
        ax.set_ylim(max(0.0, low - 0.05), 1.02)
    panels[0].legend(loc="lower right", bbox_to_anchor=(1, 0.1), fontsize=8, frameon=False)
    return panels


def title_of(remedy: Remedy) -> str:
    """A remedy's name and settings."""
    numbers = []
    if remedy.dropout:
        numbers.append(f"p = {remedy.dropout:g}, inputs {remedy.input_dropout:g}")
    if remedy.weight_decay:
        numbers.append(f"decay {remedy.weight_decay:g}")
    return f"{remedy.name}\n{'; '.join(numbers)}" if numbers else "no regularisation"


def draw_gap(ax: Axes, data: Overfitting, r: int) -> None:
    """Draw both accuracies of one remedy, and write the gap at the end."""
    epochs = np.arange(1, data.train.shape[-1] + 1)
    rows = f"{data.n_rows} training rows", f"{data.n_test} test rows"
    styles = ((data.train, rows[0], VERMILION, "--"), (data.test, rows[1], BLUE, "-"))
    for values, label, colour, stroke in styles:
        ax.plot(epochs, values[r].mean(axis=0), color=colour, linestyle=stroke, label=label)
        ends = values[r].min(axis=0), values[r].max(axis=0)
        ax.fill_between(epochs, *ends, color=colour, alpha=0.2, linewidth=0)
    if data.label_noise:
        known = 1 - data.label_noise
        ax.axhline(
            known, color=BLACK, linewidth=1, linestyle=":",
            label=f"fraction of correct labels: {known:.3g}",
        )  # fmt: skip
    train, test = data.train[r, :, -1].mean(), data.test[r, :, -1].mean()
    difference = f"{share_text(train)} − {share_text(test)}"
    note(ax, f"{difference}: gap {data.gaps[r]:.3f}", "lower right")
    finish(ax, "epoch", "accuracy")


def network_regions(data: NetworkRegions, axes: Any = None) -> Array:
    """Draw the decision regions of every net on every problem, a row for each problem.

    A new figure has a legend below the panels; with given axes, the last one holds it.

    Parameters
    ----------
    data : NetworkRegions
        From :func:`affinet.diagnostics.network_regions`.
    axes : array of matplotlib.axes.Axes, optional
        Where to draw, one for each net and problem; by default, in a new figure.

    Returns
    -------
    array of matplotlib.axes.Axes

    Raises
    ------
    ImportError, ValueError
        If matplotlib is not installed; if there are fewer axes.

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
        ax.get_legend().remove()  # one legend serves all panels
        units = "-".join(map(str, trial.widths)) or "no hidden layer"
        ax.set_title(f"{trial.name} ({units}): test {share_text(trial.test)}", fontsize=10)
        ax.set_xlabel("")
        ax.set_ylabel(trial.problem if place % n_columns == 0 else "", fontsize=11)
        ax.set_xticks([])
        ax.set_yticks([])
    n_classes = max(int(trial.t.max()) for trial in trials) + 1
    handles = class_marks([f"class {k}" for k in range(n_classes)])
    title = "points: training data; background: predicted class, stronger if more certain"
    options = {"handles": handles, "ncols": n_classes, "title": title, "fontsize": 9}
    if axes is None:
        panels[0].figure.legend(loc="outside lower center", frameon=False, **options)
    else:
        panels[-1].legend(handles=handles, loc="best", fontsize=7, framealpha=0.9)
    return panels
