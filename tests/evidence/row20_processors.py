"""Row 20: the kernel tests on older processors, emulated by qemu-user.

An instruction that such a processor lacks ends the process. NumPy's own wheels need x86-64-v2, so
Nehalem stands for the floor; ``.ci/floor.py`` looks for instructions beyond it in the wheel, and
``.ci/platforms aarch64`` runs these tests on ARM.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from evidence import Row

TESTS = Path(__file__).parents[1] / "kernels"
MODELS = {"Nehalem": "baseline", "Haswell": "avx2"}
SECONDS = 3600


def cases():
    """Every processor with every file of the kernel tests."""
    return [(model, path) for path in sorted(TESTS.glob("test_*.py")) for model in MODELS]


def batch(b):
    model, path = cases()[b.index % len(cases())]
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        ["qemu-x86_64", "-cpu", model, sys.executable, "-m", "pytest", "-q", "-n", "0", str(path),
         "--hypothesis-profile=few", "-k", MODELS[model]],
        env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, timeout=SECONDS,
        check=False,
    )  # fmt: skip
    b.case()
    nothing = done.returncode == 5  # no test of this file is one of a level
    b.expect(
        done.returncode == 0 or nothing,
        f"{model}, {path.name}: exit code {done.returncode}, {done.stdout[-300:]}",
    )


ROW = Row(
    number=20,
    title="The kernel tests on Nehalem and Haswell, emulated",
    holds="they pass, and no illegal instruction ends them",
    aim=2 * len(list(TESTS.glob("test_*.py"))),
    batch=batch,
    cases="files of tests",
    quick=0,
    available=lambda: shutil.which("qemu-x86_64") is not None and platform.machine() == "x86_64",
)
