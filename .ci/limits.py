"""Print a wheel's size, installed size and import time; fail if one exceeds its limit.

The import time is a share of NumPy's own: machines differ by more than a change does.
"""

import subprocess
import sys
from importlib.metadata import files
from pathlib import Path

# Installed are the wheel's 3.8 MB and the bytecode that pip writes beside them, on Python 3.11 3.7.
WHEEL_MB, INSTALLED_MB, IMPORT_SHARE = 1.5, 7.6, 0.5
RUNS = 15
TIMED = """from time import perf_counter
start = perf_counter()
import numpy
between = perf_counter()
import affinet
print(between - start, perf_counter() - between)"""


def import_seconds() -> tuple[float, float]:
    """Least times of ``import numpy`` and of ``import affinet`` after it, each in a new process.

    The least, because on a busy machine other programs slow down some of the runs.
    """
    command = [sys.executable, "-c", TIMED]
    runs = [subprocess.check_output(command).split() for _ in range(RUNS)]
    numpy, affinet = (min(map(float, times)) for times in zip(*runs, strict=True))
    return numpy, affinet


def main() -> int:
    """Return 1 if a limit is exceeded."""
    wheel = Path(sys.argv[1]).stat().st_size / 1e6
    installed = sum(Path(f.locate()).stat().st_size for f in files("affinet") or ()) / 1e6
    if not installed:
        raise SystemExit("affinet is not installed from a wheel here")
    numpy, affinet = import_seconds()
    of = f"of {1e3 * numpy:.0f} ms"
    figures = [
        ("wheel", wheel, WHEEL_MB, "MB"),
        ("installed", installed, INSTALLED_MB, "MB"),
        ("import affinet, of NumPy's time", affinet / numpy, IMPORT_SHARE, of),
    ]
    for name, value, limit, unit in figures:
        print(f"{name}: {value:.2f} {unit} (limit {limit:g} {unit})")
    return int(any(value > limit for _, value, limit, _ in figures))


if __name__ == "__main__":
    sys.exit(main())
