"""Networks dealt out to ranks: every rank ends with what one process would have."""

import copy
import sys
import threading

import numpy as np
import pytest

import affinet as an
from affinet.training.crowd_ranks import dealt
from many_networks import N, build, crowd, data, require_same
from rank_threads import on_ranks

X, T = data()
OPTIONS = {"epochs": 3, "batch_size": 8, "seeds": range(N), "schedule": an.schedules.Cosine(0.02)}


class RunningMean:
    """A custom layer with a buffer."""

    buffers = ("mean",)

    def __init__(self):
        self.mean = np.zeros(4)

    def forward(self, x, train=True):
        if train:
            self.mean += 0.1 * (x.mean(axis=0) - self.mean)
        return x - self.mean

    def backward(self, dout):
        return dout


def networks():
    """The crowd, a BatchNorm and a custom layer that keep statistics."""
    normed = an.Sequential(
        an.Affine.init(4, 5, rng=1), an.BatchNorm(5), an.Affine.init(5, 3, rng=2),
        loss=an.SoftmaxWithLoss(),
    )  # fmt: skip
    own = an.Sequential(
        RunningMean(), an.Affine.init(4, 3, rng=1, dtype="float64"), loss=an.SoftmaxWithLoss()
    )
    return [*crowd()[: N - 2], normed, own]


def one_process(**options):
    nets = networks()
    an.fit_many(nets, X, T, **OPTIONS | options)
    return nets


@pytest.mark.parametrize("size", [1, 2, 3, 8])
@pytest.mark.parametrize("n", [1, 2])
def test_every_rank_has_every_network(size, n):
    trained_on = {}

    def note(state):
        trained_on.setdefault(state.net.params.flat.size, set()).add(threading.get_ident())

    def work(reducer):
        nets = networks()
        for net in nets:
            net.params.flat += reducer.rank  # all begin as on rank 0
        histories = an.fit_many(nets, X, T, reducer=reducer, callbacks=[note], **OPTIONS)
        assert histories == [net.history for net in nets]
        return nets

    with an.num_threads(n):
        found = on_ranks(size, work)
    own = one_process()
    for nets in found:
        require_same(nets, own)
    assert all(len(idents) >= 1 for idents in trained_on.values())


def test_optimizers_are_complete_on_every_rank():
    """A second call continues from their averages, on another number of ranks too."""

    def work(reducer):
        nets = networks()
        once, each = an.Adam(0.02), [an.Adam(0.02) for _ in range(N)]
        an.fit_many(nets, X, T, optimizer=once, reducer=reducer, **OPTIONS)
        an.fit_many(nets, X, T, optimizers=each, reducer=reducer, **OPTIONS)
        lrs = [optimizer.lr for optimizer in each]
        an.fit_many(nets, X, T, optimizer=once, **OPTIONS)  # each on its own
        an.fit_many(nets, X, T, optimizers=each, **OPTIONS)
        return nets, lrs

    (own, rates), *_ = on_ranks(1, work)
    for nets, lrs in on_ranks(2, work):
        require_same(nets, own)
        assert lrs == rates
        assert rates[0] != 0.02


AVERAGES = (an.EMA(0.5), None, an.SWA(3, 2), an.EMA(0.9, start=4), an.SWA(), an.EMA(0.7))


def averages_of_own():
    return [copy.deepcopy(average) for average in AVERAGES]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_every_rank_has_every_average(size):
    """A second call continues them on another number of ranks, here on each alone."""

    def work(reducer):
        nets, averages = networks(), averages_of_own()
        for net in nets:
            net.params.flat += reducer.rank
        an.fit_many(nets, X, T, averages=averages, reducer=reducer, **OPTIONS)
        once = copy.deepcopy(averages)
        an.fit_many(nets, X, T, averages=averages, **OPTIONS)
        return once, averages

    found = on_ranks(size, work)
    nets, averages = networks(), averages_of_own()
    for call in range(2):
        for place, (net, average) in enumerate(zip(nets, averages, strict=True)):
            options = {**OPTIONS, "seed": place}
            del options["seeds"]
            net.fit(X, T, average=average, **options)
        for both in found:
            assert [average is None for average in both[call]] == [
                average is None for average in averages
            ]
            for one, other in zip(filter(None, both[call]), filter(None, averages), strict=True):
                assert one.steps == other.steps > 0
                arrays = other.net._arrays()
                for name, array in one.net._arrays().items():
                    assert array.tobytes() == arrays[name].tobytes(), name


def test_an_average_of_another_network_ends_all_ranks():
    def work(reducer):
        averages = averages_of_own()
        if reducer.rank == 1:
            averages[0].follow(build(0, width=2))
        an.fit_many(networks(), X, T, averages=averages, reducer=reducer)

    first, second = on_ranks(2, work)
    assert "rank 1 of 2 failed" in str(first)
    assert "the average of a network with other parameters" in str(second)


def test_failures_and_warnings_are_known_to_all(recwarn):
    def fail(state):
        raise OSError("the disk is full")

    def work(reducer):
        nets = networks()
        lists = [[fail] if place == 2 else [] for place in range(N)]
        rates = [an.SGD(1e300 if place == 1 else 0.1) for place in range(N)]
        try:
            an.fit_many(
                nets, X, T, epochs=2, callback_lists=lists, optimizers=rates, reducer=reducer
            )
        except an.FitManyError as error:
            return nets, error
        return None

    (one, first), (other, second) = on_ranks(2, work)
    assert list(first.failed) == list(second.failed) == [2]
    assert {type(first.failed[2]), type(second.failed[2])} == {OSError, RuntimeError}
    for error in (first, second):
        assert "1 of 6 networks failed: 2 " in str(error)
        assert "the disk is full" in str(error)
    require_same(one, other)
    texts = {str(warning.message)[:30] for warning in recwarn}
    assert any(text.startswith("network 1: the loss of epoch") for text in texts)


def test_what_one_rank_refuses_ends_all():
    def work(reducer):
        an.fit_many(networks(), X, T, reducer=reducer, batch_size=8 * reducer.rank)

    errors = on_ranks(2, work)
    assert isinstance(errors[0], ValueError)
    assert "batch_size is 0" in str(errors[0])
    assert "rank 0 of 2 failed" in str(errors[1])


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (lambda rank: {"batch_size": 8 + rank}, "trainings"),
        (lambda rank: {"seeds": np.arange(N) + rank}, "trainings"),
        (lambda rank: {"optimizer": an.Adam(0.1 + rank)}, "trainings"),
        (lambda rank: {"averages": [an.SWA(rank), *[None] * (N - 1)]}, "averages"),
    ],
)
def test_ranks_that_disagree(options, what):
    def work(reducer):
        an.fit_many(networks(), X, T, reducer=reducer, **options(reducer.rank))

    for error in on_ranks(2, work):
        assert f"the ranks disagree on {what}" in str(error)


def test_ranks_with_other_numbers_of_networks():
    def work(reducer):
        an.fit_many(networks()[reducer.rank :], X, T, reducer=reducer)

    for error in on_ranks(2, work):
        assert "the ranks disagree on networks: 6 on rank 0, 5 on rank 1" in str(error)


def test_an_exit_on_one_rank_ends_all():
    def leave(state):
        raise SystemExit(3)

    def work(reducer):
        nets = [build(place) for place in range(4)]
        lists = [[leave] if place == 0 else [] for place in range(4)]
        an.fit_many(nets, X, T, epochs=10_000_000, callback_lists=lists, reducer=reducer)

    kinds = {type(error) for error in on_ranks(2, work)}
    assert kinds == {SystemExit, RuntimeError}


def test_a_checkpoint_of_ranks_resumes_on_another_number(tmp_path):
    path = tmp_path / "{net}.npz"

    def work(reducer, epochs, **options):
        nets = networks()
        an.fit_many(nets, X, T, reducer=reducer, **OPTIONS | {"epochs": epochs} | options)
        return nets

    schedule = {"schedule": None}
    on_ranks(2, lambda r: work(r, 2, callbacks=[an.Checkpoint(path)], **schedule))
    found = on_ranks(3, lambda r: work(r, 5, resume=path, **schedule))
    own = one_process(epochs=5, **schedule)
    for nets in found:
        require_same(nets, own)


def test_a_damaged_checkpoint_is_the_failure_of_one_network_on_all_ranks(tmp_path):
    path = tmp_path / "{net}.npz"
    an.fit_many(crowd(), X, T, epochs=1, callbacks=[an.Checkpoint(path)])
    (tmp_path / "2.npz").write_bytes(b"nothing")

    def work(reducer):
        nets = crowd()
        try:
            an.fit_many(nets, X, T, epochs=2, resume=path, reducer=reducer)
        except an.FitManyError as error:
            return nets, error
        return None

    (one, first), (other, second) = on_ranks(2, work)
    for nets, error in ((one, first), (other, second)):
        assert list(error.failed) == [2]
        assert "2.npz" in str(error.failed[2])
        assert nets[2].history is None
        assert [len(net.history.epochs) for net in nets if net is not nets[2]] == [2] * (N - 1)
    require_same(one[:2] + one[3:], other[:2] + other[3:])


class Counts:
    """A custom layer with a buffer without elements, and one that is not contiguous."""

    buffers = ("none", "every_second")

    def __init__(self):
        self.none, self.every_second = np.zeros(0), np.zeros(8)[::2]

    def forward(self, x, train=True):
        if train:
            self.every_second += len(x)
        return x

    def backward(self, dout):
        return dout


def test_buffers_of_any_form_come_to_every_rank():
    def work(reducer):
        nets = [
            an.Sequential(
                Counts(), an.Affine.init(4, 3, rng=place, dtype="float64"),
                loss=an.SoftmaxWithLoss(),
            )
            for place in range(3)
        ]  # fmt: skip
        an.fit_many(nets, X, T, epochs=2, reducer=reducer)
        return nets

    own = work(None)
    assert (own[0].layers[0].every_second >= 2 * len(X)).all()
    for nets in on_ranks(2, work):
        require_same(nets, own)
        for net, other in zip(nets, own, strict=True):
            assert not net.layers[0].every_second.flags.c_contiguous
            np.testing.assert_array_equal(net.layers[0].every_second, other.layers[0].every_second)


def test_a_rank_without_a_network():
    def work(reducer):
        net = build(0)
        an.fit_many([net], X, T, epochs=1, reducer=reducer)
        return net

    net = build(0)
    net.fit(X, T, epochs=1)
    for found in on_ranks(3, work):
        require_same([found], [net])


def test_the_longest_first_to_the_rank_with_the_least():
    assert dealt([9, 5, 4, 3, 2], 2) == [0, 1, 1, 0, 1]
    assert dealt([3, 3], 4) == [0, 1]
    loads = np.zeros(3)
    costs = sorted(np.random.default_rng(0).uniform(1, 9, 40), reverse=True)
    for rank, cost in zip(dealt(costs, 3), costs, strict=True):
        loads[rank] += cost
    assert loads.max() < 1.05 * loads.mean()


PROGRAM = """
import numpy as np, sys
import affinet as an

reducer = an.distributed.MPIReducer()
rng = np.random.default_rng(0)
x, t = rng.standard_normal((50, 4)), rng.integers(0, 3, 50)
nets = [an.Sequential(an.Affine.init(4, 3 , rng=i), loss=an.SoftmaxWithLoss()) for i in range(5)]
an.fit_many(nets, x, t, epochs=3, seeds=range(5), reducer=reducer)
own = [an.Sequential(an.Affine.init(4, 3, rng=i), loss=an.SoftmaxWithLoss()) for i in range(5)]
an.fit_many(own, x, t, epochs=3, seeds=range(5))
same = all((a.params.flat == b.params.flat).all() for a, b in zip(nets, own))
print(f"rank {reducer.rank} of {reducer.size}: {same}")
"""


def test_mpi(mpi):
    code, out, err = mpi(2, "-c", PROGRAM)
    assert code == 0, err
    assert "rank 0 of 2: True" in out
    assert "rank 1 of 2: True" in out


INTERRUPTED = """
import os, signal, sys
import numpy as np
import affinet as an

reducer = an.distributed.MPIReducer()
x, t = np.ones((50, 4)), np.zeros(50, int)
nets = [an.Sequential(an.Affine.init(4, 3 , rng=i), loss=an.SoftmaxWithLoss()) for i in range(4)]


def interrupt(state):
    if reducer.rank == 1 and state.epoch == 3:
        os.kill(os.getpid(), signal.SIGINT)


try:
    an.fit_many(nets, x, t, epochs=10**9, callbacks=[interrupt], reducer=reducer)
except KeyboardInterrupt:
    print(f"rank {reducer.rank} ended")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_on_one_rank_ends_all(mpi):
    code, out, err = mpi(2, "-c", INTERRUPTED, seconds=mpi.seconds)
    assert code == 0, err
    assert "rank 0 ended" in out
    assert "rank 1 ended" in out
