"""Means and variances in one network: the Gaussian likelihood of pairs of outputs."""

import numpy as np
import pytest

import affinet as an
from affinet import reference
from affinet._dispatch import kernels


class OwnReLU(an.ReLU):
    """A custom layer, which fit trains layer by layer only."""


def by_hand(x, t, weights):
    """-log of the normal density, without log(2 pi) / 2."""
    m, variance = x[:, ::2], np.exp(x[:, 1::2])
    terms = 0.5 * np.log(variance) + (t - m) ** 2 / (2 * variance)
    return (weights[:, None] * terms).sum() / (weights.sum() * t.shape[1])


@pytest.mark.parametrize("n_targets", [1, 2, 5])
def test_values_and_gradient(n_targets):
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((7, 2 * n_targets)), rng.standard_normal((7, n_targets))
    loss, ones = an.Gaussian(), np.ones(7)
    assert loss.forward(x, t) == pytest.approx(by_hand(x, t, ones), rel=1e-12)
    weights = rng.uniform(0, 2, 7)
    for given in (None, weights):
        loss.forward(x, t, given)
        numerical = an.numerical_gradient(
            lambda x, given=given: by_hand(x, t, ones if given is None else given), x
        )
        np.testing.assert_allclose(loss.backward(), numerical, rtol=1e-6, atol=1e-9)
    if n_targets == 1:
        assert loss.forward(x, t[:, 0]) == loss.forward(x, t)
    assert loss.forward(x[0], t[0]) == loss.forward(x[:1], t[:1])


def test_it_is_least_at_mean_and_variance():
    t = np.random.default_rng(0).normal(3, 2, 1000)
    best = [t.mean(), np.log(t.var())]
    loss = an.Gaussian()
    lowest = loss.forward(np.tile(best, (1000, 1)), t)
    np.testing.assert_allclose(loss.backward().sum(axis=0), 0, atol=1e-12)
    for step in ([0.1, 0], [0, 0.1], [-0.1, -0.1]):
        assert loss.forward(np.tile(np.add(best, step), (1000, 1)), t) > lowest


def test_no_distance_at_a_tiny_variance():
    loss = an.Gaussian()
    assert loss.forward([[1.0, -800.0]], [1.0]) == -400
    assert loss.backward().tolist() == [[0.0, 0.5]]
    assert loss.forward([[0.0, 800.0]], [1.0]) == 400


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_kernel_is_the_reference_for_many_columns(dtype):
    rng = np.random.default_rng(0)
    for width in (2, 6, 16, 34, 130):
        y, t = rng.standard_normal((2, 9, width)).astype(dtype)
        for weights in (None, rng.uniform(0, 2, 9)):
            dx = np.empty_like(y)
            loss = kernels.gaussian_loss(y, t, weights, dx)
            wanted, gradient = reference.gaussian_loss(y, t, weights)
            assert loss == pytest.approx(wanted, rel=1e-5 if dtype == "float32" else 1e-12)
            np.testing.assert_allclose(dx, gradient, rtol=1e-4, atol=1e-6)


def build(relu=an.ReLU, dtype="float64", n_targets=1):
    return an.Sequential(
        an.Affine.init(2, 16, rng=0, dtype=dtype), relu(),
        an.Affine.init(16, 2 * n_targets, rng=1, dtype=dtype), loss=an.Gaussian(),
    )  # fmt: skip


@pytest.mark.parametrize("n_targets", [1, 3])
@pytest.mark.parametrize("t_dtype", ["float32", "float64", "int64"])
def test_fused_is_layer_by_layer(n_targets, t_dtype):
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((50, 2)), (9 * rng.standard_normal((50, n_targets))).astype(t_dtype)
    options = {"epochs": 3, "batch_size": 8, "sample_weight": rng.uniform(0, 1, 50)}
    found = []
    for relu in (an.ReLU, OwnReLU):
        net = build(relu, n_targets=n_targets)
        history = net.fit(x, t[:, 0] if n_targets == 1 else t, **options)
        found.append((net.params.flat, history["loss"]))
    assert history.step_kind == "layer by layer"
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-9)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-12)


def test_it_learns_mean_and_spread(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (4000, 2))
    t = 2 * x[:, 0] + np.exp(x[:, 1]) * rng.standard_normal(4000)
    net = build(dtype="float32")
    assert net.fit(x, t, epochs=30, batch_size=50, optimizer=an.Adam(0.01)).step_kind == "fused"
    y = net.predict(x)
    assert np.sqrt(np.mean((net.loss.values(y)[:, 0] - 2 * x[:, 0]) ** 2)) < 0.15
    assert np.abs(np.log(net.loss.std(y)[:, 0]) - x[:, 1]).mean() < 0.15
    assert net.evaluate(x, t, metrics=["mae"])["mae"] > 0
    net.save(tmp_path / "net.npz")
    assert np.array_equal(an.load(tmp_path / "net.npz").predict(x), y)
    assert an.gradient_check(build(), x[:6], t[:6]).passed


def test_an_ensemble_predicts_the_mixture():
    def constant(mean, std):
        b = np.array([mean, 2 * np.log(std)])
        return an.Sequential(an.Affine(np.zeros((1, 2)), b), loss=an.Gaussian())

    ensemble = an.Ensemble([constant(0.0, 1.0), constant(4.0, 3.0)], [3, 1])
    y = ensemble.predict([[0.0]])
    draws = np.random.default_rng(0).standard_normal((2, 400_000))
    mixture = np.concatenate([draws[0, :300_000], 4 + 3 * draws[1, :100_000]])
    np.testing.assert_allclose(ensemble.loss.values(y), mixture.mean(), atol=0.02)
    np.testing.assert_allclose(ensemble.loss.std(y), mixture.std(), atol=0.02)
    np.testing.assert_allclose(ensemble.std([[0.0]]), np.sqrt(3), rtol=1e-12)  # of the means
    twins = an.Ensemble([constant(1.0, 2.0), constant(1.0, 2.0)])
    np.testing.assert_allclose(twins.predict([[0.0]]), [[1, 2 * np.log(2)]])


def test_refusals():
    x = np.zeros((4, 2))
    with pytest.raises(ValueError, match=r"takes 2 outputs for each target, but there are 3"):
        an.Gaussian().forward(np.zeros((4, 3)), np.zeros(4))
    with pytest.raises(ValueError, match=r"t has shape \(4, 2\), wanted \(4, 1\)"):
        an.Gaussian().forward(x, x)
    net = build()
    with pytest.raises(ValueError, match=r"t has shape \(4, 2\), wanted \(4, 1\)"):
        net.fit(x, x)
    odd = an.Sequential(an.Affine.init(2, 3), loss=an.Gaussian())
    with pytest.raises(ValueError, match="takes 2 outputs for each target, but there are 3"):
        odd.fit(x, np.zeros(4))
    with pytest.raises(ValueError, match="3 columns, wanted pairs"):
        kernels.gaussian_loss(np.zeros((2, 3)), np.zeros((2, 3)), None, np.zeros((2, 3)))
