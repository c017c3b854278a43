"""monitor_cost.py measures and reports."""

from __future__ import annotations

import re
from typing import Any


def test_it_prints_both_times(run_script: Any) -> None:
    done = run_script("monitor_cost.py", "--steps", 2, "--repeats", 1, "--threads", 1)
    assert done.returncode == 0, done.stderr
    assert "affinet" in done.stdout.splitlines()[1]
    assert re.search(r"a step [\d.]+ µs, with Monitor [\d.]+ µs: -?[\d.]+ % longer", done.stdout)
