"""Trains on all ranks in several ways; each rank writes its parameters to a file."""

import sys
from pathlib import Path

import numpy as np
from mpi4py import MPI

import affinet as an


def train(reducer=None, rng=0):
    (x, t), test = an.datasets.load_digits()
    net = an.Sequential(
        an.Affine.init(64, 40, rng=rng, dtype="float64"),
        an.ReLU(),
        an.Dropout(0.2),
        an.Affine.init(40, 10, rng=1, dtype="float64"),
        loss=an.SoftmaxWithLoss(),
    )
    net.fit(
        *(x, t),
        steps=80,
        batch_size=50,
        optimizer=an.Adam(),
        validation_data=test,
        callbacks=[an.EarlyStopping(patience=20)],
        seed=2,
        reducer=reducer,
    )
    return net


def main(folder):
    rank = MPI.COMM_WORLD.rank
    ways = {
        "shared": an.distributed.MPIReducer(),
        "again": an.distributed.MPIReducer(),
        "messages": an.distributed.MPIReducer(shared_memory=False),
        "local": an.distributed.MPIReducer(average_every=5),
    }
    results = {name: train(reducer, rng=rank) for name, reducer in ways.items()}
    results["single"] = train()
    half = MPI.COMM_WORLD.Split(rank % 2)  # communicators of other ranks than all
    results["half"] = train(an.distributed.MPIReducer(half))
    np.savez(
        folder / f"{rank}.npz",
        **{name: net.params.flat for name, net in results.items()},
        **{f"{name} losses": net.history["loss"] for name, net in results.items()},
        threads=an.get_num_threads(),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
