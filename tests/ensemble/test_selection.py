"""Greedy selection of members, with repeats."""

import itertools

import numpy as np
import pytest

import affinet as an
from affinet.ensemble.selection import greedy_counts


def by_hand(predictions, t, k, loss):
    """The counts of the best round, by the algorithm in words."""
    chosen, rounds = [], []
    for _ in range(k):
        losses = [
            loss(np.mean([predictions[i] for i in (*chosen, j)], axis=0), t)
            for j in range(len(predictions))
        ]
        chosen.append(int(np.argmin(losses)))
        rounds.append((min(losses), list(chosen)))
    best = min(rounds, key=lambda found: found[0])[1]
    return np.bincount(best, minlength=len(predictions))


def entropy(p, t):
    return -np.log(p[np.arange(len(t)), t]).mean()


def squares(y, t):
    return ((y - t) ** 2).mean()


@pytest.mark.parametrize("k", [1, 2, 6])
def test_it_is_the_selection_of_the_paper(made, k):
    rng = np.random.default_rng(3)
    x = rng.standard_normal((60, 4)).astype("float32")
    nets = made(n=6)
    ensemble, t = an.Ensemble(nets), rng.integers(0, 3, 60)
    chosen = ensemble.pruned(k, x, t)
    p = [net.predict_proba(x).astype(float) for net in nets]
    counts = by_hand(p, t, k, entropy)
    assert chosen.members == tuple(itertools.compress(nets, counts))
    np.testing.assert_allclose(chosen.weights, counts[counts > 0] / counts.sum())
    assert chosen.evaluate(x, t)["loss"] <= min(net.evaluate(x, t)["loss"] for net in nets) + 1e-6

    nets = made(an.MeanSquaredError, n=6)
    t = rng.standard_normal((60, 3))
    chosen = an.Ensemble(nets).pruned(k, x, t)
    counts = by_hand([net.predict(x).astype(float) for net in nets], t, k, squares)
    np.testing.assert_allclose(chosen.weights, counts[counts > 0] / counts.sum())


def test_a_selection_that_starts_with_the_first_members():
    rng = np.random.default_rng(3)
    t, loss = rng.standard_normal((60, 1)), an.MeanSquaredError()
    outputs = t + rng.standard_normal((5, 60, 1)) * np.arange(1, 6)[:, None, None]
    assert greedy_counts(loss, outputs, t, 4, None, 4).tolist() == [1, 1, 1, 1, 0]
    mean = squares(outputs[:4].mean(axis=0), t)
    counts = greedy_counts(loss, outputs, t, 20, None, 4)
    assert (counts[:4] >= 1).all()
    assert squares(np.average(outputs, axis=0, weights=counts), t) < mean
    bad = np.concatenate([outputs[:2], outputs[4:] + 1000])
    assert greedy_counts(loss, bad, t, 3, None, 2).tolist()[2] == 0


def test_a_member_may_be_chosen_again():
    def constant(value):
        return an.Sequential(
            an.Affine(np.zeros((1, 1)), np.array([value])), loss=an.MeanSquaredError()
        )

    nets = [constant(0.0), constant(3.0), constant(-50.0)]
    ensemble = an.Ensemble(nets)
    ensemble.metadata = {"note": 1}
    chosen = ensemble.pruned(9, np.zeros((2, 1)), np.full((2, 1), 2.0))
    assert chosen.members == (nets[0], nets[1])
    np.testing.assert_allclose(chosen.weights, [1 / 3, 2 / 3])
    assert chosen.metadata == {"note": 1}


def test_weights_of_rows_decide(made):
    rng = np.random.default_rng(3)
    x, t = rng.standard_normal((40, 4)), rng.integers(0, 3, 40)
    weights = np.repeat([1.0, 0.0], 20)
    ensemble = an.Ensemble(made(n=6))
    one, other = ensemble.pruned(4, x, t, weights), ensemble.pruned(4, x[:20], t[:20])
    assert one.members == other.members
    np.testing.assert_allclose(one.weights, other.weights)


def test_members_that_diverged_are_left_out(made, x):
    nets = made(n=3)
    nets[0].params.flat[:] = np.nan
    t = np.zeros(7, int)
    assert nets[0] not in an.Ensemble(nets).pruned(5, x, t).members
    for net in nets:
        net.params.flat[:] = np.nan
    with pytest.raises(ValueError, match="no member has a finite loss"):
        an.Ensemble(nets).pruned(5, x, t)


def test_refusals(made, x):
    ensemble, t = an.Ensemble(made()), np.zeros(7, int)
    with pytest.raises(ValueError, match="k is 0"):
        ensemble.pruned(0, x, t)
    with pytest.raises(TypeError, match=r"k is 2.0"):
        ensemble.pruned(2.0, x, t)
    with pytest.raises(ValueError, match=r"x has shape \(4,\)"):
        ensemble.pruned(2, x[0], t)
