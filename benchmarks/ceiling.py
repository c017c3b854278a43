"""The ceiling: the most single-precision operations a second that the cores can do.

With a C compiler, the script compiles a loop of fused multiply-adds whose operands never leave the
registers: twelve independent sums, more than the processor has in flight. The loop uses no memory,
so no useful program can be faster. Its rate is the best of many short runs; it is too low only if
other programs or a lower clock slowed down every run.

Without a compiler, the fastest of several affinet products stands in. They read their operands from
the first-level cache and stay some per cent below the true ceiling, so shares of it are too high.

Where the processor has a matrix unit (Intel's AMX), a compiled loop of products of bfloat16 tiles
in registers gives its ceiling too.

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

TILE_FLOPS = 2.0 * 16 * 16 * 32  # of TDPBF16PS: 16 rows times 16 columns, 32 numbers deep
TILE_TURNS = 50_000
TILE_FLAGS = ("-mamx-tile", "-mamx-bf16")
# Four sums whose operands stay in tiles, as a 2 x 2 block of a product has them. Intel, "Intrinsics
# guide"; the permission is described in the kernel's Documentation/arch/x86/xstate.rst.
TILE_SOURCE = """
#include <immintrin.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The intrinsics do not say that they read and write memory. */
#define IN_MEMORY(pointer) __asm__ volatile("" : : "r"(pointer) : "memory")

int permit_tiles(void) { return syscall(SYS_arch_prctl, 0x1023, 18) ? -1 : 0; }

float multiply_tiles(long turns) {
    struct {
        unsigned char palette, start, reserved[14];
        unsigned short bytes[16];
        unsigned char rows[16];
    } shapes __attribute__((aligned(64)));
    unsigned short halves[512];
    float sums[256];
    memset(&shapes, 0, sizeof shapes);
    shapes.palette = 1;
    for (int i = 0; i < 8; i++) { shapes.bytes[i] = 64; shapes.rows[i] = 16; }
    for (int i = 0; i < 512; i++) halves[i] = 0x3f00;
    IN_MEMORY(&shapes); IN_MEMORY(halves);
    _tile_loadconfig(&shapes);
    _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);
    _tile_loadd(4, halves, 64); _tile_loadd(5, halves, 64);
    _tile_loadd(6, halves, 64); _tile_loadd(7, halves, 64);
    for (long turn = 0; turn < turns; turn++) {
        _tile_dpbf16ps(0, 4, 6); _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6); _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, sums, 64);
    IN_MEMORY(sums);
    _tile_release();
    return sums[0];
}
"""


def measure(cores: int) -> dict[str, Any]:
    """The ceiling of ``cores`` cores of this process at once, in 1e9 operations a second.

    Returns
    -------
    dict
        ``gflops``, ``how`` it was measured, ``misses``: why it may be too low, and the
        rates of each loop (``loops``, by instruction set) and of affinet's product
        (``product_gflops``), and of the ``matrix_unit``: its ``gflops`` in bfloat16, None without
        one, and ``how`` it was measured or why not.
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
        "matrix_unit": matrix_unit(cores),
    }


def matrix_unit(cores: int) -> dict[str, Any]:
    """The rate of the matrix units of ``cores`` cores at once, or why it is not known."""
    if not {"amx_tile", "amx_bf16"} <= processor_flags():
        return {"gflops": None, "how": "this processor has none that is known here (AMX)"}
    library = compiled(TILE_SOURCE, TILE_FLAGS)
    if library is None:
        return {"gflops": None, "how": "there is one, but no C compiler that knows AMX"}
    if library.permit_tiles() != 0:
        return {"gflops": None, "how": "there is one, but the system refuses its use"}
    library.multiply_tiles.restype = ctypes.c_float
    library.multiply_tiles.argtypes = (ctypes.c_long,)
    flops = 4 * TILE_FLOPS * TILE_TURNS
    rate = best_rate(lambda: library.multiply_tiles(TILE_TURNS), flops, cores)
    return {"gflops": rate, "how": "a compiled loop of products of bfloat16 tiles in registers"}


def processor_flags() -> set[str]:
    """What Linux says that the processor has; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return set(line.partition(":")[2].split())


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
    library = compiled(SOURCE, (f"-DWIDTH={width}", *flags))
    if library is None:
        return None
    function = library.multiply_add  # without the GIL
    function.restype = ctypes.c_float
    function.argtypes = ctypes.c_long, ctypes.c_float, ctypes.c_float
    # The sums go to 1, so that no number becomes denormal, which is slow on some processors.
    return lambda: function(TURNS, 0.5, 0.5)


def compiled(source: str, flags: tuple[str, ...]) -> ctypes.CDLL | None:
    """A library of this C source; None where it cannot be compiled."""
    names = (os.environ.get("CC", ""), "cc", "gcc", "clang")
    compiler = next((found for found in map(shutil.which, names) if found), None)
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path, library = Path(folder) / "loop.c", Path(folder) / "loop.so"
        path.write_text(source, encoding="ascii")
        command = [compiler, "-O2", "-ffp-contract=fast", *flags]
        command += ["-shared", "-fPIC", "-o", str(library), str(path)]
        done = subprocess.run(command, capture_output=True, check=False)
        return ctypes.CDLL(str(library)) if done.returncode == 0 else None


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
