"""The ceiling: the most single-precision operations a second that the cores can do.

With a C compiler, the script compiles a loop of fused multiply-adds whose operands never leave the
registers: twelve independent sums, more than the processor has in flight. The loop uses no memory,
so no useful program can be faster. Its rate is the best of many short runs; it is too low only if
other programs or a lower clock slowed down every run.

Without a compiler, the fastest of several affinet products stands in. They read their operands from
the first-level cache and stay some per cent below the true ceiling, so shares of it are too high.

    python benchmarks/ceiling.py 2          # of two cores at once
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import affinet as an
from affinet._dispatch import kernels

SUMS = 12
TURNS = 1_000_000
REPEATS = 40
VECTORS = {  # bytes in a register, and the compiler's flags for it
    "avx512": (64, ("-mavx512f",)),
    "avx2": (32, ("-mavx2", "-mfma")),
    "baseline": (16, ()),
}
SHAPES = ((48, 96, 256), (240, 96, 256), (480, 192, 256), (512, 512, 512))
LOOP = "a compiled loop of fused multiply-adds in registers"
PRODUCT = "the best of some products of affinet"
MISSES = {
    LOOP: "only what other programs and a lower clock took from all of its runs",
    PRODUCT: "reading operands from cache, so shares of it come out some per cent too high",
}
SOURCE = """
typedef float vector __attribute__((vector_size(WIDTH)));
#define ALL(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
#define START(i) vector sum##i = factor + (float)i;
#define TURN(i) sum##i = sum##i * factor + term;
#define ADD(i) + sum##i

float multiply_add(long turns, float a, float b) {
    vector factor = a - (vector){0}, term = b - (vector){0};
    ALL(START)
    for (long turn = 0; turn < turns; turn++) { ALL(TURN) }
    vector total = (vector){0} ALL(ADD);
    return total[0];
}
"""


def measure(cores: int) -> dict[str, Any]:
    """The ceiling of ``cores`` cores of this process at once, in 1e9 operations a second.

    Returns
    -------
    dict
        ``gflops``, ``how`` it was measured, ``misses``: why it may be too low, and the
        rates of each loop (``loops``, by instruction set) and of affinet's product
        (``product_gflops``).
    """
    loops = loop_rates(cores)
    product = product_rate(cores)
    best = max(loops.values(), default=0.0)
    how = LOOP if best >= product else PRODUCT
    return {
        "cores": cores,
        "gflops": max(best, product),
        "how": how,
        "misses": MISSES[how],
        "loops": loops,
        "product_gflops": product,
    }


def loop_rates(cores: int) -> dict[str, float]:
    """The loop's rate for each kind of register that this processor has."""
    rates = {}
    for level in an.runtime_info()["supported_levels"]:
        width, flags = VECTORS[level]
        run = compiled_loop(width, flags)
        if run is not None:
            rates[level] = best_rate(run, 2.0 * SUMS * width / 4 * TURNS, cores)
    return rates


def compiled_loop(width: int, flags: tuple[str, ...]) -> Callable[[], object] | None:
    """The loop over registers of ``width`` bytes; None where it cannot be compiled."""
    names = (os.environ.get("CC", ""), "cc", "gcc", "clang")
    compiler = next((found for found in map(shutil.which, names) if found), None)
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        source, library = Path(folder) / "loop.c", Path(folder) / "loop.so"
        source.write_text(SOURCE, encoding="ascii")
        command = [compiler, "-O2", "-ffp-contract=fast", f"-DWIDTH={width}", *flags]
        command += ["-shared", "-fPIC", "-o", str(library), str(source)]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode != 0:
            return None
        function = ctypes.CDLL(str(library)).multiply_add  # without the GIL
    function.restype = ctypes.c_float
    function.argtypes = ctypes.c_long, ctypes.c_float, ctypes.c_float
    # The sums go to 1, so that no number becomes denormal, which is slow on some processors.
    return lambda: function(TURNS, 0.5, 0.5)


def product_rate(cores: int) -> float:
    """The best rate of affinet's product with one thread a core."""
    return max(best_rate(*product_run(*shape), cores) for shape in SHAPES)


def product_run(M: int, N: int, K: int) -> tuple[Callable[[], object], float]:
    """A function that computes products of this shape on each thread, and their operations."""
    count = max(1, round(2e8 / (2 * M * N * K)))
    local = threading.local()

    def run() -> None:
        if not hasattr(local, "operands"):
            local.operands = (
                np.ones((M, K), np.float32),
                np.ones((K, N), np.float32),
                np.empty((M, N), np.float32),
            )
        for _ in range(count):
            kernels.gemm_nn(*local.operands)

    return run, 2.0 * M * N * K * count


def best_rate(run: Callable[[], object], flops: float, cores: int) -> float:
    """The best rate of ``run`` on ``cores`` threads at once, in 1e9 operations a second."""
    barrier = threading.Barrier(cores)

    def timed(_: int) -> tuple[float, float]:
        barrier.wait()
        started = time.perf_counter()
        run()
        return started, time.perf_counter()

    best = 0.0
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(REPEATS):
            starts, ends = zip(*pool.map(timed, range(cores)), strict=True)
            best = max(best, cores * flops / (max(ends) - min(starts)) / 1e9)
    return best


if __name__ == "__main__":
    print(json.dumps({"machine": platform.machine(), **measure(int((sys.argv[1:] or ["1"])[0]))}))
