"""A training of two ranks in which the second fails, in the way that is named."""

import os
import signal
import sys

import affinet as an


class Fails(an.ReLU):
    """Raises in a step on the second rank."""

    def __init__(self, rank):
        super().__init__()
        self.left = 60 if rank == 1 else 10**9

    def forward(self, x):
        self.left -= 1
        if self.left == 0:
            raise FloatingPointError("lost in a step")
        return super().forward(x)


def main(way):
    reducer = an.distributed.MPIReducer()
    other = reducer.rank == 1
    (x, t), _ = an.datasets.load_digits()
    if way == "exits before" and other:
        sys.exit(0)
    if way == "raises before" and other:
        raise KeyError("lost before")

    def callback(state):
        if not other or state.epoch < 3:
            return
        if way == "exits":
            sys.exit(5)
        if way == "raises":
            raise ValueError("lost in a callback")
        if way == "interrupted":
            os.kill(os.getpid(), signal.SIGINT)
        if way == "killed":
            os.kill(os.getpid(), signal.SIGKILL)

    layer = Fails(reducer.rank) if way == "raises in a step" else an.ReLU()
    net = an.Sequential(
        an.Affine.init(64, 16, rng=0),
        layer,
        an.Affine.init(16, 10, rng=1),
        loss=an.SoftmaxWithLoss(),
    )
    options = {"batch_size": 16 if way == "disagrees" and other else 32, "epochs": 10**6}
    try:
        net.fit(
            x, t + (way == "refuses" and other), callbacks=[callback], reducer=reducer, **options
        )
    except ValueError:
        if way != "disagrees":
            raise
        net.fit(x, t, reducer=reducer, epochs=1)  # every rank knows: training may continue
        print("went on")


if __name__ == "__main__":
    main(sys.argv[1])
