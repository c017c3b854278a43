"""Intervals that hold a given share of new targets, by conformal prediction with MAPIE.

    pip install mapie
    python docs/examples/conformal_intervals.py

A network with the loss ``an.Quantile([0.05, 0.5, 0.95])`` predicts an interval and the median. What
share of new targets the interval holds depends on how well it was trained. Conformal prediction
widens or narrows it by as much as held-out rows ask for; the share is then right on average,
whatever the network is: Romano, Patterson, Candès, "Conformalized quantile regression", NeurIPS
2019. MAPIE (https://mapie.readthedocs.io) does it for any regressor of scikit-learn's form; its
``ConformalizedQuantileRegressor`` takes three fitted ones, here the three outputs of one network.
"""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

import affinet as an

SHARE = 0.9
LEVELS = [0.05, 0.5, 0.95]


class Output(RegressorMixin, BaseEstimator):
    """One output of a trained network, as a fitted regressor of scikit-learn's form."""

    def __init__(self, net: an.Sequential | None = None, place: int = 0) -> None:
        self.net, self.place = net, place

    def fit(self, x: np.ndarray, t: np.ndarray) -> Output:
        """Do nothing: the network is trained."""
        return self

    @property
    def n_features_in_(self) -> int:
        """The width of rows; it says that this regressor is fitted."""
        return len(self.net.params["0.W"])

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The output for each row."""
        return self.net.predict(x)[:, self.place].astype(float)


def draw(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Targets whose spread depends on x."""
    x = rng.uniform(-1, 1, (n, 2))
    return x, np.sin(3 * x[:, 0]) + np.exp(x[:, 1] - 1) * rng.standard_normal(n)


def train(x: np.ndarray, t: np.ndarray) -> an.Sequential:
    """A network of three quantiles."""
    net = an.Sequential(
        an.Affine.init(2, 32, rng=0), an.ReLU(), an.Affine.init(32, 3, rng=1), an.Increasing(3),
        loss=an.Quantile(LEVELS),
    )  # fmt: skip
    net.fit(x, t, epochs=20, optimizer=an.Adam(0.01), verbose=0)
    return net


def coverage(low: np.ndarray, high: np.ndarray, t: np.ndarray) -> float:
    """The share of targets that their intervals hold."""
    return float(np.mean((low <= t) & (t <= high)))


def main(seed: int = 0) -> tuple[float, float]:
    """The shares that the network's own intervals hold and the conformal ones."""
    from mapie.regression import ConformalizedQuantileRegressor

    rng = np.random.default_rng(seed)
    net = train(*draw(400, rng))  # few rows: its intervals are too narrow for new ones
    x, t = draw(20_000, rng)
    low, _, high = net.predict(x).T
    # MAPIE wants them in this order: low, high, median.
    fitted = [Output(net, place) for place in (0, 2, 1)]
    conformal = ConformalizedQuantileRegressor(fitted, confidence_level=SHARE, prefit=True)
    conformal.conformalize(*draw(1000, rng))
    _, intervals = conformal.predict_interval(x)
    return coverage(low, high, t), coverage(intervals[:, 0, 0], intervals[:, 1, 0], t)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Intervals by conformal prediction.")
    parser.add_argument("--seed", type=int, default=0)
    own, conformal = main(parser.parse_args().seed)
    print(f"targets within the network's intervals: {own:.1%}, conformal: {conformal:.1%}")
