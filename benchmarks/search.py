"""Is a search with 64 networks better than the single default network on tables?

    python benchmarks/search.py --data-dir DIR
    python benchmarks/search.py --data-dir DIR --tables concrete attrition --seeds 1

``SearchClassifier`` and ``SearchRegressor`` with their defaults beside ``TabularClassifier`` and
``TabularRegressor`` with theirs, both given the table's validation rows; scores are of test rows,
which neither sees. A run that was ended continues: what is in the JSON file is not measured again.
Needs pandas and scikit-learn.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import machine
import numpy as np
from report import RESULTS, table, write_json
from tables.data import Part, chosen, descriptions, load
from tables.scores import scores

import affinet as an
from affinet.estimators import (
    SearchClassifier,
    SearchRegressor,
    TabularClassifier,
    TabularRegressor,
)

KINDS = {
    ("default", "classification"): TabularClassifier,
    ("default", "regression"): TabularRegressor,
    ("search", "classification"): SearchClassifier,
    ("search", "regression"): SearchRegressor,
}
SCORES = {"classification": ("error", "log_loss"), "regression": ("rmse",)}
Record = dict[str, Any]


def measured(kind: str, parts: dict[str, Part], task: str, seed: int, networks: int) -> Record:
    """Scores on the test rows, and seconds of ``fit``: by the clock and of all processors."""
    train, held, test = parts["train"], parts["validation"], parts["test"]
    model: Any = KINDS[kind, task](random_state=seed, validation_data=(held.X, held.y))
    if kind == "search":
        model.set_params(n_iter=networks)
    begun, used = time.perf_counter(), time.process_time()
    model.fit(train.X, train.y)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - used
    classify = task == "classification"
    found = model.predict_proba(test.X) if classify else model.predict(test.X)
    return {
        **scores(test.y, found, model.classes_ if classify else None),
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
    }


def run(folder: Path, names: Iterable[str], seeds: int, networks: int, out: Path | None) -> int:
    """Measure what the file lacks, write it after each fit, and print."""
    path = RESULTS / "search.json" if out is None else out
    records: list[Record] = json.loads(path.read_text())["records"] if path.is_file() else []
    described = descriptions(folder)
    about = {"machine": machine.description(), "threads": an.get_num_threads()}
    for name in names:
        task, parts = described[name]["task"], load(folder, name)
        for seed in range(seeds):
            for kind in ("default", "search"):
                n = networks if kind == "search" else 1
                key: Record = {"table": name, "seed": seed, "kind": kind, "networks": n}
                if any(key.items() <= record.items() for record in records):
                    continue
                records.append(key | {"task": task} | measured(kind, parts, task, seed, n))
                print(*(f"{k}={v}" for k, v in records[-1].items()), flush=True)
                write_json(out, "search", {**about, "records": records})
    print(report(records, networks))
    return 0


def mean_of(records: Iterable[Record], name: str, kind: str, n: int, figure: str) -> float:
    """The mean of a figure over the seeds of a table; NaN if it was not measured."""
    wanted = {"table": name, "kind": kind, "networks": n}
    found = [r[figure] for r in records if wanted.items() <= r.items()]
    return float(np.mean(found)) if found else float("nan")


def report(records: Sequence[Record], networks: int) -> str:
    """Means over seeds, the ratios of scores and times, and on how many tables the search wins."""
    lines, won, ratios = [], 0, []
    tasks = {record["table"]: record["task"] for record in records}
    for name, task in tasks.items():
        for figure in (*SCORES[task], "seconds", "cpu_seconds"):
            one = mean_of(records, name, "default", 1, figure)
            many = mean_of(records, name, "search", networks, figure)
            ratio = many / one if one else float("nan")
            lines.append([name, figure, f"{one:.5g}", f"{many:.5g}", f"{ratio:.3f}"])
            won += figure == SCORES[task][0] and many < one
            if figure == "seconds":
                ratios.append(ratio)
    header = ["", "", "default", f"search of {networks}", "ratio"]
    longest = max(ratios, default=float("nan"))
    return (
        f"{table(header, lines)}\n\nBy error or RMSE the search is better on {won} of {len(tasks)} "
        f"tables; it takes at most {longest:.1f} times as long."
    )


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description="A search beside the default network on tables.")
    parser.add_argument("--data-dir", type=Path, required=True, metavar="DIR", help="the tables")
    parser.add_argument("--tables", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="how many")
    parser.add_argument("--networks", type=int, default=64, metavar="N", help="of a search")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the JSON, which is continued")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)
    names = chosen(parser, options)
    return run(options.data_dir, names, options.seeds, options.networks, options.out)


if __name__ == "__main__":
    sys.exit(main())
