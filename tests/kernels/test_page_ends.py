"""No kernel reads or writes outside its arrays, not even what it then ignores."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "support" / "page_ends.py"


@pytest.mark.skipif(os.name != "posix", reason="needs mprotect")
def test_memory_behind_and_before_the_arrays_is_not_touched(level):
    done = subprocess.run(
        [sys.executable, PROGRAM, level],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(PROGRAM.parent), *sys.path])},
        capture_output=True,
        text=True,
        timeout=300,
    )
    last = done.stdout.splitlines()[-1:]
    assert done.returncode == 0, f"died at {last}, status {done.returncode}: {done.stderr[-2000:]}"
    assert last == ["done"]
