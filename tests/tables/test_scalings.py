"""Scalings of numbers against plain formulas and scikit-learn: standard, robust, quantile."""

import json
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from affinet.tables import QuantileScaling, RobustScaling, StandardScaling
from affinet.tables.quantiles import normal_scores
from affinet.tables.scaling import scaling_from_json
from affinet.tables.statistics import median

ALL = (StandardScaling, RobustScaling, QuantileScaling)
rng = np.random.default_rng(7)
SAMPLES = {
    "normal": rng.normal(3.0, 2.0, 1000),
    "heavy": rng.standard_cauchy(997) * 1e4,
    "whole": rng.integers(0, 5, 500).astype(float),
    "mostly 0": np.where(rng.random(400) < 0.8, 0.0, rng.normal(size=400)),
    "two": np.array([1.0, 5.0]),
    "large": rng.normal(size=100) * 1e9 + 1e12,
}


def robust_formula(x, values):
    q25, q50, q75 = np.percentile(x, (25, 50, 75))
    factor = 1 / (q75 - q25) if q75 != q25 else 2 / (x.max() - x.min())
    z = (values - q50) * factor
    return z / np.sqrt(1 + (z / 3) ** 2)


@pytest.mark.parametrize("case", SAMPLES)
def test_robust_scaling_is_realmlps(case):
    x = SAMPLES[case]
    values = np.concatenate([x, x[:5] * 100, -x[:5] * 100])
    found = RobustScaling.fit(x).apply(values)
    np.testing.assert_allclose(found, robust_formula(x, values), rtol=1e-9, atol=1e-12)
    assert np.abs(found).max() <= 3


def test_without_a_distance_of_quartiles_the_range_counts():
    x = np.array([0.0] * 9 + [8.0])
    assert RobustScaling.fit(x) == RobustScaling(0.0, 4.0)
    assert RobustScaling.fit(x).apply(x)[-1] == pytest.approx(2 / math.sqrt(1 + 4 / 9))


def sklearns(x, values):
    """TabM's preprocessing, with this noise on the sorted values."""
    preprocessing = pytest.importorskip("sklearn.preprocessing", reason="needs scikit-learn")
    n_quantiles = min(max(min(len(x) // 30, 1000), 10), len(x))
    transformer = preprocessing.QuantileTransformer(
        n_quantiles=n_quantiles, output_distribution="normal", subsample=10**9
    )
    noise = np.random.default_rng(0).normal(0.0, 1e-5 * min(1.0, x.std()), len(x))
    transformer.fit((np.sort(x) + noise).reshape(-1, 1))
    return transformer.transform(values.reshape(-1, 1)).ravel(), n_quantiles


@pytest.mark.parametrize("case", ["normal", "heavy", "whole", "mostly 0", "two"])
def test_normal_scores_are_scikit_learns(case):
    x = SAMPLES[case]
    values = np.concatenate([x, np.linspace(x.min() - 1, x.max() + 1, 777)])
    wanted, n_quantiles = sklearns(x, values)
    scaling = QuantileScaling.fit(x)
    assert len(scaling.quantiles) == n_quantiles
    np.testing.assert_allclose(scaling.apply(values), wanted, atol=1e-4)
    assert np.mean(np.abs(scaling.apply(values) - wanted)) < 1e-6


@pytest.mark.parametrize(
    ("n", "n_quantiles"), [(3, 3), (11, 10), (300, 10), (330, 11), (60_000, 1000)]
)
def test_the_number_of_quantiles(n, n_quantiles):
    assert len(QuantileScaling.fit(np.arange(float(n))).quantiles) == n_quantiles


@pytest.mark.parametrize("low", [0.0, -7.0, 1e12, 1e300])
@pytest.mark.parametrize("unit", [1.0, 1e-9])
def test_a_frequent_least_value_does_not_become_the_extreme(low, unit):
    """The noise does this; without it, 30 % of the rows would have the score -5.2."""
    x = low * unit + (abs(low) or 1.0) * unit * np.concatenate([np.zeros(300), 1 + rng.random(700)])
    scores = QuantileScaling.fit(x).apply(x)
    assert scores[0] == pytest.approx(normal_scores(np.array([0.15]))[0], abs=0.1)


def test_a_value_that_several_quantiles_share_gets_the_place_in_their_middle():
    scores = QuantileScaling((0.0, 0.0, 0.0, 1.0, 1.0)).apply(np.array([-1.0, 0.0, 1.0, 2.0]))
    p = np.array([1e-7, 0.25, 0.875, 1 - 1e-7])
    np.testing.assert_allclose(scores, normal_scores(p), rtol=1e-9)


def test_units_and_the_order_of_rows_make_no_difference_to_scores():
    x = SAMPLES["normal"] / 10
    scores = QuantileScaling.fit(x).apply(x)
    small = QuantileScaling.fit(x * 2.0**-40)
    np.testing.assert_allclose(small.apply(x * 2.0**-40), scores, atol=1e-9)
    assert QuantileScaling.fit(x[::-1]) == QuantileScaling.fit(x)


def test_normal_scores_are_the_inverse_of_the_distribution():
    from statistics import NormalDist

    p = np.concatenate([np.linspace(0.001, 0.999, 333), 10.0 ** -np.arange(1, 300, 7)])
    wanted = [NormalDist().inv_cdf(value) for value in p.tolist()]
    np.testing.assert_allclose(normal_scores(p), wanted, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("scaling", ALL)
@pytest.mark.parametrize(
    "values",
    [[1e308, -1e308], [5e-324, 0.0], [1e-200, 2e-200], [0.0, 1e-310]],
)
def test_the_largest_and_least_numbers_stay_finite(scaling, values):
    x = np.array(values)
    found = scaling.fit(x)
    scores = found.apply(np.sort(x))
    assert np.isfinite(scores).all()
    assert scores[-1] > scores[0]
    assert scaling_from_json(json.loads(json.dumps(found.to_json(), allow_nan=False))) == found


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize("scaling", ALL[1:])
@given(x=st.lists(FINITE, min_size=2, max_size=40, unique=True), more=st.lists(FINITE))
@settings(deadline=None)
def test_any_numbers_keep_their_order_within_bounds(scaling, x, more):
    found = scaling.fit(np.array(x))
    scores = found.apply(np.sort(np.array(x + more)))
    assert np.isfinite(scores).all()
    assert np.abs(scores).max() <= 5.2
    assert (np.diff(scores) >= -1e-9).all()
    again = scaling_from_json(json.loads(json.dumps(found.to_json(), allow_nan=False)))
    np.testing.assert_array_equal(again.apply(np.array(x)), found.apply(np.array(x)))


@given(st.lists(FINITE, min_size=1))
@example([1.0, 5e-324, -4.5e307])  # whose half would be 0
def test_the_median_lies_in_the_middle(values):
    found = median(np.array(values))
    assert sum(value <= found for value in values) * 2 >= len(values)
    assert sum(value >= found for value in values) * 2 >= len(values)


@pytest.mark.parametrize(
    "record",
    [
        {"kind": "log"},
        {},
        None,
        {"kind": "robust", "center": 0.0, "spread": 0.0},
        {"kind": "robust", "center": float("nan"), "spread": 1.0},
        {"kind": "robust", "center": 0.0},
        {"kind": "standard", "mean": 0.0, "std": -1.0},
        {"kind": "quantile", "quantiles": [1.0]},
        {"kind": "quantile", "quantiles": [1.0, 0.0]},
        {"kind": "quantile", "quantiles": [1.0, math.inf]},
        {"kind": "quantile", "quantiles": 3},
        {"kind": "quantile", "quantiles": ["a", "b"]},
    ],
)
def test_damaged_scalings_are_refused(record):
    with pytest.raises((KeyError, TypeError, ValueError)):
        scaling_from_json(record)
