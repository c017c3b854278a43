"""Ranks that train with a sampler: they draw the same rows, and end alike."""

import threading

import numpy as np
import pytest

import affinet as an
from affinet import samplers
from rank_threads import on_ranks, same_bits

X = np.random.default_rng(0).standard_normal((30, 4))
T = (X[:, 0] > 0.8).astype(int)
SAMPLERS = {
    "uniform": samplers.WithReplacement(),
    "more rows than the data has": samplers.WithReplacement(70),
    "weights": samplers.WithReplacement(41, np.arange(30)),
    "balanced": samplers.WithReplacement(weights="balanced"),
}


def make_net():
    return an.Sequential(
        an.Affine.init(4, 5, rng=0, dtype="float64"), an.ReLU(), an.Dropout(0.2),
        an.Affine.init(5, 2, rng=1, dtype="float64"), loss=an.SoftmaxWithLoss(),
    )  # fmt: skip


def fit(reducer=None, data=(X, T), **options):
    net = make_net()
    options = {"epochs": 3, "batch_size": 8, "optimizer": an.Adam(0.01), "seed": 5} | options
    return net, net.fit(*data, reducer=reducer, **options)


@pytest.mark.parametrize("weights", [None, np.arange(30) % 3])
@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("batch_size", [8, 64])
def test_the_training_is_that_of_one_process(name, weights, batch_size):
    options = {"sampler": SAMPLERS[name], "sample_weight": weights, "batch_size": batch_size}
    net, history = fit(**options)
    outcomes = on_ranks(3, lambda reducer: fit(reducer, **options))
    assert same_bits([other.params.flat for other, _ in outcomes])
    for other, record in outcomes:
        np.testing.assert_allclose(other.params.flat, net.params.flat, rtol=1e-9, atol=1e-12)
        assert record.steps == history.steps
        np.testing.assert_allclose(record["loss"], history["loss"], rtol=1e-9)
        np.testing.assert_allclose(record["accuracy"], history["accuracy"], rtol=1e-9)


def test_rows_in_files(tmp_path):
    np.save(tmp_path / "x.npy", X)
    shards = an.datasets.Shards([np.load(tmp_path / "x.npy", mmap_mode="r")])
    sampler = samplers.WithReplacement(70)
    outcomes = [
        on_ranks(2, lambda reducer, x=x: fit(reducer, (x, T), sampler=sampler)) for x in (X, shards)
    ]
    assert same_bits([net.params.flat for outcome in outcomes for net, _ in outcome])


DIFFERING = {
    "a sampler": (
        lambda odd: samplers.WithReplacement() if odd else None,
        r"sampler: None on rank 0, WithReplacement\(n=None, weights=None\) on rank 1",
    ),
    "n": (lambda odd: samplers.WithReplacement(9 + odd), "sampler: .*n=9.* on rank 0, .*n=10"),
    "the first rows": (
        lambda odd: lambda epoch, n_rows, rng: np.arange(9) + odd,
        "rows of the first epoch: 9 rows, ",
    ),
    "later rows": (
        lambda odd: lambda epoch, n_rows, rng: np.arange(9) + odd * (epoch == 1),
        r"the rows that sampler .*<lambda> drew for epoch 1: ",
    ),
}


@pytest.mark.parametrize("case", DIFFERING)
def test_a_disagreement_is_one_error_on_every_rank(case):
    make, wanted = DIFFERING[case]
    errors = on_ranks(3, lambda reducer: fit(reducer, sampler=make(reducer.rank == 1)))
    assert all(type(error) is ValueError for error in errors), errors
    assert len({str(error) for error in errors}) == 1
    with pytest.raises(ValueError, match=f"^the ranks disagree on {wanted}"):
        raise errors[2]


@pytest.mark.parametrize("epoch", [0, 2])
def test_a_sampler_that_fails_on_one_rank_ends_all(epoch):
    local = threading.local()

    def draw(now, n_rows, rng):
        return [-1] if local.rank == 1 and now == epoch else [0]

    def work(reducer):
        local.rank = reducer.rank
        return fit(reducer, sampler=draw)

    errors = on_ranks(3, work)
    assert [type(error) for error in errors] == [RuntimeError, ValueError, RuntimeError]
    for error in errors:
        assert f"the result for epoch {epoch} has the row -1 at place 0" in str(error)
