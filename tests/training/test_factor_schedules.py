"""Schedules of weight decay and of dropout: factors for each update, in every kind of step."""

import copy
import threading

import numpy as np
import pytest

import affinet as an
from affinet import schedules
from affinet._dispatch import kernels
from affinet.datasets.shards import Shards
from affinet.training import step as steps
from interrupted_training import (
    KINDS,
    assert_same,
    content_of,
    interrupted,
    refused,
    rewrite,
    train,
)
from parts.optimizers import CLASSES
from rank_threads import on_ranks

DECAYING = [cls for cls in CLASSES if hasattr(cls(0.1), "weight_decay")]


@pytest.fixture(autouse=True)
def threads():
    before = an.get_num_threads()
    yield
    kernels.always_team(False, False)
    an.set_num_threads(before)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((101, 6)), rng.integers(0, 3, 101)


def build(dtype="float32", p=0.4):
    return an.Sequential(
        an.Dropout(0.1, rng=5),
        an.Affine.init(6, 40, rng=0, dtype=dtype),
        an.ReLU(),
        an.Dropout(p, rng=0),
        an.LayerNorm(40, dtype=dtype),
        an.Residual(an.Affine.init(40, 40, rng=3, dtype=dtype), an.Dropout(0.2, rng=2)),
        an.Affine.init(40, 3, rng=1, dtype=dtype),
        loss=an.SoftmaxWithLoss(),
    )


def falling(progress):
    """From above 1 to exactly 0 at the last update."""
    assert progress.lr == 1
    return 1.5 * (1 - progress.step / (progress.steps - 1))


def rising(progress):
    assert progress.lr == 1
    return 3.0 * progress.step / progress.steps


SCHEDULES = {"decay_schedule": rising, "dropout_schedule": falling}
OPTIONS = {"epochs": 2, "batch_size": 24, "verbose": 0}


def optimizer_of(cls=an.AdamW):
    return cls(0.02, weight_decay=0.3, groups=[an.Group("*.b", lr=0.5, weight_decay=0.1)])


def trained(data, members=1, fused=True, monkeypatch=None, net=None, optimizer=None, **options):
    net = build() if net is None else net
    optimizer = optimizer_of() if optimizer is None else optimizer
    an.set_num_threads(members)
    kernels.always_team(members > 1, False)
    with (monkeypatch or pytest.MonkeyPatch()).context() as patch:
        if not fused:
            patch.setattr(steps, "can_fuse", lambda *_: False)
        history = net.fit(*data, optimizer=optimizer, **OPTIONS | SCHEDULES | options)
    assert history.step_kind == KINDS[not fused]
    assert not fused or history.threads == members
    assert [layer.p for layer in net.layers[::3][:2]] == [0.1, 0.4]
    assert getattr(optimizer, "weight_decay", 0.3) == 0.3
    return net.params.flat.tobytes(), net.grads.flat.tobytes(), history["loss"]


# The same bits -----------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", DECAYING)
@pytest.mark.parametrize("name", ["both", *SCHEDULES])
def test_every_kind_of_step(name, cls, data, monkeypatch):
    dtype = ("float32", "float64")[(["both", *SCHEDULES].index(name) + DECAYING.index(cls)) % 2]
    options = dict.fromkeys(SCHEDULES) | (SCHEDULES if name == "both" else {name: SCHEDULES[name]})

    def bits(*how):
        return trained(data, *how, net=build(dtype), optimizer=optimizer_of(cls), **options)

    wanted = bits()
    for members in (2, 8):
        assert bits(members) == wanted
    layerwise = bits(1, False, monkeypatch)
    assert layerwise[:2] == wanted[:2]
    assert layerwise[2] == pytest.approx(wanted[2], rel=1e-12)
    options = dict.fromkeys(SCHEDULES)
    assert bits()[0] != wanted[0]


@pytest.mark.parametrize("members", [1, 2, 8])
def test_with_a_rate_a_bound_and_weights(members, data, monkeypatch):
    options = {
        "schedule": schedules.OneCycle(0.05), "clip_norm": 0.5, "l2": 0.1,
        "sample_weight": np.arange(101) % 4,
    }  # fmt: skip
    wanted = trained(data, 1, False, monkeypatch, **options)
    assert trained(data, members, **options)[:2] == wanted[:2]


def by_hand(data, net, optimizer, decay, dropout):
    """A loop that sets the decay and p before every update."""
    net, x, t = copy.deepcopy(net), *data
    drops = [net.layers[0], net.layers[3], net.layers[5].children[1]]
    paths = zip(drops, ("0", "3", "5.1"), strict=True)
    keys = {drop: steps.dropout_key(0, path) for drop, path in paths}
    own, step = [drop.p for drop in drops], 0
    for epoch in range(2):
        order = np.random.default_rng([0, epoch]).permutation(101)
        for start in range(0, 101, 24):
            progress = schedules.Progress(step, epoch, 10, 5, 1.0)
            for drop, p in zip(drops, own, strict=True):
                drop.p, drop.position = dropout(progress) * p, (keys[drop], step, 0)
            optimizer.weight_decay = 0.3 * decay(progress)
            rows = order[start : start + 24]
            net.forward(x[rows], t[rows])
            net.backward()
            optimizer.update(net.params, net.grads)
            step += 1
    return net.params.flat.tobytes(), drops


def test_each_update_has_its_factors(data):
    """By hand to the bit; the last update drops nothing."""
    found = trained(data)
    wanted, drops = by_hand(data, build(), optimizer_of(), rising, falling)
    assert found[0] == wanted
    assert all(drop.p == 0 for drop in drops)


def test_factors_of_1_change_no_bit(data, monkeypatch):
    one = schedules.Constant(1.0)
    for fused in (True, False):
        plain = trained(data, 1, fused, monkeypatch, **dict.fromkeys(SCHEDULES))
        ones = trained(data, 1, fused, monkeypatch, decay_schedule=one, dropout_schedule=one)
        assert plain == ones


def test_a_factor_of_0_is_no_dropout(data, monkeypatch):
    nothing = schedules.Constant(0.0)
    for fused in (True, False):
        found = trained(data, 1, fused, monkeypatch, dropout_schedule=nothing)
        net = build()
        for layer in (net.layers[0], net.layers[3], net.layers[5].children[1]):
            layer.p = 0.0
        net.fit(*data, optimizer=optimizer_of(), **OPTIONS | SCHEDULES | {"dropout_schedule": None})
        assert net.params.flat.tobytes() == found[0]


def test_rows_in_files(data, tmp_path, monkeypatch):
    """Read in parts, each with its factors."""
    for name, array in zip("xt", data, strict=True):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "0.npy", array[:50])
        np.save(tmp_path / name / "1.npy", array[50:])
    x, t = (Shards([np.load(path, mmap_mode="r") for path in sorted((tmp_path / name).iterdir())])
            for name in "xt")  # fmt: skip
    monkeypatch.setattr(steps, "READ_AT_ONCE", 1)
    assert trained((x, t))[:2] == trained(data)[:2]


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("average_every", [None, 2])
def test_ranks(fused, average_every, data, monkeypatch):
    """In the two halves of a step; ranks end with the same parameters, those of one process."""

    def on_rank(reducer):
        net = build("float64")
        net.fit(
            *data, optimizer=optimizer_of(), reducer=reducer,
            **OPTIONS | SCHEDULES | {"epochs": 4},
        )  # fmt: skip
        return net.params.flat.copy()

    if not fused:
        monkeypatch.setattr(steps, "can_fuse", lambda *_: False)
    options = {} if average_every is None else {"average_every": average_every}
    one, two = on_ranks(2, on_rank, **options)
    np.testing.assert_array_equal(one, two)
    if average_every is None:
        np.testing.assert_allclose(one, on_rank(None), rtol=1e-9, atol=1e-12)


# Checkpoints -------------------------------------------------------------------------------------


@pytest.fixture
def small():
    rng = np.random.default_rng(6)
    x = rng.standard_normal((23, 4))
    return x, (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)


def train_small(data, **options):
    return train(data, **{"optimizer": an.AdamW(0.05, weight_decay=0.3)} | SCHEDULES | options)


@pytest.mark.parametrize("fused", [True, False])
def test_resumed_after_every_step(fused, small, tmp_path, monkeypatch):
    if not fused:
        monkeypatch.setattr(steps, "can_fuse", lambda *_: False)
    path, whole = tmp_path / "c.npz", train_small(small)
    for step in range(1, whole[2].steps + 1):
        interrupted(small, path, step, optimizer=an.AdamW(0.05, weight_decay=0.3), **SCHEDULES)
        assert_same(whole, train_small(small, resume=path))


def plateaus():
    """Two factors that remember, one object for both of them and for the rate's."""
    rule = schedules.ReduceOnPlateau(0.5, 1, "accuracy", min_delta=1.0)
    return {"decay_schedule": rule, "dropout_schedule": rule}


def test_schedules_that_remember(small, tmp_path):
    path, whole = tmp_path / "c.npz", train_small(small, **plateaus())
    falls = {name: lambda p: 0.5 ** max(p.epoch - 1, 0) for name in SCHEDULES}
    assert_same(whole, train_small(small, **falls))
    for step in (6, 12):
        interrupted(small, path, step, optimizer=an.AdamW(0.05, weight_decay=0.3), **plateaus())
        assert_same(whole, train_small(small, resume=path, **plateaus()))


@pytest.mark.parametrize("name", SCHEDULES)
def test_another_schedule_is_refused(name, small, tmp_path):
    path = tmp_path / "c.npz"
    interrupted(small, path, 7, optimizer=an.AdamW(0.1), **{name: SCHEDULES[name]})
    refused(
        small, f"{name} is .*{SCHEDULES[name].__name__}', in this training it is None",
        optimizer=an.AdamW(0.123), resume=path,
    )  # fmt: skip


def test_a_file_from_before_there_were_such_schedules(small, tmp_path):
    path = tmp_path / "c.npz"
    nothing = dict.fromkeys(SCHEDULES)
    whole = train_small(small, **nothing)
    interrupted(small, path, 7, optimizer=an.AdamW(0.05, weight_decay=0.3))
    description, arrays = content_of(path)
    for name in SCHEDULES:
        assert description.pop(name) is None
        assert description["training"].pop(name) is None
    for name in ("groups", "decay_bias"):
        description["optimizer"].pop(name)
    rewrite(path, description, arrays)
    assert_same(whole, train_small(small, resume=path, **nothing))


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("groups", [{"parameters": ["9.*"]}], "matches no parameter"),
        ("groups", [{"parameters": ["*.b"], "lr": -1}], "lr is -1"),
        ("groups", [{"names": "*.b"}], "names"),
        ("groups", 3, "not iterable"),
        ("decay_bias", 0, "decay_bias is 0, wanted a bool"),
    ],
)
def test_damaged_groups(name, value, match, small, tmp_path):
    path = tmp_path / "c.npz"
    interrupted(small, path, 7, optimizer=an.AdamW(0.1))
    description, arrays = content_of(path)
    description["optimizer"][name] = value
    rewrite(path, description, arrays)
    refused(small, match, optimizer=an.AdamW(0.123), resume=path)


# What ends a training, and what is refused -------------------------------------------------------


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_that_stops(name, data):
    def stop(progress):
        if progress.step == 7:
            raise an.StopTraining("enough")
        return 0.5

    history = build().fit(
        *data, optimizer=optimizer_of(), **OPTIONS | SCHEDULES | {name: stop},
        schedule=schedules.Constant(0.1),
    )  # fmt: skip
    assert history.steps == 7
    assert history.stopped_by.endswith("stop: enough")


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("bad", [-0.5, np.nan, np.inf])
@pytest.mark.parametrize("name", SCHEDULES)
def test_factors_out_of_range(name, bad, fused, data, monkeypatch):
    """Named with the update; p and the decay are the layers' own again."""
    net, optimizer = build(), optimizer_of()
    if not fused:
        monkeypatch.setattr(steps, "can_fuse", lambda *_: False)
    options = {name: lambda progress: bad if progress.step == 6 else 1.0}
    with pytest.raises(ValueError, match=rf"^{name} gave a factor of .* for step 6, wanted 0 or"):
        net.fit(*data, optimizer=optimizer, **OPTIONS | options)
    assert net.history.steps == 5
    assert (net.layers[3].p, optimizer.weight_decay) == (0.4, 0.3)


@pytest.mark.parametrize("factor", [2.5, 3.0])
def test_a_p_of_1_is_refused(factor, data):
    with pytest.raises(
        ValueError, match=r"dropout_schedule gave a factor of .* for step 0, .* less than 2\.5"
    ):
        build().fit(*data, dropout_schedule=schedules.Constant(factor))
    build().fit(*data, epochs=1, dropout_schedule=schedules.Constant(2.49))


class NoDecay:
    lr = 0.1

    def update(self, params, grads):
        pass


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"decay_schedule": 0.1}, TypeError, "decay_schedule is 0.1, wanted a callable"),
        ({"dropout_schedule": schedules.Cosine}, TypeError, "dropout_schedule is"),
        ({"decay_schedule": rising}, TypeError, r"Adam\(.* has no weight_decay to multiply"),
        ({"decay_schedule": rising, "optimizer": NoDecay()}, TypeError, "has no weight_decay"),
    ],
)
def test_schedules_that_are_none(options, error, match, data):
    net = build()
    with pytest.raises(error, match=match):
        net.fit(*data, **options)
    assert net.history is None


def test_a_dropout_schedule_wants_a_dropout(data):
    net = an.Sequential(an.Affine.init(6, 3, rng=0), loss=an.SoftmaxWithLoss())
    with pytest.raises(ValueError, match="dropout_schedule was given, but the network has no Drop"):
        net.fit(*data, dropout_schedule=falling)


class OwnRule:
    """A custom optimizer with a weight decay, and without an affinet base."""

    def __init__(self):
        self.lr, self.weight_decay, self.seen = 0.1, 0.5, []

    def update(self, params, grads):
        self.seen.append(self.weight_decay)


def test_a_custom_optimizer_gets_its_factors(data):
    optimizer = OwnRule()
    build().fit(*data, optimizer=optimizer, decay_schedule=rising, **OPTIONS)
    assert optimizer.seen == [0.5 * (3.0 * step / 10) for step in range(10)]
    assert optimizer.weight_decay == 0.5


def test_two_trainings_share_no_optimizer_with_a_decay_schedule(data):
    optimizer, net = optimizer_of(), build()

    def other(state):
        problems = []

        def second():
            try:
                build().fit(*data, optimizer=optimizer, epochs=1, verbose=0)
            except RuntimeError as error:
                problems.append(str(error))

        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
        assert "the optimizer" in problems[0]

    net.fit(*data, optimizer=optimizer, callbacks=[other], decay_schedule=rising, **OPTIONS)
