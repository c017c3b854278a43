"""How good affinet's uncertainty is on tables: coverage of intervals, calibration errors.

    python benchmarks/uncertainty.py --data-dir DIR
    python benchmarks/uncertainty.py --data-dir DIR --tables concrete attrition --seeds 1

Intervals of 90 % from a network of three quantiles and from an ensemble of five, both as they are
and made conformal by MAPIE on the validation rows. Probabilities of a network before and after
``affinet.calibrate``, beside scikit-learn's ``CalibratedClassifierCV(method="temperature")`` on the
same network and rows. All figures are of test rows; needs pandas, mapie and scikit-learn.
"""

from __future__ import annotations

import argparse
import copy
import sys
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from report import table, write_json
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from tables.data import PARTS, TARGET, Part, chosen, descriptions, load

import affinet as an
from affinet.tables import Encoding, Table

SHARE, LEVELS = 0.9, [0.05, 0.5, 0.95]
MEMBERS, WIDTH, BINS = 5, 128, 15
Array = np.ndarray[Any, Any]
Rows = dict[str, tuple[Array, Array]]  # inputs and targets by the part's name


class Output(RegressorMixin, BaseEstimator):
    """One column of a model's predictions, as a fitted regressor of scikit-learn's form."""

    def __init__(self, model: Any = None, place: int = 0) -> None:
        self.model, self.place = model, place

    def fit(self, x: Array, t: Array) -> Output:
        """Do nothing: the model is trained."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, x: Array) -> Array:
        """The column for each row."""
        out: Array = self.model.predict(x)[:, self.place].astype(float)
        return out


class Classes(ClassifierMixin, BaseEstimator):
    """A trained network as a fitted classifier of scikit-learn's form."""

    def __init__(self, net: Any = None, classes: Any = None) -> None:
        self.net, self.classes = net, classes

    def fit(self, x: Array, t: Array) -> Classes:
        """Do nothing: the network is trained."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def classes_(self) -> Array:
        """All classes."""
        return np.asarray(self.classes)

    def decision_function(self, x: Array) -> Array:
        """Logits; with two classes their difference."""
        out: Array = self.net.predict(x)
        return out[:, 1] - out[:, 0] if out.shape[1] == 2 else out

    def predict(self, x: Array) -> Array:
        """The most probable class of each row."""
        found: Array = self.classes_[self.net.predict(x).argmax(1)]
        return found


def encoded(parts: dict[str, Part], task: str) -> tuple[Rows, int]:
    """Inputs and targets of each part, encoded as the training rows say; how many classes."""
    frames = {name: part.X.assign(**{TARGET: part.y}) for name, part in parts.items()}
    tables = {name: Table.from_frame(frame, name) for name, frame in frames.items()}
    encoding = Encoding.fit(
        tables["train"], TARGET, task=task, scaling="robust", missing="indicator"
    )
    rows = {name: (encoding.inputs(t), encoding.targets(t)) for name, t in tables.items()}
    return rows, len(getattr(encoding.target, "classes", ()))


def network(n_inputs: int, n_outputs: int, loss: Any, seed: int, *last: Any) -> an.Sequential:
    """Two hidden layers."""
    rng = np.random.default_rng(seed)
    return an.Sequential(
        an.Affine.init(n_inputs, WIDTH, rng=rng), an.SiLU(),
        an.Affine.init(WIDTH, WIDTH, rng=rng), an.SiLU(),
        an.Affine.init(WIDTH, n_outputs, rng=rng), *last, loss=loss,
    )  # fmt: skip


def trained(net: an.Sequential, rows: Rows, seed: int) -> an.Sequential:
    """The network after training, with the parameters of its best epoch on the validation rows."""
    net.fit(
        *rows["train"], epochs=100, batch_size=128, optimizer=an.AdamW(2e-3), seed=seed,
        validation_data=rows["validation"], callbacks=[an.EarlyStopping(patience=15)], verbose=0,
    )  # fmt: skip
    return net


def coverage(low: Array, high: Array, t: Array) -> float:
    """The share of targets in their intervals."""
    return float(np.mean((low <= t) & (t <= high)))


def halves(rows: Rows, seed: int) -> Rows:
    """The same with half of the validation rows as "calibration", which no training sees."""
    x, t = rows["validation"]
    order = np.random.default_rng(seed).permutation(len(x))
    first, second = np.array_split(order, 2)
    return rows | {"validation": (x[first], t[first]), "calibration": (x[second], t[second])}


def intervals(rows: Rows, seed: int) -> dict[str, float]:
    """Coverage of the test rows by each kind of interval."""
    from mapie.regression import ConformalizedQuantileRegressor, SplitConformalRegressor

    rows = halves(rows, seed)
    (x, t), held = rows["test"], rows["calibration"]
    t, held = np.ravel(t), (held[0], np.ravel(held[1]).astype(float))
    width = x.shape[1]
    one = network(width, 3, an.Quantile(LEVELS), seed, an.Increasing(3))
    trained(one, rows, seed)
    many = [network(width, 1, an.MeanSquaredError(), seed + 1000 * k) for k in range(MEMBERS)]
    ensemble = an.Ensemble([trained(net, rows, seed + k) for k, net in enumerate(many)])

    low, _, high = one.predict(x).T
    # MAPIE wants them in this order: low, high, median.
    fitted = [Output(one, place) for place in (0, 2, 1)]
    conformal = ConformalizedQuantileRegressor(fitted, confidence_level=SHARE, prefit=True)
    _, quantiles = conformal.conformalize(*held).predict_interval(x)
    split = SplitConformalRegressor(Output(ensemble), confidence_level=SHARE, prefit=True)
    _, spread = split.conformalize(*held).predict_interval(x)
    return {
        "quantiles": coverage(low, high, t),
        "quantiles, conformal": coverage(quantiles[:, 0, 0], quantiles[:, 1, 0], t),
        "ensemble, conformal": coverage(spread[:, 0, 0], spread[:, 1, 0], t),
    }


def calibration_error(probabilities: Array, t: Array) -> float:
    """Expected calibration error over bins of the largest probability, each with equal width.

    Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, equation 3.
    """
    sure, hit = probabilities.max(1), probabilities.argmax(1) == t
    places = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = [
        np.sum(places == k) * abs(np.mean(sure[places == k]) - np.mean(hit[places == k]))
        for k in np.unique(places)
    ]
    return float(np.sum(gaps) / len(t))


def probabilities(rows: Rows, n_classes: int, seed: int) -> dict[str, float]:
    """Calibration errors on the test rows."""
    rows = halves(rows, seed)
    (x, t), held = rows["test"], rows["calibration"]
    net = network(x.shape[1], n_classes, an.SoftmaxWithLoss(), seed)
    trained(net, rows, seed)
    found = {"as trained": calibration_error(net.predict_proba(x), t)}
    if len(np.unique(held[1])) == n_classes:  # scikit-learn wants rows of every class
        frozen = FrozenEstimator(Classes(copy.deepcopy(net), np.arange(n_classes)))
        theirs = CalibratedClassifierCV(frozen, method="temperature").fit(*held)
        found["scikit-learn"] = calibration_error(theirs.predict_proba(x), t)
    an.calibrate(net, *held)
    return found | {"affinet.calibrate": calibration_error(net.predict_proba(x), t)}


def measure(folder: Path, names: Iterable[str], seeds: int) -> list[dict[str, Any]]:
    """A record for each table, seed and kind."""
    described = descriptions(folder)
    records: list[dict[str, Any]] = []
    for name in names:
        task = described[name]["task"]
        parts = load(folder, name)
        rows, n_classes = encoded({part: parts[part] for part in PARTS}, task)
        for seed in range(seeds):
            found = (
                probabilities(rows, n_classes, seed)
                if task == "classification"
                else intervals(rows, seed)
            )
            n_test = len(rows["test"][1])
            records += [
                {"table": name, "seed": seed, "kind": kind, "value": value, "rows": n_test}
                for kind, value in found.items()
            ]
            print(name, seed, *(f"{kind}: {value:.4f}" for kind, value in found.items()))
    return records


def summary(records: Sequence[dict[str, Any]]) -> str:
    """Means over seeds by table and kind; coverage is pooled over all test rows as well."""
    frame = pd.DataFrame(records)
    lines = []
    for kind, own in frame.groupby("kind", sort=False):
        means = own.groupby("table", sort=False)["value"].mean()
        pooled = np.average(own["value"], weights=own["rows"])
        lines += [[kind, name, f"{value:.4f}"] for name, value in means.items()]
        lines.append([kind, "all, by test rows", f"{pooled:.4f}"])
    return table(["", "table", "mean"], lines)


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description="Coverage of intervals, calibration errors.")
    parser.add_argument("--data-dir", type=Path, required=True, metavar="DIR", help="the tables")
    parser.add_argument("--tables", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="how many")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the JSON goes")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)
    records = measure(options.data_dir, chosen(parser, options), options.seeds)
    print(summary(records))
    write_json(options.out, "uncertainty", {"share": SHARE, "records": records})
    return 0


if __name__ == "__main__":
    sys.exit(main())
