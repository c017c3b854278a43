"""What a row of the evidence is, and how its long form runs: in numbered batches, resumably.

A row attacks one property. Its ``batch`` is a function that takes a `Batch`, draws cases from
``batch.rng``, counts them, and reports what breaks the property. The seed and the index alone
determine a batch, so a run continues where an earlier one stopped, a finding can be repeated, and
batches of most rows can run side by side.
"""

from __future__ import annotations

import importlib
import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

MOST_FINDINGS = 20  # of one run; a broken kernel would otherwise fill the disk
ROWS = Path(__file__).parent


@dataclass(frozen=True)
class Row:
    """One row of ``tests/EVIDENCE.md``.

    Attributes
    ----------
    number : int
        Its place in the table.
    title, holds : str
        What is attacked, and when the property holds.
    aim : int
        How many cases the long form has.
    batch : callable
        Takes a `Batch`.
    cases : str
        What a case is, in the plural.
    quick : int
        How many batches the default suite runs; 0 where ``also`` has the quick form.
    also : tuple of str
        Tests of the default suite that attack the same property.
    needs : tuple of str
        Packages without which the row cannot run.
    available : callable
        Whether this machine has the tools that the row needs.
    allowed : float
        Findings for a case that are still all right.
    alone : bool
        Whether batches must not run side by side: they measure time, or use all processors.
    """

    number: int
    title: str
    holds: str
    aim: int
    batch: Callable
    cases: str = "cases"
    quick: int = 1
    also: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    available: Callable[[], bool] = lambda: True
    allowed: float = 0.0
    alone: bool = False

    def holds_in(self, record):
        """Whether a record has no more findings than allowed."""
        return len(record["findings"]) <= self.allowed * record["cases"]


@dataclass
class Batch:
    """One batch: where its cases come from, and what they showed.

    Attributes
    ----------
    index, seed : int
        Together they determine the cases.
    quick : bool
        Whether this is the default suite, where a batch takes at most a second or two.
    """

    index: int
    seed: int
    quick: bool = False
    count: int = 0
    findings: list[str] = field(default_factory=list)
    measures: dict[str, float] = field(default_factory=dict)

    def __post_init__(self):
        self.rng = np.random.default_rng([self.seed, self.index])

    def case(self, n=1):
        """Count n cases."""
        self.count += n

    def found(self, what):
        """Report a case that breaks the property."""
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(f"batch {self.index}: {what}")

    def expect(self, holds, what):
        """Report ``what`` unless ``holds``."""
        if not holds:
            self.found(what() if callable(what) else what)

    def measure(self, name, value):
        """Keep the largest value of a quantity."""
        self.measures[name] = max(float(value), self.measures.get(name, -np.inf))


def rows():
    """All rows that are built, by number."""
    modules = (importlib.import_module(path.stem) for path in sorted(ROWS.glob("row*_*.py")))
    return {module.ROW.number: module.ROW for module in modules}


def run(row, record, cases, *, seconds=None, save=lambda record: None, every=10.0, jobs=1):
    """Run batches until the record has so many cases, findings are many, or time is up.

    ``record`` is a dict of `results.new_record`, changed in place; ``save`` receives it every few
    seconds and at the end, also at Ctrl-C. Of batches in ``jobs`` processes at a time, those are
    recorded before which all are.
    """
    begin = saved = time.monotonic()
    finished = _batches(row, record, 1 if row.alone else jobs)
    try:
        while record["cases"] < cases and len(record["findings"]) < MOST_FINDINGS:
            batch = next(finished)
            _add(record, batch, time.monotonic() - begin)
            begin = time.monotonic()
            if begin - saved > every:
                save(record)
                saved = begin
            if seconds is not None and record["seconds"] >= seconds:
                break
    finally:
        save(record)
        finished.close()
    return record


def _batches(row, record, jobs):
    """Finished batches, in the order of their numbers, from the record's next one on."""
    index, seed = record["batches"], record["seed"]
    if jobs == 1:
        while True:
            yield _finished(row.number, index, seed, row)
            index += 1
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=_leave_ctrl_c_to_the_parent) as pool:
        running = deque()
        try:
            while True:
                while len(running) < 2 * jobs:
                    running.append(pool.submit(_finished, row.number, index, seed))
                    index += 1
                yield running.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _leave_ctrl_c_to_the_parent():
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _finished(number, index, seed, row=None):
    """One batch, run here."""
    batch = Batch(index, seed)
    (rows()[number] if row is None else row).batch(batch)
    return batch


def _add(record, batch, seconds):
    """Add a finished batch to the record."""
    record["batches"] += 1
    record["cases"] += batch.count
    record["seconds"] = round(record["seconds"] + seconds, 2)
    record["findings"] += batch.findings
    for name, value in batch.measures.items():
        record["measures"][name] = max(value, record["measures"].get(name, -np.inf))
