"""Pictures of derivatives, gradient descent and the cost of gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from affinet._validation import Array
from affinet.diagnostics import Derivative, Descent, DescentPath, GradientCost
from affinet.plotting.figures import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    VERMILION,
    draw_grid,
    finish,
    note,
    open_frame,
    own_or_new_grid,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SECANT_STYLES = ((PURPLE, ":"), (ORANGE, "-."), (GREEN, "--"), (VERMILION, (0, (5, 1))))
OUTCOME_COLOURS = {
    "slow": ORANGE,
    "overshooting": PURPLE,
    "converged": BLUE,
    "diverging": VERMILION,
}
LEVELS = 14


# The derivative ----------------------------------------------------------------------------------


def derivative(data: Derivative, axes: Any = None) -> Array:
    """Draw secants that approach a tangent, and the error of difference quotients by step.

    Parameters
    ----------
    data : Derivative
        From :func:`affinet.diagnostics.derivative`.
    axes : array of 2 matplotlib.axes.Axes, optional
        Where to draw; by default, in a new figure.

    Returns
    -------
    array of matplotlib.axes.Axes, (2,)

    Raises
    ------
    ImportError, ValueError
        If matplotlib is not installed; if there are fewer axes.

    Examples
    --------
    >>> import math, affinet as an
    >>> data = an.diagnostics.derivative(math.sin, 1.0, df=math.cos, name="sin x")
    >>> [panel.get_xlabel() for panel in an.plotting.derivative(data)]
    ['x', 'step h']
    """
    panels = own_or_new_grid(axes, 2, 2, (5.0, 4.7))
    draw_secants(panels[0], data)
    draw_difference_errors(panels[1], data)
    return panels


def draw_secants(ax: Axes, data: Derivative) -> None:
    """Draw the function, its secants and its tangent."""
    ax.plot(data.x, data.y, color=BLACK, linewidth=2, label=data.name)
    for k, (h, slope) in enumerate(zip(data.widths, data.secants, strict=True)):
        colour, stroke = SECANT_STYLES[k % len(SECANT_STYLES)]
        line = data.value + slope * (data.x - data.a)
        ax.plot(
            data.x, line, color=colour, linestyle=stroke, linewidth=1.3,
            label=f"secant, h = {h:g}: slope {slope:.3f}",
        )  # fmt: skip
        ax.plot(data.a + h, data.value + slope * h, "o", color=colour, markersize=5)
    tangent = data.value + data.slope * (data.x - data.a)
    ax.plot(data.x, tangent, color=BLUE, linewidth=1.8, label=f"tangent: slope {data.slope:.3f}")
    ax.plot(data.a, data.value, "o", color=BLUE, markersize=7, zorder=4)
    ax.set_ylim(*heights_of_secants(data))
    legend_below(ax)
    finish(ax, "x", data.name, f"secants approach the tangent at x = {data.a:g}")


def heights_of_secants(data: Derivative) -> tuple[float, float]:
    """The y range of the part of the curve that the secants span.

    The rest of the curve is cut off: a function that grows fast beyond it would flatten them all.
    """
    widest = float(data.widths.max())
    spanned = (data.x >= data.a - widest / 2) & (data.x <= data.a + widest)
    ends = data.value + data.secants * data.widths
    known = np.concatenate([data.y[spanned], ends, [data.value]])
    known = known[np.isfinite(known)]
    margin = 0.12 * float(np.ptp(known)) or 1.0
    return float(known.min()) - margin, float(known.max()) + margin


def legend_below(ax: Axes) -> None:
    """Place the legend below the panel, where no curve crosses it."""
    ax.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.16), fontsize=8, frameon=False, ncols=2,
        borderaxespad=0,
    )  # fmt: skip


def draw_difference_errors(ax: Axes, data: Derivative) -> None:
    """Draw the errors of both difference quotients by step, measured and predicted."""
    truncations = data.truncation
    found = (data.forward_errors, data.central_errors)
    parts = (data.rounding, data.rounding / 2)
    styles = (("forward", VERMILION, "s", "--", ":"), ("central", BLUE, "o", "-", "-."))
    for errors, truncation, rounding, best, (name, colour, mark, stroke, dots) in zip(
        found, truncations, parts, data.best_steps, styles, strict=True
    ):
        shown = np.where(errors > 0, errors, np.nan)  # an exact hit has no logarithm
        ax.plot(data.steps, shown, mark, color=colour, markersize=4, label=f"{name} differences")
        model = truncation + rounding
        ax.plot(
            data.steps, np.where(model > 0, model, np.nan), color=colour, linewidth=1,
            linestyle=stroke, label=f"{name}: truncation + rounding",
        )  # fmt: skip
        if np.isfinite(best):
            label = f"{name}: best step"
            ax.axvline(best, color=colour, linewidth=0.9, linestyle=dots, label=label)
    if data.slope_error:
        ax.axhline(
            data.slope_error, color="0.4", linestyle=(0, (8, 3)), linewidth=1,
            label="uncertainty of f'(a)",
        )  # fmt: skip
    ax.loglog()
    legend_below(ax)
    finish(ax, "step h", "error of the slope", "rounding error (left) and truncation error (right)")


# Descents ----------------------------------------------------------------------------------------


def descent(data: Descent | Sequence[Descent], axes: Any = None) -> Array:
    """Draw the paths of descents, one panel each: on a curve, or on contours for two parameters.

    Parameters
    ----------
    data : Descent, or sequence of Descent
        From :func:`affinet.diagnostics.descent`; several are drawn one below another.
    axes : array of matplotlib.axes.Axes, optional
        Where to draw, one for each path; by default, in a new figure.

    Returns
    -------
    array of matplotlib.axes.Axes, (P,)
        One for each path.

    Raises
    ------
    ImportError, ValueError
        If matplotlib is not installed; if there are fewer axes, or if the descents differ in
        their number of paths.

    Examples
    --------
    >>> import affinet as an
    >>> axes = an.plotting.descent(an.diagnostics.descent("convex"))
    >>> [panel.get_title() for panel in axes]
    ['ρ = 0.1: slow', 'ρ = 0.6: converged', 'ρ = 2.1: diverging']
    """
    several = [data] if isinstance(data, Descent) else list(data)
    counts = {len(one.paths) for one in several}
    if len(counts) != 1:
        raise ValueError(f"data has descents of {sorted(counts)} paths, wanted the same number")
    (n,) = counts
    n_columns = n if len(several) > 1 or n <= 3 else 4
    panels = own_or_new_grid(axes, n * len(several), n_columns, (3.2, 2.8))
    for place, ax in enumerate(panels):
        row, column = divmod(place, n)
        draw_descent(ax, several[row], several[row].paths[column], column == 0)
    panels[0].legend(loc="best", fontsize=8, framealpha=0.9)
    return panels


def draw_descent(ax: Axes, data: Descent, path: DescentPath, first: bool) -> None:
    """Draw one path and name its outcome; the first panel names E as well."""
    curve = len(data.edges) == 1
    (draw_curve if curve else draw_contours)(ax, data, path)
    ax.set_title(f"{path.label}: {path.outcome}", fontsize=10)
    # Below the panel's name for the parameter: inside, every corner may have a path in it.
    ends = f"E {figure_of(path.errors[0])} → {figure_of(path.errors[-1])}"
    ax.set_xlabel(f"{'w' if curve else 'w₁'}\n{ends}, {len(path.w) - 1} updates", fontsize=9)
    names = [data.error.name, f"E = {data.error.formula}"] if data.error.formula else []
    names = (names or [data.error.name]) if first else []
    ax.set_ylabel("\n".join([*names, "E(w)" if curve else "w₂"]), fontsize=9)


def figure_of(value: float) -> str:
    """Format a value of E in a few characters.

    Examples
    --------
    >>> figure_of(19.25), figure_of(2.4e304), figure_of(0.0)
    ('19.2', '2e+304', '0')
    """
    return f"{value:.3g}" if 1e-3 <= abs(value) < 1e3 or not value else f"{value:.0e}"


def draw_curve(ax: Axes, data: Descent, path: DescentPath) -> None:
    """Draw one path on E(w) of one parameter."""
    (edges,) = data.edges
    ax.plot(edges, data.landscape, color="0.45", linewidth=1.5)
    draw_path(ax, path.w[:, 0], path.errors, path.outcome)
    known = data.landscape[np.isfinite(data.landscape)]
    margin = 0.08 * float(np.ptp(known)) or 1.0
    # The height of the start sets the scale, not that of the walls at the edges.
    top = min(float(known.max()), known.min() + 1.6 * (path.errors[0] - known.min()) + margin)
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylim(known.min() - margin, max(top, float(path.errors[0])) + margin)
    draw_grid(ax)
    open_frame(ax)


def draw_contours(ax: Axes, data: Descent, path: DescentPath) -> None:
    """Draw one path on the contours of E(w1, w2)."""
    across, down = data.edges
    known = np.where(np.isfinite(data.landscape), data.landscape, np.nan)
    low, high = float(np.nanmin(known)), float(np.nanmax(known))
    # Levels at squares of even steps: near the minimum, where E is flat, they lie closer.
    levels = low + (high - low or 1.0) * np.linspace(0.02, 1.0, LEVELS) ** 2
    ax.contour(across, down, known, levels=levels, colors="0.6", linewidths=0.7)
    draw_path(ax, path.w[:, 0], path.w[:, 1], path.outcome)
    ax.set_xlim(across[0], across[-1])
    ax.set_ylim(down[0], down[-1])


def draw_path(ax: Axes, x: Array, y: Array, outcome: str) -> None:
    """Draw the steps of one path, with a square at the start and a cross at the end."""
    colour = OUTCOME_COLOURS[outcome]
    ax.plot(x, y, color=colour, linewidth=1.2, marker="o", markersize=3.5, zorder=3)
    for place, mark, inside, name in ((0, "s", "white", "start"), (-1, "X", colour, "end")):
        ax.plot(
            x[place], y[place], mark, color=inside, markeredgecolor=BLACK, markersize=7.5,
            zorder=4, linestyle="none", label=name,
        )  # fmt: skip


# Costs -------------------------------------------------------------------------------------------


def gradient_cost(data: GradientCost, axes: Any = None) -> Array:
    """Draw the cost and the error of numerical gradients next to those of backpropagation.

    Parameters
    ----------
    data : GradientCost
        From :func:`affinet.diagnostics.gradient_cost`.
    axes : array of 3 matplotlib.axes.Axes, optional
        Where to draw; by default, in a new figure.

    Returns
    -------
    array of matplotlib.axes.Axes, (3,)

    Raises
    ------
    ImportError, ValueError
        If matplotlib is not installed; if there are fewer axes.

    Examples
    --------
    >>> import affinet as an
    >>> axes = an.plotting.gradient_cost(an.diagnostics.gradient_cost([1, 2]))
    >>> [panel.get_ylabel() for panel in axes]
    ['evaluations of the loss', 'seconds', 'relative error']
    """
    panels = own_or_new_grid(axes, 3, 3, (3.4, 3.3))
    styles = {
        "central": (BLUE, "o", "-", "central differences"),
        "forward": (VERMILION, "s", "--", "forward differences"),
        "backward": (GREEN, "^", "-.", "backpropagation"),
    }
    quantities = (
        (data.evaluations, "evaluations of the loss", "evaluations"),
        (data.seconds, "seconds", "time"),
        (data.errors, "relative error", "error relative to backpropagation"),
    )
    for ax, (values, label, title) in zip(panels, quantities, strict=True):
        for method, numbers in values.items():
            colour, mark, stroke, name = styles[method]
            ax.plot(
                data.parameters, numbers, color=colour, marker=mark, linestyle=stroke,
                markersize=5, label=name,
            )  # fmt: skip
        ax.loglog()
        finish(ax, "parameters of the net", label, title)
    n, count = int(data.parameters[-1]), int(data.evaluations["central"][-1])
    note(panels[0], f"2 · {n:,} = {count:,}\nevaluations", "center right")
    ratio = data.seconds["central"][-1] / data.seconds["backward"][-1]
    note(panels[1], f"{ratio:,.0f} × the time\nat {n:,} parameters", "center right")
    low, high = panels[2].get_ylim()
    panels[2].set_ylim(low / 10, high * 10)
    panels[0].legend(loc="upper left", fontsize=8, frameon=False)
    return panels
