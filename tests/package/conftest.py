"""Fresh interpreters, and copies of the installed package with parts left out."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import affinet

PACKAGE = Path(affinet.__file__).parent


def python(code, *, path=None, **environment):
    """Run ``code`` in a fresh interpreter; variables of the value None are removed."""
    variables = dict(os.environ)
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    for name, value in environment.items():
        variables.pop(name, None)
        if value is not None:
            variables[name] = value
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=variables
    )


@pytest.fixture
def run():
    """Standard output of code in a fresh interpreter that must succeed."""

    def run(code, **options):
        done = python(code, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.fixture
def last_error():
    """The last line of standard error of code that must fail, with a plain traceback."""

    def last_error(code, **options):
        done = python(code, **options)
        assert done.returncode == 1, done.stdout + done.stderr
        assert "During handling" not in done.stderr
        assert "direct cause" not in done.stderr
        return done.stderr.strip().splitlines()[-1]

    return last_error


@pytest.fixture
def copy_of_package(tmp_path):
    """A copy of affinet whose compiled modules are only those of the given names."""

    def copied(*modules):
        target = tmp_path / "copy"
        shutil.copytree(
            PACKAGE, target / "affinet", ignore=shutil.ignore_patterns("__pycache__", "*.gz")
        )
        for file in (target / "affinet" / "_kernels").iterdir():
            if file.suffix in (".so", ".pyd") and file.name.partition(".")[0] not in modules:
                file.unlink()
        return target

    return copied
