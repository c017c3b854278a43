"""What several networks predict as one."""

import copy
import pickle
import threading

import numpy as np
import pytest

import affinet as an

WEIGHTS = [1.0, 0.5, 2.5]


def mean(values):
    return np.average(values, axis=0, weights=WEIGHTS)


def test_outputs_are_weighted_means(made, x):
    nets = made(an.MeanSquaredError)
    ensemble = an.Ensemble(nets, WEIGHTS)
    wanted = mean([net.predict(x).astype(float) for net in nets])
    y = ensemble.predict(x)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, wanted, rtol=1e-6)
    assert np.array_equal(ensemble(x), y)
    assert np.array_equal(ensemble.predict_members(x), [net.predict(x) for net in nets])


@pytest.mark.parametrize("loss", [an.SoftmaxWithLoss, an.SigmoidWithLoss])
def test_probabilities_are_weighted_means(made, x, loss):
    nets = made(loss)
    ensemble = an.Ensemble(nets, WEIGHTS)
    wanted = mean([net.predict_proba(x).astype(float) for net in nets])
    np.testing.assert_allclose(ensemble.predict_proba(x), wanted, rtol=1e-5)
    np.testing.assert_allclose(loss().probabilities(ensemble.predict(x)), wanted, rtol=1e-5)


def test_rates_are_weighted_means(made, x):
    nets = made(an.Poisson)
    rates = [np.exp(net.predict(x).astype(float)) for net in nets]
    ensemble = an.Ensemble(nets, WEIGHTS)
    np.testing.assert_allclose(np.exp(ensemble.predict(x)), mean(rates), rtol=1e-5)
    spread = np.sqrt(mean((np.array(rates) - mean(rates)) ** 2))
    np.testing.assert_allclose(ensemble.std(x), spread, rtol=1e-4)


@pytest.mark.parametrize("loss", [an.SoftmaxWithLoss, an.SigmoidWithLoss, an.Poisson])
def test_logits_that_overflow_the_exponential(loss):
    def constant(*values):
        zeros = np.zeros((1, len(values)))
        return an.Sequential(an.Affine(zeros, np.array(values)), loss=loss())

    ensemble = an.Ensemble([constant(2000.0, -2000.0), constant(1000.0, -3000.0)])
    y = ensemble.predict([[0.0]])[0]
    assert np.isfinite(y).all()
    if loss is an.SoftmaxWithLoss:
        np.testing.assert_allclose(y, [0.0, -4000.0], atol=1e-9)
    elif loss is an.SigmoidWithLoss:  # p = 1 - (e^-2000 + e^-1000) / 2
        np.testing.assert_allclose(y, [1000 + np.log(2), -2000 - np.log(2)])
    else:
        np.testing.assert_allclose(y, [2000 - np.log(2), -2000 - np.log(2)])


def test_one_row_has_the_shape_of_a_row(made, x):
    ensemble = an.Ensemble(made(), WEIGHTS)
    for function in (ensemble.predict, ensemble.predict_proba, ensemble.std):
        assert np.array_equal(function(x[0]), function(x[:1])[0])
    assert ensemble.quantile(x[0], 0.5).shape == (3,)
    assert ensemble.quantile(x[0], [0.5, 0.9]).shape == (2, 3)
    assert ensemble.predict_members(x[0]).shape == (3, 3)
    assert ensemble.predict(x[:0]).shape == (0, 3)


def test_blocks_change_no_bit(made):
    rows = np.random.default_rng(2).standard_normal((2500, 4)).astype("float32")
    nets = made()
    ensemble = an.Ensemble(nets)
    assert np.array_equal(ensemble.predict_members(rows), [net.predict(rows) for net in nets])
    for function in (ensemble.predict, ensemble.std, lambda part: ensemble.quantile(part, 0.3)):
        parts = [function(rows[start : start + 1024]) for start in (0, 1024, 2048)]
        assert np.array_equal(function(rows), np.concatenate(parts))
    both = ensemble.quantile(rows, [0.3, 0.9])
    assert np.array_equal(both[1], ensemble.quantile(rows, 0.9))


def test_shards_are_read_block_by_block(made):
    rows = np.random.default_rng(2).standard_normal((1500, 4)).astype("float32")
    shards = an.datasets.Shards([rows[:700], rows[700:]])
    ensemble = an.Ensemble(made())
    assert np.array_equal(ensemble.predict(shards), ensemble.predict(rows))


def test_members_of_an_ensemble_in_one_network_see_all_rows():
    """BatchEnsemble finds a row's member by its place among all rows."""

    def net(seed):
        return an.Sequential(an.BatchEnsemble(3, 4, 2, rng=seed, first=True))

    rows = np.random.default_rng(2).standard_normal((3 * 700, 4)).astype("float32")
    nets = [net(0), net(1)]
    y = an.Ensemble(nets).predict(rows)
    np.testing.assert_allclose(y, (nets[0].predict(rows) + nets[1].predict(rows)) / 2, rtol=1e-5,
                               atol=1e-6)  # fmt: skip


def test_mixed_dtypes_give_the_larger(made, x):
    ensemble = an.Ensemble([*made(None, n=1), *made(None, n=2, dtype="float64")])
    assert ensemble.predict(x).dtype == np.float64


def test_the_spread_of_probabilities(made, x):
    nets = made()
    ensemble = an.Ensemble(nets, WEIGHTS)
    p = np.array([net.predict_proba(x).astype(float) for net in nets])
    np.testing.assert_allclose(ensemble.std(x), np.sqrt(mean((p - mean(p)) ** 2)), rtol=1e-4)


def test_quantiles_are_the_inverse_of_the_distribution_function():
    def constant(value):
        return an.Sequential(an.Affine(np.zeros((1, 1)), np.array([value])))

    values = [3.0, 1.0, 2.0, 7.0]
    levels = np.linspace(0, 1, 41)
    ensemble = an.Ensemble(map(constant, values))
    wanted = np.quantile(values, levels, method="inverted_cdf")
    assert np.array_equal(ensemble.quantile([[0.0]], levels).ravel(), wanted)
    repeated = an.Ensemble(map(constant, values), [3, 0, 1, 2])
    wanted = np.quantile([3.0, 3.0, 3.0, 2.0, 7.0, 7.0], levels, method="inverted_cdf")
    assert np.array_equal(repeated.quantile([[0.0]], levels).ravel(), wanted)
    for n in range(1, 40):  # no level is missed by the rounding of the sum of weights
        equal = an.Ensemble([constant(float(k)) for k in range(n)])
        found = equal.quantile([[0.0]], np.arange(1, n + 1) / n)
        assert np.array_equal(found.ravel(), range(n))


def test_a_nan_is_not_hidden(made, x):
    x[0, 0] = np.nan
    ensemble = an.Ensemble(made(an.MeanSquaredError))
    for y in (ensemble.predict(x), ensemble.std(x), ensemble.quantile(x, 0.1)):
        assert np.isnan(y[0]).all()
        assert np.isfinite(y[1:]).all()


@pytest.mark.parametrize("loss", [an.SoftmaxWithLoss, an.SigmoidWithLoss, an.MeanSquaredError])
def test_evaluate_is_that_of_the_mean(made, x, loss):
    nets = made(loss)
    ensemble = an.Ensemble(nets, WEIGHTS)
    t = np.eye(3)[[0, 1, 2, 0, 1, 2, 0]]
    weights = np.arange(7.0)
    found = ensemble.evaluate(x, t, weights)
    wanted = loss().forward(ensemble.predict(x), t, weights)
    assert found["loss"] == wanted
    if loss is an.SoftmaxWithLoss:
        hits = ensemble.predict_proba(x).argmax(axis=1) == t.argmax(axis=1)
        assert found["accuracy"] == np.average(hits, weights=weights)
        assert set(ensemble.evaluate(x, t, metrics=["f1"])) == {"loss", "accuracy", "f1"}
    assert set(ensemble.evaluate(x[0], t[0])) >= {"loss"}


def test_copies_and_pickles_predict_the_same(made, x):
    ensemble = an.Ensemble(made(), WEIGHTS)
    ensemble.metadata["note"] = "kept"
    for twin in (copy.deepcopy(ensemble), pickle.loads(pickle.dumps(ensemble))):
        assert np.array_equal(twin.predict(x), ensemble.predict(x))
        assert twin.metadata == {"note": "kept"}
        assert not twin.weights.flags.writeable
        assert twin.members[0] is not ensemble.members[0]


def test_threads_predict_at_once(made, x):
    ensemble, found = an.Ensemble(made()), []
    wanted = ensemble.predict(x)
    threads = [
        threading.Thread(target=lambda: found.extend(ensemble.predict(x) for _ in range(50)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 200
    assert all(np.array_equal(y, wanted) for y in found)
