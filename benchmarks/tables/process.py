"""One fit in a separate process: started by :func:`measure`, run by :func:`serve`."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import machine
from child_process import hand_over, record_of

from .methods import METHODS
from .scores import scores

SCRIPT = Path(__file__).parents[1] / "tables.py"


def measure(job: dict[str, Any], limit: float) -> dict[str, Any]:
    """The record of a fit; its ``failed`` says why there are no scores.

    Parameters
    ----------
    job : dict
        ``data_dir``, ``table``, ``task``, ``method``, ``seed``, ``threads``, ``rows``, ``quick``.
    limit : float
        Seconds of wall-clock time after which the process is ended.
    """
    record = {name: job[name] for name in ("table", "task", "method", "seed", "threads")}
    environment = machine.thread_environment(job["threads"])
    command = [sys.executable, str(SCRIPT), "--fit", json.dumps(job)]
    return record | record_of(command, environment, job["threads"], limit)


def serve(job: dict[str, Any]) -> int:
    """Fit, predict the test rows, and print the record; 0."""
    from .data import load

    warnings.filterwarnings("ignore")
    parts = load(Path(job["data_dir"]), job["table"], job["rows"])
    module = import_module(f".{METHODS[job['method']].module}", __package__)
    names = ("method", "task", "seed", "threads", "quick")
    contender = module.contender(*(job[name] for name in names))
    before = peak_mb()
    start = clocks()
    contender.fit(parts["train"], parts["validation"])
    fitted = clocks()
    predicted = contender.predict(parts["test"].X)
    done = clocks()
    test = parts["test"].y
    record = {
        **scores(test, predicted, contender.classes if contender.classify else None),
        "wall_s": round(fitted[0] - start[0], 3),
        "cpu_s": round(fitted[1] - start[1], 3),
        "predict_s": round(done[0] - fitted[0], 4),
        "peak_mb": peak_mb(),
        "before_mb": before,
        "train_rows": len(parts["train"]),
        "test_rows": len(test),
        "load": round(os.getloadavg()[0], 2),
        "note": contender.note,
    }
    hand_over(record)
    return 0


def clocks() -> tuple[float, float]:
    """Wall-clock time, and the CPU time of this process and its children, in seconds."""
    usages = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return time.perf_counter(), sum(usage.ru_utime + usage.ru_stime for usage in usages)


def peak_mb() -> int:
    """The largest memory that this process has had, in MB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit
