"""A StopTraining of one rank, wherever it is raised, ends the training of all at the same step."""

import numpy as np
import pytest

import affinet as an
from rank_threads import on_ranks, same_bits

X = np.random.default_rng(0).standard_normal((30, 4))
T = (X[:, 0] > 0).astype(int)


class Stop:
    def __init__(self, where):
        setattr(self, where, self.stop)

    def __call__(self, state):
        pass

    def stop(self, *_):
        raise an.StopTraining("enough")


class Pass(Stop):
    """The same of a rank that does not stop."""

    def __init__(self, where):
        pass


Pass.__name__ = "Stop"


def options_of(where, stops):
    def metric(y, t):
        if stops:
            raise an.StopTraining("enough")
        return 0.0

    def rule(progress):
        if stops and progress.step == 5:
            raise an.StopTraining("enough")
        return 0.1

    return {
        "begin": {"callbacks": [(Stop if stops else Pass)("begin")]},
        "end": {"callbacks": [(Stop if stops else Pass)("end")]},
        "metric": {"metrics": [metric], "validation_data": (X, T)},
        "schedule": {"schedule": rule},
    }[where]


@pytest.mark.parametrize(
    ("where", "steps", "text"),
    [
        ("begin", 0, "Stop: enough"),
        ("end", 12, "epochs"),
        ("metric", 4, "metric: enough"),
        ("schedule", 5, "rule: enough"),
    ],
)
def test_one_rank_stops_all(where, steps, text):
    def work(reducer):
        net = an.Sequential(an.Affine.init(4, 2, rng=0), loss=an.SoftmaxWithLoss())
        options = options_of(where, reducer.rank == 1)
        return net, net.fit(X, T, epochs=3, batch_size=8, reducer=reducer, **options)

    outcomes = on_ranks(3, work)
    for outcome in outcomes:
        assert not isinstance(outcome, BaseException), outcome
        assert (outcome[1].steps, outcome[1].stopped_by) == (steps, text)
    assert same_bits([net.params.flat for net, _ in outcomes])
