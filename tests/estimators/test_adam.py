"""The estimators' Adam: scikit-learn's, whose epsilon is not corrected for the step.

With all rows in one batch both libraries compute the same steps, up to rounding: 1e-16 a step,
which a training multiplies by less than 1e3 in 40 steps (the largest difference found: 5e-15).
"""

import warnings

import numpy as np
import pytest

neural_network = pytest.importorskip("sklearn.neural_network", reason="needs scikit-learn")
SklearnAdam = pytest.importorskip("sklearn.neural_network._stochastic_optimizers").AdamOptimizer

import affinet as an  # noqa: E402
from affinet import estimators  # noqa: E402
from affinet.estimators.adam import ScikitLearnAdam  # noqa: E402

RNG = np.random.default_rng(1)
X = RNG.standard_normal((40, 4))
VALUES = X[:, 0] - np.sin(X[:, 1])
TARGETS = {
    "two classes": ("MLPClassifier", (VALUES > 0).astype(int)),
    "several classes": ("MLPClassifier", np.digitize(VALUES, [-0.5, 0.5])),
    "labels": ("MLPClassifier", (X[:, :3] > 0).astype(int)),
    "a value": ("MLPRegressor", VALUES),
    "values": ("MLPRegressor", X[:, :2] * [1, 3]),
    "counts": ("MLPRegressor", RNG.poisson(1.5, 40)),
}


@pytest.mark.parametrize("options", [{}, {"epsilon": 1e-2}, {"beta_2": 0.9, "epsilon": 1e-4}],
                         ids=["defaults", "epsilon", "beta_2"])  # fmt: skip
@pytest.mark.parametrize("weights", [None, RNG.random(40)], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("target", TARGETS)
def test_full_batches_agree_to_rounding(target, weights, options):
    kind, y = TARGETS[target]
    options = options | ({"loss": "poisson"} if target == "counts" else {})
    models = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for room in (estimators, neural_network):
            model = getattr(room, kind)(
                hidden_layer_sizes=(6,), activation="tanh", alpha=0.01, batch_size=40, max_iter=40,
                learning_rate_init=0.02, random_state=0, **options,
            )  # fmt: skip
            models.append(model.fit(X, y, weights))
    own, other = models
    assert own.net_.history.step_kind == "fused"
    for W, V in zip(own.coefs_ + own.intercepts_, other.coefs_ + other.intercepts_, strict=True):
        np.testing.assert_allclose(W, V, rtol=0, atol=1e-13)


@pytest.mark.parametrize("beta2", [0.0, 0.5, 0.999, 0.999999])
@pytest.mark.parametrize("eps", [1e-8, 0.1])
def test_single_updates(beta2, eps):
    W, V = RNG.standard_normal(7), None
    V = W.copy()
    own, other = ScikitLearnAdam(0.1, 0.8, beta2, eps), SklearnAdam([V], 0.1, 0.8, beta2, eps)
    plain, U = an.Adam(0.1, 0.8, beta2, eps), W.copy()
    for _ in range(20):
        g = RNG.standard_normal(7)
        own.update(W, g)
        plain.update(U, g)
        other.update_params([V], [g])
        # scikit-learn loses digits of 1 - beta2^step to cancellation.
        np.testing.assert_allclose(W, V, rtol=0, atol=1e-14 + 1e-16 / (1 - beta2))
    assert (abs(U - V).max() > 1e-3) == (eps == 0.1 and beta2 > 0)  # Adam itself is another rule


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fused_and_layer_by_layer(dtype):
    """The compiled step and the update alone: the same to rounding."""
    parameters = []
    for own_layer in (False, True):
        layers = [an.Affine.init(4, 5, rng=0, dtype=dtype), an.Tanh(),
                  an.Affine.init(5, 1, rng=1, dtype=dtype)]  # fmt: skip
        if own_layer:

            class Same(an.Tanh):
                pass

            layers[1] = Same()
        net = an.Sequential(*layers, loss=an.MeanSquaredError())
        rule = ScikitLearnAdam(0.05, eps=1e-3)
        history = net.fit(X, VALUES, epochs=3, batch_size=7, optimizer=rule, verbose=0)
        parameters.append((history.step_kind, net.params.flat.copy()))
    assert [kind for kind, _ in parameters] == ["fused", "layer by layer"]
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(parameters[0][1], parameters[1][1], rtol=0, atol=200 * eps)
