"""Run every kernel of one level on arrays that touch memory which nobody may read or write.

A separate program (``python page_ends.py LEVEL``), because the mistake it looks for, a load or
store past an array's end, kills the process. The last line that it prints names the call.
"""

import ctypes
import importlib
import math
import mmap
import sys

import numpy as np

from kernel_calls import Call, problem, solvable, vector_edges
from kernel_table import KERNELS

PROT_NONE = 0
LIBC = ctypes.CDLL(None, use_errno=True)
# Rows and columns from which rows run along the lanes, or the first tile packs its panel.
LARGER = ((5, 47), (27, 203), (33, 4), (35, 16), (100, 64), (128, 9))


class Walled:
    """An array with a forbidden page right behind it, or right before it."""

    def __init__(self, values, *, wall_behind):
        page = mmap.PAGESIZE
        room = max(1, math.ceil(values.nbytes / page)) * page
        self.memory = mmap.mmap(-1, page + room + page)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        start = page + (room - values.nbytes if wall_behind else 0)
        whole = np.frombuffer(self.memory, np.uint8)
        self.array = whole[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
        self.array[...] = values
        forbid(self.address, page)
        forbid(self.address + page + room, page)


def forbid(address, size):
    if LIBC.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(size), PROT_NONE) != 0:
        raise OSError(ctypes.get_errno(), "mprotect failed")


def run(module, made, *, wall_behind):
    """One call between walls; its results must be those of an ordinary call."""
    kernel, rng = made.kernel, np.random.default_rng(0)
    ordinary = Call(made, rng)
    walled = [
        Walled(argument, wall_behind=wall_behind) if isinstance(argument, np.ndarray) else argument
        for argument in ordinary.arguments()
    ]
    arguments = [one.array if isinstance(one, Walled) else one for one in walled]
    wanted = ordinary.run(module)
    returned = getattr(module, kernel.name)(*arguments)
    outputs = arguments[len(arguments) - len(kernel.outputs) :]
    if kernel.loss:
        outputs = [returned, *outputs]
    for name, output in zip(kernel.results, outputs, strict=True):
        np.testing.assert_array_equal(output, wanted[name], err_msg=name)


def main(level):
    module = importlib.import_module(f"affinet._kernels.{level}")
    rng = np.random.default_rng(1)
    for kernel in KERNELS.values():
        for dtype in (np.dtype("float32"), np.dtype("float64")):
            for rows, columns in [*((5, edge) for edge in vector_edges(8)), *LARGER]:
                sizes = kernel.sized(columns, B=rows, M=rows)
                if not solvable(kernel, sizes):
                    continue
                made = problem(kernel, dtype, sizes, rng)
                for wall_behind in (True, False):
                    side = "behind" if wall_behind else "before"
                    print(kernel.name, dtype, f"{rows} by {columns}, wall {side}", flush=True)
                    run(module, made, wall_behind=wall_behind)
    print("done")


if __name__ == "__main__":
    main(sys.argv[1])
