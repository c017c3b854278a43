"""Row 11: compute, fork, compute, join, beside other libraries imported in every order."""

from __future__ import annotations

import importlib.util
import itertools
import os
import subprocess
import sys

from evidence import Row

SECONDS = 150  # for a child, imports included; a hang is longer than 10 s of computing
LIBRARIES = ("affinet", "sklearn", "torch", "numpy")
CYCLES = {"fork": 40, "spawn": 6, "forkserver": 6}  # the other two import everything each time
METHODS = tuple(CYCLES)
CHILD = """
import sys, faulthandler
for name in sys.argv[3].split(","):
    __import__(name)
import hashlib
import multiprocessing as mp
import numpy as np
import affinet as an

def net():
    return an.Sequential(
        an.Affine.init(64, 128, rng=0), an.ReLU(), an.Affine.init(128, 10, rng=1),
        loss=an.SoftmaxWithLoss(),
    )

def compute(queue=None):
    rng = np.random.default_rng(3)
    x, t = rng.standard_normal((512, 64)).astype(np.float32), rng.integers(0, 10, 512)
    one = net()
    one.fit(x, t, epochs=2, batch_size=128, seed=1)
    result = hashlib.sha256(one.params.flat.tobytes()).hexdigest()  # small: a pipe holds it
    if queue is not None:
        queue.put(result)
    return result

if __name__ == "__main__":
    an.set_num_threads(2)
    faulthandler.dump_traceback_later(120, exit=True)
    context = mp.get_context(sys.argv[1])
    wanted = compute()
    for _ in range(int(sys.argv[2])):
        queue = context.SimpleQueue()
        children = [context.Process(target=compute, args=(queue,)) for _ in range(2)]
        for child in children:
            child.start()
        here = compute()
        for child in children:
            child.join(10)
            if child.exitcode != 0:
                print(f"exit code {child.exitcode} (None: it hangs)")
                child.kill()
                sys.exit(3)
        assert here == wanted, "the parent's result changed"
        for _ in children:
            assert queue.get() == wanted, "a child's result differs"
    print("done")
"""


def orders():
    """Every order of the libraries that are here."""
    here = [name for name in LIBRARIES if importlib.util.find_spec(name)]
    return list(itertools.permutations(here))


def batch(b):
    order = orders()[b.index % len(orders())]
    method = METHODS[b.index // len(orders()) % len(METHODS)]
    cycles = CYCLES[method]
    with open_script() as path:
        attack(b, path, method, cycles, order)


class open_script:  # noqa: N801 - a context
    """The child's program in a file, which spawn needs."""

    def __enter__(self):
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        path = os.path.join(self.folder.name, "child.py")
        with open(path, "w") as file:
            file.write(CHILD)
        return path

    def __exit__(self, *error):
        self.folder.cleanup()


def attack(b, path, method, cycles, order):
    what = f"{method}, {', '.join(order)}"
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", path, method, str(cycles), ",".join(order)],
            capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        b.found(f"{what}: hangs")
    else:
        good = done.returncode == 0 and done.stdout.endswith("done\n")
        b.expect(good, f"{what}: {done.stdout[-100:]} {done.stderr[-300:]}")
    b.case(cycles)


ROW = Row(
    number=11,
    title="Compute, fork, compute, join, beside NumPy, scikit-learn and PyTorch in every order",
    holds="no hang within 10 s, results equal to the bit; fork, spawn and forkserver; libraries "
    "that are not installed are left out",
    aim=1_000,
    batch=batch,
    cases="cycles",
    quick=0,
    also=("tests/network/test_forks.py", "tests/package/test_processes.py"),
    available=lambda: hasattr(os, "fork"),
)
