"""Row 12: an import and every call leave the process as it was.

Watched are the mode of floating point (rounding, subnormal numbers, traps), handlers of signals,
NumPy's error state and random state, warnings' filters, the environment, the working directory,
open files, threads of Python, the locale and the recursion limit.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import locale
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import warnings
from pathlib import Path

import numpy as np

from evidence import Row

SECONDS = 60


def floating_point():
    """The control words of floating point without the flags of past exceptions."""
    with_libm = ctypes.CDLL(ctypes.util.find_library("m"))
    rounding = with_libm.fegetround()
    traps = with_libm.fegetexcept() if hasattr(with_libm, "fegetexcept") else 0
    tiny = float("5e-324")
    return rounding, traps, tiny * 1.5 > 0, tiny + tiny == 2 * tiny


def handlers():
    return {number: signal.getsignal(number) for number in signal.valid_signals()}


def descriptors():
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


def state():
    """All that must not change, by name."""
    return {
        "floating point": floating_point(),
        "signals": handlers(),
        "mask of signals": signal.pthread_sigmask(signal.SIG_BLOCK, []),
        "NumPy's errors": np.geterr(),
        "NumPy's random numbers": str(np.random.get_state()),  # noqa: NPY002 - it must not move
        "random numbers": hash(random.getstate()),
        "warnings": list(warnings.filters),
        "environment": dict(os.environ),
        "working directory": os.getcwd(),
        "open files": descriptors(),
        "threads": threading.active_count(),
        "locale": locale.setlocale(locale.LC_ALL, None),
        "recursion": sys.getrecursionlimit(),
        "switches": sys.getswitchinterval(),
        "umask": umask(),
        "printing": str(np.get_printoptions()),
    }


def umask():
    old = os.umask(0)
    os.umask(old)
    return old


def calls(folder):
    """name: a call."""
    import affinet as an

    net = an.Sequential(
        an.Affine.init(4, 6, rng=0), an.BatchNorm(6), an.SiLU(), an.Dropout(0.2, rng=1),
        an.Affine.init(6, 3, rng=2), loss=an.SoftmaxWithLoss(),
    )  # fmt: skip
    rng = np.random.default_rng(1)
    x, t = rng.standard_normal((64, 4)).astype(np.float32), rng.integers(0, 3, 64)
    path = folder / "net.npz"
    net.save(path)
    return {
        "predict": lambda: net.predict(x),
        "predict of huge and tiny numbers": lambda: net.predict(x * np.float32(1e38)),
        "predict of NaN": lambda: net.predict(np.full_like(x, np.nan)),
        "predict by threads": lambda: net.predict(np.tile(x, (300, 1))),
        "fit": lambda: net.fit(x, t, epochs=1),
        "fit that fails": lambda: net.fit(x, t + 7, epochs=1),
        "fit by Adam": lambda: net.fit(x, t, epochs=1, optimizer=an.Adam()),
        "fit layer by layer": lambda: net.fit(x, t, epochs=1, optimizer=OwnRule()),
        "fit_many": lambda: an.fit_many([net], x, t, epochs=1),
        "evaluate": lambda: net.evaluate(x, t),
        "gradient_check": lambda: an.gradient_check(net, x[:4], t[:4], samples=2, directions=1),
        "save": lambda: net.save(path),
        "load": lambda: an.load(path),
        "load that fails": lambda: an.load(folder / "none.npz"),
        "set_num_threads": lambda: an.set_num_threads(2),
        "spiral": lambda: an.datasets.spiral(),
        "load_digits": lambda: an.datasets.load_digits(),
        "runtime_info": lambda: an.runtime_info(),
    }


class OwnRule:
    def update(self, params, grads):
        for name in params:
            params[name] -= 0.01 * grads[name]


def differences(before, after):
    return [name for name in before if before[name] != after[name]]


IMPORT = """
import sys
sys.path[:0] = sys.argv[1:]
import ctypes.util, row12_state as r
before = r.state()
import affinet
after = r.state()
print(r.differences(before, after))
"""


def attack_import(b):
    """An import in a fresh process."""
    paths = [path for path in sys.path if path]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT, *paths],
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    b.case()
    b.expect(done.stdout == "[]\n", f"import: {done.stdout} {done.stderr[-200:]}")


def batch(b):
    with tempfile.TemporaryDirectory() as place:
        todo = calls(Path(place))
        names = list(todo)
        todo["predict by threads"]()  # the pool's threads start with the first large call
        for name in b.rng.permutation(names):
            attack(b, name, todo[name])
    if not b.quick and b.index % 50 == 0:
        attack_import(b)


def attack(b, name, call):
    """One call with an error state that is not NumPy's own, which must come back."""
    kinds = ("ignore", "warn", "raise")
    with np.errstate(**{k: str(b.rng.choice(kinds)) for k in ("over", "under", "invalid")}):
        before = state()
        try:
            with warnings.catch_warnings(record=True):
                call()
        except (ValueError, TypeError, OSError, FloatingPointError):
            pass
        changed = differences(before, state())
    b.case()
    b.expect(not changed, f"{name} changed {', '.join(changed)}")


ROW = Row(
    number=12,
    title="What an import and every call leave alone",
    holds="rounding, traps, subnormal numbers, signals, NumPy's error and random state, warnings, "
    "environment, files, threads, locale and printing are the same before and after",
    aim=100_000,
    batch=batch,
    cases="calls",
    quick=1,
    also=("tests/package/test_import.py", "tests/kernels/test_floating_point_modes.py"),
    available=lambda: sys.platform == "linux",
)
