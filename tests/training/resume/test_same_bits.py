"""A resumed training ends with the bits of one that was never interrupted."""

import numpy as np
import pytest

import affinet as an
from affinet import schedules
from affinet.training import step as steps
from interrupted_training import (
    Interruption,
    archive_epochs,
    assert_same,
    build,
    interrupted,
    train,
)
from parts.optimizers import CLASSES


class RunningMean:
    """A custom layer that changes one of its arrays during training."""

    buffers = ("mean",)

    def __init__(self, n):
        self.mean = np.zeros(n)

    def forward(self, x, train=True):
        if train:
            self.mean += 0.1 * (x.mean(axis=0) - self.mean)
        return x - self.mean

    def backward(self, dout):
        return dout


class OwnOptimizer:
    """A custom optimizer that reports its state."""

    def __init__(self, lr=0.05):
        self.lr, self.count = lr, 0

    def update(self, params, grads):
        self.count += 1
        params.flat[:] -= self.lr / self.count * np.sign(grads.flat)

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state):
        self.count = state["count"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", CLASSES)
def test_every_optimizer_at_every_step(kind, optimizer, dtype, data, path):
    def options():
        return {"net": build(dtype=dtype), "optimizer": optimizer(0.05), "validation_data": data}

    whole = train(data, **options())
    assert whole[2].step_kind == kind
    for step in (1, 4, 5, 6, 9, 10, 14, 15):
        interrupted(data, path, step, **options())
        other = {**options(), "net": build(seed=77, dtype=dtype), "optimizer": optimizer(0.9)}
        assert_same(whole, train(data, **other, resume=path))


def test_checkpoints_that_are_not_of_the_last_step(kind, data, path):
    whole = train(data)
    for every in (2, 3, 4, 7):
        interrupted(data, path, 13, every=every)
        assert_same(whole, train(data, resume=path))


def test_checkpoints_at_the_end_of_epochs(kind, data, path):
    whole = train(data, validation_data=data)

    def interrupt(state):
        if state.epoch == 2:
            raise Interruption

    for every in (1, 2):
        with pytest.raises(Interruption):
            train(data, validation_data=data, callbacks=[an.Checkpoint(path, every), interrupt])
        if every == 2:
            assert not path.exists()  # the others come first
        else:
            assert archive_epochs(path) == 1
            assert_same(whole, train(data, validation_data=data, resume=path))
        path.unlink(missing_ok=True)


def test_one_step_kind_goes_on_where_the_other_stopped(data, path, monkeypatch):
    whole = train(data)
    interrupted(data, path, 7)
    monkeypatch.setattr(steps, "can_fuse", lambda *_: False)
    resumed = train(data, resume=path)
    assert resumed[2].step_kind == "layer by layer"
    np.testing.assert_array_equal(whole[0].params.flat, resumed[0].params.flat)


SCHEDULES = {
    "cosine": lambda: schedules.Cosine(0.1, warmup=4),
    "exponential": lambda: schedules.Exponential(0.1, 0.9),
    "step": lambda: schedules.Step(0.1, 1, 0.5),
    "plateau": lambda: schedules.ReduceOnPlateau(0.5, 1, "accuracy", min_delta=1.0),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule(kind, schedule, data, path):
    whole = train(data, schedule=SCHEDULES[schedule]())
    for step in (3, 5, 12):
        interrupted(data, path, step, schedule=SCHEDULES[schedule]())
        resumed = train(data, schedule=SCHEDULES[schedule](), optimizer=an.Adam(9.0), resume=path)
        assert_same(whole, resumed)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_early_stopping_goes_on_counting_and_keeps_its_best(kind, data, tmp_path, suffix):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    path = tmp_path / f"c{suffix}"

    def options():
        stop = an.EarlyStopping("val_loss", patience=2)
        return {"validation_data": (data[0][:9], data[1][:9] * 0), "callbacks": [stop], "epochs": 9}

    whole = train(data, **options())
    assert whole[2].stopped_by.startswith("EarlyStopping")
    assert whole[2].best_epoch < len(whole[2].epochs)
    last = whole[2].steps
    for step in (4, 5, last - 6, last - 5, last - 1):
        interrupted(data, path, step, **options())
        assert_same(whole, train(data, **options(), resume=path))


def test_a_learning_rate_that_a_callback_changed(kind, data, path):
    def halve(state):
        state.optimizer.lr /= 2

    whole = train(data, callbacks=[halve])
    interrupted(data, path, 12, callbacks=[halve])
    assert_same(whole, train(data, callbacks=[halve], resume=path))


def test_buffers_and_own_optimizers(data, path):
    def options():
        return {"net": build(middle=[RunningMean(6)]), "optimizer": OwnOptimizer()}

    whole = train(data, **options())
    assert whole[0]._arrays()["2.mean"].any()
    for step in (2, 11):
        interrupted(data, path, step, **options())
        assert_same(whole, train(data, **options(), resume=path))


def test_callbacks_with_a_state(data, path):
    class Counter:
        def __init__(self):
            self.calls, self.seen = 0, np.zeros(3)

        def __call__(self, state):
            self.calls += 1
            self.seen[state.epoch - 1] = state.step

        def state_dict(self):
            return {"calls": self.calls, "seen": self.seen}

        def load_state_dict(self, state):
            self.calls, self.seen = state["calls"], state["seen"]

    first, second = Counter(), Counter()
    callbacks = [an.every_steps(2, first), second]
    interrupted(data, path, 9, callbacks=callbacks)
    first, second = Counter(), Counter()
    train(data, callbacks=[an.every_steps(2, first), second], resume=path)
    assert (first.calls, second.calls) == (7, 3)
    assert second.seen.tolist() == [5, 10, 15]


def test_going_on_for_longer_than_was_planned(kind, data, path):
    train(data, epochs=2, callbacks=[an.Checkpoint(path)])
    assert_same(train(data, epochs=4), train(data, epochs=4, resume=path))


def test_a_training_that_had_ended_stays_as_it_was(data, path):
    whole = train(data, callbacks=[an.Checkpoint(path)])
    again = train(data, net=build(seed=5), resume=path)
    assert_same(whole, again)
    assert again[2].stopped_by == "epochs"


def test_steps_that_end_in_an_epoch(kind, data, path):
    whole = train(data, epochs=None, steps=7)
    interrupted(data, path, 6, epochs=None, steps=7)
    resumed = train(data, epochs=None, steps=7, resume=path)
    assert_same(whole, resumed)
    assert resumed[2].stopped_by == "steps"


def test_rows_in_the_order_of_the_data(data, path):
    whole = train(data, shuffle=False)
    interrupted(data, path, 7, shuffle=False)
    assert_same(whole, train(data, net=build(seed=5), shuffle=False, resume=path))


def test_rates_and_figures_of_every_kind_of_number_survive(data, path):
    def note(state):
        state.metrics["own"] = np.float32(1 / 3)

    whole = train(data, callbacks=[note])
    interrupted(data, path, 6, callbacks=[note])
    assert_same(whole, train(data, callbacks=[note], resume=path))
