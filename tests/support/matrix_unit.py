"""The matrix unit for tests: the processor's own, or one that a signal's handler emulates."""

from __future__ import annotations

import contextlib
import ctypes
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from affinet._dispatch import NATIVE, NOT_BUILT

SOURCE = Path(__file__).with_name("matrix_unit.c")
FLAGS = ("-O1", "-mfma", "-ffp-contract=off", "-shared", "-fPIC")


def emulation(folder):
    """The library that emulates a matrix unit, compiled; skips where that cannot be done."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        pytest.skip("emulates a matrix unit through the registers of Linux on x86-64")
    if "fma" not in Path("/proc/cpuinfo").read_text().split():
        pytest.skip("emulates a matrix unit with fused multiply-adds, which this processor lacks")
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("emulates a matrix unit in C, and there is no compiler")
    out = folder / "matrix_unit.so"
    subprocess.run([compiler, *FLAGS, SOURCE, "-o", out], check=True)
    return ctypes.CDLL(str(out))


@contextlib.contextmanager
def matrix_unit(kernels, library):
    """A kernel module that uses the processor's unit, or the library's; yields the library.

    Yields None on the processor's own.
    """
    state = kernels.matrix_unit()
    if state == NOT_BUILT:
        pytest.skip("this level has no instructions of a matrix unit; those of a debug build have")
    if state == NATIVE:
        yield None
        return
    assert library.emulate_unit() == 0
    kernels.assume_matrix_unit(True)
    try:
        yield library
    finally:
        kernels.assume_matrix_unit(False)
        assert library.emulate_no_more() == 0


@contextlib.contextmanager
def without_unit(kernels):
    """A kernel module that computes without the processor's unit, if it has one."""
    native = kernels.matrix_unit() == NATIVE
    kernels.assume_matrix_unit(False)
    try:
        yield
    finally:
        kernels.assume_matrix_unit(native)
