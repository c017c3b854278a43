"""A metric that has no meaning for the network's outputs is refused before the training."""

from functools import partial

import numpy as np
import pytest

import affinet as an
from affinet import metrics

X = np.random.default_rng(0).standard_normal((20, 4))


@pytest.mark.parametrize(
    ("loss", "outputs", "t", "metric"),
    [
        (an.MeanSquaredError(), 1, X[:, 0], "accuracy"),
        (an.MeanSquaredError(), 1, X[:, 0], partial(metrics.f1_score)),
        (an.SoftmaxWithLoss(), 3, np.arange(20) % 3, "mae"),
        (an.SoftmaxWithLoss(), 3, np.arange(20) % 3, "r2"),
        (an.SigmoidWithLoss(), 3, np.eye(3)[np.arange(20) % 3], "top_k_accuracy"),
        (an.SigmoidWithLoss(), 1, np.arange(20) % 2, metrics.root_mean_squared_error),
    ],
)
def test_before_any_step(loss, outputs, t, metric):
    net = an.Sequential(an.Affine.init(4, outputs, rng=0), loss=loss)
    before, calls = net.params.flat.copy(), []
    with pytest.raises(ValueError, match=r"^metrics: .* wanted .* your own function"):
        net.fit(
            X, t, epochs=1, validation_data=(X, t), metrics=[metric], callbacks=[calls.append]
        )  # fmt: skip
    assert calls == []
    np.testing.assert_array_equal(net.params.flat, before)


def test_a_function_of_the_users_is_called_on_validation_data_only():
    seen = []

    def own(y, t):
        seen.append(y.shape)
        return 0.0

    net = an.Sequential(an.Affine.init(4, 1, rng=0), loss=an.MeanSquaredError())
    net.fit(X, X[:, 0], epochs=2, validation_data=(X[:7], X[:7, 0]), metrics=["mae", own])
    assert seen == [(7, 1)] * 2
