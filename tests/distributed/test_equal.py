"""k ranks with a k-th of the batch each train like one rank with the whole batch."""

import numpy as np
import pytest

import affinet as an
from affinet.datasets import Shards
from parts.losses import LOSSES
from parts.optimizers import CLASSES
from rank_threads import ThreadReducer, on_ranks, same_bits

STEPS = 500
CLOSE = 1e-12  # rounding in float64 from the different order of the sums, over STEPS steps
rng = np.random.default_rng(4)
X = rng.standard_normal((103, 7))
T = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
WEIGHTS = rng.uniform(size=103) * (rng.uniform(size=103) < 0.7)


class OwnReLU(an.ReLU):
    """A custom layer, which fit trains layer by layer only."""


class OwnMean:
    """A custom loss that knows nothing about ranks: the mean over rows."""

    def forward(self, x, t):
        self.d = x - t
        return float((self.d**2).sum(axis=1).mean())

    def backward(self, dout=1.0):
        return 2 * self.d / len(self.d)


def make_net(loss=None, relu=an.ReLU, dtype="float64", rng=0, outputs=3):
    return an.Sequential(
        an.Affine.init(7, 16, rng=rng, dtype=dtype),
        relu(),
        an.Dropout(0.3),
        an.Affine.init(16, outputs, rng=1, dtype=dtype),
        loss=loss or an.SoftmaxWithLoss(),
    )


def train(reducer=None, data=(X, T), optimizer=an.Adam, net=None, **options):
    net = net or make_net()
    history = net.fit(
        *data,
        optimizer=optimizer(),
        seed=3,
        reducer=reducer,
        **{"batch_size": 20, "steps": 150} | options,
    )
    return net, history


def on_all(size, **options):
    """The ranks' networks and histories; raises the error of a rank that failed."""
    average_every = options.pop("average_every", None)
    make = options.pop("make", None)

    def work(reducer):
        more = {} if make is None else {"net": make()}
        return (*train(reducer, **more, **options), reducer)

    outcomes = on_ranks(size, work, average_every=average_every)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return outcomes


def assert_equal_training(outcomes, one, history, close=CLOSE):
    """The ranks have the same bits, and those of one rank but for rounding."""
    assert same_bits([net.params.flat for net, *_ in outcomes])
    assert all(other.epochs == outcomes[0][1].epochs for _, other, _ in outcomes)
    for net, record, _ in outcomes[:1]:
        scale = max(1.0, np.abs(one.params.flat).max())
        assert np.abs(net.params.flat - one.params.flat).max() <= close * scale
        assert record.steps == history.steps
        assert record.step_kind == history.step_kind
        for name in set(history.names) - {"seconds"}:
            np.testing.assert_allclose(record[name], history[name], rtol=close, atol=close)


@pytest.mark.parametrize("optimizer", CLASSES)
def test_every_optimizer_with_dropout_and_uneven_batches(optimizer):
    """103 rows by 20 leave 3 for the last batch: with 4 ranks one has none of them."""
    one = train(optimizer=optimizer, steps=STEPS)
    for size in (1, 2, 3, 4):
        outcomes = on_all(size, optimizer=optimizer, steps=STEPS)
        assert_equal_training(outcomes, *one)
        if size == 1:
            assert same_bits([outcomes[0][0].params.flat, one[0].params.flat])


@pytest.mark.parametrize(
    "options",
    [
        {"sample_weight": WEIGHTS, "class_weight": "balanced"},
        {"l2": 0.3, "clip_norm": 0.4},
        {"clip_value": 0.01, "l2": 0.3},
        {"schedule": an.schedules.Cosine(0.01, warmup=9)},
        {"batch_size": 2},
        {"batch_size": 1000, "steps": 30},
    ],
    ids=lambda options: next(iter(options)),
)
@pytest.mark.parametrize("relu", [an.ReLU, OwnReLU])
def test_every_option(options, relu):
    one = train(net=make_net(relu=relu), **options)
    assert one[1].step_kind == ("fused" if relu is an.ReLU else "layer by layer")
    assert_equal_training(on_all(3, make=lambda: make_net(relu=relu), **options), *one)


@pytest.mark.parametrize(
    "loss", [row.make for row in LOSSES.values()] + [OwnMean], ids=[*LOSSES, "OwnMean"]
)
def test_sums_and_means(loss):
    data = X, (np.eye(3)[T])
    options = {"data": data, "optimizer": lambda: an.SGD(0.001)}
    one = train(net=make_net(loss()), **options)
    assert_equal_training(on_all(2, make=lambda: make_net(loss()), **options), *one)


def test_single_precision():
    one = train(net=make_net(dtype="float32"))
    outcomes = on_all(2, make=lambda: make_net(dtype="float32"))
    assert_equal_training(outcomes, *one, close=1e-4)
    assert outcomes[0][0].params.flat.dtype == np.float32


def test_validation_is_that_of_one_rank_to_the_bit():
    """Each rank predicts its part; figures of a network that does not change are the same."""
    options = {
        "validation_data": (X[:5], T[:5], WEIGHTS[:5] + 0.1),
        "metrics": {"f1": "f1", "rows": lambda y, t, **weights: len(y)},
        "optimizer": lambda: an.SGD(0.0),
    }
    _, history = train(**options)
    for size in (2, 4, 7):
        for _, record, _ in on_all(size, **options):
            for name in ("val_loss", "val_accuracy", "val_f1", "val_rows"):
                assert record[name] == history[name], name
            assert record["val_rows"][0] == 5


def test_rows_in_files():
    """Each rank reads its own rows, in training and in validation."""
    x, t = Shards([X[:40], X[40:]]), Shards([T[:50], T[50:]])
    options = {"validation_data": (x, t), "metrics": ["f1"]}
    net, history = train(**options)
    outcomes = on_all(3, data=(x, t), **options)
    assert_equal_training(outcomes, net, history)


def test_early_stopping_gives_every_rank_the_best_epoch():
    options = {
        "validation_data": (X[:40], T[:40]),
        "steps": 3000,
        "optimizer": lambda: an.Adam(0.05),
    }
    net, history = train(callbacks=[an.EarlyStopping("val_loss", patience=3)], **options)
    assert history.stopped_by.startswith("EarlyStopping")

    def work(reducer):
        return (*train(reducer, callbacks=[an.EarlyStopping(patience=3)], **options), reducer)

    outcomes = on_ranks(3, work)
    assert_equal_training(outcomes, net, history, close=1e-9)
    assert {record.best_epoch for _, record, _ in outcomes} == {history.best_epoch}
    assert {record.stopped_by for _, record, _ in outcomes} == {outcomes[0][1].stopped_by}


def test_bits_are_the_same_from_run_to_run():
    first, again = (on_all(3)[0][0].params.flat for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_all_start_from_rank_0():
    outcomes = on_ranks(3, lambda reducer: train(reducer, net=make_net(rng=reducer.rank)))
    assert same_bits([net.params.flat for net, _ in outcomes])
    np.testing.assert_array_equal(outcomes[2][0].params.flat, on_all(3)[0][0].params.flat)


def test_an_optimizer_goes_on_from_what_rank_0_remembers():
    def twice(reducer, first):
        net, adam = make_net(), an.Adam()
        net.fit(X, T, steps=first, optimizer=adam)
        return net, net.fit(X, T, steps=40, optimizer=adam, reducer=reducer)

    one = twice(None, 7)
    outcomes = on_ranks(2, lambda r: (*twice(r, 7), r))
    assert_equal_training(outcomes, *one)


def test_one_sum_of_the_gradients_a_step():
    size = make_net().params.flat.size
    for _, _, reducer in on_all(2, steps=60):
        assert reducer.sums.count(size) == 60
        assert len(reducer.sums) < 60 + 40, "and few others, of a few numbers"


def test_the_ranks_share_the_rows():
    """Each row goes to one rank in an epoch: no other reads it."""
    seen = {}

    class Recorder:
        def __init__(self, rank):
            self.rows = seen.setdefault(rank, [])

        def forward(self, x, train=True):
            if train:
                self.rows.append(x[:, 0].copy())
            return x

        def backward(self, dout):
            return dout

    def work(reducer):
        net = an.Sequential(
            Recorder(reducer.rank),
            an.Affine.init(1, 2, rng=0, dtype="float64"),
            loss=an.SoftmaxWithLoss(),
        )
        x = np.arange(23.0)[:, np.newaxis]
        return net.fit(x, np.arange(23) % 2, epochs=1, batch_size=10, reducer=reducer, seed=5)

    on_ranks(3, work)
    order = np.random.default_rng([5, 0]).permutation(23)
    for step, wanted in enumerate(([3, 3, 4], [3, 3, 4], [1, 1, 1])):
        parts = [seen[rank][step] for rank in range(3)]
        assert [len(part) for part in parts] == wanted
        np.testing.assert_array_equal(np.concatenate(parts), order[10 * step : 10 * step + 10])


class Sharing(ThreadReducer):
    """A reducer with separate memory for the gradients."""

    def buffer(self, size, dtype):
        self.memory = np.full(size, 7, dtype)
        return self.memory


@pytest.mark.parametrize("relu", [an.ReLU, OwnReLU])
def test_gradients_in_the_reducers_memory(relu):
    def work(reducer):
        reducer = Sharing(reducer.meeting, reducer.rank)
        net, _ = train(reducer, net=make_net(relu=relu), optimizer=an.SGD)
        assert not np.shares_memory(net.grads.flat, reducer.memory)
        np.testing.assert_array_equal(net.grads.flat, reducer.memory)  # of the last step
        return net.params.flat

    found = on_ranks(2, work)
    plain = on_all(2, make=lambda: make_net(relu=relu), optimizer=an.SGD)
    assert same_bits([*found, *(net.params.flat for net, *_ in plain)])


class OwnDescent:
    """A custom optimizer, of which every rank has its own object."""

    def update(self, params, grads):
        params.flat -= 0.3 * grads.flat


def test_an_optimizer_that_is_a_plain_object():
    one, history = train(optimizer=OwnDescent)
    assert_equal_training(on_all(3, optimizer=OwnDescent), one, history)


# Local SGD ---------------------------------------------------------------------------------------


def test_local_sgd_by_hand():
    """Two ranks, plain descent: own steps on own rows, and the mean after every third."""
    x, t = X[:40], X[:40, :1] * 2
    outcomes = on_all(
        2,
        make=lambda: an.Sequential(
            an.Affine(np.zeros((7, 1)), np.zeros(1)), loss=an.MeanSquaredError()
        ),
        data=(x, t),
        optimizer=lambda: an.SGD(0.1),
        steps=8,
        batch_size=5,
        average_every=3,
    )
    W = [np.zeros((7, 1)), np.zeros((7, 1))]
    b = [np.zeros(1), np.zeros(1)]
    order = np.random.default_rng([3, 0]).permutation(40)
    for step in range(8):
        batch = order[5 * step : 5 * step + 5]
        for rank, rows in enumerate((batch[:2], batch[2:])):
            d = 2 * (x[rows] @ W[rank] + b[rank] - t[rows]) / len(rows)
            W[rank], b[rank] = W[rank] - 0.1 * x[rows].T @ d, b[rank] - 0.1 * d.sum(axis=0)
        if (step + 1) % 3 == 0 or step == 7:
            W, b = [sum(W) / 2] * 2, [sum(b) / 2] * 2
    for net, _, reducer in outcomes:
        np.testing.assert_allclose(net.params["0.W"], W[0], rtol=1e-13)
        np.testing.assert_allclose(net.params["0.b"], b[0], rtol=1e-13)
        assert reducer.sums.count(8) == 3
    assert same_bits([net.params.flat for net, *_ in outcomes])


@pytest.mark.parametrize("optimizer", [lambda: an.Adam(0.01), OwnDescent])
def test_local_sgd_learns_with_any_optimizer(optimizer):
    options = {"steps": 400, "average_every": 4, "optimizer": optimizer}
    outcomes = on_all(3, sample_weight=WEIGHTS, l2=0.01, **options)
    assert same_bits([net.params.flat for net, *_ in outcomes])
    assert outcomes[0][1]["accuracy"][-1] > 0.85
    assert outcomes[0][1]["loss"][-1] < outcomes[0][1]["loss"][0] / 2
