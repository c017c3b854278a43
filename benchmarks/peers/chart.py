"""The chart of ``peers.py``: time of a training step, every library on every net."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from .tables import best, cores_text, floor, number

# Blue and orange differ for every kind of colour vision (Okabe and Ito 2008); shapes differ too.
MARKS = (("#0072B2", "o"), ("#D55E00", "s"))
FLOOR = "#555555"


def draw(path: Path, content: dict[str, Any]) -> str | None:
    """Write the chart as PNG; returns the reason if that is impossible."""
    runs = content["runs"]
    groups = [[g for g in run["groups"] if g["measure"] == "step"] for run in runs]
    if not groups[0]:
        return "no chart: training steps were not measured"
    try:
        import matplotlib
    except ImportError:
        return "no chart: matplotlib is not installed"
    matplotlib.use("Agg")
    from matplotlib import pyplot

    cases = list(zip(*groups, strict=True))
    columns = min(2, len(cases))
    rows = -(-len(cases) // columns)
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(6.2 * columns, 4.0 * rows + 1.2), squeeze=False
    )
    for place, axis in enumerate(axes.flat):
        if place < len(cases):
            draw_case(axis, cases[place])
        else:
            axis.set_axis_off()
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(labels), frameon=False)
    figure.suptitle(title(content["machine"]), fontsize=11)
    figure.tight_layout(rect=(0, 0.04, 1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
    return None


def draw_case(axis: Any, groups: tuple[dict[str, Any], ...]) -> None:
    """A line for each contender, the fastest on top; a mark for each number of cores."""
    times = [
        {name: best(found)["median_us"] for name, found in group["contenders"].items()}
        for group in groups
    ]
    names = sorted(times[0], key=lambda name: times[0][name], reverse=True)
    for group, of_run, (colour, form) in zip(groups, times, MARKS, strict=False):
        shift = 0.13 * (1 - 2 * (group is groups[0])) * (len(groups) > 1)
        places = [i - shift for i, name in enumerate(names) if name in of_run]
        values = [of_run[name] for name in names if name in of_run]
        label = cores_text(group["cores"])
        axis.plot(values, places, form, color=colour, markersize=7, label=label)
        line = f"floor, {label}"
        style = "--" if group is groups[0] else ":"
        axis.axvline(floor(group), color=FLOOR, linestyle=style, linewidth=1.2, label=line)
    for i, name in enumerate(names):
        axis.annotate(
            number(times[0][name]),
            (times[0][name], i),
            xytext=(7, 3),
            textcoords="offset points",
            fontsize=8,
        )
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axis.set_yticks(range(len(names)), names)
    for label in axis.get_yticklabels():
        label.set_fontweight("bold" if label.get_text().startswith("affinet") else "normal")
    axis.margins(x=0.12)
    low, high = axis.get_xlim()
    axis.xaxis.set_minor_formatter(minor_label if high < 100 * low else "")
    axis.grid(axis="x", which="both", color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
    axis.set_title(groups[0]["title"], fontsize=10, loc="left")
    axis.set_xlabel("µs a step (logarithmic; further left is faster)", fontsize=9)


def minor_label(value: float, place: int | None = None) -> str:
    """Labels twice and five times a power of ten; the marks between them have none."""
    return f"{value:,g}" if f"{value:e}"[0] in "25" else ""


def title(machine: dict[str, Any]) -> str:
    """The measure and the machine."""
    where = f"{machine['processor']}, {cores_text(machine['cores'])}, {machine['system']}"
    what = "A training step (forward, backward, plain gradient descent), single precision"
    return what + "\n" + "\n".join(textwrap.wrap(where, 100))
