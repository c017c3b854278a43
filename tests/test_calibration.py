"""Temperature scaling of networks and classifiers."""

import copy

import numpy as np
import pytest

import affinet as an
from affinet.tabular.temperature import fit_temperature


def sure(loss=an.SoftmaxWithLoss, n_outputs=3, last=an.Affine):
    """A network that is far too sure of itself, and rows of which it gets some wrong."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3000, 4))
    W = 8 * rng.standard_normal((4, n_outputs))
    net = an.Sequential(last(W, np.full(n_outputs, 0.5)), loss=loss())
    noisy = x @ W / 8 + rng.gumbel(size=(3000, n_outputs))
    if loss is an.SoftmaxWithLoss:
        return net, x, noisy.argmax(axis=1)
    return net, x, (x @ W / 8 + rng.logistic(size=(3000, n_outputs)) > 0).astype(int)


@pytest.mark.parametrize("last", [an.Affine, an.NTKAffine])
def test_logits_are_divided_by_the_temperature(last):
    net, x, t = sure(last=last)
    before, logits = net.evaluate(x, t), net.predict(x)
    temperature = an.calibrate(net, x, t)
    assert temperature == fit_temperature(logits, t, prior_rows=1)
    assert temperature > 3
    np.testing.assert_allclose(net.predict(x), logits / temperature, rtol=1e-12)
    after = net.evaluate(x, t)
    assert after["loss"] < 0.7 * before["loss"]
    assert after["accuracy"] == before["accuracy"]
    assert an.calibrate(net, x, t) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("n_outputs", [1, 4])
def test_labels(n_outputs):
    net, x, t = sure(an.SigmoidWithLoss, n_outputs)
    before = net.evaluate(x, t)
    given = t[:, 0] if n_outputs == 1 else t
    temperature = an.calibrate(net, x, given)
    assert 6 < temperature < 10  # logits are 8 times too large
    after = net.evaluate(x, t)
    assert after["loss"] < before["loss"]
    assert after["accuracy"] == before["accuracy"]


def test_one_hot_rows_and_weights():
    net, x, t = sure()
    twin, _, _ = sure()
    assert an.calibrate(net, x, t) == an.calibrate(twin, x, np.eye(3)[t])
    net, twin = sure()[0], sure()[0]
    weights = np.repeat([1.0, 0.0], 1500)
    one, other = an.calibrate(net, x, t, weights), an.calibrate(twin, x[:1500], t[:1500])
    assert one == pytest.approx(other, rel=1e-6)


def test_refusals():
    net, x, t = sure()
    before = net.params.flat.copy()
    with pytest.raises(ValueError, match=r"t\[0\] is"):
        an.calibrate(net, x, np.full((3000, 3), 1 / 3))
    with pytest.raises(ValueError, match="t has shape"):
        an.calibrate(net, x, t[:5])
    with pytest.raises(ValueError, match="wanted finite logits"):
        an.calibrate(net, np.full_like(x, np.nan), t)
    assert np.array_equal(net.params.flat, before)
    labels, x, t = sure(an.SigmoidWithLoss, 2)
    with pytest.raises(ValueError, match=r"t holds 0.5, wanted 0 and 1"):
        an.calibrate(labels, x, t / 2)
    with pytest.raises(TypeError, match="the loss is MeanSquaredError"):
        an.calibrate(an.Sequential(an.Affine.init(4, 3), loss=an.MeanSquaredError()), x, t)
    soft = an.Sequential(an.Affine.init(4, 3), an.Tanh(), loss=an.SoftmaxWithLoss())
    with pytest.raises(TypeError, match=r"the last layer is Tanh\(\), wanted an Affine"):
        an.calibrate(soft, x, t)
    with pytest.raises(TypeError, match="net is Ensemble"):
        an.calibrate(an.Ensemble([net]), x, t)


@pytest.mark.parametrize("names", [["a", "b"], ["a", "b", "c"]])
def test_a_classifier(names):
    pytest.importorskip("sklearn", reason="needs scikit-learn")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((600, 3))
    y = np.array(names)[(x[:, 0] + rng.standard_normal(600) > 0) * (len(names) - 1)]
    y[:9] = (names * 5)[:9]
    model = an.estimators.MLPClassifier((8,), alpha=1, max_iter=1000, tol=1e-3, random_state=0)
    model.fit(x[:200], y[:200])
    for array in (model.coefs_[-1], model.intercepts_[-1]):
        array *= 9  # far too sure
    before, labels = model.predict_proba(x[400:]), model.predict(x[400:])
    coefs = model.coefs_[-1].copy()
    temperature = model.calibrate(x[200:400], y[200:400])
    assert temperature > 3
    np.testing.assert_allclose(model.coefs_[-1], coefs / temperature, rtol=1e-6)
    after = model.predict_proba(x[400:])
    assert np.array_equal(model.predict(x[400:]), labels)

    def log_loss(p):
        places = np.searchsorted(model.classes_, y[400:])
        return -np.log(p[np.arange(200), places]).mean()

    assert log_loss(after) < log_loss(before)


def test_weights_of_rows_are_those_of_all_their_labels():
    net, x, t = sure(an.SigmoidWithLoss)
    twin = an.Sequential(*copy.deepcopy(net.layers), loss=an.SigmoidWithLoss())
    weights = np.arange(3000) % 2
    rows = weights.astype(bool)
    found = an.calibrate(net, x, t, weights)
    assert found == pytest.approx(an.calibrate(twin, x[rows], t[rows]), rel=1e-3)


def test_labels_of_another_shape_are_refused():
    net, x, t = sure(an.SigmoidWithLoss)
    with pytest.raises(ValueError, match=r"t has shape \(3000, 2\), wanted \(3000, 3\)"):
        an.calibrate(net, x, t[:, :2])
