"""The picture of ``time_to_accuracy.py``: accuracy against seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peers.chart import minor_label

from affinet.plotting.figures import (
    BLUE,
    GREEN,
    PURPLE,
    VERMILION,
    finish,
    new_panels,
    save_figure,
)

from .results import seconds_to
from .trainers import ENTRIES

COLOURS = {"affinet": BLUE, "torch": VERMILION, "jax": GREEN, "sklearn": PURPLE}
STROKES = ("-", "--", "-.", ":")  # one for each trainer of a library
GOAL = "0.45"
WORST = 6.0  # accuracies this many per cent below the highest goal are cut off


def draw(path: Path, content: dict[str, Any]) -> str | None:
    """Write the picture; returns the reason if that is impossible."""
    found = content["summaries"]
    if not found:
        return "no chart: there are no results"
    cores = list(dict.fromkeys(one["cores"] for one in found))
    try:
        panels = new_panels(1, len(cores), 5.6, 4.8)
    except ImportError as error:
        return f"no chart: {error}"
    for panel, n in zip(panels, cores, strict=True):
        draw_panel(panel, n, content)
    handles, labels = panels[0].get_legend_handles_labels()
    figure = panels[0].figure
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    where = content["machine"]
    figure.suptitle(f"{where['processor']}, {where['system']}", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_figure(figure, path)
    return None


def draw_panel(panel: Any, cores: int, content: dict[str, Any]) -> None:
    """A curve for each trainer, a line for each goal, a dot where a median reaches one."""
    chosen = [one for one in content["summaries"] if one["cores"] == cores]
    for one in chosen:
        entry = ENTRIES[one["trainer"]]
        siblings = [name for name, other in ENTRIES.items() if other.library == entry.library]
        style = {
            "color": COLOURS[entry.library],
            "linestyle": STROKES[siblings.index(one["trainer"])],
        }
        seconds, right = zip(*one["curve"], strict=True)
        percent = [100 * share for share in right]
        # In steps: an accuracy is known at the end of an epoch, and holds until the next one's.
        panel.plot(
            seconds, percent, drawstyle="steps-post", linewidth=1.5, label=entry.title, **style
        )
        for goal in one["goals"]:
            at = seconds_to(one, goal)
            if at is not None:
                panel.plot(at, 100 * float(goal), "o", color=style["color"], markersize=5)
    goals = [100 * goal for goal in content["settings"]["goals"]]
    for goal in goals:
        panel.axhline(goal, color=GOAL, linewidth=0.9, zorder=0)
    panel.set_xscale("log")
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    panel.xaxis.set_minor_formatter(minor_label)
    lowest = min(100 * right for one in chosen for _, right in one["curve"])
    panel.set_ylim(max(lowest - 0.1, max(goals) - WORST), max(goals) + 0.2)
    title = f"{cores} {'core' if cores == 1 else 'cores'}"
    finish(panel, "seconds of training (logarithmic)", "% of the test images right", title)
