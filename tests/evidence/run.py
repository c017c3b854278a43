"""Run the long form of rows of the evidence and store what they found.

    python tests/evidence/run.py 2 3                 # rows 2 and 3, in full, fresh seeds
    python tests/evidence/run.py 3 --cases 100000    # so many cases
    python tests/evidence/run.py 3 --seed 7          # continues the run of seed 7, if there is one
    python tests/evidence/run.py all --minutes 2     # each row for at most two minutes
    python tests/evidence/run.py 21 --jobs 2         # two batches at a time

The results go into ``results.json`` beside this file; ``evidence_report.py`` makes the page of it.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import secrets
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "support"), str(Path(__file__).parent)]

import evidence  # noqa: E402
import results  # noqa: E402


def main(arguments=None):
    options = parser().parse_args(arguments)
    known = evidence.rows()
    numbers = list(known) if options.rows == ["all"] else [int(n) for n in options.rows]
    unknown = [n for n in numbers if n not in known]
    if unknown:
        return f"no row {unknown[0]}; there are {', '.join(map(str, known))}"
    broken = [n for n in numbers if not run_row(known[n], options)]
    return f"findings in row {', '.join(map(str, broken))}" if broken else 0


def parser():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("rows", nargs="+", help="numbers of rows, or all")
    options.add_argument("--cases", type=int, help="number of cases (default: the row's own)")
    options.add_argument("--seed", type=int, help="default: a fresh one")
    options.add_argument("--minutes", type=float, help="stop each row after so many minutes")
    options.add_argument(
        "--jobs", type=int, default=os.cpu_count(),
        help="batches at a time, except of rows that measure time (default: the processors)",
    )  # fmt: skip
    return options


def run_row(row, options):
    """Run one row; whether it holds. A row whose packages are missing is skipped and says so."""
    missing = [name for name in row.needs if importlib.util.find_spec(name) is None]
    if missing:
        print(f"row {row.number}: skipped, needs {', '.join(missing)}")
        return True
    if not row.available():
        print(f"row {row.number}: skipped, this machine lacks what it needs")
        return True
    record = start(row.number, options.seed)
    cases = row.aim if options.cases is None else options.cases
    seconds = None if options.minutes is None else record["seconds"] + 60 * options.minutes
    print(f"row {row.number}: {row.title}\n  seed {record['seed']}, {record['cases']} cases done")
    evidence.run(row, record, cases, seconds=seconds, save=results.save, jobs=options.jobs)
    print(f"  {record['cases']} of {cases} {row.cases} in {record['seconds']:.0f} s")
    for name, value in record["measures"].items():
        print(f"  {name}: {value:.4g}")
    for finding in record["findings"]:
        print(f"  FOUND {finding}")
    return row.holds_in(record)


def start(number, seed):
    """The stored record of this seed and commit, or a new one."""
    record = results.new_record(number, secrets.randbelow(10**9) if seed is None else seed)
    return results.find(record) or record


if __name__ == "__main__":
    sys.exit(main())
