"""One training in a process of its own: started by :func:`measure`, run by :func:`serve`."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import machine
from peers.tasks import Unavailable
from verification import VerificationError

from .checks import verify
from .race import clocked, race
from .task import WIDTHS, Setting, first_parameters, load
from .trainers import module_of

MARK = "@@"  # in front of the record; libraries print what they like before
ERROR_CHARACTERS = 300
PREPARATION = 600.0  # seconds of a process beside its limit: imports, compilation, evaluation
KEY = ("trainer", "cores", "seed", "batch", "lr", "decay")


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """The record of a training; its ``failed`` or ``skipped`` says why there is none.

    Parameters
    ----------
    job : dict
        The values of :data:`KEY`, ``epochs``, ``goals``, ``limit``, ``data``, ``data_dir`` and
        ``grid``.

    Raises
    ------
    VerificationError
        If the trainer computes something else than NumPy in float64.
    """
    record = {name: job[name] for name in KEY}
    command = [sys.executable, sys.argv[0], "--train", json.dumps(job)]
    limit = job["limit"] + PREPARATION
    environment = machine.thread_environment(job["cores"])
    if not job["grid"]:  # what one training compiled would make the next one's compilation short
        environment["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"
    with machine.pinned(job["cores"]):
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, encoding="utf-8",
                timeout=limit, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return {**record, "failed": f"longer than {limit:g} s"}
    if done.returncode or MARK not in done.stdout:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return {**record, "failed": lines[-1][:ERROR_CHARACTERS]}
    found: dict[str, Any] = json.loads(done.stdout.rsplit(MARK, 1)[1])
    if "wrong" in found:
        raise VerificationError(found["wrong"])
    return record | found


def serve(job: dict[str, Any]) -> int:
    """Verify, train, and print the record; 0."""
    warnings.filterwarnings("ignore")
    print(f"\n{MARK}{json.dumps(train(job))}", flush=True)
    return 0


def train(job: dict[str, Any]) -> dict[str, Any]:
    """Warm up, verify and race in this process; ``wrong`` or ``skipped`` in place of a result."""
    name, widths = job["trainer"], WIDTHS[job["data"]]
    library = module_of(name)
    setting = Setting(job["batch"], job["lr"], job["decay"])
    data = load(job["data"], job["data_dir"] and Path(job["data_dir"]))
    first = first_parameters(widths, job["seed"])
    try:
        trainer = library.TRAINERS[name](widths, setting)
        trainer.start(first, seed=0)
        warm_up = clocked(trainer.warm_up, *data.whole_batches(setting.batch))
        deviations = verify(name, trainer, widths, first, data)
        options = {what: job[what] for what in ("seed", "epochs", "goals", "limit")}
        found = race(trainer, first, data, **options)
    except VerificationError as error:
        return {"wrong": str(error)}
    except Unavailable as reason:
        return {"skipped": str(reason)}
    return {
        "version": str(library.VERSION),
        "warm_up_s": round(warm_up, 3),
        **deviations,
        **found,
        "note": trainer.note,
        "load": round(machine.load() or 0.0, 2),
    }
