"""A training that writes many checkpoints and resumes from the latest."""

import os
import sys
from pathlib import Path

import affinet as an


def main(path, steps):
    reducer = an.distributed.MPIReducer()
    path.with_name(f"{os.getpid()}.pid").touch()
    (x, t), _ = an.datasets.load_digits()
    net = an.Sequential(
        an.Affine.init(64, 64, rng=0),
        an.ReLU(),
        an.Dropout(0.2),
        an.Affine.init(64, 10, rng=1),
        loss=an.SoftmaxWithLoss(),
    )
    net.fit(
        *(x, t),
        steps=steps,
        optimizer=an.Adam(),
        callbacks=[an.Checkpoint(path, every_steps=3)],
        reducer=reducer,
        resume=path if path.exists() else None,
    )
    print(f"steps {net.history.steps}\n", end="", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
