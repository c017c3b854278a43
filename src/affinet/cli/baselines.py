"""What a network should beat: a constant prediction, and a linear model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from affinet._validation import Array
from affinet.cli.labelled import Examples
from affinet.cli.predictor import class_figures, number_figures
from affinet.cli.sources import OF_TRAINING, Material
from affinet.tables import NumberTarget
from affinet.tabular import fit_linear

Figures = dict[str, float]


def fit_baselines(material: Material) -> dict[str, Callable[[Examples], Figures]]:
    """The baselines for a table by their names, each a function of rows; none without a table.

    They learn from the rows that the network is trained on and those that select its epoch.
    """
    if material.encoding is None:
        return {}
    parts = [rows for split, rows in material.splits.items() if split in OF_TRAINING]
    x = np.concatenate([np.asarray(rows[0]) for rows in parts])
    t = np.concatenate([rows[1] for rows in parts])
    codes = material.encoding.code_inputs
    target = material.encoding.target
    if isinstance(target, NumberTarget):
        linear = fit_linear(x, t, code_inputs=codes)
        mean = float(t.mean())

        def figures(y: Array, t: Array) -> Figures:
            return number_figures(target.restore(y), target.restore(t))

        return {
            "ridge regression": lambda rows: figures(linear.predict(rows[0]), rows[1]),
            "mean": lambda rows: figures(np.full(len(rows[1]), mean), rows[1]),
        }
    n_classes = len(target.classes)
    weights = np.concatenate([*material.weights.values()]) if material.weights else None
    logistic = fit_linear(x, t, n_classes, codes, weights)
    shares = np.bincount(t, minlength=n_classes) / len(t)
    with np.errstate(divide="ignore"):
        logits = np.log(shares)  # of a class that only rows held out have, -inf
    return {
        "logistic regression": lambda rows: class_figures(logistic.predict(rows[0]), rows[1]),
        "most frequent class": lambda rows: class_figures(
            np.tile(logits, (len(rows[1]), 1)), rows[1]
        ),
    }
