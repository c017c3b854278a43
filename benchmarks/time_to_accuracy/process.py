"""One training in a separate process: started by :func:`measure`, run by :func:`serve`."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import machine
from child_process import hand_over, record_of
from peers.tasks import Unavailable
from verification import VerificationError

from .checks import verify
from .race import clocked, race
from .task import WIDTHS, Setting, first_parameters, load
from .trainers import module_of

PREPARATION = 600.0  # seconds of a process beside its limit: imports, compilation, evaluation
KEY = ("trainer", "cores", "seed", "batch", "lr", "decay")


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """The record of a training; its ``failed`` or ``skipped`` says why it did not run.

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
    environment = machine.thread_environment(job["cores"])
    if not job["grid"]:  # what one training compiled would make the next one's compilation short
        environment["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"
    found = record_of(command, environment, job["cores"], job["limit"] + PREPARATION)
    if "wrong" in found:
        raise VerificationError(found["wrong"])
    return record | found


def serve(job: dict[str, Any]) -> int:
    """Verify, train, and print the record; 0."""
    warnings.filterwarnings("ignore")
    hand_over(train(job))
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
