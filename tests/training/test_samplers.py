"""fit with a sampler: which rows it draws, and what becomes of them."""

import copy
import pickle
from functools import partial

import numpy as np
import pytest

import affinet as an
from affinet import samplers, schedules
from affinet.training import progress as progress_room
from affinet.training.sampling import Drawing, name_of

N = 23  # rows of the data that conftest makes


def rows_of(recorder):
    """The rows that a network saw, in the order of training."""
    return np.concatenate(recorder.batches)[:, 0].astype(int)


def fit(net, data, **options):
    options = {"epochs": 2, "batch_size": 5, "seed": 3, "optimizer": an.SGD(0.1)} | options
    return net.fit(*data, **options)


# What is drawn -----------------------------------------------------------------------------------


def test_draws_with_replacement_are_those_of_the_generator(recording):
    net, recorder, data = recording
    fit(net, data, sampler=samplers.WithReplacement())
    wanted = [np.random.default_rng([3, epoch]).integers(N, size=N) for epoch in (0, 1)]
    np.testing.assert_array_equal(rows_of(recorder), np.concatenate(wanted))
    assert len(set(wanted[0])) < N


def test_the_order_is_golden():
    """Written down, so that it never changes unnoticed."""
    rng = partial(np.random.default_rng, [7, 2])
    uniform = samplers.WithReplacement()(2, 10, rng())
    assert uniform.tolist() == [2, 2, 1, 4, 4, 9, 5, 6, 8, 2]
    weighted = samplers.WithReplacement(12, weights=[4, 0, 1, 2, 1])(2, 5, rng())
    assert weighted.tolist() == [0, 0, 4, 3, 0, 0, 0, 0, 0, 3, 0, 0]


def test_weighted_draws_are_an_inversion_by_hand():
    """u of 0, 1/4, just below 1/4 and so on, against sums of weights 0, 1/4, 1/4, 1."""

    class Rng:
        def random(self, n):
            return np.array([0, np.nextafter(0.25, 0), 0.25, 0.5, 1 - 2.0**-53])[:n]

    drawn = samplers.WithReplacement(5, weights=[0, 1, 0, 3, 0])(0, 5, Rng())
    assert drawn.tolist() == [1, 1, 3, 3, 3]


@pytest.mark.parametrize("scale", [1e-300, 1, 1e306])
def test_rows_come_as_often_as_their_weights_say(scale):
    """Within five standard deviations of a binomial count, and never where the weight is 0."""
    weights = np.array([0, 1, 5, 0, 2.5, 1.5, 0])
    n = 100_000
    sampler = samplers.WithReplacement(n, weights * scale)
    counts = np.bincount(sampler(0, 7, np.random.default_rng(0)), minlength=7)
    share = weights / weights.sum()
    assert (abs(counts - n * share) <= 5 * np.sqrt(n * share * (1 - share))).all()
    assert counts.sum() == n


def test_draws_are_independent():
    """Pairs of neighbours are as frequent as the product of their shares."""
    n, share = 100_000, np.array([0.5, 0.3, 0.2])
    drawn = samplers.WithReplacement(n, share)(0, 3, np.random.default_rng(1))
    pairs = np.bincount(drawn[:-1] * 3 + drawn[1:], minlength=9) / (n - 1)
    np.testing.assert_allclose(pairs, np.outer(share, share).ravel(), atol=5 * 0.5 / np.sqrt(n))


@pytest.mark.parametrize("form", ["indices", "one-hot", "two classes"])
def test_balanced_draws_give_each_class_its_share(form):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [950, 50]) if form == "two classes" else np.repeat([0, 2], [900, 60])
    x = np.arange(len(labels), dtype=float)[:, np.newaxis]
    outputs = 1 if form == "two classes" else 3
    loss = an.SigmoidWithLoss() if outputs == 1 else an.SoftmaxWithLoss()
    t = np.eye(3)[labels] if form == "one-hot" else labels
    seen = []

    class Recorder:
        def forward(self, x, train=True):
            if train:
                seen.append(x[:, 0].astype(int))
            return x

        def backward(self, dout):
            return dout

    net = an.Sequential(Recorder(), an.Affine.init(1, outputs, rng=rng), loss=loss)
    net.fit(
        x, t, epochs=1, batch_size=500, optimizer=an.SGD(0.0),
        sampler=samplers.WithReplacement(20_000, weights="balanced"),
    )  # fmt: skip
    drawn = np.concatenate(seen)
    rare = labels[drawn] > 0
    assert abs(rare.sum() - 10_000) <= 5 * np.sqrt(20_000 / 4)
    counts = np.bincount(drawn[rare])[labels > 0] if rare.any() else 0
    each = 10_000 / (labels > 0).sum()
    assert (abs(counts - each) <= 6 * np.sqrt(each)).all()


def test_shuffled_is_what_fit_does_itself(kind, make_net, data):
    nets = [make_net(), make_net()]
    records = [fit(nets[0], data), fit(nets[1], data, sampler=samplers.Shuffled())]
    np.testing.assert_array_equal(nets[0].params.flat, nets[1].params.flat)
    assert records[0]["loss"] == records[1]["loss"]


def test_a_function_draws_by_seed_and_epoch_alone(recording):
    net, recorder, data = recording
    calls = set()

    def half(epoch, n_rows, rng):
        calls.add((epoch, n_rows))
        return rng.choice(n_rows, 11, replace=False)

    history = fit(net, data, sampler=half, epochs=3)
    wanted = [np.random.default_rng([3, e]).choice(N, 11, replace=False) for e in range(3)]
    np.testing.assert_array_equal(rows_of(recorder), np.concatenate(wanted))
    assert calls == {(0, N), (1, N), (2, N)}
    assert history.steps == 3 * 3


@pytest.mark.parametrize("form", ["list", "uint8", "int16", "reversed", "read-only"])
def test_indices_in_every_form(form, make_net, data):
    rows = np.arange(N)[::-1]
    given = {
        "list": rows.tolist(), "uint8": rows.astype("u1"), "int16": rows.astype(">i2"),
        "reversed": rows, "read-only": rows.copy(),
    }[form]  # fmt: skip
    if form == "read-only":
        given.flags.writeable = False
    net, other = make_net(), make_net()
    fit(net, data, sampler=lambda epoch, n_rows, rng: given)
    fit(other, (data[0][::-1].copy(), data[1][::-1].copy()), shuffle=False)
    np.testing.assert_array_equal(net.params.flat, other.params.flat)


# What becomes of the rows ------------------------------------------------------------------------

OPTIONS = {
    "more than the data has": {"sampler": samplers.WithReplacement(50)},
    "fewer": {"sampler": samplers.WithReplacement(7)},
    "one": {"sampler": samplers.WithReplacement(1)},
    "a batch larger than the data": {"sampler": samplers.WithReplacement(50), "batch_size": 40},
    "a batch larger than all": {"sampler": samplers.WithReplacement(50), "batch_size": 90},
    "weights": {
        "sampler": samplers.WithReplacement(weights=np.arange(N)),
        "sample_weight": np.arange(N) % 3,
    },
    "balanced": {"sampler": samplers.WithReplacement(30, "balanced"), "class_weight": "balanced"},
    "clipped": {"sampler": samplers.WithReplacement(), "l2": 0.3, "clip_value": 0.01},
    "steps": {"sampler": samplers.WithReplacement(12), "steps": 10, "epochs": None},
    "schedule": {"sampler": samplers.WithReplacement(12), "schedule": schedules.Cosine(0.1)},
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", OPTIONS)
def test_both_kinds_of_step_agree_to_the_bit(dtype, case, make_net, data, monkeypatch):
    nets, records = [], []
    for kind in ("fused", "layer by layer"):
        net = make_net(dtype, dropout=0.3)
        with monkeypatch.context() as patch:
            if kind != "fused":
                patch.setattr("affinet.training.step.can_fuse", lambda *_: False)
            records.append(fit(net, data, optimizer=an.Adam(0.02), **OPTIONS[case]))
        assert records[-1].step_kind == kind
        nets.append(net)
    np.testing.assert_array_equal(nets[0].params.flat, nets[1].params.flat)
    assert records[0].steps == records[1].steps
    assert records[0]["loss"] == pytest.approx(records[1]["loss"], rel=1e-6)
    assert records[0]["accuracy"] == pytest.approx(records[1]["accuracy"], rel=1e-12)


@pytest.mark.parametrize(("n", "batch_size", "steps"), [(50, 5, 10), (7, 5, 2), (50, 40, 2)])
def test_figures_are_means_over_the_drawn_rows(kind, n, batch_size, steps, make_net, data):
    """With a rate of 0 the network stays as it is: its loss on the rows that were drawn."""
    net = make_net()
    sampler = samplers.WithReplacement(n)
    weights = np.arange(N) % 4 / 2
    history = fit(
        net, data, epochs=1, batch_size=batch_size, optimizer=an.SGD(0.0), sampler=sampler,
        sample_weight=weights,
    )  # fmt: skip
    drawn = sampler(0, N, np.random.default_rng([3, 0]))
    wanted = net.evaluate(data[0][drawn], data[1][drawn], weights[drawn])
    assert history.steps == steps
    assert history["loss"][0] == pytest.approx(wanted["loss"], rel=1e-12)
    assert history["accuracy"][0] == pytest.approx(wanted["accuracy"], rel=1e-12)


def test_the_training_is_that_on_the_drawn_rows(kind, make_net, data):
    net, other = make_net(), make_net()
    sampler = samplers.WithReplacement(40, weights=np.arange(N))
    fit(net, data, epochs=1, sampler=sampler)
    drawn = sampler(0, N, np.random.default_rng([3, 0]))
    fit(other, (data[0][drawn], data[1][drawn]), epochs=1, shuffle=False)
    np.testing.assert_array_equal(net.params.flat, other.params.flat)


@pytest.mark.parametrize("where", ["shards", "memory map"])
def test_rows_in_files(where, kind, make_net, data, tmp_path):
    x, t = data
    files = tmp_path / "x.npy", tmp_path / "t.npy"
    np.save(files[0], x)
    np.save(files[1], t)
    if where == "shards":
        stored = tuple(an.datasets.Shards([np.load(f, mmap_mode="r")]) for f in files)
    else:
        stored = tuple(np.load(f, mmap_mode="r") for f in files)
    for sampler in (samplers.WithReplacement(50), samplers.WithReplacement(50, "balanced")):
        net, other = make_net(), make_net()
        fit(net, data, sampler=sampler)
        fit(other, stored, sampler=sampler)
        np.testing.assert_array_equal(net.params.flat, other.params.flat)


def test_schedules_and_steps_count_the_drawn_rows(make_net, data):
    seen = []

    def rate(progress):
        seen.append((progress.step, progress.steps, progress.steps_per_epoch))
        return 0.01

    fit(make_net(), data, sampler=samplers.WithReplacement(12), schedule=rate)
    assert seen[0] == (0, 6, 3)
    assert max(seen) == (5, 6, 3)


@pytest.mark.parametrize(
    ("options", "total"), [({"epochs": 3}, 150), ({"epochs": None, "steps": 13}, 50 + 15)]
)
def test_progress_counts_the_drawn_rows(options, total, make_net, data, monkeypatch):
    totals, seen = [], []

    class Display(progress_room.Silent):
        def steps(self, rows, loss, accuracy):
            seen.append(rows)

    def make(verbose, rows, done, epochs):
        totals.append((rows, done))
        return Display()

    monkeypatch.setattr("affinet.training.trainer.make_progress", make)
    fit(make_net(), data, sampler=samplers.WithReplacement(50), **options)
    assert totals == [(total, 0)]
    assert sum(seen) == total


def test_a_batch_of_one_row_is_foreseen():
    net = an.Sequential(an.BatchNorm(4), an.Affine.init(4, 3, rng=0), loss=an.SoftmaxWithLoss())
    x, t = np.random.default_rng(0).standard_normal((20, 4)), np.arange(20) % 3
    net.fit(x, t, epochs=1, batch_size=5)
    with pytest.raises(ValueError, match=r"^batch_size is 5: for 21 rows"):
        net.fit(x, t, epochs=1, batch_size=5, sampler=samplers.WithReplacement(21))
    x, t = x.repeat(2, axis=0)[:21], t.repeat(2)[:21]
    assert net.fit(x, t, epochs=1, batch_size=5, sampler=samplers.WithReplacement(20)).steps == 4


# What is refused ---------------------------------------------------------------------------------


def draws(value):
    """A sampler that returns this."""

    def draw(epoch, n_rows, rng):
        return value

    return draw


class Own(samplers.Sampler):
    def __call__(self, epoch, n_rows, rng):
        return np.full(n_rows, 23 if epoch == 0 else 0)


DRAW = r"sampler \S*test_samplers\.draws\.<locals>\.draw: the result for epoch 0 has "
REFUSED = {
    "a name": ("shuffled", TypeError, "sampler is 'shuffled', wanted a callable"),
    "a class": (samplers.Shuffled, TypeError, "sampler is <class .*Shuffled'>, wanted a callable"),
    "nothing": (draws(None), TypeError, DRAW + "dtype object, wanted integers"),
    "floats": (draws([0.0, 1.0]), TypeError, DRAW + "dtype float64, wanted integers"),
    "a mask": (draws(np.ones(N, bool)), TypeError, DRAW + "dtype bool, .*numpy.flatnonzero"),
    "text": (draws(["0"]), TypeError, DRAW + "dtype <U1, wanted integers"),
    "no rows": (draws([]), ValueError, DRAW + r"shape \(0,\), wanted \(n,\)"),
    "a number": (draws(3), ValueError, DRAW + r"shape \(\), wanted \(n,\)"),
    "two dimensions": (draws(np.ones((2, 3), int)), ValueError, DRAW + r"shape \(2, 3\)"),
    "too large": (draws([0, N]), ValueError, DRAW + r"the row 23 at place 1, wanted 0\.\.22"),
    "negative": (draws([-1, 0]), ValueError, DRAW + "the row -1 at place 0"),
    "huge": (draws(np.array([2**64 - 1], "u8")), ValueError, DRAW + "the row 18446744073709551615"),
    "own class": (Own(), ValueError, r"sampler \S*test_samplers\.Own: the result .* row 23"),
    "a partial": (partial(draws(3)), ValueError, DRAW),
    "masked": (
        draws(np.ma.array([0, 1], mask=[0, 1])), ValueError,
        DRAW.removesuffix("has ") + "has 1 masked elements",
    ),
    "weights of other data": (
        samplers.WithReplacement(weights=[1, 2]), ValueError,
        r"sampler WithReplacement: weights has shape \(2,\), wanted \(23,\)",
    ),
}  # fmt: skip


def refuse(net, data, error, match, **options):
    fit(net, data, epochs=1)
    before, history = net.params.flat.copy(), net.history
    with pytest.raises(error, match=match):
        fit(net, data, **options)
    np.testing.assert_array_equal(net.params.flat, before)
    assert net.history is history


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_sampler_is_refused_by_name_before_anything_changes(case, make_net, data):
    sampler, error, match = REFUSED[case]
    refuse(make_net(), data, error, f"^{match}", sampler=sampler)


def test_a_sampler_beside_the_order_of_the_data_is_refused(make_net, data):
    match = "^sampler was given with shuffle=False"
    refuse(make_net(), data, ValueError, match, sampler=samplers.Shuffled(), shuffle=False)


def test_random_numbers_from_elsewhere_are_refused(make_net, data):
    """They would make another order when the training is resumed."""
    rng = np.random.default_rng(0)
    match = "drew other rows when it was called for the same epoch again, .* from rng$"
    refuse(make_net(), data, ValueError, match, sampler=lambda *_: rng.integers(N, size=N))


@pytest.mark.parametrize("loss", [an.MeanSquaredError, an.SoftmaxWithLoss])
def test_balanced_wants_classes(loss, make_net, data):
    x, labels = data
    t = np.full((N, 3), 1 / 3) if loss is an.SoftmaxWithLoss else np.eye(3)[labels]
    match = "^sampler WithReplacement: weights='balanced' wants class"
    sampler = samplers.WithReplacement(weights="balanced")
    refuse(make_net(loss=loss()), (x, t), ValueError, match, sampler=sampler)
    with pytest.raises(ValueError, match="call with_classes first, as fit does"):
        sampler(0, N, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda rows: rows[:-1], "for epoch 1 has 22 rows, that for epoch 0 has 23"),
        (lambda rows: rows - 1, r"for epoch 1 has the row -1 at place 0, wanted 0\.\.22"),
    ],
)
def test_a_later_epoch_is_checked_too(kind, change, match, make_net, data):
    net = make_net()

    def draw(epoch, n_rows, rng):
        rows = np.arange(n_rows)
        return change(rows) if epoch == 1 else rows

    with pytest.raises(ValueError, match=match):
        fit(net, data, sampler=draw)
    assert net.history.steps == 5
    assert net.history.stopped_by == "ValueError"


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"n": 0}, ValueError, "n is 0, wanted 1 or more"),
        ({"n": 2.0}, TypeError, "n is 2.0, wanted an integer"),
        ({"weights": "even"}, ValueError, "weights is 'even', wanted an array or 'balanced'"),
        ({"weights": [0, 0]}, ValueError, "weights is 0 for every row"),
        ({"weights": []}, ValueError, "weights is 0 for every row"),
        ({"weights": [1, -1]}, ValueError, r"weights\[1\] is -1.0, wanted a finite number"),
        ({"weights": [np.nan]}, ValueError, r"weights\[0\] is nan"),
        ({"weights": [np.inf, 1]}, ValueError, r"weights\[0\] is inf"),
        ({"weights": [[1, 1]]}, ValueError, r"weights has shape \(1, 2\)"),
        ({"weights": 3.0}, ValueError, r"weights has shape \(\)"),
        ({"weights": ["a"]}, TypeError, "weights has dtype"),
        ({"weights": {0: 1.0}}, TypeError, "weights has dtype object"),
    ],
    ids=str,
)
def test_bad_arguments_of_a_sampler_are_refused_by_name(arguments, error, match):
    with pytest.raises(error, match=f"^{match}"):
        samplers.WithReplacement(**arguments)


# The objects -------------------------------------------------------------------------------------


def test_weights_are_copied_and_cannot_be_changed():
    given = np.array([0.0, 1.0])
    sampler = samplers.WithReplacement(4, given)
    given[:] = [1, 0]
    assert sampler(0, 2, np.random.default_rng(0)).tolist() == [1] * 4
    with pytest.raises(ValueError, match="read-only"):
        sampler.weights[0] = 1


@pytest.mark.parametrize("way", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_samplers_survive_copies(way):
    for sampler in (
        samplers.Shuffled(),
        samplers.WithReplacement(9),
        samplers.WithReplacement(9, np.arange(6)),
    ):
        drawn = [s(0, 6, np.random.default_rng(4)) for s in (sampler, way(sampler))]
        np.testing.assert_array_equal(*drawn)
        assert repr(way(sampler)) == repr(sampler)


def test_names_and_words():
    shown = [repr(samplers.Shuffled()), repr(samplers.WithReplacement(3, [1.0] * 999))]
    assert shown == ["Shuffled()", "WithReplacement(n=3, weights=[...])"]
    assert name_of(samplers.WithReplacement()) == "WithReplacement"
    assert name_of([].append) == "list.append"
    words = {
        Drawing(samplers.WithReplacement(3, weights), 2, 0).describe()
        for weights in (None, [1, 1], [1, 2])
    }
    assert len(words) == 3
