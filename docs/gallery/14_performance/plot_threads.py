"""
Threads change the time, not the result
=======================================

You will see the time of a training step on one thread and on all that the process may use, for
small and large networks, and that the trained parameters are the same bits. Threads share a step
where a cost model says that it pays.
"""

import time

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

rng = np.random.default_rng(0)
x = rng.standard_normal((2048, 256)).astype(np.float32)
t = rng.integers(0, 10, 2048)
most = an.get_num_threads()
units = (16, 64, 256, 512)


def train(n, threads):
    """Parameters, milliseconds per step and the threads that were used."""
    net = an.Sequential(
        an.Affine.init(256, n, rng=0),
        an.ReLU(),
        an.Affine.init(n, n, rng=1),
        an.ReLU(),
        an.Affine.init(n, 10, rng=2),
        loss=an.SoftmaxWithLoss(),
    )
    with an.num_threads(threads):
        net.fit(x, t, steps=4, batch_size=128, optimizer=an.SGD(0.01))
        start = time.perf_counter()
        history = net.fit(x, t, steps=24, batch_size=128, optimizer=an.SGD(0.01))
        return net.params.flat.copy(), 1e3 * (time.perf_counter() - start) / 24, history.threads


bars = {1: [], most: []}
for n in units:
    results = {threads: train(n, threads) for threads in bars}
    for threads, result in results.items():
        bars[threads].append(result[1])
    same = bool((results[1][0] == results[most][0]).all())
    print(f"{n:4} units: {results[most][2]} threads used of {most}, same bits: {same}")

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
places = np.arange(len(units))
for k, (threads, times) in enumerate(bars.items()):
    name = f"at most {threads} thread" + "s" * (threads > 1)
    ax.bar(places + 0.4 * k - 0.2, times, 0.38, label=name, hatch=("", "//")[k], edgecolor="w")
ax.set_xticks(places, units)
ax.set(yscale="log", xlabel="hidden units", ylabel="ms per step", title="256-n-n-10, 128 rows")
ax.legend()
plt.show()
