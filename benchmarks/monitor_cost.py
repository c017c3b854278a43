"""The cost of watching a training: ``fit`` of 784-50-10 with and without ``diagnostics.Monitor``.

Trainings with and without it take turns, in single precision with batches of 100 rows and plain
gradient descent; the figure is the median of the ratios of neighbours.

    python benchmarks/monitor_cost.py
    python benchmarks/monitor_cost.py --steps 600 --repeats 40 --threads 1
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence

import machine
import numpy as np

import affinet as an

ROWS, BATCH = 60_000, 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=3000, help="of each training (3000)")
    parser.add_argument("--repeats", type=int, default=12, help="trainings of each kind (12)")
    parser.add_argument("--threads", type=int, help="default: as many as affinet chooses")
    options = parser.parse_args(arguments)
    if options.threads is not None:
        an.set_num_threads(options.threads)
    print(machine.heading(machine.description()))
    rng = np.random.default_rng(0)
    x, t = rng.random((ROWS, 784), dtype=np.float32), rng.integers(0, 10, ROWS)
    seconds(x, t, options.steps, False)  # warms up memory and clock
    plain, watched = [], []
    for repeat in range(options.repeats):
        for with_it in (False, True) if repeat % 2 else (True, False):
            (watched if with_it else plain).append(seconds(x, t, options.steps, with_it))
    ratio = statistics.median(b / a for a, b in zip(plain, watched, strict=True))
    one, other = (1e6 * statistics.median(times) / options.steps for times in (plain, watched))
    print(f"a step {one:.1f} µs, with Monitor {other:.1f} µs: {100 * (ratio - 1):.1f} % longer")
    return 0


def seconds(x: np.ndarray, t: np.ndarray, steps: int, watched: bool) -> float:
    """Time of one training."""
    net = an.Sequential(
        an.Affine.init(784, 50, rng=0), an.ReLU(), an.Affine.init(50, 10, rng=1),
        loss=an.SoftmaxWithLoss(),
    )  # fmt: skip
    callbacks = [an.diagnostics.Monitor(verbose=False)] if watched else []
    started = time.perf_counter()
    net.fit(x, t, steps=steps, batch_size=BATCH, optimizer=an.SGD(0.01), callbacks=callbacks,
            verbose=0)  # fmt: skip
    return time.perf_counter() - started


if __name__ == "__main__":
    raise SystemExit(main())
