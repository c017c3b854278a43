"""Time of a training step in Pyodide, beside the same network in NumPy there; by browser.mjs."""

import itertools
import time

import numpy as np

import affinet as an
from affinet.bench.numpy_networks import BookNetwork

NETWORKS = {  # sizes, rows of a batch, least ratio
    "tiny": ((8, 64, 64, 4), 32, 3.0),
    "digits": ((64, 64, 10), 32, 3.0),
    "mid": ((784, 512, 512, 10), 128, 5.0),
}
SECONDS = 0.4  # of one measurement, about
RUNS = 3


def make(sizes: tuple[int, ...]) -> an.Sequential:
    """The network, with ReLU between its layers."""
    layers = []
    for number, (n_inputs, n_outputs) in enumerate(itertools.pairwise(sizes)):
        layers += [an.Affine.init(n_inputs, n_outputs, rng=number), an.ReLU()]
    return an.Sequential(*layers[:-1], loss=an.SoftmaxWithLoss())


def ratio(name: str) -> float:
    """How many steps affinet makes in one of NumPy's, at best of some runs of each by turns."""
    sizes, rows, _ = NETWORKS[name]
    rng, net = np.random.default_rng(0), make(sizes)
    x = rng.normal(size=(8 * rows, sizes[0])).astype(np.float32)
    t = rng.integers(sizes[-1], size=len(x))
    book = BookNetwork([array.copy() for array in net.params.values()], 0.01)
    own, theirs = [], []
    for _ in range(RUNS):
        begun, steps = time.perf_counter(), 0
        while steps == 0 or time.perf_counter() - begun < SECONDS:
            first = steps % 8 * rows
            book.step(x[first : first + rows], t[first : first + rows])
            steps += 1
        theirs.append((time.perf_counter() - begun) / steps)
        epochs = max(1, round(SECONDS / (theirs[-1] / 5) / 8))
        begun = time.perf_counter()
        net.fit(x, t, epochs=epochs, batch_size=rows, optimizer=an.SGD(0.01), verbose=0)
        own.append((time.perf_counter() - begun) / (8 * epochs))
    microseconds = 1e6 * min(own), 1e6 * min(theirs)
    print(f"{name}: {microseconds[0]:.0f} µs a step, {microseconds[1]:.0f} in NumPy", flush=True)
    return min(theirs) / min(own)


for net_name, (_, _, least) in NETWORKS.items():
    found = ratio(net_name)
    print(f"{net_name}: {found:.1f} times as fast; wanted {least:g}", flush=True)
