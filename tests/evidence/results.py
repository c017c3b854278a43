"""What was run: ``results.json``, one record for each row, seed and commit."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import time
from pathlib import Path

from affinet import _dispatch

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
IDENTITY = ("row", "seed", "commit")
SOURCES = (":/src", ":/kernels", ":/setup.py", ":(top,glob)tests/**/*.py")


def new_record(number, seed):
    """An empty record of a run that begins now."""
    return {
        "row": number,
        "seed": seed,
        "commit": commit(),
        "machine": machine(),
        "when": time.strftime("%Y-%m-%d", time.gmtime()),
        "cases": 0,
        "batches": 0,
        "seconds": 0.0,
        "findings": [],
        "measures": {},
    }


def records(path=RESULTS):
    """All records, in the order in which the runs began."""
    return json.loads(path.read_text()) if path.exists() else []


def find(record, path=RESULTS):
    """The stored record of the same row, seed and commit, or None."""
    same = [old for old in records(path) if _identity(old) == _identity(record)]
    return same[0] if same else None


def save(record, path=RESULTS):
    """Store a record, in place of an earlier state of the same run."""
    with _locked(path):
        kept = records(path)
        places = [i for i, old in enumerate(kept) if _identity(old) == _identity(record)]
        if places:
            kept[places[0]] = record
        else:
            kept.append(record)
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps(kept, indent=1) + "\n")
        beside.replace(path)


def _identity(record):
    return tuple(record[name] for name in IDENTITY)


@contextlib.contextmanager
def _locked(path):
    """Rows that run at the same time write one after the other."""
    lock = path.with_suffix(".lock")
    with open(lock, "w") as file:
        with contextlib.suppress(ImportError):  # Windows: one row at a time
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def commit():
    """The last commit that changed what a row runs, with a plus where files differ from it.

    A commit of results or of documents does not end a run: it goes on under the same name.
    """
    shown = _git("log", "-1", "--abbrev=10", "--format=%h", "--", *SOURCES)
    if not shown:
        return "unknown"
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", *SOURCES)
    return shown + ("+" if changed else "")


def _git(*arguments):
    """What git prints, or nothing where this is no clone."""
    done = subprocess.run(
        ["git", *arguments], cwd=HERE, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ""


def machine():
    """Processor, number of processors, system, Python and the levels that ran."""
    levels = ", ".join(_dispatch.supported_levels())
    system = f"{platform.system()} {platform.machine()}"
    return f"{_processor()}, {os.cpu_count()} processors, {system}, levels {levels}"


def _processor():
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"
