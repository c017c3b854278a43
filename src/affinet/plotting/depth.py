"""What depth does: gradients that vanish, activations that fade, units that die."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from affinet._validation import Array, whole_number
from affinet.diagnostics import DeadReLU, VanishingGradient, derivative_bound
from affinet.plotting.figures import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    VERMILION,
    finish,
    note,
    open_frame,
    own_or_new_grid,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKER_SIZES = (4.0, 5.0, 7.0, 3.0)  # the last two often lie upon each other
STYLES = ((VERMILION, "o", "-"), (BLUE, "s", "--"), (GREEN, "^", "-."), (ORANGE, "D", ":"))
SIGMOID = "Sigmoid()"
BINS = 30


def vanishing_gradient(data: VanishingGradient, axes: Any = None) -> Array:
    """Draw the norm of dW by layer for every initialisation, and what arrives by depth.

    The last panel shows the error that arrives at the first layer by the number of hidden layers,
    with ``0.25^N``, what N derivatives of the sigmoid leave at most, and the bound that takes in
    the weights as well.

    Parameters
    ----------
    data : VanishingGradient
        From :func:`affinet.diagnostics.vanishing_gradient`.
    axes : array of matplotlib.axes.Axes, optional
        Where to draw, one more than initialisations; left out, a figure of its own is made.

    Returns
    -------
    array of matplotlib.axes.Axes, (I + 1,)

    Raises
    ------
    ImportError, ValueError
        Without matplotlib; for fewer axes.

    Examples
    --------
    >>> import affinet as an
    >>> data = an.diagnostics.vanishing_gradient([1, 2, 3])
    >>> [panel.get_title() for panel in an.plotting.vanishing_gradient(data)][:2]
    ['Xavier', 'He']
    """
    n = len(data.initializations)
    panels = own_or_new_grid(axes, n + 1, 2, (4.6, 3.3))
    deepest = int(data.depths.argmax())
    for i, (ax, name) in enumerate(zip(panels, data.initializations, strict=False)):
        for a, activation in enumerate(data.activations):
            norms = data.weight_norms[a, i, deepest]
            draw_norms(ax, np.arange(1, len(norms) + 1), norms, a, activation)
        title = name if not is_number(name) else f"{name} · N(0, 1)"
        label = f"norm of dW, {data.depths[deepest]} hidden layers"
        finish_norms(ax, "layer, from the inputs to the outputs", label, title)
    panels[0].legend(loc="lower right", fontsize=8, frameon=True, framealpha=0.9)
    draw_shares(panels[n], data)
    return panels


def is_number(text: str) -> bool:
    """True if ``text`` reads as a number."""
    return text.replace(".", "", 1).isdigit()


def draw_norms(ax: Axes, x: Array, y: Array, place: int, label: str) -> None:
    """One line of norms; what is 0 or unknown leaves a gap."""
    colour, mark, stroke = STYLES[place % len(STYLES)]
    with np.errstate(invalid="ignore"):
        shown = np.where(y > 0, y, np.nan)
    ax.plot(
        x, shown, color=colour, marker=mark, linestyle=stroke, linewidth=1.2,
        markersize=MARKER_SIZES[place % len(STYLES)],
        label=label.removesuffix("()"),
    )  # fmt: skip


def finish_norms(ax: Axes, x: str, y: str, title: str) -> None:
    """Scales, labels and frame of a panel of norms."""
    from matplotlib.ticker import MaxNLocator

    ax.set_yscale("log")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    finish(ax, x, y, title)


def draw_shares(ax: Axes, data: VanishingGradient) -> None:
    """What arrives at the first layer, by depth, for the first initialisation."""
    order = np.argsort(data.depths)
    depths = data.depths[order]
    for a, activation in enumerate(data.activations):
        draw_norms(ax, depths, data.shares[a, 0, order], a, activation)
    if SIGMOID in data.activations:
        a = data.activations.index(SIGMOID)
        last = data.error_norms[a, 0, order, depths]
        ax.plot(
            depths, derivative_bound(depths), color=BLACK, linewidth=1.6, linestyle="--",
            label="$0.25^N$",
        )  # fmt: skip
        ax.plot(
            depths, data.bounds[a, 0, order, 0] / last, color="0.5", linewidth=1.6,
            label=r"bound for Sigmoid: $0.25^N\,\prod\|W\|$",
        )  # fmt: skip
    handles, labels = ax.get_legend_handles_labels()
    ax.legend(
        handles[len(data.activations) :], labels[len(data.activations) :], loc="lower left",
        fontsize=8, frameon=False,
    )  # fmt: skip
    title = f"what arrives at the first layer ({data.initializations[0]})"
    finish_norms(ax, "hidden layers N", "norm of the error, first / last", title)


def activation_histograms(
    data: VanishingGradient, axes: Any = None, *, initialization: int = 0, n: int = 5
) -> Array:
    """Draw histograms of what each activation puts out, layer by layer of the deepest net.

    A note in each panel has the mean, and the standard deviation over the rows, mean over the
    units: where it is near 0, all rows look the same.

    Parameters
    ----------
    data : VanishingGradient
        From :func:`affinet.diagnostics.vanishing_gradient`.
    axes : array of matplotlib.axes.Axes, optional
        Where to draw, a row for each activation; left out, a figure of its own is made.
    initialization : int
        Place of one of ``data.initializations``.
    n : int
        Layers to show, evenly spaced from the first to the last, at least 1.

    Returns
    -------
    array of matplotlib.axes.Axes, (A n,)

    Raises
    ------
    ImportError, ValueError
        Without matplotlib; for fewer axes, or if there is no such initialisation.

    Examples
    --------
    >>> import affinet as an
    >>> data = an.diagnostics.vanishing_gradient([1, 4])
    >>> axes = an.plotting.activation_histograms(data, n=2)
    >>> [panel.get_title() for panel in axes[:2]]
    ['layer 1', 'layer 4']
    """
    initialization = whole_number("initialization", initialization, 0)
    if initialization >= len(data.initializations):
        wanted = f"0 to {len(data.initializations) - 1}"
        raise ValueError(f"initialization is {initialization}, wanted {wanted}")
    outputs = data.outputs[:, initialization]
    deep = outputs.shape[1]
    places = np.unique(np.linspace(0, deep - 1, min(whole_number("n", n, 1), deep)).round())
    places = places.astype(int)
    panels = own_or_new_grid(axes, len(outputs) * len(places), len(places), (2.0, 1.75))
    for a, activation in enumerate(data.activations):
        low, high = float(outputs[a, 0].min()), float(outputs[a, 0].max())
        edges = np.linspace(low, high, BINS + 1)
        heights = [shares_of(outputs[a, place], edges) for place in places]
        for k, place in enumerate(places):
            ax = panels[a * len(places) + k]
            colour = STYLES[a % len(STYLES)][0]
            ax.bar(edges[:-1], heights[k], width=np.diff(edges), align="edge", color=colour)
            most = max(height.max() for height in heights)
            ax.set_ylim(0, 1.5 * most)  # room for the note
            ax.set_yticks([0, 0.5, 1] if most > 0.5 else [0, 0.1, 0.2])
            ax.tick_params(labelsize=7)
            values = outputs[a, place]
            spread = values.std(axis=0).mean()
            note(ax, f"mean {values.mean():.2g}\nover rows ±{spread:.0e}", "upper right", 7)
            open_frame(ax)
            if a == 0:
                ax.set_title(f"layer {place + 1}", fontsize=10)
            if k == 0:
                ax.set_ylabel(f"{activation.removesuffix('()')}\nshare", fontsize=8)
            if a == len(outputs) - 1:
                ax.set_xlabel("output", fontsize=9)
    return panels


def shares_of(values: Array, edges: Array) -> Array:
    """Shares of values between edges; those beyond the ends count in the outermost bins."""
    shares: Array = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / values.size
    return shares


def dead_relu(data: DeadReLU, axes: Any = None) -> Array:
    """Draw the shares of units that never fire over a training, by layer.

    A row of panels for each cause, a column for each activation; lines are means over the seeds.

    Parameters
    ----------
    data : DeadReLU
        From :func:`affinet.diagnostics.dead_relu`.
    axes : array of matplotlib.axes.Axes, optional
        Where to draw, one for each cause and activation; left out, a figure of its own is made.

    Returns
    -------
    array of matplotlib.axes.Axes, (C A,)

    Raises
    ------
    ImportError, ValueError
        Without matplotlib; for fewer axes.

    Examples
    --------
    >>> import affinet as an
    >>> data = an.diagnostics.dead_relu(hidden=[8], epochs=2, seeds=[0])
    >>> len(an.plotting.dead_relu(data))
    4
    """
    n_causes, n_activations = data.shares.shape[:2]
    panels = own_or_new_grid(axes, n_causes * n_activations, n_activations, (4.4, 2.9))
    epochs = np.arange(data.shares.shape[3])
    for place, ax in enumerate(panels):
        c, a = divmod(place, n_activations)
        mean = data.shares[c, a].mean(axis=0)  # (E + 1, H)
        for h in range(mean.shape[1]):
            colour, mark, stroke = STYLES[(h + 1) % len(STYLES)]
            ax.plot(
                epochs, mean[:, h], color=colour, marker=mark, linestyle=stroke, linewidth=1.2,
                markersize=MARKER_SIZES[(h + 1) % len(STYLES)], label=f"hidden layer {h + 1}",
            )  # fmt: skip
        accuracy = data.accuracies[c, a].mean()
        name = data.activations[a].removesuffix("()")
        note(ax, f"training accuracy {accuracy:.2f}", "upper right")
        ax.set_ylim(-0.03, 1.18)
        ax.set_yticks([0, 0.25, 0.5, 0.75, 1])
        finish(ax, "epoch", "share of dead units", f"{name}, {data.causes[c].name}", 10)
    panels[min(1, len(panels) - 1)].legend(loc="center right", fontsize=8, frameon=False)
    return panels
