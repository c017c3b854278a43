"""
Time per row and batch size
===========================

You will see how long a prediction takes per row when rows come alone or in batches. A call has a
fixed cost; with more rows it is shared, and the products of matrices become more efficient.
Timings are those of the machine that built this page, medians of many calls.

.. index:: ! batch size
"""

import itertools
import time

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

rng = np.random.default_rng(0)
sizes = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


def median_time(net, x, calls):
    """Median microseconds of a prediction."""
    out, times = net.predict(x).copy(), []
    for _ in range(calls):
        start = time.perf_counter()
        net.predict(x, out=out)
        times.append(1e6 * (time.perf_counter() - start))
    return np.median(times)


fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
with an.num_threads(1):
    for widths, style in (((8, 64, 64, 4), "o-"), ((784, 128, 10), "s--")):
        rng_weights, parts = np.random.default_rng(0), []
        for n_inputs, n_outputs in itertools.pairwise(widths):
            parts += [an.Affine.init(n_inputs, n_outputs, rng_weights), an.ReLU()]
        net = an.Sequential(*parts[:-1])
        name = "-".join(map(str, widths))
        x = rng.standard_normal((max(sizes), widths[0])).astype(np.float32)
        times = np.array([median_time(net, x[:n], 4000 // (20 + n)) / n for n in sizes])
        ax.loglog(sizes, times, style, label=name)
        print(f"{name}: {times[0]:.2f} µs alone, {times[-1]:.3f} µs per row of 512")
ax.set(xlabel="rows in a call", ylabel="µs per row", title="one thread, float32")
ax.set_xticks(sizes, sizes)
ax.minorticks_off()
ax.legend()
plt.show()
