"""A training with a sampler resumes with the same bits, and with no other sampler."""

import numpy as np
import pytest

import affinet as an
from affinet import samplers
from interrupted_training import ROWS, assert_same, interrupted, refused, train


def pairs(epoch, n_rows, rng):
    """One row twice in a row."""
    return rng.permutation(n_rows)[:6].repeat(2)


SAMPLERS = {
    "uniform": lambda: samplers.WithReplacement(),
    "more rows": lambda: samplers.WithReplacement(32),
    "fewer rows": lambda: samplers.WithReplacement(11),
    "weights": lambda: samplers.WithReplacement(weights=np.arange(ROWS)),
    "balanced": lambda: samplers.WithReplacement(weights="balanced"),
    "a function": lambda: pairs,
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_at_every_step(kind, name, data, path):
    whole = train(data, sampler=SAMPLERS[name]())
    assert whole[2].step_kind == kind
    for step in range(1, whole[2].steps + 1):
        interrupted(data, path, step, sampler=SAMPLERS[name]())
        assert_same(whole, train(data, sampler=SAMPLERS[name](), resume=path))


def test_a_checkpoint_of_another_step(kind, data, path):
    sampler = samplers.WithReplacement(32)
    whole = train(data, sampler=sampler, epochs=None, steps=18)
    interrupted(data, path, 17, every=3, sampler=sampler, epochs=None, steps=18)
    assert_same(whole, train(data, sampler=sampler, epochs=None, steps=18, resume=path))


def test_shuffled_goes_on_where_no_sampler_was_given(data, path):
    whole = train(data)
    interrupted(data, path, 7)
    assert_same(whole, train(data, sampler=samplers.Shuffled(), resume=path))


def closure(rows):
    return lambda epoch, n_rows, rng: rng.integers(rows, size=n_rows)


class Own(samplers.Sampler):
    """Its parameter matters in later epochs only."""

    def __init__(self, first):
        self.first = first

    def __call__(self, epoch, n_rows, rng):
        return np.arange(n_rows) if epoch < self.first else np.zeros(n_rows, int)

    def config(self):
        return {"first": self.first}


OTHERS = {
    "none": (samplers.WithReplacement(), None, r"sampler is 'WithReplacement\(n=None.* None"),
    "some": (None, samplers.WithReplacement(), "sampler is None, in this training it is 'With"),
    "n": (samplers.WithReplacement(), samplers.WithReplacement(9), "sampler is .*n=None.*n=9"),
    "weights": (
        samplers.WithReplacement(weights=np.arange(ROWS)),
        samplers.WithReplacement(weights=np.arange(ROWS) + 1),
        "sampler is 'WithReplacement.*, in this training it is 'WithReplacement",
    ),
    "a function": (pairs, closure(9), r"sampler is '\S*test_sampled\.pairs'.*closure"),
    "a closure": (closure(9), closure(8), "rows of the first epoch is '23 rows, "),
    "a parameter": (Own(1), Own(2), r"sampler is '\S*test_sampled\.Own\(first=1\)'.*first=2"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_another_sampler_is_refused(case, data, path):
    before, now, match = OTHERS[case]
    interrupted(data, path, 7, sampler=before)
    assert str(path) in refused(data, match, resume=path, sampler=now)


def test_progress_goes_on_from_the_drawn_rows(data, path, monkeypatch):
    """Of 3 epochs of 32 rows, 32 + 2 * 5 were trained on."""
    interrupted(data, path, 9, sampler=samplers.WithReplacement(32))
    shown = []

    def make(verbose, rows, done, epochs):
        shown.append((rows, done, epochs))
        raise RuntimeError("enough")

    monkeypatch.setattr("affinet.training.trainer.make_progress", make)
    with pytest.raises(RuntimeError, match="enough"):
        train(data, sampler=samplers.WithReplacement(32), resume=path)
    assert shown == [(96, 42, 3)]
    assert an.Checkpoint(path).path == path
