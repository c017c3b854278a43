"""Row 16: subnormal gradients slow no optimizer down, and leave the float mode alone."""

from __future__ import annotations

import time

import numpy as np

from evidence import Row
from parts.optimizers import OPTIMIZERS

STEPS, ROUNDS, SIZE = 20_000, 20, 4096
RULES = list(OPTIMIZERS.items())
MOST = 1.3


def smallest_survives():
    """Whether NumPy still computes with subnormal numbers in this thread."""
    tiny = np.full(4, np.finfo(np.float32).smallest_subnormal)
    return bool((tiny + tiny == 2 * tiny).all() and (tiny * np.float32(1) > 0).all())


def seconds(make, gradients, steps):
    """CPU seconds of each gradient's fastest round of steps, and whether all stays finite.

    The gradients take turns, round by round, so that a slow phase of the machine meets all of them.
    """
    trained = [({"W": np.ones(SIZE, np.float32)}, make(1e-4), {"W": g}) for g in gradients]
    best = [np.inf for _ in gradients]
    for _ in range(ROUNDS):
        for place, (W, rule, gradient) in enumerate(trained):
            begin = time.thread_time()
            for _ in range(steps // ROUNDS):
                rule.update(W, gradient)
            best[place] = min(best[place], time.thread_time() - begin)
    return best, all(np.isfinite(W["W"]).all() for W, _, _ in trained)


def batch(b):
    name, row = RULES[b.index % len(RULES)]
    steps = 400 if b.quick else STEPS
    usual = b.rng.standard_normal(SIZE).astype(np.float32)
    sizes = 10 ** b.rng.uniform(-45, -19, SIZE)  # squares of some are subnormal as well
    small = (sizes * b.rng.choice([-1, 1], SIZE)).astype(np.float32)
    (normal, slow), finite = seconds(row.make, (usual, small), steps)
    b.case(steps)
    b.expect(finite, f"{name}: parameters are not finite")
    b.expect(smallest_survives(), f"{name} changed the caller's float mode")
    b.measure(f"{name}: time of a step relative to a normal one", slow / normal)
    if not b.quick:
        b.expect(slow <= MOST * normal, f"{name}: {slow / normal:.2f} times as slow")


ROW = Row(
    number=16,
    title="Subnormal gradients for 20,000 steps of every rule",
    holds="a step takes at most 1.3 times as long; the caller's float mode is untouched",
    aim=len(RULES) * STEPS,
    batch=batch,
    cases="steps",
    quick=1,
    also=("tests/kernels/test_floating_point_modes.py",),
    alone=True,
)
