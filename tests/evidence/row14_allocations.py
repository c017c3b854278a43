"""Row 14: the k-th allocation fails, for every k of fit, predict, save and load.

Two sources fail in turn: the allocations of Python's objects (``_testcapi.set_nomemory``), and
those of malloc, calloc, realloc and posix_memalign from all libraries, by a small library that is
compiled here and loaded before all others. Each k runs in a child of its own (fork), so that a
crash or a hang is a finding and not the end.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from evidence import Row

SOURCE = Path(__file__).with_name("failing_malloc.c")
CHILD = Path(__file__).with_name("failing_calls.py")
CALLS = ("predict", "fit", "save", "load", "load safetensors", "forward and backward", "copy")
SOURCES = ("malloc", "python")
PER_BATCH, QUICK = 50, (14, 4)  # of every fourth k
SECONDS = 50 * 25  # a child that hangs ends itself after 20


def build(folder):
    """Compile the library that fails; its path."""
    library = Path(folder) / "failing_malloc.so"
    compiler = os.environ.get("CC", "cc").split()
    subprocess.run(
        [*compiler, "-shared", "-fPIC", "-O1", str(SOURCE), "-o", str(library), "-ldl"], check=True
    )
    return library


def child(library, arguments):
    """What the child that tries a range of k prints, a line for each."""
    environment = os.environ | {"LD_PRELOAD": str(library), "FAILING_MALLOC": str(library)}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, str(CHILD), *map(str, arguments)],
        env=environment, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    if done.returncode or not lines or lines[-1] != "done":
        last = lines[-1] if lines else ""
        lines.append(f"FOUND {name_of(done.returncode)} after {last!r}: {done.stderr[-300:]}")
    return lines


def name_of(code):
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"exit code {code}"


def batch(b):
    """One call and one source; the k go up by one, in the quick form by a stride."""
    pairs = [(call, source) for source in SOURCES for call in CALLS]
    call, source = pairs[b.index % len(pairs)]
    first = b.index // len(pairs) * PER_BATCH + 1
    with tempfile.TemporaryDirectory() as folder:
        library = build(folder)
        if b.quick:
            judge(b, child(library, ["load", "malloc", 1, *QUICK]))
        else:
            judge(b, child(library, [call, source, first, PER_BATCH, 1]))


def judge(b, lines):
    for line in lines:
        if line.startswith("FOUND"):
            b.found(line)
        elif line != "done":
            b.case()
            if "in its place" in line:
                b.measure("errors that NumPy or Python raise in its place", 1)


def available():
    """Whether this machine can run the row."""
    return sys.platform == "linux" and shutil.which("cc") is not None


ROW = Row(
    number=14,
    title="The k-th allocation fails: fit, predict, save, load, forward and backward, copy",
    holds="MemoryError (or what NumPy and Python raise in its place), no crash, no hang, and the "
    "object goes on as if nothing had happened; every k of malloc's and of Python's allocations",
    aim=28_000,
    batch=batch,
    cases="failed allocations",
    quick=1,
    available=available,
)
