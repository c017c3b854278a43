"""A regression, a classification and a task of several labels for the estimators."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")
from affinet.estimators import MLPClassifier, MLPRegressor

RNG = np.random.default_rng(0)
N = 120
X = RNG.standard_normal((N, 4))
VALUES = X[:, 0] + np.sin(X[:, 1])
CLASSES = np.array(["ash", "elm", "oak"])[np.digitize(VALUES, [-0.7, 0.7])]
LABELS = (X[:, :3] + X[:, 1:] > 0).astype(int)
SMALL = {"hidden_layer_sizes": (8,), "random_state": 0}
ESTIMATORS = {
    "classes": (MLPClassifier, CLASSES),
    "two": (MLPClassifier, VALUES > 0),
    "labels": (MLPClassifier, LABELS),
    "value": (MLPRegressor, VALUES),
    "values": (MLPRegressor, np.c_[VALUES, X[:, 2]]),
}


def weights_of(model):
    return model.coefs_ + model.intercepts_


def assert_same(a, b, **tolerance):
    for one, other in zip(weights_of(a), weights_of(b), strict=True):
        np.testing.assert_allclose(one, other, **{"rtol": 0, "atol": 0} | tolerance)
