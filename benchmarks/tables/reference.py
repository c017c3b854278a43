"""affinet's RealMLP and TabM against those of pytabkit, from the same weights and rows.

For each method and task: one forward pass, then 20 steps of training on the same batches. The rows
come encoded, so that this compares networks and their training; ``reference_encoding.py`` compares
the encodings. Dropout is off because the random masks differ; schedules and weight decay are on.

In float64 every output must agree. In float32 too, except for TabM after training: among its
millions of inputs of ReLU some are 0 but for rounding, and then lie on different sides of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from report import table

from affinet.samplers import MemberBatches
from affinet.tabular import Recipe
from affinet.tabular.networks import tiled

from . import reference_affinet as ours
from .reference_rows import EPOCHS, Array, Rows, rows_for

TOLERANCE = 1e-5  # relative to the largest output
BATCH = {"realmlp": 64, "realmlp-s": 64, "tabm": 16}
CASES = [(method, task) for method in BATCH for task in ("classification", "regression")]
DTYPES = ("float64", "float32")


def available() -> bool:
    """True if pytabkit and torch are installed."""
    return all(find_spec(name) is not None for name in ("pytabkit", "torch"))


def problems(found: Sequence[dict[str, Any]]) -> list[str]:
    """A sentence for every comparison that is not within the tolerance, NaN included."""
    return [
        f"{case['method']}, {case['task']}, {case['dtype']}: the outputs {name} differ by "
        f"{case[measure]:.1e} of the largest, wanted at most {TOLERANCE}"
        for case in found
        for measure, name in (("forward", "before training"), ("trained", "after 20 steps"))
        if not case[measure] <= TOLERANCE
        and not (measure == "trained" and (case["method"], case["dtype"]) == ("tabm", "float32"))
    ]


def text(found: Sequence[dict[str, Any]]) -> str:
    """A line for each comparison."""
    header = ["method", "task", "dtype", "forward", "20 steps", "moved by"]
    measures = ("forward", "trained", "moved")
    names = ("method", "task", "dtype")
    rows = [[*(case[n] for n in names), *(f"{case[m]:.1e}" for m in measures)] for case in found]
    return table(header, rows)


def compare(method: str, task: str, dtype: str) -> dict[str, Any]:
    """How far the outputs of both libraries are apart, before and after training.

    Returns
    -------
    dict
        ``forward`` and ``trained``, relative to the largest output, and ``moved``: how far training
        moved pytabkit's outputs, in the same unit.
    """
    recipe = ours.comparable_recipe(method, task)
    rows = rows_for(recipe, BATCH[method])
    module = import_module(f".reference_{method.partition('-')[0]}", __package__)
    reference = module.Reference(recipe, rows, dtype)
    net = ours.network(recipe, rows, reference.weights(recipe), dtype)
    inputs = tiled(recipe, rows.x.astype(dtype))
    start, ours_start = reference.outputs(), net.predict(inputs)
    order = orders(recipe, rows)
    reference.train(order)
    ours.train(net, recipe, rows, order)
    end = reference.outputs()
    return {
        "method": method,
        "task": task,
        "dtype": dtype,
        "forward": distance(ours_start, start, end),
        "trained": distance(net.predict(inputs), end, end),
        "moved": distance(start, end, end),
    }


def orders(recipe: Recipe, rows: Rows) -> Array:
    """The rows of each epoch, one row of the result for each; of each member, in its own order."""
    if recipe.members == 1:
        return rows.order
    sampler = MemberBatches(recipe.members, rows.batch)
    rngs = [np.random.default_rng(epoch) for epoch in range(EPOCHS)]
    return np.stack([sampler(epoch, len(rows.x), rng) for epoch, rng in enumerate(rngs)])


def distance(a: Array, b: Array, scale: Array) -> float:
    """The largest difference, relative to the largest element of ``scale``."""
    return float(np.abs(a.astype(np.float64) - b).max() / np.abs(scale).max())


def encodings_text() -> str:
    """What both libraries make of numbers and categories, in words and figures."""
    encoding = import_module(".reference_encoding", __package__)
    numbers = [
        [row["column"], row["method"], f"{row['difference']:.1e}", f"{row['mean difference']:.1e}"]
        for row in encoding.numbers()
    ]
    categories = [
        [f"{row['categories']} categories, share {row['share']}",
         *("{:g} and {:g}".format(*row[name]) for name in ("affinet", "pytabkit"))]
        for row in encoding.categories()
    ]  # fmt: skip
    most = encoding.most_one_hot()
    return (
        f"encoded numbers, difference to pytabkit\n"
        f"{table(['column', 'method', 'largest', 'mean'], numbers)}\n\n"
        f"RealMLP's columns of a category, off and on\n"
        f"{table(['column', 'affinet', 'pytabkit'], categories)}\n"
        f"one-hot up to {most['affinet']} categories in affinet, {most['pytabkit']} in pytabkit"
    )
