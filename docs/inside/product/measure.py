"""Measure the five steps of ``steps.c`` and affinet's own product on one core.

    python docs/inside/product/measure.py

It compiles the file with the C compiler, compares all results to the bit, and prints GFLOP/s: the
best of several runs in turns, because other programs can only slow a run down.
"""

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SOURCE = Path(__file__).with_name("steps.c")
STEPS = ("triple_loop", "rows_in_order", "blocks", "tiles", "packed_panels")
FLAGS = ["-std=gnu11", "-O3", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC"]
SHAPES = ((96, 96, 96), (504, 512, 512), (1020, 1024, 1024))  # M, K, N
Function = ctypes._CFuncPtr


def compiler() -> str | None:
    """The C compiler, if there is one."""
    return shutil.which(os.environ.get("CC", "cc"))


def build(folder: Path) -> dict[str, Function]:
    """The compiled functions by name."""
    library = folder / "steps.so"
    subprocess.run([compiler() or "cc", *FLAGS, str(SOURCE), "-o", str(library)], check=True)
    loaded = ctypes.CDLL(str(library))
    return {name: getattr(loaded, name) for name in STEPS}


def call(function: Function, A: np.ndarray, B: np.ndarray, out: np.ndarray) -> None:
    """out = A B, by one of the functions."""
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (A, B, out)]
    function(*A.shape, B.shape[1], *pointers)


def results(functions: dict[str, Function], shape: tuple[int, int, int]) -> dict[str, np.ndarray]:
    """What each function computes for the same random matrices."""
    M, K, N = shape
    rng = np.random.default_rng(0)
    A = rng.standard_normal((M, K), np.float32)
    B = rng.standard_normal((K, N), np.float32)
    found = {}
    for name, function in functions.items():
        found[name] = np.full((M, N), np.nan, np.float32)
        call(function, A, B, found[name])
    return found


def rates(shape: tuple[int, int, int], functions: dict[str, Function]) -> dict[str, float]:
    """GFLOP/s of each step, and of affinet's product: the best of as many runs as take a second."""
    import affinet as an
    from affinet._dispatch import kernels

    an.set_num_threads(1)
    M, K, N = shape
    rng = np.random.default_rng(0)
    A = rng.standard_normal((M, K), np.float32)
    B = rng.standard_normal((K, N), np.float32)
    out = np.empty((M, N), np.float32)
    best = dict.fromkeys([*functions, "affinet"], float("inf"))
    spent = dict.fromkeys(best, 0.0)
    for _ in range(25):
        for name in [name for name in best if spent[name] < 1]:
            start = time.perf_counter()
            if name == "affinet":
                kernels.gemm_nn(A, B, out)
            else:
                call(functions[name], A, B, out)
            seconds = time.perf_counter() - start
            best[name], spent[name] = min(best[name], seconds), spent[name] + seconds
    return {name: 2e-9 * M * K * N / seconds for name, seconds in best.items()}


def main() -> None:
    if compiler() is None:
        sys.exit("a C compiler is needed: set CC")
    with tempfile.TemporaryDirectory() as folder:
        functions = build(Path(folder))
        found = results(functions, SHAPES[0])
        assert all((out == found[STEPS[0]]).all() for out in found.values())
        print(f"{'GFLOP/s':15}", *(f"{'x'.join(map(str, shape)):>16}" for shape in SHAPES))
        columns = [rates(shape, functions) for shape in SHAPES]
        for name in columns[0]:
            print(f"{name:15}", *(f"{column[name]:16.1f}" for column in columns))


if __name__ == "__main__":
    main()
