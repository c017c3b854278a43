"""Fixtures that run a benchmark script as a user does, or import it as the scripts do."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

RunScript = Callable[..., "subprocess.CompletedProcess[str]"]
LoadModule = Callable[[str], ModuleType]


@pytest.fixture(scope="session")
def run_script() -> RunScript:
    """Runs a script in its own process; relative paths start at benchmarks/."""

    def run(script: str | Path, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", str(BENCHMARKS / script), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoadModule]:
    """Imports a module of benchmarks/; the modules are removed again after the test."""
    names = {path.stem for path in BENCHMARKS.glob("*.py")}

    def loaded() -> list[str]:
        return [name for name in sys.modules if name.partition(".")[0] in names]

    for name in loaded():
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield importlib.import_module
    for name in loaded():
        del sys.modules[name]
