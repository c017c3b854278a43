"""Predictions for many rows on several workers: each loads the model and takes blocks of rows."""

import sys
import tempfile
import time
from pathlib import Path

import joblib
import numpy as np

import affinet as an

BLOCK = 1_000


def predict(path, x, first):
    """The outputs for a block of rows on disk, and the seconds that loading took."""
    started = time.perf_counter()
    net = an.load(path)
    seconds = time.perf_counter() - started
    rows = np.load(x, mmap_mode="r")[first : first + BLOCK]
    return net.predict(rows), seconds


def with_joblib(path, x, starts):
    """Block by block in joblib's processes."""
    return joblib.Parallel(n_jobs=2)(joblib.delayed(predict)(path, x, first) for first in starts)


def with_dask(path, x, starts):
    """The same by Dask's map_partitions, which hands over the blocks of a partition."""
    from dask import bag
    from dask.distributed import Client, LocalCluster

    blocks = bag.from_sequence(starts, npartitions=2)
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(processes=False, **options) as cluster, Client(cluster):
        return blocks.map_partitions(
            lambda firsts: [predict(path, x, first) for first in firsts]
        ).compute()


def main(engine):
    with tempfile.TemporaryDirectory() as name:
        path, x = Path(name) / "model.npz", Path(name) / "x.npy"
        net = an.Sequential(
            an.Affine.init(784, 512, rng=0), an.ReLU(), an.Affine.init(512, 10, rng=1)
        )
        net.save(path)
        rows = np.random.default_rng(0).standard_normal((10 * BLOCK, 784)).astype(np.float32)
        np.save(x, rows)
        run = with_dask if engine == "dask" else with_joblib
        results = run(path, x, range(0, len(rows), BLOCK))
        outputs = np.concatenate([y for y, _ in results])
        print("as one process:", bool((outputs == net.predict(rows)).all()))
        print(f"loading the model took {1e3 * min(seconds for _, seconds in results):.1f} ms")


if __name__ == "__main__":
    main(sys.argv[1])
