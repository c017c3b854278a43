"""Compute in other floating-point modes with several threads: bits must not depend on the threads.

A program of its own (``python floating_point_modes.py LEVEL``), because it changes the mode of the
calling thread, as other libraries do, and because the workers must be started in the usual mode.
"""

import ctypes
import importlib
import platform
import sys

import numpy as np

X86 = platform.machine() == "x86_64"
FLUSH = 1 << 15 | 1 << 6 if X86 else 1 << 24  # FTZ and DAZ of MXCSR, FZ of FPCR
ROUNDINGS = {"down": 1, "up": 2, "zero": 3} if X86 else {"up": 1, "down": 2, "zero": 3}
ROUNDING_BIT = 13 if X86 else 22
AT = 28 if X86 else 0  # of MXCSR in glibc's and musl's fenv_t, of FPCR

libm = ctypes.CDLL(None)


class Mode:
    """The calling thread's mode with these bits set, then as it was."""

    def __init__(self, bits):
        self.bits = bits

    def __enter__(self):
        self.before = ctypes.create_string_buffer(64)
        environment = ctypes.create_string_buffer(64)
        assert libm.fegetenv(self.before) == 0
        environment[:] = self.before[:]
        word = ctypes.c_uint32.from_buffer(environment, AT)
        word.value |= self.bits
        assert libm.fesetenv(environment) == 0

    def __exit__(self, *_):
        assert libm.fesetenv(self.before) == 0


def compute(kernels, threads):
    """Products large enough to be cut, with subnormal and normal operands, sums and results."""
    rng = np.random.default_rng(0)
    kernels.set_threads(threads)
    results = []
    for dtype, tiny in ((np.float32, 1e-20), (np.float64, 1e-155)):
        A, B = ((rng.standard_normal((256, 256)) * tiny).astype(dtype) for _ in range(2))
        for product in (kernels.gemm_nn, kernels.gemm_nt, kernels.gemm_tn):
            out = np.empty((256, 256), dtype)
            product(A, B, out)
            results.append(out.tobytes())
        A[:, :] *= dtype(1) / dtype(tiny)
        kernels.gemm_nn(A, A, out)
        results.append(out.tobytes())
    return results


def factors():
    """Factors of which some products are below 2^-126."""
    rng = np.random.default_rng(1)
    A, B = ((rng.standard_normal((256, 256)) * 1e-19).astype(np.float32) for _ in range(2))
    A[:128] *= np.float32(1e19)
    return A, B


def in_parts(kernels, A, B, threads):
    """A product in bfloat16 parts, which sets its own mode."""
    kernels.set_threads(threads)
    out = np.empty((256, 256), np.float32)
    kernels.gemm_in_parts(A, B, None, "bfloat16x3", "nn", out)
    return out.tobytes()


def main(level):
    """Print ``done`` if all is as it should be."""
    kernels = importlib.import_module(f"affinet._kernels.{level}")
    A, B = factors()
    usual, usual_in_parts = compute(kernels, 1), in_parts(kernels, A, B, 1)
    assert compute(kernels, 3) == usual
    assert kernels.threads()[1] >= 2  # the workers, which keep the mode they were started in
    modes = {name: number << ROUNDING_BIT for name, number in ROUNDINGS.items()}
    modes |= {"flush": FLUSH, **{f"{name} and flush": bits | FLUSH for name, bits in modes.items()}}
    for name, bits in modes.items():
        with Mode(bits):
            one, *others = [compute(kernels, threads) for threads in (1, 2, 3, 8)]
            for threads in (1, 3):
                assert in_parts(kernels, A, B, threads) == usual_in_parts, f"{name}: parts differ"
            assert compute(kernels, 1) == one, f"{name}: products in parts left another mode"
        assert one != usual, f"{name}: the mode changed nothing"
        assert all(other == one for other in others), f"{name}: bits depend on the threads"
        assert compute(kernels, 3) == usual, f"{name}: a worker stayed in the caller's mode"
    print("done")


if __name__ == "__main__":
    main(sys.argv[1])
