"""Records grouped by trainer and cores: medians over seeds, and tables of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

import machine
from report import table
from timing import summary as timing_summary

from .settings import Record, setting_of
from .trainers import ENTRIES

NO_RESULT = "-"
DEVIATIONS = ("loss_deviation", "switched", "moved_apart")


def summaries(records: Sequence[Record], goals: Sequence[float]) -> list[dict[str, Any]]:
    """Figures of every trainer on every number of cores.

    Returns
    -------
    list of dict
        ``trainer``, ``cores``, ``setting``, ``runs``, ``goals``: for each the number of runs that
        ``reached`` it and, if all did, the times (``median_us``, ...) and ``epochs``; medians of
        ``warm_up_s``, ``epoch_s`` and ``best``, the highest accuracy; ``curve``, the medians of
        seconds and accuracy after each epoch that all runs trained; ``deviations``, the largest
        that the checks found; ``note``.
    """
    groups: dict[tuple[str, int], list[Record]] = {}
    for record in records:
        if "curve" in record:
            groups.setdefault((record["trainer"], record["cores"]), []).append(record)
    return [
        {
            "trainer": trainer,
            "cores": cores,
            "setting": asdict(setting_of(group[0])),
            "runs": len(group),
            "goals": {f"{goal:g}": of_goal(group, goal) for goal in goals},
            "warm_up_s": median(record["warm_up_s"] for record in group),
            "epoch_s": median(epoch_seconds(record) for record in group),
            "best": median(max(accuracy for _, accuracy in record["curve"]) for record in group),
            "curve": median_curve(group),
            "deviations": {name: max(record[name] for record in group) for name in DEVIATIONS},
            "note": group[0]["note"],
        }
        for (trainer, cores), group in groups.items()
    ]


def of_goal(group: Sequence[Record], goal: float) -> dict[str, Any]:
    """Times and epochs to a goal over the seeds; the number of runs alone if some missed it."""
    times = [record["reached"][f"{goal:g}"] for record in group]
    reached = [seconds for seconds in times if seconds is not None]
    found: dict[str, Any] = {"reached": len(reached)}
    if len(reached) == len(times):
        epochs = [
            epochs_to(record, seconds) for record, seconds in zip(group, reached, strict=True)
        ]
        found |= {**timing_summary(reached), "epochs": median(epochs)}
    return found


def median_curve(group: Sequence[Record]) -> list[list[float]]:
    """Medians over the seeds of time and accuracy after each epoch that all of them trained."""
    epochs = zip(*(record["curve"] for record in group), strict=False)
    return [[median(column) for column in zip(*epoch, strict=True)] for epoch in epochs]


def epochs_to(record: Record, seconds: float) -> int:
    """The number of epochs behind which the clock showed this."""
    return [at for at, _ in record["curve"]].index(seconds) + 1


def epoch_seconds(record: Record) -> float:
    """The mean time of an epoch."""
    return float((record["curve"][-1][0] - record["load_s"]) / len(record["curve"]))


def text(content: dict[str, Any]) -> str:
    """The libraries, then a table for each number of cores."""
    versions = ", ".join(f"{name} {version}" for name, version in content["libraries"].items())
    parts = ["\n".join([f"measured: {versions}", *skipped_lines(content)])]
    for cores in dict.fromkeys(found["cores"] for found in content["summaries"]):
        chosen = [found for found in content["summaries"] if found["cores"] == cores]
        parts.append(cores_table(cores, chosen, content))
    return "\n\n".join(parts)


def skipped_lines(content: dict[str, Any]) -> list[str]:
    """Who was left out, who failed, and why."""
    lines = [f"skipped: {name} ({reason})" for name, reason in content["skipped"].items()]
    return lines + [f"failed: {text}" for text in content["failed"]]


def failures(records: Sequence[Record]) -> list[str]:
    """A line for each training that broke."""
    return [
        f"{record['trainer']} on {record['cores']}, seed {record['seed']}: {record['failed']}"
        for record in records
        if "failed" in record
    ]


def cores_table(cores: int, found: Sequence[dict[str, Any]], content: dict[str, Any]) -> str:
    """Seconds to every goal, their ratio to affinet's and what they come from."""
    goals = list(found[0]["goals"])
    columns = [part for goal in goals for part in (f"{float(goal):.1%}", "×", "epochs")]
    header = ["", *columns, "s an epoch", "best", "compilation s", "batch", "rate"]
    ours = {goal: seconds_to(of_trainer(found, "affinet"), goal) for goal in goals}
    rows = [row_of(one, goals, ours) for one in found]
    cores_text = f"{cores} core" if cores == 1 else f"{cores} cores"
    seeds = max(one["runs"] for one in found)
    title = (
        f"Seconds to an accuracy on the test images of {content['settings']['data']}, "
        f"{cores_text}, {seeds} {'seed' if seeds == 1 else 'seeds'}"
    )
    notes = [f"{ENTRIES[one['trainer']].title}: {one['note']}" for one in found if one["note"]]
    return "\n".join([title, "", table(header, rows), *notes])


def of_trainer(found: Sequence[dict[str, Any]], name: str) -> dict[str, Any] | None:
    """The figures of a trainer, if it took part."""
    return next((one for one in found if one["trainer"] == name), None)


def seconds_to(one: dict[str, Any] | None, goal: str) -> float | None:
    """The median seconds to a goal; None if not every run reached it."""
    microseconds = one and one["goals"][goal].get("median_us")
    return microseconds and microseconds * 1e-6


def row_of(one: dict[str, Any], goals: Sequence[str], ours: dict[str, float | None]) -> list[str]:
    """A trainer's line."""
    row = [ENTRIES[one["trainer"]].title]
    for goal in goals:
        seconds, own = seconds_to(one, goal), ours[goal]
        if seconds is None:
            row += [f"{one['goals'][goal]['reached']} of {one['runs']}", NO_RESULT, NO_RESULT]
        else:
            ratio = f"{seconds / own:.2f}" if own else NO_RESULT
            row += [f"{seconds:.2f}", ratio, f"{one['goals'][goal]['epochs']:g}"]
    setting = one["setting"]
    row += [f"{one['epoch_s']:.3f}", f"{one['best']:.2%}", f"{one['warm_up_s']:.2f}"]
    return [*row, str(setting["batch"]), f"{setting['lr']:g}"]


def fastest_peer(content: dict[str, Any], cores: int, goal: str) -> str:
    """How affinet's fastest trainer compares with the fastest peer's; empty without either."""
    times = {
        one["trainer"]: seconds
        for one in content["summaries"]
        if one["cores"] == cores and (seconds := seconds_to(one, goal)) is not None
    }
    best = [
        min(
            (name for name in times if ENTRIES[name].ours is ours),
            key=times.__getitem__,
            default="",
        )
        for ours in (True, False)
    ]
    if not all(best):
        return ""
    own, peer = best
    return (
        f"{float(goal):.1%} on {cores}: {ENTRIES[own].title} takes {times[own]:.2f} s, the fastest "
        f"peer, {ENTRIES[peer].title}, {times[peer]:.2f} s ({times[peer] / times[own]:.2f}×)"
    )


def heading(content: dict[str, Any]) -> str:
    """The machine, and a warning if it was not idle."""
    lines = [machine.heading(content["machine"])]
    if (content["load_at_start"] or 0.0) > 0.5:
        lines.append(
            f"Other programs were running (load {content['load_at_start']:.1f} at the start): do "
            "not quote these figures."
        )
    return "\n".join(lines)
