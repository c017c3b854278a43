"""One process for each number of threads, which verifies and then times the networks.

A BLAS reads its number of threads when it is loaded. So :func:`run_threads` starts this module as a
program, with the threads of all libraries set in its environment and the process pinned to as many
cores.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from affinet.bench import machine
from affinet.bench.contests import SEQUENTIAL, fit_contest, networks, verify_fit
from affinet.bench.nets import NETS, Net, first_parameters, training_data
from affinet.bench.timing import Sampling, interleaved, summary
from affinet.bench.verification import VerificationError

DIFFERENT, INTERRUPTED = 3, 130  # exit codes: a verification failed; Ctrl-C
REPEATS = 15
# Batches of an epoch of each net: fewer for the large ones, whose single epoch would take seconds.
MOST_BATCHES = {"tiny": 200, "seed": 100, "mid": 10, "big": 2}
PAUSE = 0.05  # seconds before a sample with several threads, while those of a BLAS still spin


class BenchError(Exception):
    """A measuring process failed."""


def run_threads(
    threads: int, nets: Sequence[str], dtype: str, seconds: float, quiet: bool = False
) -> dict[str, Any]:
    """Measure in a new process that is held to this number of threads and cores.

    Parameters
    ----------
    threads : int
        At most the number of cores that this process may use.
    nets : sequence of str
        Names out of :data:`affinet.bench.nets.NETS`.
    dtype : str
        "float32" or "float64".
    seconds : float
        Approximate time limit of the timing; three rounds are always measured.
    quiet : bool
        True prints no progress.

    Returns
    -------
    dict
        ``threads``, ``pinned_to`` (core numbers, None if the system cannot pin), ``machine`` and
        ``groups``, one for each net: medians and quartiles in microseconds per step.

    Raises
    ------
    VerificationError
        If the contenders do not compute the same.
    BenchError
        If the process failed otherwise.
    """
    request = {"threads": threads, "nets": list(nets), "dtype": dtype, "seconds": seconds}
    command = [sys.executable, "-P", "-m", __name__, json.dumps({**request, "quiet": quiet})]
    with machine.pinned(threads) as pinned:
        done = subprocess.run(
            command, env=environment(threads), stdout=subprocess.PIPE, text=True, check=False
        )
    if done.returncode == INTERRUPTED:
        raise KeyboardInterrupt
    if done.returncode == DIFFERENT:
        raise VerificationError(done.stdout.strip())
    if done.returncode != 0:
        raise BenchError(
            f"the process for {machine.threads_text(threads)} ended with exit code "
            f"{done.returncode}; its messages are above"
        )
    run: dict[str, Any] = json.loads(done.stdout)
    return {**run, "pinned_to": pinned}


def environment(threads: int) -> dict[str, str]:
    """The variables of a process with this number of threads, which imports this affinet."""
    variables = machine.thread_environment(threads)
    here = str(Path(__file__).parents[2])
    paths = [here, *filter(None, [variables.get("PYTHONPATH")])]
    return {**variables, "PYTHONPATH": os.pathsep.join(paths)}


def main(request: dict[str, Any]) -> int:
    """Measure in this process and print the results as JSON; an exit code."""
    threads, names = request["threads"], request["nets"]
    sampling = Sampling(
        repeats=REPEATS,
        sample_seconds=min(0.02, request["seconds"] / len(names) / 100),
        budget_seconds=request["seconds"] / len(names),
        pause_seconds=PAUSE if threads > 1 else 0.0,
    )
    groups = []
    for name in names:
        title = f"{name}, {machine.threads_text(threads)}"
        try:
            groups.append(measure(NETS[name], request["dtype"], sampling, title, request["quiet"]))
        except VerificationError as error:
            print(f"{title}: {error}")
            return DIFFERENT
    print(json.dumps({"threads": threads, "machine": machine.description(), "groups": groups}))
    return 0


def measure(net: Net, dtype: str, sampling: Sampling, title: str, quiet: bool) -> dict[str, Any]:
    """Verify one network, then time its epochs of shuffled batches."""
    net = replace(net, batches=min(net.batches, MOST_BATCHES[net.name]))
    first = first_parameters(net, dtype)
    x, t = training_data(net, dtype, max(net.batches, 3))
    deviations = verify_fit(net, first, x, t)
    if not quiet:
        found = f"equal results, largest deviation {max(deviations.values()):.0e}; timing"
        print(f"affinet: {title}: {found}", file=sys.stderr, flush=True)
    history = networks(net, first)[SEQUENTIAL].fit(
        x[: net.batch], t[: net.batch], net.batch, epochs=1
    )
    rows = net.batches * net.batch
    contest = fit_contest(net, first, x[:rows], t[:rows])
    samples, _ = interleaved(contest.runners, sampling, contest.reset)
    return {
        "net": net.name,
        "title": net.title,
        "dtype": dtype,
        "fit_runs": history.step_kind,
        "deviations": deviations,
        "contenders": {
            name: summary([sample / contest.steps for sample in found])
            for name, found in samples.items()
        },
    }


if __name__ == "__main__":
    try:
        sys.exit(main(json.loads(sys.argv[1])))
    except KeyboardInterrupt:  # the parent process reports it
        sys.exit(INTERRUPTED)
