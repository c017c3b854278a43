"""The one grid that every trainer's setting is chosen from, and what it chose."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from .task import Setting

GRID_FILE = Path(__file__).with_name("grid.json")
# They divide 60,000, and 16 divides them: whole tiles of a matrix unit. Batches of 480 reached
# 98 %, but not 98.5 %.
BATCHES = (96, 240)
RATES = (0.001, 0.002)
DECAY = 0.75
QUICK_BATCHES, QUICK_RATES = (32,), (0.002, 0.004)
SLOWER = 1.5  # a cell is stopped when it has taken this many times the best cell's time

Record = dict[str, Any]


def grid(quick: bool) -> list[Setting]:
    """All cells, the large batches first: their epochs are the shortest."""
    batches, rates = (QUICK_BATCHES, QUICK_RATES) if quick else (BATCHES, RATES)
    return [Setting(batch, lr, DECAY) for batch, lr in product(batches[::-1], rates)]


def setting_of(record: Record) -> Setting:
    """The cell of a record."""
    return Setting(record["batch"], record["lr"], record["decay"])


def median_seconds(records: Sequence[Record], goal: str) -> float | None:
    """The median over the seeds; None if the goal was not reached in one of them."""
    seconds = [record.get("reached", {}).get(goal) for record in records]
    return None if None in seconds or not seconds else float(median(seconds))


def cells(records: Sequence[Record], trainer: str, cores: int) -> dict[Setting, list[Record]]:
    """A trainer's records on this number of cores, by cell."""
    found: dict[Setting, list[Record]] = {}
    for record in records:
        if (record["trainer"], record["cores"]) == (trainer, cores) and "reached" in record:
            found.setdefault(setting_of(record), []).append(record)
    return found


def choose(
    records: Sequence[Record], trainer: str, cores: int, goals: Sequence[str]
) -> Setting | None:
    """The cell with the least median seconds to the lowest goal, of those that reach the highest.

    If none reaches the highest, of those that reach the lowest; None if no cell does.
    """
    found = cells(records, trainer, cores)
    for needed in (goals[-1], goals[0]):
        times = {
            setting: median_seconds(of_cell, goals[0])
            for setting, of_cell in found.items()
            if median_seconds(of_cell, needed) is not None
        }
        if times:
            return min(times, key=lambda setting: times[setting] or 0.0)
    return None


def limit_of(
    setting: Setting, records: Sequence[Record], trainer: str, cores: int, goals: Sequence[str]
) -> float:
    """Seconds after which a cell is so far behind the best one that it is stopped."""
    best = choose(records, trainer, cores, goals)
    if best is None or best == setting:
        return math.inf
    seconds = median_seconds(cells(records, trainer, cores)[best], goals[-1])
    return math.inf if seconds is None else SLOWER * seconds


def stored(path: Path) -> dict[str, Any]:
    """The file that ``--grid`` has written.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path} does not exist: run --grid first, which finds every trainer's setting"
        ) from None
    return found


def summary(records: Sequence[Record], goals: Sequence[str]) -> list[dict[str, Any]]:
    """The choice of every trainer on every number of cores, with all cells' figures."""
    pairs = dict.fromkeys((record["trainer"], record["cores"]) for record in records)
    found = []
    for trainer, cores in pairs:
        chosen = choose(records, trainer, cores, goals)
        found.append(
            {
                "trainer": trainer,
                "cores": cores,
                "chosen": chosen and asdict(chosen),
                "cells": [
                    {
                        "batch": setting.batch,
                        "lr": setting.lr,
                        "seconds": {goal: median_seconds(of_cell, goal) for goal in goals},
                        "seeds": len(of_cell),
                    }
                    for setting, of_cell in cells(records, trainer, cores).items()
                ],
            }
        )
    return found
