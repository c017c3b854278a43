"""Pictures of learning curves."""

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
FEW_EPOCHS = 12  # with up to this many, every epoch gets a marker; a single one is visible at all
WIDE_RANGE = 10.0  # losses that fall by more than this factor are drawn on a logarithmic scale
HOW_TRAINING = "Training: mean over the epoch's steps, with dropout and penalty (if any) in effect."
HOW_VALIDATION = "Validation: after the epoch, without them."


def learning_curve(
    history: History | Sequence[Mapping[str, float]], ax: Axes | None = None
) -> Axes:
    """Draw loss, and accuracy if recorded, by epoch, for training and validation.

    Training values are means over the steps of an epoch, while the parameters change, and include
    dropout and the penalty of ``l2``; validation values are measured after the epoch without
    either, so a validation loss below the training loss is no error. The picture says so.

    Parameters
    ----------
    history : History, or sequence of dict
        The result of ``fit``, or its ``epochs``, as a model file stores them.
    ax : matplotlib.axes.Axes, optional
        Where to draw: the loss on the left scale, the accuracy on a second scale on the right.
        By default, in a new figure with one panel each.

    Returns
    -------
    matplotlib.axes.Axes
        The axes of the loss: ``ax``, or the first panel. Its ``figure`` also has the other panel.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If history is neither a History nor a sequence of dicts.
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
    panels[0].figure.supxlabel(explanation(epochs, " "), fontsize=8, color="0.3")
    first: Axes = panels[0]
    return first


def explanation(epochs: Sequence[Mapping[str, float]], separator: str) -> str:
    """How training and validation values were measured."""
    validated = any(name.startswith("val_") for epoch in epochs for name in epoch)
    return separator.join([HOW_TRAINING, HOW_VALIDATION] if validated else [HOW_TRAINING])


def require_epochs(history: Any) -> list[Mapping[str, float]]:
    """The values of each epoch; at least one epoch has a loss."""
    epochs = history.epochs if isinstance(history, History) else history
    if isinstance(epochs, str | Mapping) or not isinstance(epochs, Sequence):
        raise TypeError(f"history is {type(history).__name__}, wanted a History or its epochs")
    if not all(isinstance(epoch, Mapping) for epoch in epochs):
        raise TypeError("history has an epoch that is not a dict")
    if not curves(epochs, "loss"):
        raise ValueError("history has no epoch with a loss: nothing to draw")
    return list(epochs)


def curves(epochs: Sequence[Mapping[str, float]], quantity: str) -> dict[str, list[float]]:
    """Values of a quantity by role ("" for training, "val_"), NaN if an epoch has none."""
    found = {role: [value_of(epoch, f"{role}{quantity}") for epoch in epochs] for role in ROLES}
    return {role: values for role, values in found.items() if not all(map(math.isnan, values))}


def value_of(epoch: Mapping[str, Any], name: str) -> float:
    """A value of an epoch, NaN if it has none."""
    value = epoch.get(name)
    return float("nan") if value is None else float(value)


def draw_on(ax: Axes, epochs: Sequence[Mapping[str, float]], quantities: list[str]) -> Axes:
    """Draw one or two quantities into the same axes, with one legend."""
    lines = draw_curves(ax, epochs, quantities[0], STYLES)
    if len(quantities) > 1:
        second = ax.twinx()
        lines += draw_curves(second, epochs, quantities[1], SECOND_STYLES)
        second.grid(False)
        for line, name in zip(lines, names_of(epochs, quantities), strict=True):
            line.set_label(name)
    # Late losses lie low and late accuracies high: the middle is free.
    ax.legend(
        handles=lines, loc="center right", frameon=False,
        title=explanation(epochs, "\n").replace(", with", ",\nwith"), title_fontsize=7,
    )  # fmt: skip
    return ax


def names_of(epochs: Sequence[Mapping[str, float]], quantities: list[str]) -> list[str]:
    """Names of all curves in the same axes, in drawing order."""
    return [f"{ROLES[role]} {name}" for name in quantities for role in curves(epochs, name)]


def draw_curves(
    ax: Axes,
    epochs: Sequence[Mapping[str, float]],
    quantity: str,
    styles: Mapping[str, Style],
) -> list[Any]:
    """Draw one quantity with labels and scales; return its lines."""
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
    if quantity == "accuracy":
        low, high = ax.get_ylim()
        ax.set_ylim(low, min(high, 1 + 0.02 * (1 - low)) if low < 1 else high)
    return lines


def number_epochs(ax: Axes, numbers: Sequence[int]) -> None:
    """Put whole numbers on the epoch axis, and leave room at both ends."""
    from matplotlib.ticker import MaxNLocator

    margin = max(0.5, 0.02 * len(numbers))
    ax.set_xlim(numbers[0] - margin, numbers[-1] + margin)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def use_logarithms(ax: Axes) -> None:
    """Use a logarithmic scale with plain numbers: 0.1, 0.2, 0.5, 1."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def is_wide(values: Sequence[float]) -> bool:
    """True if the values call for a logarithmic scale."""
    known = [value for value in values if math.isfinite(value)]
    return bool(known) and min(known) > 0 and max(known) > WIDE_RANGE * min(known)
