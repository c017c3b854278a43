"""The run of ``tables.py``: options, verification, every fit, and what is written."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import machine
from report import as_json

from . import reference
from .methods import METHODS, missing, thread_counts
from .process import measure, serve

QUICK_ROWS = 300
KEY = ("table", "method", "seed", "threads")


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify, measure and print; 0, or 1 if the verification or a fit failed."""
    options = parse(arguments)
    if options.fit is not None:
        return serve(json.loads(options.fit))
    if options.verify:
        return verify()
    if options.data_dir is None:
        print("tables.py: --data-dir is missing, wanted a folder of tables", file=sys.stderr)
        return 2
    try:
        content = started(options)
        jobs = list(jobs_of(options, content))
    except ValueError as error:
        print(f"tables.py: {error}", file=sys.stderr)
        return 2
    for name, reason in content["skipped"].items():
        print(f"skipped: {name}, {reason}")
    run(jobs, content, options)
    return show(content, options)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options, with defaults filled in."""
    parser = argparse.ArgumentParser(
        description="Networks for tables beside boosted trees and pytabkit's networks."
    )
    add = parser.add_argument
    add("--data-dir", type=Path, metavar="DIR", help="folder with tables.json")
    add("--tables", nargs="+", metavar="NAME", help="default: all of the folder")
    names = ", ".join(METHODS)
    add("--methods", nargs="+", choices=METHODS, metavar="NAME", help=f"default: all of {names}")
    add("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N")
    add("--threads", type=int, default=2, metavar="N", help="of every fit (2)")
    add("--out", type=Path, metavar="FILE", help="results as JSON; an interrupted run resumes")
    add("--plot", type=Path, metavar="FILE", help="score against time, as PNG")
    add("--limit", type=float, default=3600, metavar="S", help="seconds that a fit may take (3600)")
    add("--quick", action="store_true", help=f"a smoke run: {QUICK_ROWS} rows, a few epochs")
    add("--verify", action="store_true", help="only compare RealMLP and TabM with pytabkit's")
    add("--fit", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.methods = options.methods or list(METHODS)
    if options.threads < 1:
        parser.error(f"--threads is {options.threads}, wanted 1 or more")
    if min(options.seeds) < 0:
        parser.error(f"--seeds has {min(options.seeds)}, wanted 0 or more")
    if not (options.limit > 0 and math.isfinite(options.limit)):
        parser.error(f"--limit is {options.limit}, wanted a number of seconds above 0")
    return options


def verify() -> int:
    """Compare with pytabkit: 0 if they agree or pytabkit is not installed, else 1."""
    if not reference.available():
        print("skipped: pytabkit is not installed, nothing to compare with")
        return 0
    cases = [(*case, dtype) for case in reference.CASES for dtype in reference.DTYPES]
    found = [reference.compare(*case) for case in cases]
    print(f"distance to pytabkit, relative to the largest output\n{reference.text(found)}")
    print(f"\n{reference.encodings_text()}")
    problems = reference.problems(found)
    print("\n".join(["", *problems] if problems else ["", "networks and training agree"]))
    return 1 if problems else 0


def started(options: argparse.Namespace) -> dict[str, Any]:
    """The content of the JSON file: that of an earlier run, or a new one.

    Raises
    ------
    ValueError
        If the file is of a run with other settings.
    """
    settings = {"threads": options.threads, "quick": options.quick}
    content: dict[str, Any] = {"script": "tables", "settings": settings, "records": []}
    if options.out is not None and options.out.exists():
        content = json.loads(options.out.read_text(encoding="utf-8"))
        if content.get("settings") != settings:
            raise ValueError(
                f"{options.out} is of a run with {content.get('settings')}, wanted {settings}: "
                "give another --out"
            )
    return content | {"machine": machine.description(), "skipped": missing(options.methods)}


def jobs_of(options: argparse.Namespace, content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The fits that are not in the file yet, seed by seed.

    Raises
    ------
    ValueError
        If the folder lacks a table.
    """
    from .data import descriptions

    described = descriptions(options.data_dir)
    tables = options.tables or list(described)
    unknown = [name for name in tables if name not in described]
    if unknown:
        raise ValueError(
            f"--tables has {unknown[0]!r}, {options.data_dir} has {', '.join(described)}"
        )
    finished = {key_of(record) for record in content["records"] if "failed" not in record}
    for seed in options.seeds:
        for table in tables:
            for method in options.methods:
                for threads in thread_counts(method, options.threads):
                    job = {
                        "data_dir": str(options.data_dir.resolve()), "table": table,
                        "task": described[table]["task"], "method": method, "seed": seed,
                        "threads": threads, "quick": options.quick,
                        "rows": QUICK_ROWS if options.quick else None,
                    }  # fmt: skip
                    if method not in content["skipped"] and key_of(job) not in finished:
                        yield job


def key_of(record: dict[str, Any]) -> tuple[Any, ...]:
    """What tells one fit from another."""
    return tuple(record[name] for name in KEY)


def run(jobs: Sequence[dict[str, Any]], content: dict[str, Any], options: Any) -> None:
    """Measure every fit, and write the file after each."""
    for place, job in enumerate(jobs):
        record = measure(job, options.limit)
        kept = [other for other in content["records"] if key_of(other) != key_of(record)]
        content["records"] = [*kept, record]
        print(f"{place + 1}/{len(jobs)} {line(record)}", file=sys.stderr, flush=True)
        write(options.out, content)


def line(record: dict[str, Any]) -> str:
    """A record in a line."""
    names = ("error", "log_loss", "rmse", "wall_s", "cpu_s", "failed")
    figures = [f"{name} {record[name]}" for name in names if name in record]
    return " ".join(map(str, (*key_of(record), *figures)))


def write(path: Path | None, content: dict[str, Any]) -> None:
    """Write the JSON file, so that an interruption leaves the old one or the new one."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"{path.name}.new")
        new.write_text(as_json(content) + "\n", encoding="utf-8")
        new.replace(path)


def show(content: dict[str, Any], options: argparse.Namespace) -> int:
    """Print the tables and draw the chart; 1 if a fit failed."""
    from . import chart
    from .text import text

    print(machine.heading(content["machine"]))
    print(f"\n{text(content)}")
    if options.plot is not None:
        print(chart.draw(options.plot, content) or f"written to {options.plot}")
    return 1 if any("failed" in record for record in content["records"]) else 0
