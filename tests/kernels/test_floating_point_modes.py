"""Results do not depend on the number of threads in any floating-point mode of the caller."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("floating_point_modes.py")


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"),
    reason="sets the mode through the layout of Linux' fenv_t on x86-64 and aarch64",
)
def test_workers_take_the_callers_mode_for_each_job_and_go_back(level):
    done = subprocess.run(
        [sys.executable, PROGRAM, level],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == ["done"]
