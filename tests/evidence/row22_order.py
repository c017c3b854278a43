"""Row 22: the default suite in random order."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from evidence import Row

ROOT = Path(__file__).parents[2]


def batch(b):
    """One run, with the order, and the seeds of pytest-randomly, of this batch."""
    seed = int(b.rng.integers(1 << 31))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", f"--randomly-seed={seed}"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    b.case()
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    b.expect(done.returncode == 0, f"seed {seed}: {failed[:5] or done.stdout[-300:]}")


ROW = Row(
    number=22,
    title="The default suite in random order",
    holds="every run passes",
    aim=50,
    batch=batch,
    cases="runs",
    quick=0,
    needs=("pytest_randomly",),
    alone=True,
)
