"""The results as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from report import table

from .methods import METHODS
from .results import Cells, cells, main_score, mean, mean_ranks, measures, ratios, summary, values
from .scores import mean_and_error


def text(content: dict[str, Any]) -> str:
    """Everything: each table, the ratios to pytabkit, and the mean ranks."""
    records = content["records"]
    found = cells(records)
    names = list(dict.fromkeys(record["table"] for record in records))
    parts = [of_table(found, name) for name in names if any(t == name for t, _ in found)]
    parts += [against(found, m) for m in METHODS if METHODS[m].reference and ratios(found, m)]
    if found:
        parts.append(ranking(found))
    failed = [r for r in records if "failed" in r]
    parts += [
        f"{r['table']}, {r['method']}, seed {r['seed']}, {r['threads']} threads: {r['failed']}"
        for r in failed
    ]
    return "\n\n".join(parts)


def of_table(found: Cells, name: str) -> str:
    """The methods on a table, the best first."""
    own = {method: records for (table_name, method), records in found.items() if table_name == name}
    task = next(iter(own.values()))[0]["task"]
    first = next(iter(own.values()))[0]
    rows = []
    for method in sorted(own, key=lambda m: mean(own[m], main_score(task))):
        records = own[method]
        rows.append(
            [
                method,
                *(with_error(values(records, measure)) for measure in measures(task)),
                *(f"{mean(records, clock):.2f}" for clock in ("wall_s", "cpu_s")),
                f"{mean(records, 'predict_s'):.3f}",
                f"{mean(records, 'peak_mb'):.0f}",
                str(records[0]["threads"]),
                str(len(records)),
            ]
        )
    header = ["method", *measures(task), "wall s", "CPU s", "predict s", "MB", "threads", "seeds"]
    title = f"{name}: {first['train_rows']} training rows, {first['test_rows']} test rows"
    return f"{title}\n{table(header, rows)}"


def against(found: Cells, method: str) -> str:
    """A method of ours against that of pytabkit."""
    rows = []
    ours = ratios(found, method)
    for row in ours:
        main = row.get("error") or row["rmse"]
        loss = row.get("log_loss")
        rows.append([row["table"], pair(main), pair(loss) if loss else "", f"{row['speed']:.1f}"])
    means = summary(ours)
    loss_text = f"{means['log_loss']:.3f}" if "log_loss" in means else ""
    rows.append(["geometric mean", f"{means['score']:.3f}", loss_text, f"{means['speed']:.1f}"])
    title = f"{method} / {METHODS[method].reference}: below 1 {method} is better; times as fast"
    return f"{title}\n{table(['table', 'error or RMSE', 'log-loss', 'speed'], rows)}"


def ranking(found: Cells) -> str:
    """The mean ranks."""
    ranked = mean_ranks(found)
    absent = [m for m in METHODS if m not in ranked and any(name == m for _, name in found)]
    rows = [[method, f"{rank:.2f}"] for method, rank in ranked.items()]
    lines = [f"mean rank by error or RMSE\n{table(['method', 'rank'], rows)}"]
    if absent:
        lines.append(f"not ranked, without a result for every table: {', '.join(absent)}")
    return "\n".join(lines)


def with_error(seeds: Sequence[float]) -> str:
    """A mean with its standard error."""
    return pair(mean_and_error(seeds), digits=5)


def pair(value: tuple[float, float], digits: int = 4) -> str:
    """A figure with its standard error, if there is one."""
    figure, error = value
    return f"{figure:.{digits}g}" + ("" if math.isnan(error) else f" ±{error:.1g}")
