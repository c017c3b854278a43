"""A training step of affinet against one of pure NumPy, on four networks.

Two comparisons, for each network, dtype and number of threads:

- step: forward, backward and update on one batch, layer by layer;
- fit: an epoch of steps on shuffled batches, ``net.fit`` against a training loop in NumPy.

The script starts itself once for every number of threads, with the threads of all libraries set
in the environment and the process pinned to as many cores. It first verifies that all contenders
compute the same; if not, it reports the difference and ends with exit code 1.

    python benchmarks/numpy_step.py
    python benchmarks/numpy_step.py --nets tiny seed --dtypes float32 --threads 1
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import machine
import numpy as np
from affinet_networks import SequentialNetwork
from nets import NETS, Net, first_parameters, training_data
from report import table, write_json
from timing import Sampling, interleaved, seconds, summary
from verification import TOLERANCES, VerificationError

from affinet.bench.contests import (
    BOOK,
    CLASSIC,
    FIT,
    IN_PLACE,
    LR,
    SEQUENTIAL,
    VERIFIED_STEPS,
    fit_contest,
    step_contest,
    verify_fit,
    verify_steps,
)

DTYPES = ("float32", "float64")
OURS = {"step": (CLASSIC, SEQUENTIAL), "fit": (FIT,)}
TITLES = {
    "step": "A step on one batch, layer by layer (median µs; ×: times as fast)",
    "fit": "A step in an epoch of shuffled batches, as a whole (median µs; ×: times as fast)",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0, or 1 if a verification failed or a measuring process broke."""
    options = parse(arguments)
    if options.worker is not None:
        return worker(options)
    load = machine.load()
    runs = []
    for threads in options.threads:
        run = start_worker(options, threads)
        if run is None:
            return 1
        runs.append(run)
    print(machine.heading(runs[0]["machine"]))
    if load is not None and load > 0.5:
        print(
            f"Other programs were running (load {load:.1f} at the start): "
            "do not quote these figures."
        )
    for mode in OURS:
        print(f"\n{mode_table(mode, runs)}")
    names = ("nets", "dtypes", "threads", "repeats", "quick")
    content = {
        "script": "numpy_step",
        "settings": {name: getattr(options, name) for name in names},
        "load_at_start": load,
        "tolerances": TOLERANCES,
        "runs": runs,
    }
    print()
    write_json(options.json, "numpy_step", content)
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options, with defaults filled in."""
    parser = argparse.ArgumentParser(
        description="A training step of affinet against one of pure NumPy."
    )
    n_cores = len(machine.cores())
    parser.add_argument("--nets", nargs="+", choices=list(NETS), default=list(NETS))
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=list(DTYPES))
    parser.add_argument(
        "--threads",
        nargs="+",
        type=int,
        default=sorted({1, n_cores}),
        metavar="N",
        help="numbers of threads, each in its own process (default: 1 and all cores)",
    )
    parser.add_argument("--repeats", type=int, help="samples of each (default: 15, quick: 3)")
    parser.add_argument("--quick", action="store_true", help="short samples, rough figures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the results")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.repeats is None:
        options.repeats = 3 if options.quick else 15
    if options.repeats < 1:
        parser.error(f"--repeats is {options.repeats}, wanted 1 or more")
    for threads in options.threads:
        # a worker is pinned already, so it sees fewer cores than its parent
        if options.worker is None and not 1 <= threads <= n_cores:
            parser.error(f"--threads has {threads}, wanted 1..{n_cores}, the cores allowed here")
    return options


def start_worker(options: argparse.Namespace, threads: int) -> dict[str, Any] | None:
    """Run this script with ``threads`` threads and cores; its results, or None if it failed."""
    with tempfile.TemporaryDirectory() as folder, machine.pinned(threads) as pinned:
        results = Path(folder) / "run.json"
        command = [sys.executable, sys.argv[0], "--worker", str(threads), "--json", str(results)]
        command += ["--nets", *options.nets, "--dtypes", *options.dtypes]
        command += ["--repeats", str(options.repeats), *(["--quick"] if options.quick else [])]
        environment = machine.thread_environment(threads)
        done = subprocess.run(command, env=environment, check=False)
        if done.returncode != 0:
            print(f"stopped: the process for {threads} thread(s) failed", file=sys.stderr)
            return None
        run: dict[str, Any] = json.loads(results.read_text(encoding="utf-8"))
        return {**run, "pinned_to": pinned}


def worker(options: argparse.Namespace) -> int:
    """Measure in this process, whose threads are set already, and write the results."""
    sampling = Sampling(
        repeats=options.repeats,
        sample_seconds=0.002 if options.quick else 0.02,
        budget_seconds=5.0 if options.quick else 30.0,
        pause_seconds=0.05 if options.worker > 1 else 0.0,
    )
    groups = []
    for name in options.nets:
        for dtype in options.dtypes:
            title = f"{name} {dtype}, {options.worker} thread(s)"
            try:
                groups += measure(NETS[name], dtype, sampling, partial(progress, title))
            except VerificationError as error:
                print(f"verification failed: {title}: {error}", file=sys.stderr)
                return 1
    content = {"threads": options.worker, "machine": machine.description(), "groups": groups}
    options.json.write_text(json.dumps(content), encoding="utf-8")
    return 0


def progress(title: str, text: str) -> None:
    """Progress, on standard error."""
    print(f"{title}: {text}", file=sys.stderr, flush=True)


def measure(
    net: Net, dtype: str, sampling: Sampling, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Verify, then time: the results of both comparisons for one network and dtype."""
    first = first_parameters(net, dtype)
    x, t = training_data(net, dtype, max(net.batches, VERIFIED_STEPS))
    deviations = {"step": verify_steps(net, first, x, t), "fit": verify_fit(net, first, x, t)}
    largest = max(max(found.values()) for found in deviations.values())
    say(f"equal results, largest deviation {largest:.1e}")

    one_step = SequentialNetwork(first, LR).fit(x[: net.batch], t[: net.batch], net.batch, epochs=1)
    say(f"fit runs its steps {one_step.step_kind}")

    rows = net.batches * net.batch
    ceiling = blas_gflops(dtype)
    groups = []
    for mode, prepare in (("step", step_contest), ("fit", fit_contest)):
        contest = prepare(net, first, x[:rows], t[:rows])
        say(f"timing {mode}")
        samples, count = interleaved(contest.runners, sampling, contest.reset)
        groups.append(
            {
                "net": net.name,
                "title": net.title,
                "dtype": dtype,
                "mode": mode,
                "steps_a_sample": count * contest.steps,
                "step_flops": net.step_flops,
                "blas_gflops": ceiling,
                "fit_runs": one_step.step_kind,
                "deviations": deviations[mode],
                "contenders": {
                    name: summary([sample / contest.steps for sample in found])
                    for name, found in samples.items()
                },
            }
        )
    return groups


def blas_gflops(dtype: str, size: int = 1024) -> float:
    """The ceiling: the best of several square products in NumPy, in 1e9 operations a second."""
    a = np.random.default_rng(3).standard_normal((size, size)).astype(dtype)
    out = np.empty_like(a)
    best = min(seconds(lambda _: np.dot(a, a, out=out), 1) for _ in range(7))
    return 2 * size**3 / best / 1e9


def mode_table(mode: str, runs: list[dict[str, Any]]) -> str:
    """The results of one comparison as text."""
    header = ["net", "dtype", "threads", "book", "in place"]
    for name in OURS[mode]:
        header += [name.removeprefix("affinet "), "×book", "×in place"]
    rows = []
    for net, dtype in dict.fromkeys((g["net"], g["dtype"]) for g in runs[0]["groups"]):
        for run in runs:
            rows += [
                [net, dtype, str(run["threads"]), *cells(group)]
                for group in run["groups"]
                if (group["net"], group["dtype"], group["mode"]) == (net, dtype, mode)
            ]
    return f"{TITLES[mode]}\n{table([*header, 'of peak'], rows)}"


def cells(group: dict[str, Any]) -> list[str]:
    """NumPy's medians, affinet's with its speed over each, and the last one's share of the peak."""
    medians = {name: found["median_us"] for name, found in group["contenders"].items()}
    texts = [microseconds(medians[BOOK]), microseconds(medians[IN_PLACE])]
    for name in OURS[group["mode"]]:
        texts.append(microseconds(medians[name]))
        texts += [f"{medians[peer] / medians[name]:.2f}" for peer in (BOOK, IN_PLACE)]
    gflops = group["step_flops"] / medians[OURS[group["mode"]][-1]] / 1e3
    return [*texts, f"{gflops / group['blas_gflops']:.0%}"]


def microseconds(value: float) -> str:
    """At least three digits."""
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


if __name__ == "__main__":
    sys.exit(main())
