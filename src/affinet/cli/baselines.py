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
from affinet.tabular.linear import rows_enough

Figures = dict[str, float]


def fit_baselines(material: Material) -> dict[str, Callable[[Examples], Figures]]:
    """The baselines for a table by their names, each a function of rows; none for images.

    They learn from the rows that the network is trained on and those that select its epoch.
    """
    if material.encoding is None or material.meaning.get("input_shape") is not None:
        return {}
    x, t, weights = learned_from(material)
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


def learned_from(material: Material) -> tuple[Array, Array, Array | None]:
    """Rows of training, as many as a linear model needs, their targets and weights."""
    splits = [split for split in OF_TRAINING if split in material.splits]
    n_rows = sum(len(material.splits[split][1]) for split in splits)
    share = min(1.0, rows_enough(int(material.train[0].shape[1])) / n_rows)
    rng = np.random.default_rng(0)
    places = {}
    for split in splits:
        order = rng.permutation(len(material.splits[split][1]))
        places[split] = np.sort(order[: max(1, round(share * len(order)))])
    x, t = (
        np.concatenate([material.splits[split][part][places[split]] for split in splits])
        for part in (0, 1)
    )
    if not material.weights:
        return x, t, None
    return x, t, np.concatenate([material.weights[split][places[split]] for split in splits])
