"""SHAP values: how much each column of a row moves a network's prediction away from the mean.

    pip install shap
    python docs/examples/shap_values.py

Lundberg and Lee, "A unified approach to interpreting model predictions", NIPS 2017. The package
shap (https://shap.readthedocs.io) asks a model for predictions of many mixed rows at once;
``net.predict`` answers with its compiled forward pass. For one output, ``net.integrated_gradients``
gives contributions of another kind, by gradients and without the package.
"""

from __future__ import annotations

import argparse

import numpy as np

import affinet as an

COLUMNS = ["size", "age", "distance", "noise"]


def draw(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A table whose target depends on three of four columns, on two of them together."""
    x = rng.uniform(-1, 1, (n, 4))
    return x, 2 * x[:, 0] - x[:, 1] ** 2 + x[:, 1] * x[:, 2]


def train(x: np.ndarray, t: np.ndarray) -> an.Sequential:
    """A network for the table."""
    net = an.Sequential(
        an.Affine.init(4, 32, rng=0, dtype="float64"), an.GELU(),
        an.Affine.init(32, 1, rng=1, dtype="float64"), loss=an.MeanSquaredError(),
    )  # fmt: skip
    net.fit(x, t, epochs=30, optimizer=an.Adam(0.01), verbose=0)
    return net


def main(rows: int = 20, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """SHAP values (rows, 4), their base, and the predictions that they add up to."""
    import shap

    rng = np.random.default_rng(seed)
    x, t = draw(2000, rng)
    net = train(x, t)
    background = x[:50]  # the rows whose mean prediction is the base
    explain = shap.explainers.Exact(lambda rows: net.predict(rows)[:, 0], background)
    found = explain(x[-rows:])
    return found.values, np.asarray(found.base_values), net.predict(x[-rows:])[:, 0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="SHAP values of a network for a table.")
    parser.add_argument("--seed", type=int, default=0)
    values, _, _ = main(seed=parser.parse_args().seed)
    for name, size in zip(COLUMNS, np.abs(values).mean(axis=0), strict=True):
        print(f"{name:10} moves a prediction by {size:.3f} on average")
