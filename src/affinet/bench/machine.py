"""The machine of a measurement, and the number of threads allowed."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from affinet._dispatch import runtime_info

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "AFFINET_NUM_THREADS",
)


def thread_environment(threads: int) -> dict[str, str]:
    """This process's environment with every library limited to this number of threads."""
    return {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}


def cores() -> list[int]:
    """Numbers of the cores that this process may use, one hardware thread of each core first.

    If the system does not report them, 0 .. ``os.cpu_count()`` - 1.
    """
    if not hasattr(os, "sched_getaffinity"):
        return list(range(os.cpu_count() or 1))
    allowed = sorted(os.sched_getaffinity(0))
    first_of_core = {_siblings(core): core for core in reversed(allowed)}
    firsts = set(first_of_core.values())
    return sorted(allowed, key=lambda core: (core not in firsts, core))


@contextmanager
def pinned(threads: int) -> Iterator[list[int] | None]:
    """Pin this process, and the children that it starts, to as many cores as threads.

    Yields the cores' numbers, or None if the system cannot pin.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield None
        return
    before = os.sched_getaffinity(0)
    chosen = cores()[:threads]
    os.sched_setaffinity(0, chosen)
    try:
        yield chosen
    finally:
        os.sched_setaffinity(0, before)


def description() -> dict[str, Any]:
    """Processor, system, libraries and commit."""
    info = runtime_info()
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "cores_allowed": cores(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": blas(),
        "blas_threads": blas_threads(),
        "affinet": info["affinet"],
        "level": info["level"],
        "commit": commit(),
        "environment": {name: os.environ.get(name) for name in THREAD_VARIABLES},
    }


def heading(machine: dict[str, Any]) -> str:
    """The description in two lines."""
    commit_text = f", commit {machine['commit']}" if machine["commit"] else ""
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}\n"
        f"Python {machine['python']}, NumPy {machine['numpy']} with {machine['blas']}, "
        f"affinet {machine['affinet']} ({machine['level']}){commit_text}"
    )


def load() -> float | None:
    """Load average of the last minute, None if the system has none."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def processor() -> str:
    """The processor's model name, or the closest description that the system offers."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model"):
            return value.strip()
    return platform.processor() or platform.machine() or "unknown processor"


def blas() -> str:
    """Name and version of the BLAS that NumPy was built with."""
    configuration: Any = np.show_config(mode="dicts")
    found = configuration.get("Build Dependencies", {}).get("blas", {})
    return f"{found.get('name', 'unknown BLAS')} {found.get('version', '')}".strip()


def blas_threads() -> int | None:
    """The number of threads that NumPy's BLAS reports; None without threadpoolctl."""
    try:
        from threadpoolctl import threadpool_info  # type: ignore[import-untyped]
    except ImportError:
        return None
    found = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    return max(found, default=None)


def commit() -> str | None:
    """The commit of affinet's checkout, with "-dirty" appended if it was changed.

    None if affinet is not run from its checkout; an environment inside the checkout of another
    project has that project's commit, which says nothing about affinet.
    """
    if not _git("ls-files", "--error-unmatch", Path(__file__).name):
        return None
    return _git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")


def _git(*arguments: str) -> str | None:
    """The output of git in this folder; None if it fails or is not installed."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return (done.stdout.strip() or None) if done.returncode == 0 else None


def _siblings(core: int) -> str:
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return str(core)


def threads_text(threads: int) -> str:
    """A number of threads as text: "1 thread", "2 threads"."""
    return f"{threads} thread{'s' * (threads != 1)}"
