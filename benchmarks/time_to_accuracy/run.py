"""The run of ``time_to_accuracy.py``: options, the grid or the measured trainings, the files."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import machine
from report import RESULTS, as_json, write_json
from verification import VerificationError

from . import chart, results, settings
from .process import KEY, measure, serve
from .task import load
from .trainers import ENTRIES, missing

GOALS = {"MNIST": (0.98, 0.985), "digits": (0.9, 0.92)}
EPOCHS, LIMIT = 15, 180.0  # after 15 epochs the rate is 2 % of the first
SEEDS, GRID_SEEDS = 5, 1
FIRST_GRID_SEED = 1000  # no seed that is measured helps to choose a setting


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; 0, or 1 if a verification or a training failed, 2 if something was missing."""
    options = parse(arguments)
    if options.train is not None:
        return serve(json.loads(options.train))
    try:
        load(options.data, options.data_dir)
        content = started(options)
        jobs = grid_jobs(options, content) if options.grid else measured_jobs(options, content)
        run(jobs, content, options)
    except (FileNotFoundError, ValueError) as error:
        print(f"time_to_accuracy.py: {error}", file=sys.stderr)
        return 2
    except VerificationError as error:
        print(f"verification failed: {error}", file=sys.stderr)
        return 1
    finish_grid(content, options) if options.grid else finish(content, options)
    if content["failed"]:
        return 1  # the same command tries them again
    unfinished(options).unlink(missing_ok=True)
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options, with defaults filled in."""
    parser = argparse.ArgumentParser(
        description="Seconds until a network reaches an accuracy: affinet beside its peers."
    )
    add = parser.add_argument
    n_cores = len(machine.cores())
    add("--data-dir", type=Path, metavar="DIR", default=os.environ.get("AFFINET_DATA_DIR"),
        help="folder of MNIST's files (default: AFFINET_DATA_DIR)")  # fmt: skip
    names = ", ".join(ENTRIES)
    add("--only", nargs="+", choices=ENTRIES, metavar="NAME", default=list(ENTRIES),
        help=f"default: all of {names}, as far as they are installed")  # fmt: skip
    add("--cores", nargs="+", type=int, metavar="N", default=sorted({1, min(2, n_cores)}),
        help="numbers of cores to run on (default: 1 and 2)")  # fmt: skip
    add("--seeds", type=int, metavar="N", help=f"trainings of each ({SEEDS}; grid: {GRID_SEEDS})")
    add("--epochs", type=int, metavar="N", default=EPOCHS, help=f"at most ({EPOCHS})")
    add("--limit", type=float, metavar="S", default=LIMIT,
        help=f"seconds of training after which no epoch begins ({LIMIT:g})")  # fmt: skip
    add("--grid", action="store_true", help="choose every trainer's setting instead of measuring")
    add("--grid-file", type=Path, metavar="FILE",
        help="the settings that --grid finds (default: beside the code)")  # fmt: skip
    add("--quick", action="store_true", help="a smoke run: a small network on 8x8 digits")
    add("--json", type=Path, metavar="FILE", help="where to write the results")
    add("--chart", type=Path, metavar="FILE", help="a PNG (default: beside the results)")
    add("--train", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.data = "digits" if options.quick else "MNIST"
    options.seeds = (
        (GRID_SEEDS if options.grid else SEEDS) if options.seeds is None else options.seeds
    )
    for name in ("seeds", "epochs"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} is {getattr(options, name)}, wanted 1 or more")
    if not (options.limit > 0 and math.isfinite(options.limit)):
        parser.error(f"--limit is {options.limit}, wanted a number of seconds above 0")
    for cores in options.cores:
        # a process that trains is pinned already, so it sees fewer cores than its parent
        if options.train is None and not 1 <= cores <= n_cores:
            parser.error(f"--cores has {cores}, wanted 1..{n_cores}, the cores allowed here")
    if options.train is None and not options.quick and options.data_dir is None:
        parser.error("--data-dir is missing, wanted the folder of MNIST's files (or --quick)")
    return options


def unfinished(options: argparse.Namespace) -> Path:
    """The file that is written after every training, and continued by the same command."""
    if options.grid:
        target = options.grid_file or settings.GRID_FILE
    else:
        target = options.json or RESULTS / "time_to_accuracy.json"
    return Path(target).with_name(f"{Path(target).name}.part")


def started(options: argparse.Namespace) -> dict[str, Any]:
    """The content of the file: that of an interrupted run, or a new one.

    Raises
    ------
    ValueError
        If the interrupted run had other settings.
    """
    wanted = {"data": options.data, "goals": list(GOALS[options.data]), "epochs": options.epochs,
              "limit": options.limit, "grid": options.grid}  # fmt: skip
    path = unfinished(options)
    content: dict[str, Any] = {"script": "time_to_accuracy", "settings": wanted, "records": []}
    content |= {"load_at_start": machine.load()}
    if path.exists():
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["settings"] != wanted:
            raise ValueError(
                f"{path} is of a run with {content['settings']}, wanted {wanted}: continue it with "
                "the same options, or delete it"
            )
    return content | {"machine": machine.description(), "skipped": missing(options.only)}


def measured_jobs(options: argparse.Namespace, content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The trainings that are not in the file yet; seed by seed, so that trainers take turns."""
    chosen = chosen_settings(options, content)
    for seed in range(options.seeds):
        for cores in options.cores:
            for name in options.only:
                if name not in content["skipped"] and (name, cores) in chosen:
                    yield job(options, name, cores, seed, chosen[name, cores], options.limit)


def chosen_settings(
    options: argparse.Namespace, content: dict[str, Any]
) -> dict[tuple[str, int], settings.Setting]:
    """The setting of every trainer on every number of cores.

    Raises
    ------
    ValueError
        If the grid has not been run for one.
    """
    pairs = [(name, cores) for name in options.only for cores in options.cores]
    if options.quick and options.grid_file is None:
        return dict.fromkeys(pairs, settings.grid(quick=True)[0])
    path = options.grid_file or settings.GRID_FILE
    stored = settings.stored(path)
    content["grid"] = {
        "processor": stored["machine"]["processor"],
        "commit": stored["machine"]["commit"],
    }
    choices = {(choice["trainer"], choice["cores"]): choice for choice in stored["choices"]}
    found = {}
    for pair in pairs:
        name, cores = pair
        if name in content["skipped"]:
            continue
        if pair not in choices:
            raise ValueError(
                f"{path} has no setting of {name} on {cores} core(s): run --grid first"
            )
        setting = choices[pair]["chosen"]
        if setting is None:
            content["skipped"][f"{name} on {cores}"] = "no setting of the grid reaches the goal"
        else:
            found[pair] = settings.Setting(**setting)
    return found


def grid_jobs(options: argparse.Namespace, content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All cells of the grid; those that fall behind a trainer's best are stopped, and not repeated.

    A generator that reads the records that earlier jobs have left.
    """
    goals, records = goals_of(options), content["records"]
    for cores in options.cores:
        for name in options.only:
            if name in content["skipped"]:
                continue
            for seed in range(FIRST_GRID_SEED, FIRST_GRID_SEED + options.seeds):
                for setting in settings.grid(options.quick):
                    before = settings.cells(records, name, cores).get(setting, [])
                    earlier = [record for record in before if record["seed"] < seed]
                    if earlier and settings.median_seconds(earlier, goals[0]) is None:
                        continue
                    limit = settings.limit_of(setting, records, name, cores, goals)
                    yield job(options, name, cores, seed, setting, min(options.limit, limit))


def goals_of(options: argparse.Namespace) -> list[str]:
    """The goals as the records name them, the lowest first."""
    return [f"{goal:g}" for goal in GOALS[options.data]]


def job(
    options: argparse.Namespace,
    name: str,
    cores: int,
    seed: int,
    setting: settings.Setting,
    limit: float,
) -> dict[str, Any]:
    """What a process is asked to do."""
    return {
        "trainer": name,
        "cores": cores,
        "seed": seed,
        **asdict(setting),
        "epochs": options.epochs,
        "goals": GOALS[options.data],
        "limit": limit,
        "grid": options.grid,
        "data": options.data,
        "data_dir": options.data_dir and str(Path(options.data_dir).resolve()),
    }


def run(jobs: Iterable[dict[str, Any]], content: dict[str, Any], options: Any) -> None:
    """Run every job that the file has no record of, and write the file after each."""
    records = content["records"]
    for asked in jobs:
        known = [record for record in records if key_of(record) == key_of(asked)]
        if asked["trainer"] in content["skipped"] or (known and "failed" not in known[0]):
            continue
        record = measure(asked)
        records[:] = [*(other for other in records if key_of(other) != key_of(asked)), record]
        if "skipped" in record:
            content["skipped"][record["trainer"]] = record["skipped"]
            records.remove(record)
        print(line(record), file=sys.stderr, flush=True)
        write(unfinished(options), content)


def key_of(record: dict[str, Any]) -> tuple[Any, ...]:
    """What tells one training from another."""
    return tuple(record[name] for name in KEY)


def line(record: dict[str, Any]) -> str:
    """A record in a line."""
    names = ("reached", "warm_up_s", "failed", "skipped")
    figures = [f"{name} {record[name]}" for name in names if name in record]
    best = [f"best {max(right for _, right in record['curve'])}"] if record.get("curve") else []
    return " ".join(map(str, (*key_of(record), *figures, *best)))


def write(path: Path, content: dict[str, Any]) -> None:
    """Write the file, so that an interruption leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.write_text(as_json(content) + "\n", encoding="utf-8")
    new.replace(path)


def libraries_of(records: Iterable[dict[str, Any]]) -> dict[str, str]:
    """The versions that took part."""
    return {ENTRIES[r["trainer"]].library: r["version"] for r in records if "version" in r}


def finish_grid(content: dict[str, Any], options: argparse.Namespace) -> None:
    """Write the choices with the figures that they follow from, and print them."""
    content["failed"] = results.failures(content["records"])
    choices = settings.summary(content["records"], goals_of(options))
    write_json(
        options.grid_file or settings.GRID_FILE,
        "grid",
        {
            "script": "time_to_accuracy --grid",
            "settings": content["settings"],
            "seeds": options.seeds,
            "load_at_start": content["load_at_start"],
            "machine": content["machine"],
            "libraries": libraries_of(content["records"]),
            "choices": choices,
        },
    )
    for choice in choices:
        print(f"{choice['trainer']} on {choice['cores']}: {choice['chosen']}")
    print("\n".join(results.skipped_lines(content)))


def finish(content: dict[str, Any], options: argparse.Namespace) -> None:
    """Print the tables, write the results and draw the chart."""
    goals = content["settings"]["goals"]
    content["libraries"] = libraries_of(content["records"])
    content["failed"] = results.failures(content["records"])
    content["summaries"] = results.summaries(content.pop("records"), goals)
    print(f"{results.heading(content)}\n{results.text(content)}\n")
    for cores in options.cores:
        for goal in goals:
            sentence = results.fastest_peer(content, cores, f"{goal:g}")
            print(sentence, end="\n" * bool(sentence))
    write_json(options.json, "time_to_accuracy", content)
    target = options.chart or (options.json or RESULTS / "time_to_accuracy.json").with_suffix(
        ".png"
    )
    print(chart.draw(target, content) or f"written to {target}")
