"""Runs programs on several MPI ranks, with a time limit."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import affinet

PROGRAMS = Path(__file__).parent / "programs"
SECONDS = 30  # in which all ranks must have ended when one has failed
PATIENCE = 180  # seconds for programs that do what they should, on a machine that is busy
MPIEXEC = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")


def start(ranks, *arguments, folder=None, threads="1"):
    """Start ``python *arguments`` on ``ranks`` ranks; ``threads=None`` sets no limit."""
    environment = {
        **{k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")},
        "PYTHONPATH": str(Path(affinet.__file__).parents[1]),
        **({} if threads is None else {"OMP_NUM_THREADS": threads}),
    }
    return subprocess.Popen(
        [MPIEXEC, "-n", str(ranks), sys.executable, *map(str, arguments)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process, seconds=PATIENCE):
    """Exit code, output and errors of a program, which must end within ``seconds``."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        pytest.fail(f"the ranks have not ended after {seconds} seconds")
    return process.returncode, out, err


@pytest.fixture
def mpi():
    """``mpi(ranks, program, *arguments)``: exit code, output and errors."""
    if MPIEXEC is None or importlib.util.find_spec("mpi4py") is None:
        pytest.skip("needs mpi4py and an MPI with its mpiexec")

    def run(ranks, *arguments, seconds=PATIENCE, **options):
        return finish(start(ranks, *arguments, **options), seconds)

    run.start, run.finish, run.programs, run.seconds = start, finish, PROGRAMS, SECONDS
    return run
