"""Resuming from a damaged or foreign checkpoint: one ValueError that names it, and no change."""

import copy
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import affinet as an
from affinet import archive, schedules
from affinet.diagnostics import Monitor
from affinet.network.inner import arrays_of
from affinet.training.finite import STOPPED_BY

X = np.random.default_rng(0).standard_normal((40, 4)).astype("f4")
T = np.arange(40) % 3


class Counter:
    """A custom callback with a state, whose own loading changes it before it fails."""

    def __init__(self):
        self.seen = {"count": 0}

    def __call__(self, state):
        self.seen["count"] += 1

    def state_dict(self):
        return self.seen

    def load_state_dict(self, state):
        self.seen = dict(state)
        self.seen["count"] += 0  # TypeError or KeyError for anything but a count


def parts(seed=3):
    return {
        "net": an.Sequential(
            an.Affine.init(4, 5, rng=seed),
            an.BatchNorm(5),
            an.Affine.init(5, 3, rng=seed + 1),
            loss=an.SoftmaxWithLoss(),
        ),
        "optimizer": an.Adam(0.02),
        "schedule": schedules.ReduceOnPlateau(0.5, patience=1),
        "callbacks": [
            Counter(),
            an.EarlyStopping(patience=9),
            an.diagnostics.Monitor(verbose=False),
        ],
    }


def train(p, more=(), **options):
    return p["net"].fit(
        X, T, epochs=options.pop("epochs", 5), optimizer=p["optimizer"], schedule=p["schedule"],
        callbacks=[*p["callbacks"], *more], validation_data=(X, T), **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "c.npz"
    train(parts(), [an.Checkpoint(path, every_steps=3)], epochs=2)
    return path


@pytest.fixture(scope="module")
def content(sound):
    with np.load(sound, allow_pickle=False) as file:
        arrays = dict(file)
    return json.loads(str(arrays.pop("description"))), arrays


def state_of(p):
    """All that resume may change, as values of their own."""
    net, optimizer = p["net"], p["optimizer"]
    remembered = optimizer.state_of(net.params.flat)
    return copy.deepcopy(
        {
            "arrays": net._arrays(),
            "history": net.history,
            "numbers": optimizer.config(),
            "step": remembered.step,
            "averages": remembered.averages,
            "callbacks": [callback.state_dict() for callback in p["callbacks"]],
            "schedule": p["schedule"].state_dict(),
        }
    )


def refused(path, match=None, **options):
    """The message, after a look at everything that may have changed."""
    p = parts()
    begun = parts()
    train(begun, epochs=1, steps=None)  # what begin() alone leaves of callbacks and schedule
    p["schedule"].begin()
    before = state_of(p)
    with pytest.raises(ValueError, match=match) as caught:
        train(p, resume=path, **options)
    assert str(path) in str(caught.value)
    after = state_of(p)
    for name in ("arrays", "averages", "numbers", "step", "history", "schedule"):
        np.testing.assert_equal(after[name], before[name])
    assert p["callbacks"][0].seen == {"count": 0}
    assert p["callbacks"][1].state_dict() == {"monitor": {"best": None, "wait": 0}, "best": None}
    assert p["callbacks"][2].state_dict()["record"]["steps"] == []
    return str(caught.value)


def write(path, description, arrays):
    np.savez(path, description=np.array(json.dumps(description)), **arrays)


def test_a_sound_one_is_accepted(sound):
    whole, resumed = parts(), parts()
    train(whole)
    train(resumed, resume=sound)
    np.testing.assert_equal(state_of(resumed)["arrays"], state_of(whole)["arrays"])
    assert resumed["callbacks"][0].seen == {"count": 5}


def nested(depth):
    """A list in a list, so many times; to unpack it takes more of the stack than to read it."""
    inner = []
    for _ in range(depth):
        inner = [inner]
    return inner


CHANGES = {
    "lr a table": lambda d: d["optimizer"]["numbers"].update(lr={}),
    "lr text": lambda d: d["optimizer"]["numbers"].update(lr="x"),
    "lr a truth value": lambda d: d["optimizer"]["numbers"].update(lr=True),
    "lr negative": lambda d: d["optimizer"]["numbers"].update(lr=-1),
    "lr NaN": lambda d: d["optimizer"]["numbers"].update(lr=float("nan")),
    "lr infinite": lambda d: d["optimizer"]["numbers"].update(lr=float("inf")),
    "lr too large": lambda d: d["optimizer"]["numbers"].update(lr=10**400),
    "beta too large": lambda d: d["optimizer"]["numbers"].update(beta1=5),
    "eps zero": lambda d: d["optimizer"]["numbers"].update(eps=0),
    "another number": lambda d: d["optimizer"]["numbers"].update(gamma=0.1),
    "step too large": lambda d: d["optimizer"].update(step=10**30),
    "step negative": lambda d: d["optimizer"].update(step=-1),
    "no averages": lambda d: d["optimizer"].update(averages=[]),
    "optimizer of another kind": lambda d: d.update(optimizer={"state": None}),
    "weight too large": lambda d: d["epoch"].update(weight=10**400),
    "hits negative": lambda d: d["epoch"].update(hits=-1.0),
    "batches beyond the epoch": lambda d: d["epoch"].update(batches=9),
    "more batches than steps": lambda d: (
        d["epoch"].update(batches=2) or d["history"].update(steps=1)
    ),
    "a sum of another name": lambda d: d["epoch"].update(rows=1),
    "steps beyond the epochs": lambda d: d["history"].update(steps=8),
    "epoch without loss": lambda d: d["history"]["epochs"][0].pop("loss"),
    "loss text": lambda d: d["history"]["epochs"][0].update(loss="x"),
    "stopped_by a number": lambda d: d["history"].update(stopped_by=3),
    "best epoch text": lambda d: d["history"].update(best_epoch="x"),
    "best epoch unknown": lambda d: d["history"].update(best_epoch=99),
    "another field of the history": lambda d: d["history"].update(rows=1),
    "schedule left out": lambda d: d.pop("schedule"),
    "schedule without lr": lambda d: d["schedule"].pop("lr"),
    "schedule's lr text": lambda d: d["schedule"].update(lr="x"),
    "schedule's lr NaN": lambda d: d["schedule"].update(lr=float("nan")),
    "schedule's state text": lambda d: d["schedule"].update(state="x"),
    "reductions text": lambda d: d["schedule"]["state"].update(reductions="x"),
    "endless reductions": lambda d: d["schedule"]["state"].update(reductions=10**12),
    "best of the schedule text": lambda d: d["schedule"]["state"]["monitor"].update(best="x"),
    "wait negative": lambda d: d["schedule"]["state"]["monitor"].update(wait=-1),
    "callback a list": lambda d: d["callbacks"].__setitem__(0, []),
    "callback missing": lambda d: d["callbacks"].pop(),
    "callback without state": lambda d: d["callbacks"][0].pop("state"),
    "custom state a list": lambda d: d["callbacks"][0].update(state=[1]),
    "custom state 700 lists deep": lambda d: d["callbacks"][0].update(state=nested(700)),
    "custom state text": lambda d: d["callbacks"][0]["state"].update(count="x"),
    "early stopping's state a list": lambda d: d["callbacks"][1].update(state=[]),
    "best arrays text": lambda d: d["callbacks"][1]["state"].update(best="x"),
    "best arrays of numbers": lambda d: d["callbacks"][1]["state"].update(best={"0.W": 1}),
    "best arrays missing": lambda d: d["callbacks"][1]["state"]["best"].pop("0.W"),
    "monitor's interval zero": lambda d: d["callbacks"][2]["state"].update(interval=0),
    "monitor's record short": lambda d: d["callbacks"][2]["state"]["record"].update(gradient=[]),
    "monitor of another network": lambda d: d["callbacks"][2]["state"]["record"].update(layers=[]),
    "monitor's parameters": lambda d: d["callbacks"][2]["state"].update(before=[1.0], kept=2),
    "an array that is missing": lambda d: d["network"]["0.W"].update(__array__="nowhere"),
    "network a list": lambda d: d.update(network=[]),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_damaged_description(content, case, tmp_path):
    """The last parts to be loaded are damaged too, after earlier ones were loaded."""
    description, arrays = copy.deepcopy(content[0]), content[1]
    CHANGES[case](description)
    write(tmp_path / "c.npz", description, arrays)
    refused(tmp_path / "c.npz")


def places_of(value, path=()):
    yield path
    if isinstance(value, dict):
        for name, inside in value.items():
            yield from places_of(inside, (*path, name))
    elif isinstance(value, list):
        for place, inside in enumerate(value):
            yield from places_of(inside, (*path, place))


ODD = st.sampled_from(
    [None, True, -1, 0, 10**30, 10**400, 1.5, float("nan"), float("inf"), "x", "", [], {}, [[]],
     {"__array__": "network/0.W"}, {"__array__": 3}, [1.0, "x"]]
)  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*not finite:RuntimeWarning", "ignore:the loss of epoch")
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_anything_anywhere_in_the_description(content, data, tmp_path):
    """Either it is refused and nothing has changed, or the training goes on to its end."""
    description = copy.deepcopy(content[0])
    places = [place for place in places_of(description) if place]
    *parents, last = data.draw(st.sampled_from(places))
    value = description
    for part in parents:
        value = value[part]
    value[last] = copy.deepcopy(data.draw(ODD))
    path = tmp_path / "c.npz"
    write(path, description, content[1])
    p = parts()
    before = state_of(p)["arrays"]
    try:
        train(p, resume=path)
    except ValueError as error:
        if str(path) not in str(error):
            raise
        np.testing.assert_equal(arrays_of(p["net"]), before)
    else:
        history = p["net"].history  # a number such as a huge learning rate may end it early
        assert history.steps == 10 or history.stopped_by == STOPPED_BY


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_truncated_at_every_length(tmp_path, suffix):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    path = tmp_path / f"c{suffix}"
    p = parts()
    train(p, [an.Checkpoint(path)], epochs=1)
    whole = path.read_bytes()
    for length in range(0, len(whole), max(1, len(whole) // 150)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=path.name):
            train(p, resume=path)


def test_a_checkpoint_of_zeros_that_unpack_to_gigabytes_is_refused(content, tmp_path):
    description, arrays = copy.deepcopy(content[0]), dict(content[1])
    arrays["network/0.W"] = np.zeros(1 << 25, "f4")
    path = tmp_path / "c.npz"
    np.savez_compressed(path, description=np.array(json.dumps(description)), **arrays)
    assert path.stat().st_size < 300_000
    refused(path, "unpack to")


def test_a_state_with_any_names_comes_back(tmp_path):
    """Names that would collide, or point outside of the archive, as names of members."""
    state = {
        "a/b": np.arange(3.0),
        "a": {"b": np.arange(4.0)},
        "..": np.arange(5.0),
        "/": np.arange(6.0),
        "c\0d": np.arange(7.0),
        "c\0e": np.arange(8.0),
        "": np.arange(9.0),
    }
    arrays = {}
    packed = archive.pack(state, "callbacks", arrays)
    archive.write_archive(tmp_path / "a.npz", {"format": "f", "version": 1, "s": packed}, arrays)
    description, found = archive.read_archive(tmp_path / "a.npz", "f", 1)
    np.testing.assert_equal(archive.unpack(description["s"], found), state)
    with pytest.raises(TypeError, match="__array__"):
        archive.pack({"__array__": "x"}, "place", {})


def test_a_monitors_record_of_an_earlier_version_lacks_the_places(tmp_path):
    net = an.Sequential(an.Affine.init(3, 2, rng=0), an.ReLU(), loss=an.MeanSquaredError())
    x, states = np.ones((8, 3), np.float32), []
    watch = Monitor(verbose=False)

    def change(state):
        saved = copy.deepcopy(watch.state_dict())
        places = {name: saved["record"].pop(name) for name in ("places", "dead_places")}
        watch.load_state_dict(saved)
        states.append({name: watch._record[name] for name in places} == places)
        saved["record"]["places"] = ["7"]
        with pytest.raises(ValueError, match="the record's places"):
            watch.load_state_dict(saved)

    net.fit(x, x[:, :2], epochs=2, batch_size=4, callbacks=[watch, change])
    assert states == [True, True]
