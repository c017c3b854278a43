"""``affinet bench``: the time of a training step against pure NumPy, on this machine."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from affinet.cli.output import CommandError, say, table
from affinet.cli.values import positive_count, positive_number

DESCRIPTION = (
    "Verify that affinet and two networks in pure NumPy, one as in a textbook and one that "
    "allocates nothing in the loop, compute the same, then time their training steps."
)
NET_NAMES = ("tiny", "seed", "mid", "big")
DTYPES = ("float32", "float64")
SECONDS = 40.0  # with all nets on 1 and 2 threads the whole command then takes about a minute
BUSY = 0.5  # load average from which other programs disturb the measurement


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "--nets", nargs="+", choices=NET_NAMES, default=list(NET_NAMES), metavar="NET",
        help=f"networks to measure: {', '.join(NET_NAMES)} (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--threads", nargs="+", type=positive_count, metavar="N",
        help="numbers of threads, each measured in its own process, pinned to as many cores "
        "(default: 1 and all cores)",
    )  # fmt: skip
    parser.add_argument(
        "--seconds", type=positive_number, default=SECONDS, metavar="S",
        help=f"approximate time for all measurements together (default: {SECONDS:g}); more gives "
        "steadier medians, but at least three rounds are measured",
    )  # fmt: skip
    parser.add_argument(
        "--dtype", choices=DTYPES, default=DTYPES[0],
        help=f"precision of all contenders (default: {DTYPES[0]})",
    )  # fmt: skip
    parser.add_argument("--json", metavar="FILE", help="write all results to FILE as JSON")
    parser.add_argument(
        "--plot", metavar="FILE",
        help="draw the results to FILE: .png, .pdf or .svg (needs matplotlib, the extra cli)",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="print no progress")


def run(options: argparse.Namespace) -> int:
    """Verify, measure and print a table; 0."""
    from affinet.bench import machine
    from affinet.bench.measure import BenchError, run_threads
    from affinet.bench.verification import VerificationError

    nets = list(dict.fromkeys(options.nets))
    threads = numbers_of_threads(options.threads, len(machine.cores()))
    panels = prepare(options, len(nets))
    load = machine.load()
    runs = []
    for count in threads:
        seconds = options.seconds / len(threads)
        try:
            runs.append(run_threads(count, nets, options.dtype, seconds, options.quiet))
        except (VerificationError, BenchError) as error:
            raise CommandError(str(error)) from None
    heading = machine.heading(runs[0]["machine"])
    print(f"{heading}\n{pinning(runs)}\n\n{results_table(runs)}")
    if load is not None and load > BUSY:
        say(f"note: other programs were running (load {load:.1f}): do not quote these numbers")
    if options.json is not None:
        write_json(Path(options.json), options, load, runs)
    if panels is not None:
        from affinet.bench.picture import draw
        from affinet.plotting import save_figure

        draw(runs, heading, panels)
        save_figure(panels[0], options.plot)
        print(f"picture  {options.plot}")
    return 0


def numbers_of_threads(asked: Sequence[int] | None, n_cores: int) -> list[int]:
    """The numbers of threads to measure, ascending.

    Examples
    --------
    >>> numbers_of_threads(None, 4), numbers_of_threads([2, 1, 2], 4)
    ([1, 4], [1, 2])
    """
    found = sorted({1, n_cores} if asked is None else set(asked))
    if found[-1] > n_cores:
        raise ValueError(
            f"argument --threads: got {found[-1]}, wanted at most {n_cores}, the cores that this "
            "process may use"
        )
    return found


def prepare(options: argparse.Namespace, n_nets: int) -> Any:
    """Refuse files that cannot be written before anything is measured; panels for --plot."""
    from affinet.cli.files import PICTURES, require_writable

    if options.json is not None:
        require_writable("--json", Path(options.json), ("",))
    if options.plot is None:
        return None
    require_writable("--plot", Path(options.plot), PICTURES)
    from affinet.bench.picture import open_panels

    return open_panels(n_nets)


def pinning(runs: Sequence[dict[str, Any]]) -> str:
    """One line that names the cores of each run."""
    from affinet.bench.machine import threads_text

    parts = []
    for one in runs:
        cores = one["pinned_to"]
        where = "not pinned" if cores is None else f"pinned to {cores_text(cores)}"
        parts.append(f"{threads_text(one['threads'])} {where}")
    return "; ".join(parts)


def cores_text(cores: Sequence[int]) -> str:
    """Core numbers in words.

    Examples
    --------
    >>> cores_text([3]), cores_text([0, 2])
    ('core 3', 'cores 0, 2')
    """
    return f"core{'s' * (len(cores) != 1)} {', '.join(map(str, cores))}"


def results_table(runs: Sequence[dict[str, Any]]) -> str:
    """Medians in microseconds per step; × is the ratio to affinet's time."""
    from affinet.bench.contests import BOOK, FIT, IN_PLACE
    from affinet.bench.picture import number

    header = ("net", "threads", BOOK, "×", IN_PLACE, "×", FIT)
    rows: list[tuple[str, ...]] = [header]
    for groups in zip(*(one["groups"] for one in runs), strict=True):
        for one, group in zip(runs, groups, strict=True):
            medians = {name: found["median_us"] for name, found in group["contenders"].items()}
            book, in_place, ours = (medians[name] for name in (BOOK, IN_PLACE, FIT))
            rows.append(
                (f"{group['net']} {group['title']}", str(one["threads"]), number(book),
                 f"{book / ours:.2f}", number(in_place), f"{in_place / ours:.2f}", number(ours))
            )  # fmt: skip
    dtype = runs[0]["groups"][0]["dtype"]
    return (
        f"Median µs per training step in {dtype}; ×: NumPy's time divided by affinet's\n\n"
        f"{table(rows)}"
    )


def write_json(
    path: Path, options: argparse.Namespace, load: float | None, runs: list[dict[str, Any]]
) -> None:
    """Write settings, machine and results."""
    from affinet.archive import write_atomically
    from affinet.bench.verification import TOLERANCES

    names = ("nets", "threads", "seconds", "dtype")
    content = {
        "command": "affinet bench",
        "settings": {name: getattr(options, name) for name in names},
        "load_at_start": load,
        "tolerance": TOLERANCES[options.dtype],
        "runs": runs,
    }
    text = json.dumps(content, indent=1) + "\n"

    def write(file: IO[bytes]) -> None:
        file.write(text.encode())

    write_atomically(path, write)
    print(f"results  {path}")
