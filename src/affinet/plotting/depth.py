"""Pictures of deep nets: vanishing gradients, fading activations, dead units."""

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
    share_text,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKER_SIZES = (4.0, 5.0, 7.0, 3.0)  # the last two often lie upon each other
STYLES = ((VERMILION, "o", "-"), (BLUE, "s", "--"), (GREEN, "^", "-."), (ORANGE, "D", ":"))
SIGMOID = "Sigmoid()"
BINS = 30


def vanishing_gradient(data: VanishingGradient, axes: Any = None) -> Array:
    """Draw the norm of dW by layer for every initialisation, and by depth what reaches layer 1.

    The panels of the initialisations share one y range. The last panel shows the fraction of the
    error that reaches the first layer by the number of hidden layers, with ``0.25^N``, the most
    that N derivatives of the sigmoid leave, and the bound that also includes the weights.

    Parameters
    ----------
    data : VanishingGradient
        From :func:`affinet.diagnostics.vanishing_gradient`.
    axes : array of matplotlib.axes.Axes, optional
        Where to draw, one more than initialisations; by default, in a new figure.

    Returns
    -------
    array of matplotlib.axes.Axes, (I + 1,)

    Raises
    ------
    ImportError, ValueError
        If matplotlib is not installed; if there are fewer axes.

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
    share_heights(panels[:n])
    panels[0].legend(loc="lower right", fontsize=8, frameon=True, framealpha=0.9)
    draw_shares(panels[n], data)
    return panels


def share_heights(panels: Array) -> None:
    """Give panels one y range, so that heights can be compared across them."""
    limits = np.array([panel.get_ylim() for panel in panels])
    for panel in panels:
        panel.set_ylim(limits[:, 0].min(), limits[:, 1].max())


def is_number(text: str) -> bool:
    """True if ``text`` is a plain decimal number."""
    return text.replace(".", "", 1).isdigit()


def draw_norms(ax: Axes, x: Array, y: Array, place: int, label: str) -> None:
    """Draw one line of norms, with a gap where one is 0 or unknown."""
    colour, mark, stroke = STYLES[place % len(STYLES)]
    with np.errstate(invalid="ignore"):
        shown = np.where(y > 0, y, np.nan)
    ax.plot(
        x, shown, color=colour, marker=mark, linestyle=stroke, linewidth=1.2,
        markersize=MARKER_SIZES[place % len(STYLES)],
        label=label.removesuffix("()"),
    )  # fmt: skip


def finish_norms(ax: Axes, x: str, y: str, title: str) -> None:
    """Set the scales, labels and frame of a panel of norms."""
    from matplotlib.ticker import MaxNLocator

    ax.set_yscale("log")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    finish(ax, x, y, title)


def draw_shares(ax: Axes, data: VanishingGradient) -> None:
    """Draw by depth the fraction that reaches the first layer, for the first initialisation."""
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
    title = f"fraction reaching the first layer ({data.initializations[0]})"
    finish_norms(ax, "hidden layers N", "norm of the error, first / last", title)


def activation_histograms(
    data: VanishingGradient, axes: Any = None, *, initialization: int = 0, n: int = 5
) -> Array:
    """Draw histograms of the outputs of each activation, layer by layer of the deepest net.

    Every panel has its own x range, because outputs may shrink by orders of magnitude with depth. A
    note gives the mean, and the standard deviation over the rows averaged over the units: if it is
    near 0, the layer cannot tell the rows apart.

    Parameters
    ----------
    data : VanishingGradient
        From :func:`affinet.diagnostics.vanishing_gradient`.
    axes : array of matplotlib.axes.Axes, optional
        Where to draw, a row for each activation; by default, in a new figure.
    initialization : int
        Index into ``data.initializations``.
    n : int
        Number of layers to show, evenly spaced from the first to the last, at least 1.

    Returns
    -------
    array of matplotlib.axes.Axes, (A n,)

    Raises
    ------
    ImportError, ValueError
        If matplotlib is not installed; if there are fewer axes or no such initialisation.

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
        row = panels[a * len(places) : (a + 1) * len(places)]
        for ax, place in zip(row, places, strict=True):
            draw_histogram(ax, outputs[a, place], STYLES[a % len(STYLES)][0])
        most = max(bar.get_height() for ax in row for bar in ax.patches)
        for ax in row:
            ax.set_ylim(0, 1.5 * most)  # room for the note
            ax.set_yticks([0, 0.5, 1] if most > 0.5 else [0, 0.1, 0.2])
        row[0].set_ylabel(f"{activation.removesuffix('()')}\nfraction", fontsize=8)
    for ax, place in zip(panels, places, strict=False):
        ax.set_title(f"layer {place + 1}", fontsize=10)
    for ax in panels[-len(places) :]:
        ax.set_xlabel("output", fontsize=9)
    return panels


def draw_histogram(ax: Axes, values: Array, colour: str) -> None:
    """Draw the distribution of one layer's outputs (B, U) over its own range."""
    from matplotlib.ticker import MaxNLocator

    low, high = float(values.min()), float(values.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, BINS + 1)
    shares = np.histogram(values, edges)[0] / values.size
    ax.bar(edges[:-1], shares, width=np.diff(edges), align="edge", color=colour)
    ax.xaxis.set_major_locator(MaxNLocator(3))
    ax.ticklabel_format(axis="x", style="sci", scilimits=(-2, 3), useMathText=True)
    ax.xaxis.get_offset_text().set_fontsize(7)
    ax.tick_params(labelsize=7)
    spread = values.std(axis=0).mean()
    note(ax, f"mean {values.mean():.2g}\nstd over rows {spread:.2g}", "upper right", 7)
    open_frame(ax)


def dead_relu(data: DeadReLU, axes: Any = None) -> Array:
    """Draw the fraction of units that no row activates during a training, by layer.

    There is a row of panels for each cause and a column for each activation; lines are means over
    the seeds.

    Parameters
    ----------
    data : DeadReLU
        From :func:`affinet.diagnostics.dead_relu`.
    axes : array of matplotlib.axes.Axes, optional
        Where to draw, one for each cause and activation; by default, in a new figure.

    Returns
    -------
    array of matplotlib.axes.Axes, (C A,)

    Raises
    ------
    ImportError, ValueError
        If matplotlib is not installed; if there are fewer axes.

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
        accuracy = share_text(float(data.accuracies[c, a].mean()))
        name = data.activations[a].removesuffix("()")
        ax.set_ylim(-0.02, 1.02)
        ax.set_yticks([0, 0.25, 0.5, 0.75, 1])
        title = f"{name}, {data.causes[c].name}\ntraining accuracy {accuracy}"
        finish(ax, "epoch", "units active for no row", title, 10)
    panels[min(1, len(panels) - 1)].legend(loc="upper right", fontsize=8, frameon=False)
    return panels
