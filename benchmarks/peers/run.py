"""affinet beside every library that you could install instead, in one run.

For 1 core and for 2 the script pins itself, measures the ceiling, and starts every library in its
own process, with 1 thread and with one for each core; the faster of the two counts. Libraries that
are not installed are reported and skipped. Before a case is timed, every contender must compute
what NumPy computes in float64; otherwise the script names the contender and exits with code 1.

    python benchmarks/peers.py
    python benchmarks/peers.py --quick --only step predict --nets tiny seed --cores 1
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import machine
import mapped_memory
from nets import NETS
from report import RESULTS, write_json
from timing import Sampling, interleaved, summary
from verification import (
    PREDICTION_TOLERANCE,
    TOLERANCES,
    VerificationError,
    require_as_accurate,
)

from . import chart, tables
from .cases import CASES, Case, cases
from .process import Contenders, ProcessError, serve
from .tasks import Unavailable

BENCHMARKS = Path(__file__).parents[1]
AFFINET = "affinet"
LIBRARIES = ("numpy", "torch", "jax", "sklearn", "thinc", "onnxruntime")
SINGLE_THREADED = ("thinc",)
MEASURES = (*CASES, "memory")
MEMORY_ROWS, MEMORY_ROWS_QUICK = 60_000, 20_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0, or 1 if a verification failed or a library broke."""
    options = parse(arguments)
    if options.contenders is not None:
        return serve(options.contenders)
    if options.data_dir is not None:
        os.environ["AFFINET_DATA_DIR"] = options.data_dir  # the contenders' processes inherit it
    load = machine.load()
    content: dict[str, Any] = {
        "script": "peers",
        "settings": {name: getattr(options, name) for name in ("nets", "cores", "only", "peers")},
        "quick": options.quick,
        "load_at_start": load,
        "machine": machine.description(),
        "tolerances": {"training": TOLERANCES["float32"], "prediction": PREDICTION_TOLERANCE},
        "libraries": {},
        "skipped": {},
        "runs": [],
        "memory": [],
    }
    try:
        for cores in options.cores:
            content["runs"].append(run_on(cores, options, content))
    except VerificationError as error:
        print(f"verification failed: {error}", file=sys.stderr)
        return 1
    except ProcessError as error:
        print(f"stopped: {error}; --peers leaves a library out", file=sys.stderr)
        return 1
    if "memory" in options.only:
        progress("memory of a fit on mapped files")
        rows = MEMORY_ROWS_QUICK if options.quick else MEMORY_ROWS
        content["memory"] = mapped_memory.measure(rows)
    print(machine.heading(content["machine"]))
    if load is not None and load > 0.5:
        print(
            f"Other programs were running (load {load:.1f} at the start): "
            "do not quote these figures."
        )
    print(f"{tables.text(content)}\n")
    write_json(options.json, "peers", content)
    problem = chart.draw(options.chart, content)
    print(problem or f"written to {options.chart}")
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options, with defaults filled in."""
    parser = argparse.ArgumentParser(description="affinet beside its peers.")
    n_cores = len(machine.cores())
    parser.add_argument("--nets", nargs="+", choices=list(NETS), default=list(NETS))
    parser.add_argument(
        "--cores",
        nargs="+",
        type=int,
        default=sorted({1, min(2, n_cores)}),
        metavar="N",
        help="numbers of cores to run on, one after the other (default: 1 and 2)",
    )
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=list(MEASURES))
    parser.add_argument(
        "--peers",
        nargs="+",
        choices=LIBRARIES,
        default=list(LIBRARIES),
        help="libraries beside affinet (default: all that are installed)",
    )
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="folder of MNIST's files, for whole fits (default: AFFINET_DATA_DIR; without either "
        "random images take its place, of which no accuracy is taken)",
    )
    parser.add_argument("--quick", action="store_true", help="short samples, rough figures")
    parser.add_argument("--repeats", type=int, help="samples of each (default: 15, quick: 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the results")
    parser.add_argument(
        "--chart", type=Path, metavar="FILE", default=RESULTS / "peers.png", help="a PNG"
    )
    parser.add_argument("--contenders", metavar="MODULE", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.repeats is None:
        options.repeats = 3 if options.quick else 15
    if options.repeats < 1:
        parser.error(f"--repeats is {options.repeats}, wanted 1 or more")
    for cores in options.cores:
        # a process of contenders is pinned already, so it sees fewer cores than its parent
        if options.contenders is None and not 1 <= cores <= n_cores:
            parser.error(f"--cores has {cores}, wanted 1..{n_cores}, the cores allowed here")
    return options


def run_on(cores: int, options: argparse.Namespace, content: dict[str, Any]) -> dict[str, Any]:
    """All cases on ``cores`` cores; records in ``content`` which libraries took part."""
    with machine.pinned(cores) as pinned, ExitStack() as stack:
        progress(f"{tables.cores_text(cores)}: ceiling")
        ceiling = measure_ceiling(cores)
        processes = []
        for library in (AFFINET, *options.peers):
            for threads in (1,) if library in SINGLE_THREADED else sorted({1, cores}):
                process = stack.enter_context(Contenders(f"peers.{library}_contenders", threads))
                if process.missing is not None:
                    content["skipped"][library] = process.missing
                    break
                content["libraries"][library] = process.version
                processes.append(process)
        groups = [
            measure_case(case, processes, sampling_on(cores, options), cores)
            for measure in options.only
            if measure in CASES
            for case in cases(measure, options.nets, options.quick)
        ]
        progress(f"{tables.cores_text(cores)}: ceiling once more")
        ceiling = max(ceiling, measure_ceiling(cores), key=lambda found: found["gflops"])
    for group in groups:
        group["ceiling_gflops"] = ceiling["gflops"]
    return {"cores": cores, "pinned_to": pinned, "ceiling": ceiling, "groups": groups}


def sampling_on(cores: int, options: argparse.Namespace) -> Sampling:
    """How carefully to measure."""
    return Sampling(
        repeats=options.repeats,
        sample_seconds=0.002 if options.quick else 0.02,
        budget_seconds=5.0 if options.quick else 60.0,
        pause_seconds=0.05 if cores > 1 else 0.0,
    )


def measure_ceiling(cores: int) -> dict[str, Any]:
    """The ceiling, in a process of its own."""
    command = [sys.executable, str(BENCHMARKS / "ceiling.py"), str(cores)]
    environment = machine.thread_environment(1)  # a thread for each core is the script's business
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure_case(
    case: Case, processes: list[Contenders], sampling: Sampling, cores: int
) -> dict[str, Any]:
    """Check all contenders, then time them in turns."""
    title = f"{tables.cores_text(cores)}: {case.measure}, {case.title}"
    ready, skipped = prepare(case, processes, sampling, title)
    progress(f"{title}: timing")
    runners = {
        f"{name} at {threads}": partial(process.sample, name)
        for (name, threads), (process, _) in ready.items()
    }
    # One call of a runner lasts a whole sample already.
    samples, _ = interleaved(
        runners, replace(sampling, sample_seconds=0.0), nothing, clock=lambda run, n: run(n)
    )
    contenders: dict[str, Any] = {}
    for (name, threads), (_, about) in ready.items():
        times = [sample / case.pieces for sample in samples[f"{name} at {threads}"]]
        by_threads = contenders.setdefault(name, {"by_threads": {}})["by_threads"]
        by_threads[str(threads)] = {**about, **summary(times)}
    for found in contenders.values():
        medians = {int(n): figures["median_us"] for n, figures in found["by_threads"].items()}
        found["best_threads"] = min(medians, key=lambda n: medians[n])
    for process in processes:
        process.clear()
    return {
        "measure": case.measure,
        "case": asdict(case),
        "title": case.title,
        "cores": cores,
        "flops": case.flops,
        "contenders": contenders,
        "skipped": skipped,
    }


def prepare(
    case: Case, processes: list[Contenders], sampling: Sampling, title: str
) -> tuple[dict[tuple[str, int], tuple[Contenders, dict[str, Any]]], dict[str, str]]:
    """Check every contender; those that are ready, by name and threads, and those left out."""
    skipped: dict[str, str] = {}
    ready: dict[tuple[str, int], tuple[Contenders, dict[str, Any]]] = {}
    for process in processes:
        for name in process.names.get(case.measure, []):
            progress(f"{title}: checking {name}, {process.threads} thread(s)")
            try:
                about = process.prepare(case, name, sampling.sample_seconds)
            except Unavailable as reason:
                skipped[name] = str(reason)
            else:
                ready[name, process.threads] = process, about
    require_as_accurate({name: about["accuracies"] for (name, _), (_, about) in ready.items()})
    return ready, skipped


def nothing() -> None:
    """Contenders reset themselves in their own process."""


def progress(text: str) -> None:
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)
