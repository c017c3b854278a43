"""Print a wheel's size, installed size and import time; fail if one exceeds its limit."""

import subprocess
import sys
from importlib.metadata import files
from pathlib import Path

# Installed are the wheel's 3.8 MB and the bytecode that pip writes beside them, on Python 3.11 3.7.
WHEEL_MB, INSTALLED_MB, IMPORT_MS = 1.5, 7.6, 40.0
RUNS = 15
TIMED = (
    "import time, numpy; s = time.perf_counter(); import affinet; print(time.perf_counter() - s)"
)


def import_ms() -> float:
    """Least time that ``import affinet`` adds to NumPy's, each in a new process.

    The least, because on a busy machine other programs slow down some of the runs.
    """
    command = [sys.executable, "-c", TIMED]
    runs = [float(subprocess.check_output(command)) for _ in range(RUNS)]
    return 1e3 * min(runs)


def main() -> int:
    """Return 1 if a limit is exceeded."""
    wheel = Path(sys.argv[1]).stat().st_size / 1e6
    installed = sum(Path(f.locate()).stat().st_size for f in files("affinet") or ()) / 1e6
    if not installed:
        raise SystemExit("affinet is not installed from a wheel here")
    figures = [
        ("wheel", wheel, WHEEL_MB, "MB"),
        ("installed", installed, INSTALLED_MB, "MB"),
        ("import affinet, beyond NumPy", import_ms(), IMPORT_MS, "ms"),
    ]
    for name, value, limit, unit in figures:
        print(f"{name}: {value:.2f} {unit} (limit {limit:g} {unit})")
    return int(any(value > limit for _, value, limit, _ in figures))


if __name__ == "__main__":
    sys.exit(main())
