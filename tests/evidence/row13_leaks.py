"""Row 13: no call leaks: half of the calls fail, in a late argument.

After a warm-up, a batch calls one entry point many times and compares, before and after, the
references to its arguments, Python's blocks and the bytes that malloc has handed out. One block
or one byte a call would show as thousands.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
import tempfile
from pathlib import Path

import numpy as np

import affinet as an
from affinet import _dispatch
from evidence import Row

CALLS, QUICK_CALLS = 20_000, 30
WARM_UP = 1000  # calls until caches and interned names are filled
MOST_BLOCKS, MOST_BYTES = 100, 64 << 10
TRIES = 3
ERRORS = (TypeError, ValueError)


class Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
        "fordblks", "keepcost",
    )]  # fmt: skip


def malloc_bytes():
    """Bytes that malloc has handed out, or 0 where the C library does not say."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ask = ctypes.CDLL(None).mallinfo2
        ask.restype = Mallinfo
        info = ask()
        return info.uordblks + info.hblkhd
    return 0


def network(dtype="float32"):
    return an.Sequential(
        an.Affine.init(4, 6, rng=0, dtype=dtype),
        an.LayerNorm(6, dtype=dtype),
        an.GELU(),
        an.Dropout(0.2, rng=1),
        an.Affine.init(6, 3, rng=2, dtype=dtype),
        loss=an.SoftmaxWithLoss(),
    )


def entry_points(folder):
    """name: (a call that works, one that fails late, the arguments to watch)."""
    net, x, t = network(), np.ones((8, 4), np.float32), np.arange(8) % 3
    bad_t, wide = np.arange(8), np.ones((8, 5), np.float32)
    W, b, out = np.ones((4, 6), np.float32), np.ones(6, np.float32), np.ones((8, 6), np.float32)
    path, broken = folder / "net.npz", folder / "broken.npz"
    net.save(path)
    broken.write_bytes(path.read_bytes()[:-30])
    kernels, adam = _dispatch.kernels, an.Adam()
    short = np.ones((8, 5), np.float32)
    y = net.predict(x)
    return {
        "predict": (lambda: net.predict(x), lambda: net.predict(x, out=short), [x, short]),
        "evaluate": (lambda: net.evaluate(x, t), lambda: net.evaluate(x, bad_t), [x, t, bad_t]),
        "forward": (lambda: net.forward(x, t), lambda: net.forward(wide, t), [x, t, wide]),
        "loss": (lambda: net.loss.forward(y, t), lambda: net.loss.forward(y, bad_t), [y, t, bad_t]),
        "fit": (
            lambda: net.fit(x, t, epochs=1, batch_size=4, optimizer=adam),
            lambda: net.fit(x, t, epochs=1, optimizer=adam, validation_data=(x, bad_t)),
            [x, t, bad_t],
        ),
        "layer by layer": (
            lambda: net.fit(x, t, epochs=1, callbacks=[an.every_steps(1, len_of)]),
            lambda: net.fit(x, t, epochs=1, callbacks=[None]),
            [x, t],
        ),
        "affine_forward": (
            lambda: kernels.affine_forward(x, W, b, out),
            lambda: kernels.affine_forward(x, W, b, short),
            [x, W, b, out, short],
        ),
        "load": (lambda: an.load(path), lambda: an.load(broken), [path, broken]),
        "save": (lambda: net.save(path), lambda: net.save(folder / "net.txt"), [path]),
        "gradient": (lambda: net.gradient(x, 1), lambda: net.gradient(x, 9), [x]),
        "Adam.update": (
            lambda: an.Adam().update({"W": W.copy()}, {"W": W}),
            lambda: an.Adam().update({"W": W.copy()}, {"W": short}),
            [W, short],
        ),
        "Sequential": (network, lambda: an.Sequential(*net.layers, loss=3), [*net.layers]),
    }  # fmt: skip


def len_of(state):
    return None


def batch(b):
    with tempfile.TemporaryDirectory() as folder:
        points = entry_points(Path(folder))
        names = list(points)
        if b.quick:
            for name in names:
                attack(b, name, *points[name], QUICK_CALLS)
        else:
            name = names[b.index % len(names)]
            attack(b, name, *points[name], CALLS)


def attack(b, name, good, bad, watched, calls):
    for _ in range(min(calls, WARM_UP) // 2):
        both(b, name, good, bad)
    for _ in range(TRIES):  # a leak is there every time, what another thread keeps is not
        references, blocks, held = grown(b, name, good, bad, watched, calls)
        b.case(calls)
        if blocks <= MOST_BLOCKS and held <= MOST_BYTES:
            break
    before, now = references
    b.expect(now == before, f"{name}: references {before} became {now}")
    b.expect(blocks <= MOST_BLOCKS, f"{name}: {blocks} blocks after {calls} calls")
    b.expect(held <= MOST_BYTES, f"{name}: {held} bytes after {calls} calls")
    b.measure("most bytes that a batch kept", held)


def grown(b, name, good, bad, watched, calls):
    """References before and after the calls, and how many more blocks and bytes there are."""
    gc.collect()
    before = [sys.getrefcount(value) for value in watched]
    blocks, held = sys.getallocatedblocks(), malloc_bytes()
    for _ in range(calls // 2):
        both(b, name, good, bad)
    gc.collect()
    more_blocks, more_bytes = sys.getallocatedblocks() - blocks, malloc_bytes() - held
    now = [sys.getrefcount(value) for value in watched]
    return (before, now), more_blocks, more_bytes


def both(b, name, good, bad):
    good()
    try:
        bad()
    except ERRORS:
        return
    b.found(f"{name}: the call that should fail did not")


ROW = Row(
    number=13,
    title="Leaks: every entry point, half of the calls failing in a late argument",
    holds="references equal; no more than 100 blocks and 64 KiB remain of 20,000 calls of an entry "
    "point, however often they are repeated",
    aim=12_000_000,
    batch=batch,
    cases="calls",
)
