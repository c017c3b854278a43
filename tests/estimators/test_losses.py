"""The estimators' losses, by name and custom."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")
import affinet as an
from affinet.estimators import MLPClassifier, MLPRegressor
from estimator_data import CLASSES, SMALL, VALUES, N, X, assert_same

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
NAMED = {
    "absolute_error": (an.MeanAbsoluteError(), lambda d: np.abs(d).mean()),
    "huber": (
        an.Huber(),
        lambda d: np.where(np.abs(d) <= 1, d**2 / 2, np.abs(d) - 0.5).mean(),
    ),
    "quantile": (an.Quantile(0.5), lambda d: np.abs(d).mean() / 2),
}


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("name", NAMED)
def test_losses_by_name(name, solver, n_outputs):
    y = np.c_[VALUES, X[:, 2] ** 2][:, :n_outputs].squeeze()
    loss, formula = NAMED[name]
    options = SMALL | {"solver": solver, "max_iter": 25, "alpha": 0.0, "learning_rate_init": 0.05}
    a = MLPRegressor(name, **options).fit(X, y)
    assert_same(a, MLPRegressor(loss, **options).fit(X, y))
    value = formula((a.predict(X) - y).reshape(-1))
    assert value < formula((y - y.mean(axis=0)).reshape(-1))
    if solver == "lbfgs":  # there loss_ is that of the weights as they stand
        assert a.loss_ == pytest.approx(value, rel=1e-12)
    assert isinstance(a.net_.loss, type(loss))
    assert a.net_.loss is not loss  # a parameter is not touched by fit


def test_quantiles_order_the_predictions():
    noise = np.random.default_rng(3).standard_normal(N)
    shares = []
    for quantile in (0.1, 0.5, 0.9):
        model = MLPRegressor(
            "quantile", quantile=quantile, solver="lbfgs", max_iter=80, alpha=0.1, **SMALL
        )
        shares.append((VALUES + noise < model.fit(X, VALUES + noise).predict(X)).mean())
    np.testing.assert_allclose(shares, [0.1, 0.5, 0.9], atol=0.08)


@pytest.mark.parametrize("loss", ["poisson", an.Poisson()], ids=["name", "object"])
def test_counts(loss):
    y = np.random.default_rng(2).poisson(np.exp(VALUES))
    model = MLPRegressor(loss, solver="lbfgs", max_iter=200, **SMALL).fit(X, y)
    assert model.out_activation_ == "exp"
    assert (model.predict(X) > 0).all()
    assert np.corrcoef(model.predict(X), np.exp(VALUES))[0, 1] > 0.8


def test_label_smoothing():
    loss = an.SoftmaxWithLoss(label_smoothing=0.3)
    model = MLPClassifier(loss=loss, solver="lbfgs", max_iter=50, alpha=0.0, **SMALL)
    model.fit(X, CLASSES)
    assert model.out_activation_ == "softmax"
    assert model.score(X, CLASSES) > 0.9
    smooth = 0.7 * (CLASSES[:, None] == model.classes_) + 0.1
    value = -np.mean((smooth * model.predict_log_proba(X)).sum(axis=1))
    assert model.loss_ == pytest.approx(value, rel=1e-12)
    assert model.loss is loss
    assert loss.y is None  # the network has a copy


class Cubic:
    """A custom loss: the mean of |x - t|^3 / 3."""

    def forward(self, x, t):
        self.d = x - t
        return float(np.mean(np.abs(self.d) ** 3) / 3)

    def backward(self, dout=1.0):
        return dout * self.d * np.abs(self.d) / self.d.size


def test_a_loss_of_ones_own():
    model = MLPRegressor(Cubic(), max_iter=50, learning_rate_init=0.01, **SMALL).fit(X, VALUES)
    assert model.net_.history.step_kind == "layer by layer"
    assert model.loss_curve_[-1] < model.loss_curve_[0] / 2
    assert not vars(model.loss)
    with pytest.raises(TypeError, match="sample_weight"):
        model.fit(X, VALUES, sample_weight=np.ones(N))


class Hinge:
    """Of one logit: the mean of max(0, 1 - s x) with s = -1 or 1; without probabilities."""

    def forward(self, x, t, weights=None):
        self.sign = 2.0 * t - 1
        self.short = 1 - self.sign * x > 0
        return float(np.mean(self.short * (1 - self.sign * x)))

    def backward(self, dout=1.0):
        return -dout * self.short * self.sign / len(self.sign)


def test_a_classifiers_loss_of_ones_own():
    model = MLPClassifier(loss=Hinge(), max_iter=100, learning_rate_init=0.01, **SMALL)
    model.fit(X, VALUES > 0)
    assert model.score(X, VALUES > 0) > 0.9
    p = model.predict_proba(X)
    np.testing.assert_allclose(p[:, 1], 1 / (1 + np.exp(-model.net_.predict(X)[:, 0])))
