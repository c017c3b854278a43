"""Many networks at once: ``fit_many`` beside loops of own fits and other libraries.

    python benchmarks/many.py
    python benchmarks/many.py --quick --only tiny --peers jax sklearn --cores 1 2

For each number of cores the script starts itself, pinned to them; there it verifies, then times.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import machine
from crowds.affinet_crowds import CONTENDERS as THREADS
from crowds.affinet_crowds import FitMany, FitManyAlone, Loop, LoopAlone
from crowds.own_processes import Processes
from crowds.task import Crowd
from nets import NETS
from report import table, write_json
from timing import Sampling, interleaved, summary
from verification import VerificationError

PEERS = {"jax": "jax_crowds", "torch": "torch_crowds", "sklearn": "sklearn_crowds"}
PACKAGES = {"jax": "jax", "torch": "torch", "sklearn": "scikit-learn"}
TINY, SEED = replace(NETS["tiny"], batches=30), replace(NETS["seed"], batches=60)
# After more, of hundreds of networks one has a ReLU whose input rounds to the other side of 0.
FEW_STEPS = 5
CONTENDERS: dict[str, Any] = {**THREADS, "loops of fits, a process a core": Processes}
SUM, MANY = "loop of fits, 1 thread", "fit_many"


def crowds(quick: bool, only: Sequence[str]) -> list[tuple[Crowd, bool]]:
    """The cases, and whether other libraries take part in them.

    A thousand networks of tiny are compared with their own fits only: others take too long.
    """
    if quick:
        tiny, seed = replace(TINY, batches=3), replace(SEED, batches=2)
        found = [(Crowd(tiny, 12, 2), False), (Crowd(tiny, 4, 2), True), (Crowd(seed, 4, 2), True)]
    else:
        found = [(Crowd(TINY, 1000, 10), False), (Crowd(SEED, 64, 3), True)]
        found += [(Crowd(TINY, n, 10), True) for n in (8, 64, 512)]
    return [(task, peers) for task, peers in found if task.net.name in only]


def contenders_of(task: Crowd, peers: Sequence[str]) -> dict[str, Any]:
    """All contenders, ready to run."""
    found: dict[str, Any] = {name: make(task) for name, make in CONTENDERS.items()}
    for peer in peers:
        module = importlib.import_module(f"crowds.{PEERS[peer]}")
        found |= {name: make(task) for name, make in module.CONTENDERS.items()}
    return found


def verify(task: Crowd, contenders: dict[str, Any]) -> dict[str, float]:
    """Bits of affinet's contenders, and how far the others' parameters are from them."""
    own = Loop(task)
    for make in (LoopAlone, Loop, FitMany, FitManyAlone, Processes):
        other = make(task)
        other.run(1)
        if make is LoopAlone:
            own = other
        for name, one, two in zip(
            own.nets[0].params, own.parameters(), other.parameters(), strict=True
        ):
            if one.tobytes() != two.tobytes():
                raise VerificationError(f"{make.__name__}: {name} has other bits than single fits")
    in_order = FitMany(task, shuffle=False)
    in_order.run(1)
    wanted, deviations = in_order.parameters(), {}
    for name, contender in contenders.items():
        if name not in CONTENDERS:
            contender.reset()
            contender.run(1)
            deviations[name] = task.require_same(name, contender.parameters(), wanted)
    return deviations


def measure_here(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Verify and time every case in this process."""
    found = []
    for task, with_peers in crowds(options.quick, options.only):
        peers = options.peers if with_peers else ()
        contenders = contenders_of(task, peers)
        verify(task, {})
        few = replace(task, net=replace(task.net, batches=min(task.net.batches, FEW_STEPS)))
        deviations = verify(few, contenders_of(few, peers))

        def reset(contenders: dict[str, Any] = contenders) -> None:
            for contender in contenders.values():
                contender.reset()

        samples, _ = interleaved(
            {name: contender.run for name, contender in contenders.items()},
            Sampling(options.repeats, sample_seconds=1e-9, budget_seconds=120),
            reset,
        )
        found.append(
            {
                "net": task.net.name,
                "title": task.title,
                "networks": task.n,
                "steps": task.epochs * task.net.batches,
                "deviations": deviations,
                "contenders": {name: summary(times) for name, times in samples.items()},
                "processor_seconds": processor_seconds(task),
            }
        )
    return found


def processor_seconds(task: Crowd) -> dict[str, float]:
    """Processor time of the sum of single fits and of ``fit_many``, over all threads.

    Other programs on the machine change it less than they change the time that passes.
    """
    found = {}
    for name in (SUM, MANY, "fit_many, 1 thread"):
        contender = CONTENDERS[name](task)
        contender.run(1)
        contender.reset()
        started = time.process_time()
        contender.run(1)
        found[name] = time.process_time() - started
    return found


def rows_of(case: dict[str, Any], cores: int) -> list[tuple[str, ...]]:
    """A case's lines: seconds, a step of one network, and ratios."""
    median = {name: one["median_us"] for name, one in case["contenders"].items()}
    share = median[SUM] / cores
    return [
        (
            name,
            f"{us * 1e-6:.3f}",
            f"{us / case['networks'] / case['steps']:.2f}",
            f"{us / share:.3f}",
            f"{us / median[MANY]:.2f}",
        )
        for name, us in median.items()
    ]


def print_tables(content: dict[str, Any]) -> None:
    """Print the results."""
    print(machine.heading(content["machine"]))
    for run in content["runs"]:
        cores = run["cores"]
        for case in run["cases"]:
            print(f"\n{case['title']}, {cores} {'core' if cores == 1 else 'cores'}\n")
            shares = "/ sum of fits" if cores == 1 else f"/ (sum of fits / {cores})"
            header = ("", "s", "µs a step", shares, "/ fit_many")
            print(table(header, rows_of(case, cores)))
            spent = case["processor_seconds"]
            ratios = ", ".join(f"{k} {v / spent[SUM]:.3f}" for k, v in spent.items() if k != SUM)
            print(f"processor time, as a share of the single fits': {ratios}")


def run_on(cores: int, arguments: Sequence[str]) -> dict[str, Any]:
    """Start this script on so many cores and read its results."""
    with machine.pinned(cores) as pinned:
        done = subprocess.run(
            [sys.executable, *(["-W", "error"] * ("error" in sys.warnoptions)), __file__,
             "--here", *arguments],
            env=machine.thread_environment(cores),
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(done.returncode)
    return {"cores": cores, "pinned_to": pinned, "cases": json.loads(done.stdout.splitlines()[-1])}


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few networks and steps")
    parser.add_argument("--only", nargs="+", choices=("tiny", "seed"), default=("tiny", "seed"))
    parser.add_argument(
        "--peers", nargs="*", choices=PEERS, help="libraries to compare with (all installed)"
    )
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2], help="(1 2)")
    parser.add_argument("--repeats", type=int, help="samples of each contender (9; quick: 3)")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.peers is None:
        options.peers = [name for name in PEERS if importlib.util.find_spec(name)]
    options.repeats = options.repeats or (3 if options.quick else 9)
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify, measure, print and write; 1 if a contender computes something else."""
    options = options_of(arguments)
    if options.here:
        try:
            print(json.dumps(measure_here(options)))
        except VerificationError as error:
            print(error, file=sys.stderr)
            return 1
        return 0
    inner = ["--only", *options.only, "--repeats", str(options.repeats), "--peers", *options.peers]
    inner += ["--quick"] * options.quick
    available = [cores for cores in options.cores if cores <= len(machine.cores())]
    content = {
        "machine": machine.description(),
        "load": machine.load(),
        "versions": {
            name: version(package) for name, package in PACKAGES.items() if name in options.peers
        },
        "runs": [run_on(cores, inner) for cores in available],
    }
    print_tables(content)
    write_json(options.json, "many", content)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
