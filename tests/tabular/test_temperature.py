"""The temperature against a grid search, and where the log-loss alone has no minimum."""

import numpy as np
import pytest

from affinet.tabular import fit_temperature
from affinet.tabular.temperature import HIGHEST, LOWEST, PRIOR_ROWS

RNG = np.random.default_rng(3)


def log_softmax(z):
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def objective(z, t, weights, temperature):
    """The documented one: 10 more rows that agree with the network's own probabilities."""
    n = weights.sum() ** 2 / (weights**2).sum()
    s = PRIOR_ROWS / (n + PRIOR_ROWS)
    target = (1 - s) * np.eye(z.shape[1])[t] + s * np.exp(log_softmax(z))
    return -(weights / weights.sum()) @ (target * log_softmax(z / temperature)).sum(axis=1)


def drawn(n, classes, temperature):
    """Logits, and classes drawn from softmax(logits / temperature)."""
    z = 2 * RNG.standard_normal((n, classes))
    p = np.exp(log_softmax(z / temperature))
    return z, np.array([RNG.choice(classes, p=row) for row in p])


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
@pytest.mark.parametrize(("n", "classes"), [(5, 2), (60, 3), (400, 2)])
@pytest.mark.parametrize("weighted", [False, True])
def test_no_temperature_of_a_grid_has_a_lower_loss(n, classes, temperature, weighted):
    z, t = drawn(n, classes, temperature)
    weights = RNG.uniform(0, 3, n) if weighted else np.ones(n)
    found = fit_temperature(z, t, weights if weighted else None)
    lowest = objective(z, t, weights, found)
    grid = np.geomspace(LOWEST, HIGHEST, 400)
    assert lowest <= min(objective(z, t, weights, value) for value in grid) + 1e-13
    assert LOWEST <= found <= HIGHEST


def test_the_true_temperature_is_found_with_many_rows():
    z, t = drawn(4000, 5, 2.5)
    assert fit_temperature(z, t) == pytest.approx(2.5, rel=0.1)
    assert fit_temperature(z.astype(np.float32), t) == pytest.approx(2.5, rel=0.1)


def test_rows_without_an_error_do_not_make_probabilities_certain():
    """After n rows classified correctly an error remains about as likely as 1 in n."""
    z = np.tile([[2.2, 0.0]], (100, 1))  # 90 %
    t = np.zeros(100, int)
    temperature = fit_temperature(z, t)
    p = np.exp(log_softmax(z / temperature))[0, 0]
    assert 0.98 < p < 0.995
    assert fit_temperature(z[:1], t[:1]) > 0.8  # one row says next to nothing
    values = [fit_temperature(z[:n], t[:n]) for n in (1, 10, 100)]
    assert values == sorted(values, reverse=True)


def test_rows_that_are_all_wrong_stay_within_the_bounds():
    z = np.tile([[5.0, 0.0]], (1000, 1))
    assert fit_temperature(z, np.ones(1000, int)) == pytest.approx(HIGHEST)
    certain = np.tile([[1e4, 0.0]], (1000, 1))
    assert LOWEST <= fit_temperature(certain, np.arange(1000) % 2) <= HIGHEST * (1 + 1e-9)


def test_a_weight_counts_and_its_scale_does_not():
    z, t = drawn(80, 3, 2.0)
    weights = RNG.uniform(0, 2, 80)
    found = fit_temperature(z, t, weights)
    assert fit_temperature(z, t, 1000 * weights) == pytest.approx(found, rel=1e-9)
    assert fit_temperature(z, t, np.ones(80)) == fit_temperature(z, t)
    kept = np.arange(80) < 40
    assert fit_temperature(z, t, kept) == pytest.approx(fit_temperature(z[kept], t[kept]))


@pytest.mark.parametrize(("z", "t"), [(np.zeros((4, 2)), [0, 1, 0, 1]), (np.ones((2, 1)), [0, 0])])
def test_equal_logits_say_nothing(z, t):
    assert fit_temperature(z, t) == 1.0


@pytest.mark.parametrize(
    ("z", "t", "wanted"),
    [
        (np.zeros(3), [0], "outputs has shape"),
        (np.zeros((0, 2)), [], "outputs has shape"),
        ([[np.nan, 0.0]], [0], "outputs holds NaN"),
        ([[1.0, 0.0]], [2], r"t holds 2\.\.2, wanted 0\.\.1"),
        ([[1.0, 0.0]], [0.0], "t has shape"),
        ([[1.0, 0.0]], [0, 1], "t has shape"),
    ],
)
def test_what_cannot_be_used_is_refused(z, t, wanted):
    with pytest.raises(ValueError, match=wanted):
        fit_temperature(z, t)
    with pytest.raises(ValueError, match="sample_weight is 0 for every row"):
        fit_temperature([[1.0, 0.0]], [0], [0.0])
