"""``affinet gradcheck``: a saved network's gradients against numerical ones."""

from __future__ import annotations

import argparse
from dataclasses import asdict

import numpy as np

from affinet._validation import Array
from affinet.cli.arguments import (
    add_data,
    add_json,
    add_model,
    add_reading,
    add_target,
    add_unknown,
    option,
)
from affinet.cli.labelled import encoding_of, labelled_rows, refuse_options_of_files
from affinet.cli.models import input_range, load_for, load_network, n_inputs
from affinet.cli.output import print_json
from affinet.cli.predictor import Predictor
from affinet.cli.recipes import RECIPES
from affinet.cli.values import count, positive_count, positive_number
from affinet.gradcheck import gradient_check
from affinet.losses import ElementwiseLoss, SoftmaxWithLoss
from affinet.network import Sequential
from affinet.tabular.networks import tiled

DESCRIPTION = (
    "Check the backward pass of a saved network, in float64, against numerical derivatives; exit "
    "code 1 if they disagree."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``affinet gradcheck MODEL [DATASET]``."""
    add_model(parser)
    add_data(parser, nargs="?", default="use rows of it (default: random rows)")
    option(parser, "--rows", positive_count, "N", "number of rows to use (default: 8)", 8)
    option(
        parser,
        "--tolerance",
        positive_number,
        "E",
        "largest relative error that passes (default: 1e-06)",
        1e-6,
    )
    option(parser, "--seed", count, "N", "seed of random rows (default: 0)", 0)
    table = parser.add_argument_group("files")
    add_target(table, "default: the model's")
    add_unknown(table)
    add_reading(table)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Check and print the report; 0 if the gradients agree, 1 if not."""
    net = load_network(options.model, "gradcheck")
    if net.loss is None:
        raise ValueError(f"{options.model}: the network has no loss, so it has no gradient")
    x, t = rows_to_check(net, options)
    report = gradient_check(net, x, t, tolerance=options.tolerance, rng=options.seed)
    if options.json:
        print_json({"model": options.model, "passed": report.passed, **asdict(report)})
    else:
        print(report)
    return 0 if report.passed else 1


def rows_to_check(net: Sequential, options: argparse.Namespace) -> tuple[Array, Array]:
    """Rows of the data, or random ones; x in float64, so that its gradient is checked too.

    Every member of an ensemble gets all of them.
    """
    recipe = Predictor.of(net, options.model).recipe
    if options.dataset is None:
        members = 1 if recipe is None else recipe.members
        return random_rows(net, options.rows * members, options.seed, codes_of(net, options.model))
    if options.dataset in RECIPES:
        refuse_options_of_files(options)
        _, (x, t) = load_for(net, options.model, options.dataset, options.data_dir)
    else:
        x, t = labelled_rows(net, options)
    x, t = x[: options.rows].astype(np.float64), t[: options.rows]
    return (x, t) if recipe is None else (tiled(recipe, x), tiled(recipe, t))


def codes_of(net: Sequential, model: str) -> tuple[tuple[int, int], ...]:
    """Places of the inputs that are codes of categories, and the number of codes."""
    encoding = encoding_of(net, model)
    return () if encoding is None else encoding.code_inputs


def random_rows(
    net: Sequential, n_rows: int, seed: int, codes: tuple[tuple[int, int], ...] = ()
) -> tuple[Array, Array]:
    """Random inputs in the range of the network's, and random targets for its loss."""
    rng = np.random.default_rng(seed)
    low, high = input_range(net) or (0.0, 1.0)
    x = rng.uniform(low, high, (n_rows, n_inputs(net) or 1))
    for place, size in codes:
        x[:, place] = rng.integers(0, size, n_rows)
    y = net.predict(x)
    if isinstance(net.loss, SoftmaxWithLoss):
        return x, rng.integers(0, y.shape[1], n_rows)
    least, most = net.loss.target_range if isinstance(net.loss, ElementwiseLoss) else (None, None)
    if most == 1:
        return x, rng.random(y.shape)
    t = rng.standard_normal(y.shape)
    return x, np.abs(t) if least == 0 else t
