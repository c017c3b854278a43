"""The linear baseline against closed forms and numerical gradients."""

import numpy as np
import pytest

from affinet.tabular import fit_linear
from affinet.tabular.linear import design_of, logistic_slope, minimize


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.standard_normal((200, 3)), rng.integers(0, 4, 200)])
    return x.astype(np.float32), rng


CODES = ((3, 5),)  # one code never occurs


def one_hot(x):
    return np.column_stack([x[:, :3], x[:, 3:] == np.arange(5)]).astype(np.float64)


def test_ridge_is_the_closed_form(rows):
    x, rng = rows
    t = x[:, 0] - 2 * x[:, 3] + rng.standard_normal(200)
    found = fit_linear(x, t, code_inputs=CODES).predict(x)
    X = one_hot(x)
    centre, mean = X.mean(axis=0), t.mean()
    W = np.linalg.solve((X - centre).T @ (X - centre) + np.eye(8), (X - centre).T @ (t - mean))
    np.testing.assert_allclose(found[:, 0], (X - centre) @ W + mean, atol=1e-3)
    weights = rng.integers(1, 4, 200)
    weighted = fit_linear(x, t, 0, CODES, weights).predict(x)
    repeated = fit_linear(x.repeat(weights, 0), t.repeat(weights), 0, CODES).predict(x)
    np.testing.assert_allclose(weighted, repeated, atol=0.05)  # the penalty counts rows


def test_logistic_regression_is_that_of_scikit_learn(rows):
    linear_model = pytest.importorskip("sklearn.linear_model")
    x, rng = rows
    t = (x[:, 0] + x[:, 3] + rng.standard_normal(200) > 1.5).astype(int) + (x[:, 1] > 1)
    z = fit_linear(x, t, 3, CODES).predict(x)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    theirs = linear_model.LogisticRegression(max_iter=1000).fit(one_hot(x), t)
    np.testing.assert_allclose(p, theirs.predict_proba(one_hot(x)), atol=2e-3)


def test_the_gradient_is_that_of_the_losses(rows):
    x, rng = rows
    design, t = design_of(x, CODES), rng.integers(0, 3, 200)
    slope, W = logistic_slope(t, 3), rng.standard_normal((design.width, 3))
    _, dout = slope(design.times(W))
    direction = rng.standard_normal(W.shape)
    ahead, behind = (slope(design.times(W + h * direction))[0].sum() for h in (1e-5, -1e-5))
    exact = (design.transposed_times(dout) * direction).sum()
    assert (ahead - behind) / 2e-5 == pytest.approx(exact, rel=1e-6)


def test_the_search_ends_where_nothing_can_be_learned():
    assert minimize(lambda w: (float(w @ w), 2 * w), np.zeros(3)).tolist() == [0, 0, 0]
    assert fit_linear(np.zeros((5, 1)), np.full(5, 2.0)).predict(np.ones((2, 1))).tolist() == [
        [2.0],
        [2.0],
    ]
    found = minimize(lambda w: (float(((w - 3) ** 4).sum()), 4 * (w - 3) ** 3), np.zeros(2))
    np.testing.assert_allclose(found, 3, atol=0.1)


def test_a_sample_of_many_rows_is_enough(monkeypatch):
    import affinet.tabular.linear as linear

    monkeypatch.setattr(linear, "MOST_ROWS", 1000)
    monkeypatch.setattr(linear, "BLOCK_ROWS", 7)
    x = np.random.default_rng(0).standard_normal((3000, 2))
    y = fit_linear(x, x @ [1.0, 2.0] + 5).predict(x[:20])
    np.testing.assert_allclose(y[:, 0], x[:20] @ [1.0, 2.0] + 5, atol=0.05)
