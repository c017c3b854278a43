"""Records grouped: for each table and method the seeds, at the number of threads that counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .methods import METHODS
from .scores import geometric_mean, mean_and_error, ranks, ratio

Record = dict[str, Any]
Cells = dict[tuple[str, str], list[Record]]  # by table and method


def main_score(task: str) -> str:
    """The score that ranks are taken of."""
    return "error" if task == "classification" else "rmse"


def measures(task: str) -> list[str]:
    """All scores of a task."""
    return ["error", "log_loss"] if task == "classification" else ["rmse"]


def cells(records: Sequence[Record]) -> Cells:
    """The successful records of each table and method, with the faster number of threads."""
    groups: dict[tuple[str, str], dict[int, list[Record]]] = {}
    for record in records:
        if "failed" not in record:
            group = groups.setdefault((record["table"], record["method"]), {})
            group.setdefault(record["threads"], []).append(record)
    return {
        key: min(group.values(), key=lambda rs: mean(rs, "wall_s")) for key, group in groups.items()
    }


def mean(records: Sequence[Record], name: str) -> float:
    """The mean of a figure over the seeds."""
    return mean_and_error(values(records, name))[0]


def values(records: Sequence[Record], name: str) -> list[float]:
    """A figure of each seed."""
    return [float(record[name]) for record in records]


def ratios(found: Cells, method: str) -> list[dict[str, Any]]:
    """A method of ours against that of pytabkit, for every table that has both."""
    reference = METHODS[method].reference
    rows = []
    for (table, name), ours in found.items():
        theirs = found.get((table, reference or ""))
        if name != method or theirs is None:
            continue
        row: dict[str, Any] = {"table": table}
        for measure in measures(ours[0]["task"]):
            # No score is below half a test row's error: 0 would make any ratio infinite.
            floor = 0.5 / ours[0]["test_rows"] if measure == "error" else 0.0
            row[measure] = ratio(values(ours, measure), values(theirs, measure), floor)
        row["speed"] = mean(theirs, "wall_s") / mean(ours, "wall_s")
        rows.append(row)
    return rows


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Geometric means over tables: of the main scores, the log-loss and the speed."""
    main = [row[name][0] for row in rows for name in ("error", "rmse") if name in row]
    losses = [row["log_loss"][0] for row in rows if "log_loss" in row]
    found = {"score": geometric_mean(main), "speed": geometric_mean(row["speed"] for row in rows)}
    return found | ({"log_loss": geometric_mean(losses)} if losses else {})


def mean_ranks(found: Cells) -> dict[str, float]:
    """The mean rank of the methods that have a result for every table, the best first."""
    tables = list(dict.fromkeys(table for table, _ in found))
    methods = [m for m in METHODS if all((table, m) in found for table in tables)]
    places: dict[str, list[float]] = {m: [] for m in methods}
    for table in tables:
        name = main_score(found[table, methods[0]][0]["task"]) if methods else ""
        for method, rank in zip(
            methods, ranks([mean(found[table, m], name) for m in methods]), strict=True
        ):
            places[method].append(rank)
    return dict(sorted(((m, mean_and_error(r)[0]) for m, r in places.items()), key=lambda i: i[1]))
