"""The learning curve."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from affinet.plotting.figures import (
    BLUE,
    GREEN,
    PURPLE,
    VERMILION,
    Style,
    draw_grid,
    new_panels,
    open_frame,
)
from affinet.training import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLES: dict[str, Style] = {
    "": {"color": BLUE, "linestyle": "-"},
    "val_": {"color": VERMILION, "linestyle": "--"},
}
SECOND_STYLES: dict[str, Style] = {  # of a second quantity in the same axes
    "": {"color": GREEN, "linestyle": "-."},
    "val_": {"color": PURPLE, "linestyle": ":"},
}
ROLES = {"": "training", "val_": "validation"}
QUANTITIES = ("loss", "accuracy")
FEW_EPOCHS = 12  # up to here every epoch gets a mark, and a single one is visible at all
WIDE_RANGE = 10.0  # losses that fall by more than this are drawn on a logarithmic scale


def learning_curve(
    history: History | Sequence[Mapping[str, float]], ax: Axes | None = None
) -> Axes:
    """Draw loss, and accuracy if there is one, by epoch, for training and validation.

    Parameters
    ----------
    history : History, or sequence of dict
        What ``fit`` returned, or its ``epochs``, as a model file keeps them.
    ax : matplotlib.axes.Axes, optional
        Where to draw: the loss on its left scale, the accuracy on a second scale at its right.
        Left out, a figure of its own is made, with one panel each.

    Returns
    -------
    matplotlib.axes.Axes
        That of the loss: ``ax``, or the first panel. Its ``figure`` has the other one too.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If history is no such thing.
    ValueError
        If it has no epoch, or no loss.

    Examples
    --------
    >>> import affinet as an
    >>> from affinet.plotting import learning_curve
    >>> epochs = [{"loss": 2.0, "val_loss": 2.1}, {"loss": 1.0, "val_loss": 1.3}]
    >>> axes = learning_curve(an.History(epochs=epochs))
    >>> axes.get_xlabel(), axes.get_ylabel(), len(axes.lines)
    ('epoch', 'loss', 2)
    """
    epochs = require_epochs(history)
    quantities = [name for name in QUANTITIES if curves(epochs, name)]
    if ax is not None:
        return draw_on(ax, epochs, quantities)
    panels = new_panels(1, len(quantities))
    for panel, quantity in zip(panels, quantities, strict=True):
        draw_curves(panel, epochs, quantity, STYLES)
        panel.legend(frameon=False)
        open_frame(panel)
    first: Axes = panels[0]
    return first


def require_epochs(history: Any) -> list[Mapping[str, float]]:
    """The figures epoch by epoch, at least one epoch with a loss."""
    epochs = history.epochs if isinstance(history, History) else history
    if isinstance(epochs, str | Mapping) or not isinstance(epochs, Sequence):
        raise TypeError(f"history is {type(history).__name__}, wanted a History or its epochs")
    if not all(isinstance(epoch, Mapping) for epoch in epochs):
        raise TypeError("history has an epoch that is no dict")
    if not curves(epochs, "loss"):
        raise ValueError("history has no epoch with a loss, so there is nothing to draw")
    return list(epochs)


def curves(epochs: Sequence[Mapping[str, float]], quantity: str) -> dict[str, list[float]]:
    """Values of a quantity by role ("" for training, "val_"), NaN where an epoch has none."""
    found = {role: [value_of(epoch, f"{role}{quantity}") for epoch in epochs] for role in ROLES}
    return {role: values for role, values in found.items() if not all(map(math.isnan, values))}


def value_of(epoch: Mapping[str, Any], name: str) -> float:
    """A figure of an epoch, NaN if it has none."""
    value = epoch.get(name)
    return float("nan") if value is None else float(value)


def draw_on(ax: Axes, epochs: Sequence[Mapping[str, float]], quantities: list[str]) -> Axes:
    """Draw one or two quantities into one pair of axes, with one legend."""
    lines = draw_curves(ax, epochs, quantities[0], STYLES)
    if len(quantities) > 1:
        second = ax.twinx()
        lines += draw_curves(second, epochs, quantities[1], SECOND_STYLES)
        second.grid(False)
        for line, name in zip(lines, names_of(epochs, quantities), strict=True):
            line.set_label(name)
    # Late losses lie low and late accuracies high: the middle is free.
    ax.legend(handles=lines, loc="center right", frameon=False)
    return ax


def names_of(epochs: Sequence[Mapping[str, float]], quantities: list[str]) -> list[str]:
    """Names of all curves in one pair of axes, in the order in which they are drawn."""
    return [f"{ROLES[role]} {name}" for name in quantities for role in curves(epochs, name)]


def draw_curves(
    ax: Axes,
    epochs: Sequence[Mapping[str, float]],
    quantity: str,
    styles: Mapping[str, Style],
) -> list[Any]:
    """Draw one quantity, with labels and scales; returns its lines."""
    numbers = [int(epoch.get("epoch", place)) for place, epoch in enumerate(epochs, 1)]
    marker = "o" if len(epochs) <= FEW_EPOCHS else ""
    found = curves(epochs, quantity)
    lines = [
        ax.plot(numbers, values, label=ROLES[role], marker=marker, markersize=4, **styles[role])[0]
        for role, values in found.items()
    ]
    ax.set_xlabel("epoch")
    ax.set_ylabel(quantity)
    number_epochs(ax, numbers)
    draw_grid(ax)
    if quantity == "loss" and is_wide([value for values in found.values() for value in values]):
        use_logarithms(ax)
    return lines


def number_epochs(ax: Axes, numbers: Sequence[int]) -> None:
    """Whole numbers along the epochs, and room at both ends."""
    from matplotlib.ticker import MaxNLocator

    margin = max(0.5, 0.02 * len(numbers))
    ax.set_xlim(numbers[0] - margin, numbers[-1] + margin)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def use_logarithms(ax: Axes) -> None:
    """A logarithmic scale with plain numbers on it: 0.1, 0.2, 0.5, 1."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def is_wide(values: Sequence[float]) -> bool:
    """True if a logarithmic scale shows the values better."""
    known = [value for value in values if math.isfinite(value)]
    return bool(known) and min(known) > 0 and max(known) > WIDE_RANGE * min(known)
