"""The chart of ``tables.py``: score against the time of a fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .methods import METHODS
from .results import Cells, cells, main_score, mean
from .scores import geometric_mean

# By package: blue, orange and others that differ for every kind of colour vision (Okabe, Ito 2008).
COLOURS = {"affinet": "#0072B2", "pytabkit": "#D55E00", "sklearn": "#009E73"}
OTHERS = "#555555"
COLUMNS = 3


def draw(path: Path, content: dict[str, Any]) -> str | None:
    """Write the chart as PNG; returns the reason if that is impossible."""
    found = cells(content["records"])
    if not found:
        return "no chart: there are no results"
    try:
        import matplotlib
    except ImportError:
        return "no chart: matplotlib is not installed"
    matplotlib.use("Agg")
    from matplotlib import pyplot

    tables = list(dict.fromkeys(table for table, _ in found))
    panels = [*((name, points(found, name)) for name in tables), ("all tables", overall(found))]
    rows = -(-len(panels) // COLUMNS)
    figure, axes = pyplot.subplots(
        rows, COLUMNS, figsize=(4.6 * COLUMNS, 3.4 * rows), squeeze=False
    )
    for axis, panel in zip(axes.flat, panels, strict=False):
        draw_panel(axis, *panel)
    for axis in list(axes.flat)[len(panels) :]:
        axis.set_axis_off()
    figure.suptitle(content["machine"]["processor"], fontsize=11)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)
    return None


def draw_panel(axis: Any, title: str, shown: dict[str, tuple[float, float]]) -> None:
    """A point with its name for each method."""
    for method, (seconds, score) in shown.items():
        colour = COLOURS.get(METHODS[method].package, OTHERS)
        axis.plot(seconds, score, "o", color=colour, markersize=5)
        axis.annotate(method, (seconds, score), fontsize=7, xytext=(4, 2), color=colour,
                      textcoords="offset points")  # fmt: skip
    axis.set_xscale("log")
    axis.set_title(title, fontsize=10)
    axis.set_xlabel("seconds of a fit", fontsize=8)
    axis.set_ylabel("score / best" if title == "all tables" else "error or RMSE", fontsize=8)
    axis.tick_params(labelsize=7)
    axis.margins(x=0.25, y=0.1)


def points(found: Cells, table: str) -> dict[str, tuple[float, float]]:
    """Seconds and score of each method on a table."""
    return {
        method: (mean(rows, "wall_s"), mean(rows, main_score(rows[0]["task"])))
        for (name, method), rows in found.items()
        if name == table
    }


def overall(found: Cells) -> dict[str, tuple[float, float]]:
    """Geometric means of the seconds, and of the score relative to the best, over all tables."""
    tables = list(dict.fromkeys(table for table, _ in found))
    of_tables = {table: points(found, table) for table in tables}
    shown = {}
    for method in METHODS:
        if all(method in of_tables[table] for table in tables):
            own = [of_tables[table][method] for table in tables]
            floor = [max(min(s for _, s in of_tables[table].values()), 1e-4) for table in tables]
            relative = [max(s, 1e-4) / f for (_, s), f in zip(own, floor, strict=True)]
            shown[method] = (geometric_mean(t for t, _ in own), geometric_mean(relative))
    return shown
