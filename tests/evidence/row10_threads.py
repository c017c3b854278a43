"""Row 10: 16 Python threads share networks and call them at once."""

from __future__ import annotations

import copy
import sys
import threading

import numpy as np

import affinet as an
from evidence import Row

THREADS, CALLS, QUICK_CALLS = 16, 60, 8
SECONDS = 120


def network():
    return an.Sequential(
        an.Affine.init(24, 40, rng=0), an.LayerNorm(40), an.GELU(),
        an.Residual(an.Affine.init(40, 40, rng=1), an.Tanh()), an.Affine.init(40, 5, rng=2),
        loss=an.SoftmaxWithLoss(),
    )  # fmt: skip


def trained(x, t):
    net = network()
    net.fit(x, t, epochs=1, batch_size=32, seed=4, optimizer=an.Adam())
    return net.params.flat.tobytes()


def work(net, x, t):
    """Calls whose results are known, those on the shared network and those of a thread's own."""
    return {
        "predict": lambda: net.predict(x).tobytes(),
        "predict one row": lambda: net.predict(x[3]).tobytes(),
        "predict_proba": lambda: net.predict_proba(x[:50]).tobytes(),
        "predict many rows": lambda: net.predict(np.tile(x, (20, 1))).tobytes(),
        "fit": lambda: trained(x, t),
        "copy": lambda: copy.deepcopy(net).params.flat.tobytes(),
        "set_num_threads": lambda: an.set_num_threads(2),
    }


def batch(b):
    """All threads start together; each draws its calls from a generator of its own."""
    rng = np.random.default_rng(1)
    net, x = network(), rng.standard_normal((150, 24)).astype(np.float32)
    todo = work(net, x, rng.integers(0, 5, 150))
    wanted = {name: call() for name, call in todo.items()}
    start, wrong, done = threading.Barrier(THREADS), [], []

    def run(seed):
        draws = np.random.default_rng(seed)
        start.wait()
        for name in draws.choice(list(todo), QUICK_CALLS if b.quick else CALLS):
            try:
                if todo[name]() != wanted[name]:
                    wrong.append(f"{name} differs from the serial result")
            except Exception as error:
                wrong.append(f"{name}: {type(error).__name__}: {error}")
            done.append(name)

    before = sys.getswitchinterval()
    sys.setswitchinterval(float(b.rng.choice([1e-6, 1e-5, 5e-3])))
    try:
        crowd = [threading.Thread(target=run, args=([b.seed, b.index, i],)) for i in range(THREADS)]
        for thread in crowd:
            thread.daemon = True
            thread.start()
        for thread in crowd:
            thread.join(SECONDS)
    finally:
        sys.setswitchinterval(before)
    b.expect(not any(thread.is_alive() for thread in crowd), "threads hang")
    for what in sorted(set(wrong)):
        b.found(what)
    b.case(len(done))


ROW = Row(
    number=10,
    title="16 threads of Python on a shared network",
    holds="equal to the serial result to the bit, no hang, no error",
    aim=16 * 100_000,
    batch=batch,
    cases="calls",
    quick=1,
    also=("tests/network/test_threads.py",),
    alone=True,
)
