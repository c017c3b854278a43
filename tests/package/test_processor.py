"""The probe agrees with other sources about the processor, whichever compiler built it."""

import os
import platform
from pathlib import Path

import pytest

from affinet import _dispatch

CPUINFO = Path("/proc/cpuinfo")
NEEDS = {  # Linux's names for what setup.py lets the compiler use
    "avx512": {"avx2", "fma", "avx512f", "avx512vl", "avx512bw", "avx512dq"},
    "avx2": {"avx2", "fma"},
    "baseline": set(),
}
X86_64 = platform.machine().lower() in ("x86_64", "amd64")


@pytest.mark.kernels
@pytest.mark.skipif(not (X86_64 and CPUINFO.exists()), reason="wants /proc/cpuinfo of an x86-64")
def test_the_levels_are_those_whose_instructions_the_system_lists():
    """A probe that finds nothing would leave every machine at the baseline, a tenth as fast."""
    lines = CPUINFO.read_text(encoding="ascii").splitlines()
    flags = set(next(line for line in lines if line.startswith("flags")).split())
    assert _dispatch.supported_levels() == tuple(
        level for level, needed in NEEDS.items() if needed <= flags
    )


@pytest.mark.skipif(X86_64, reason="x86-64 has three levels")
def test_other_machines_have_one_level():
    assert _dispatch.supported_levels() == ("baseline",)
    assert _dispatch.compiled_levels() == ("baseline",)


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="the system does not tell")
def test_the_caches_grow_or_are_unknown():
    sizes = _dispatch.cache_sizes
    assert sizes is None or 0 < sizes[0] < sizes[1]
