"""Networks of many sizes and seeds, trained on joblib's, Dask's or Ray's workers: one call each."""

import os
import sys
from contextlib import ExitStack

import joblib
import numpy as np

import affinet as an

WORKERS = 2
NETWORKS = 8


def networks():
    return [
        an.Sequential(
            an.Affine.init(64, 4 + place, rng=place), an.ReLU(),
            an.Affine.init(4 + place, 10, rng=100 + place), loss=an.SoftmaxWithLoss(),
        )
        for place in range(NETWORKS)
    ]  # fmt: skip


def train(nets, seeds, x, t):
    """In a worker, which may use its share of the processors."""
    an.fit_many(nets, x, t, epochs=2, seeds=seeds)
    return nets, os.getpid(), an.get_num_threads()


def start(engine, stack):
    """The backend that joblib then uses."""
    if engine == "dask":
        from dask.distributed import Client, LocalCluster

        cluster = LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None)
        stack.enter_context(Client(stack.enter_context(cluster)))
    elif engine == "ray":
        import ray
        from ray.util.joblib import register_ray

        ray.init(num_cpus=WORKERS, include_dashboard=False, logging_level="error")
        stack.callback(ray.shutdown)
        register_ray()
    stack.enter_context(joblib.parallel_config(engine, n_jobs=WORKERS))


def main(engine):
    (x, t), _ = an.datasets.load_digits()
    nets, own = networks(), networks()
    parts = [slice(worker, None, WORKERS) for worker in range(WORKERS)]
    with ExitStack() as stack:
        start(engine, stack)
        done = joblib.Parallel()(
            joblib.delayed(train)(nets[part], range(NETWORKS)[part], x, t) for part in parts
        )
    for seed, net in enumerate(own):
        net.fit(x, t, epochs=2, seed=seed)
    same = all(
        np.array_equal(one.params.flat, other.params.flat)
        for part, (trained, _, _) in zip(parts, done, strict=True)
        for one, other in zip(trained, own[part], strict=True)
    )
    print("as one by one:", same)
    print("outside this process:", os.getpid() not in {process for _, process, _ in done})
    print("threads a worker", max(threads for _, _, threads in done))


if __name__ == "__main__":
    main(*sys.argv[1:])
