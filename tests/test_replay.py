"""Replay buffers: the last rows of a stream, gathered by the training step without a copy."""

import copy
import pickle

import numpy as np
import pytest

import affinet as an
from affinet.replay import GivenRows


def buffer(capacity=5, **more):
    return an.ReplayBuffer(capacity, state=2, reward=(), **more)


def test_new_rows_replace_the_oldest():
    held = buffer(5)
    stream = np.arange(17.0)
    for place, start in enumerate(range(0, 17, 3)):
        block = stream[start : start + 3]
        places = held.add(state=np.stack([block, -block], axis=1), reward=block)
        assert places.tolist() == [(start + i) % 5 for i in range(len(block))]
        seen = stream[: start + len(block)]
        assert len(held) == min(5, len(seen))
        assert sorted(held["reward"][: len(held)]) == sorted(seen[-5:])
        assert np.array_equal(held["state"][:, 1], -held["reward"])
        assert place < 6
    held.clear()
    assert len(held) == 0
    assert held.add(state=[1, 2], reward=3).tolist() == [0]


def test_fields_are_arrays_allocated_once():
    held = an.ReplayBuffer(4, {"x": (2, 3)}, y=1, dtype={"x": "uint8"})
    x = held["x"]
    assert (x.shape, x.dtype, held["y"].dtype) == ((4, 2, 3), np.uint8, np.float32)
    held.add(x=np.full((2, 2, 3), 255), y=[[1.0], [2.0]])
    assert held["x"] is x
    assert x[:2].min() == 255
    assert list(held) == ["x", "y"]
    assert "x" in held
    assert held.capacity == 4


def test_draws_are_those_of_the_rows_held():
    held = buffer(50)
    held.add(state=np.ones((7, 2)), reward=np.arange(7))
    rows = held.sample(5000, rng=0)
    assert np.array_equal(rows, held.sample(5000, rng=np.random.default_rng(0)))
    assert set(rows) == set(range(7))
    assert abs(np.bincount(rows) / 5000 - 1 / 7).max() < 0.03
    drawn = held.sampler(300)(2, 50, np.random.default_rng(1))
    assert drawn.shape == (300,)
    assert drawn.max() == 6
    assert repr(held.sampler(300)) == "HeldRows(n=300, held=7)"


def test_training_gathers_from_the_buffer_itself():
    rng = np.random.default_rng(0)
    held = an.ReplayBuffer(64, x=3, t=1)
    x = rng.standard_normal((40, 3)).astype("float32")
    held.add(x=x, t=x[:, :1])
    held["x"][40:] = np.nan  # a row that is not held would end the training
    rows = held.sample(80, rng=1)

    def trained(x, t, sampler):
        net = an.Sequential(an.Affine.init(3, 1, rng=0), loss=an.MeanSquaredError())
        history = net.fit(x, t, epochs=1, batch_size=8, sampler=sampler, optimizer=an.SGD(0.1))
        assert history.steps == 10
        assert history.step_kind == "fused"
        return net.params.flat

    given = trained(held["x"], held["t"], held.rows(rows))
    copied = trained(x[rows], x[rows, :1], lambda epoch, n, rng: np.arange(80))
    assert np.array_equal(given, copied)
    assert np.isfinite(trained(held["x"], held["t"], held.sampler(80))).all()


def test_the_rows_are_not_copied():
    """The step sees what a callback writes into the buffer's arrays while it trains."""
    held = an.ReplayBuffer(8, x=1, t=1)
    held.add(x=np.ones((8, 1)), t=np.zeros((8, 1)))
    net = an.Sequential(
        an.Affine(np.zeros((1, 1), "f4"), np.zeros(1, "f4")), loss=an.MeanSquaredError()
    )

    def write(state):
        held["t"][:] = 5

    net.fit(held["x"], held["t"], epochs=2, batch_size=8, optimizer=an.SGD(0.1),
            sampler=held.sampler(8), callbacks=[write])  # fmt: skip
    assert net.params.flat.tolist() == [1.0, 1.0]


def test_copies_and_pickles():
    held = buffer(3)
    held.add(state=[[1, 2]] * 3, reward=[1, 2, 3])
    for twin in (copy.deepcopy(held), pickle.loads(pickle.dumps(held))):
        twin.add(state=[0, 0], reward=9)
        assert twin["reward"].tolist() == [9, 2, 3]
    assert held["reward"].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"state": [1, 2]}, "the field 'reward' is missing"),
        ({"state": [1, 2], "reward": 1, "done": 0}, "the field 'done' is unknown"),
        ({"state": [1, 2, 3], "reward": 1}, r"state has shape \(3,\), wanted \(2,\)"),
        ({"state": 1, "reward": 1}, r"state has shape \(\)"),
        ({"state": [[1, 2]], "reward": [1, 2]}, "the numbers of rows differ"),
        ({"state": np.ones((6, 2)), "reward": np.ones(6)}, "6 rows came, wanted at most"),
    ],
)
def test_rows_that_do_not_fit_are_refused(fields, match):
    held = buffer()
    held.add(state=[7, 7], reward=7)
    with pytest.raises(ValueError, match=match):
        held.add(**fields)
    assert len(held) == 1
    assert held["state"].sum() == 14


def test_refusals():
    with pytest.raises(ValueError, match="capacity is 0"):
        an.ReplayBuffer(0, x=1)
    with pytest.raises(ValueError, match="fields is empty"):
        an.ReplayBuffer(3)
    with pytest.raises(ValueError, match="x is 0"):
        an.ReplayBuffer(3, x=0)
    with pytest.raises(ValueError, match="dtype: 'y' is not one of x"):
        an.ReplayBuffer(3, x=1, dtype={"y": "f4"})
    with pytest.raises(TypeError, match="dtype of x is complex128"):
        an.ReplayBuffer(3, x=1, dtype=complex)
    held = buffer(dtype={"reward": "uint8"})
    for function in (held.sample, held.sampler):
        with pytest.raises(ValueError, match="holds no rows yet"):
            function(3)
    with pytest.raises(ValueError, match="reward has values that its dtype uint8 cannot hold"):
        held.add(state=[1, 2], reward=0.5)
    held.add(state=[1, 2], reward=255)
    with pytest.raises(IndexError, match=r"indices\[1\] is 1, wanted one of 1 rows"):
        held.rows([0, 1])
    with pytest.raises(ValueError, match="indices has shape"):
        held.rows([[0]])
    with pytest.raises(KeyError, match="'action' is not one of state, reward"):
        held["action"]


def test_a_buffer_and_its_rows_say_what_they_are():
    held = buffer(5)
    held.add(state=np.ones((2, 2)), reward=np.ones(2))
    assert repr(held) == "ReplayBuffer(5, state=(2,), reward=(): 2 rows)"
    rows = np.array([1, 0])
    assert GivenRows(rows).config() == {"indices": rows}
