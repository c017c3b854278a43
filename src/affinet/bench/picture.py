"""The picture of ``affinet bench``: the time of a training step of every contender on every net."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from affinet._validation import Array
from affinet.bench.machine import threads_text
from affinet.plotting.figures import BLUE, GREEN, ORANGE, VERMILION, draw_grid, new_panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKS = ((BLUE, "o"), (VERMILION, "s"), (GREEN, "^"), (ORANGE, "D"))


def open_panels(n: int) -> Array:
    """Panels for n nets in a new figure.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    columns = min(n, 2)
    rows = -(-n // columns)
    panels = new_panels(rows, columns, 5.2, 2.4 + 0.9 / rows)  # room for the title and legend
    for panel in panels[n:]:
        panel.set_axis_off()
    return panels[:n]


def draw(runs: Sequence[dict[str, Any]], heading: str, panels: Array) -> None:
    """Draw the median times, with lines from the first to the third quartile.

    Parameters
    ----------
    runs : sequence of dict
        From :func:`affinet.bench.measure.run_threads`.
    heading : str
        The machine.
    panels : array of matplotlib.axes.Axes
        From :func:`open_panels`, one for each net.
    """
    for place, ax in enumerate(panels):
        for k, run in enumerate(runs):
            draw_run(ax, run["groups"][place], threads_text(run["threads"]), k, len(runs))
        finish_net(ax, runs[0]["groups"][place])
    figure = panels[0].figure
    figure.suptitle(f"A training step (forward, backward, SGD)\n{heading}", fontsize=9)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9
    )


def draw_run(ax: Axes, group: dict[str, Any], label: str, k: int, n_runs: int) -> None:
    """Draw the contenders' times for one number of threads."""
    colour, mark = MARKS[k % len(MARKS)]
    shift = 0.3 * (k - (n_runs - 1) / 2)
    for row, found in enumerate(group["contenders"].values()):
        ends = found["quartile_1_us"], found["quartile_3_us"]
        ax.plot(ends, [row + shift] * 2, color=colour, linewidth=1.2)
        ax.plot(
            found["median_us"], row + shift, mark, color=colour, markersize=6,
            label=label if row == 0 else "_",
        )  # fmt: skip
        ax.annotate(
            number(found["median_us"]), (found["median_us"], row + shift), xytext=(0, 5),
            textcoords="offset points", fontsize=8, ha="center", va="bottom",
        )  # fmt: skip


def finish_net(ax: Axes, group: dict[str, Any]) -> None:
    """Set the scale, labels and title of one net's panel."""
    from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

    names = list(group["contenders"])
    ax.set_xscale("log")
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)  # the first one on top
    ax.margins(x=0.15)
    low, high = ax.get_xlim()
    ax.set_xticks(round_numbers(low, high))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:,.10g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.tick_params(labelsize=8)
    ax.set_xlabel("µs per step (logarithmic; further left is faster)", fontsize=8)
    ax.set_title(f"{group['net']} {group['title']}, {group['dtype']}", fontsize=9)
    draw_grid(ax)
    ax.spines[["top", "right"]].set_visible(False)


def round_numbers(low: float, high: float) -> list[float]:
    """Round numbers from low to high for a logarithmic axis, few enough for their labels.

    Examples
    --------
    >>> round_numbers(8.0, 300.0), round_numbers(2.4e5, 8.1e5)
    ([10.0, 20.0, 50.0, 100.0, 200.0], [300000.0, 500000.0, 700000.0])
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found: list[float] = []
    for factors in ((1, 2, 5), (1, 1.5, 2, 3, 5, 7), tuple(range(10, 100))):
        scale = 0.1 if factors[-1] > 10 else 1.0
        found = [factor * scale * 10.0**k for k in powers for factor in factors]
        found = [value for value in found if low <= value <= high]
        if len(found) >= 3:
            break
    return found[:: -(-len(found) // 7)] if found else []


def number(value: float) -> str:
    """Microseconds with three significant digits or all digits before the point.

    Examples
    --------
    >>> number(9.514), number(43.71), number(2989.4)
    ('9.51', '43.7', '2,989')
    """
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"
