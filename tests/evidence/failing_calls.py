"""The child of row 14: run one call with the k-th allocation failing, for a range of k.

    python failing_calls.py CALL SOURCE FIRST COUNT STRIDE

Prints a line for each k: what the call did, with FOUND in front if that breaks the property.
"""

import contextlib
import copy
import ctypes
import os
import sys
import tempfile
import traceback
from pathlib import Path

import numpy as np

import affinet as an

SECONDS = 20  # for one k


def network():
    return an.Sequential(
        an.Affine.init(30, 40, rng=0),
        an.BatchNorm(40),
        an.GELU(),
        an.Dropout(0.1, rng=4),
        an.Residual(an.Affine.init(40, 40, rng=1), an.ReLU()),
        an.Affine.init(40, 10, rng=2),
        loss=an.SoftmaxWithLoss(),
    )


class Calls:
    """The calls, each of which returns something whose bits do not depend on earlier failures."""

    def __init__(self, folder):
        self.net, self.folder = network(), Path(folder)
        rng = np.random.default_rng(5)
        self.x, self.t = rng.standard_normal((60, 30)).astype(np.float32), rng.integers(0, 10, 60)
        self.path = self.folder / "net.npz"
        self.net.save(self.path)
        self.image = self.path.read_bytes()
        with contextlib.suppress(ImportError):
            self.net.save(self.folder / "net.safetensors")

    def predict(self):
        return self.net.predict(self.x).tobytes()

    def fit(self):
        self.net.fit(self.x, self.t, epochs=2, batch_size=16, optimizer=an.Adam(0.01), seed=1)
        return True

    def save(self):
        self.net.save(self.path)
        return True

    def load(self):
        return an.load(self.path).params.flat.tobytes()

    def load_safetensors(self):
        return an.load(self.folder / "net.safetensors").params.flat.tobytes()

    def forward_and_backward(self):
        value = self.net.forward(self.x, self.t)
        self.net.backward()
        return np.isfinite(value)

    def copy(self):
        return copy.deepcopy(self.net).params.flat.tobytes()


def failing(source):
    """(start, stop): let the k-th allocation fail from now on, and none."""
    if source == "malloc":
        library = ctypes.PyDLL(os.environ["FAILING_MALLOC"])  # with the GIL, without its release
        fail_at = library.fail_at
        fail_at.argtypes = [ctypes.c_long]
        return fail_at, lambda: fail_at(0)
    import _testcapi

    return lambda k: _testcapi.set_nomemory(k, k + 1), _testcapi.remove_mem_hooks


def attempt(calls, name, start, stop, k):
    """What the k-th failing allocation does to a call."""
    call = getattr(calls, name.replace(" ", "_"))
    outcome = "nothing failed"
    start(k)
    try:
        call()
        stop()
    except BaseException as error:
        stop()
        outcome = type(error).__name__
        if in_its_place(error):
            outcome += " in its place"
        elif not isinstance(error, MemoryError):
            outcome += f": {error}"
            tail = traceback.format_exception(error)[-6:]
            return f"FOUND {name}, k = {k}: {outcome[:200]} {' '.join(tail)[-700:]!r}"
    return goes_on(calls, call, name, k, outcome)


def in_its_place(error):
    """Whether NumPy or Python itself raises this for a lack of memory.

    A ufunc's reduction returns without an exception, and a lock is a RuntimeError.
    """
    text = str(error)
    null = isinstance(error, SystemError) and "returned NULL without setting" in text
    return null or (isinstance(error, RuntimeError) and "can't allocate" in text)


def goes_on(calls, call, name, k, outcome):
    """Whether the object and its files are as good as before."""
    fresh, net = network(), calls.net
    if name == "save":
        held = an.load(calls.path).params.flat.tobytes()
        if held != net.params.flat.tobytes():
            return f"FOUND {name}, k = {k}, {outcome}: the file holds something else"
        leftover = [path.name for path in calls.folder.iterdir() if path.suffix == ".tmp"]
        if leftover:
            return f"FOUND {name}, k = {k}, {outcome}: {leftover} remains"
    if name != "fit" and net.params.flat.tobytes() != fresh.params.flat.tobytes():
        return f"FOUND {name}, k = {k}, {outcome}: the parameters changed"
    if not np.isfinite(net.params.flat).all():
        return f"FOUND {name}, k = {k}, {outcome}: parameters are not finite"
    first, second = call(), call()
    if first != second:
        return f"FOUND {name}, k = {k}, {outcome}: later calls differ"
    net.predict(calls.x)
    return f"{name} {k}: {outcome}"


def in_child(calls, name, source, k):
    """One k in a child; prints its line. Alarm ends one that hangs."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        if status:
            print(f"FOUND {name}, {source}, k = {k}: status {os.waitstatus_to_exitcode(status)}")
        return
    import signal

    signal.alarm(SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        line = attempt(Calls(folder), name, *failing(source), k)
    os.write(1, f"{line}\n".encode())
    os._exit(0)


def main(name, source, first, count, stride):
    an.set_num_threads(1)  # the pool's threads do not survive a fork
    with tempfile.TemporaryDirectory() as folder:
        calls = Calls(folder)  # so that all modules are imported
        for one in ("predict", "fit", "save", "load", "forward_and_backward", "copy"):
            getattr(calls, one)()
        with contextlib.suppress(ImportError, ValueError, FileNotFoundError):
            calls.load_safetensors()
    for k in range(int(first), int(first) + int(count) * int(stride), int(stride)):
        in_child(calls, name, source, k)
    print("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
