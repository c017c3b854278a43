"""The plain network: affine layers, one activation, dropout; and the defaults of its options."""

from __future__ import annotations

import argparse
import math
import time
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.cli.labelled import Examples
from affinet.cli.output import figure
from affinet.cli.recipes import OPTIMIZER, PRESET_FACTORS, Recipe, numbers_l2
from affinet.cli.sources import Material, take
from affinet.cli.waiting import waiting
from affinet.layers import Affine, Dropout, Layer
from affinet.layers.activations import activation_classes
from affinet.losses import MeanSquaredError, SoftmaxWithLoss
from affinet.network import Sequential
from affinet.optimizers import optimizer_classes
from affinet.tables import folds, split
from affinet.tabular import named_schedule
from affinet.tabular.time_limit import LONGEST_PROBE, PROBE_SHARE, USED_SHARE, seconds_per_step
from affinet.training import EarlyStopping
from affinet.training.averaging import WeightAverage, of_average, take_average
from affinet.training.batches import steps_per_epoch
from affinet.training.callbacks import Callback

FOLDS, FEW_ROWS = 5, 5_000  # of cross-validation; more rows are split once
REPEATS, FEWEST_FOR_ONE = 2, 500  # cross-validations of few rows
FEWEST_ROWS = 20  # to choose anything by
SHARE = 0.2  # of the rows, if they are split once


def complete(
    options: argparse.Namespace, material: Material, begun: float, runs: float = 1
) -> None:
    """Fill in options that were not given, from the data's recipe and the optimizer.

    ``options.chosen`` says how dropout and the penalty of a table were chosen.
    """
    recipe = material.recipe
    if options.input_dropout is None and options.dropout == 0:
        options.input_dropout = 0.0
    choosing = can_choose(options, material)
    for name in ("hidden", "dropout", "input_dropout", "batch_size", "l2"):
        if getattr(options, name) is None:
            setattr(options, name, getattr(recipe, name))
    for name, value in (("activation", "relu"), ("init", "auto"), ("dtype", "float32")):
        if getattr(options, name) is None:
            setattr(options, name, value)
    options.optimizer = options.optimizer or OPTIMIZER
    if options.lr is None:
        options.lr = optimizer_classes()[options.optimizer].shell_lr
    if options.epochs is None and options.steps is None:
        factor = PRESET_FACTORS[options.preset or "default"]
        options.epochs = max(1, round(factor * recipe.epochs))
    if options.time_limit is not None:
        options.epochs = epochs_within(options, material, choosing, begun, runs)
    options.chosen = choose(options, material) if choosing else ""


def build(options: argparse.Namespace, recipe: Recipe) -> Sequential:
    """The network: (dropout); affine, activation, (dropout) for each hidden layer; affine."""
    rng = np.random.default_rng(options.seed)
    layers: list[Layer] = []
    if options.input_dropout:
        layers.append(Dropout(options.input_dropout, rng))
    width = int(np.prod(recipe.input_shape))
    for units in options.hidden:
        layers += [affine(width, units, rng, options.activation, options)]
        layers += [activation_classes()[options.activation]()]
        if options.dropout:
            layers.append(Dropout(options.dropout, rng))
        width = units
    last = "softmax" if recipe.classes else "linear"
    layers.append(affine(width, len(recipe.classes) or 1, rng, last, options))
    loss = SoftmaxWithLoss() if recipe.classes else MeanSquaredError()
    scale = None if recipe.maximum is None else 1 / recipe.maximum
    return Sequential(*layers, loss=loss, input_scale=scale, precision=options.precision)


def affine(
    n_inputs: int,
    n_outputs: int,
    rng: np.random.Generator,
    activation: str,
    options: argparse.Namespace,
) -> Affine:
    """An affine layer with the initial weights that ``--init`` names."""
    if options.init == "auto":
        return Affine.init(n_inputs, n_outputs, rng, activation, options.dtype)
    W = options.init * rng.standard_normal((n_inputs, n_outputs))
    return Affine(W.astype(options.dtype), np.zeros(n_outputs, options.dtype))


def fit_options(options: argparse.Namespace) -> dict[str, Any]:
    """The arguments of ``fit`` that the options determine."""
    schedule = options.schedule
    return {
        "epochs": options.epochs,
        "steps": options.steps,
        "batch_size": options.batch_size,
        "optimizer": optimizer_classes()[options.optimizer](options.lr),
        "schedule": None if schedule is None else named_schedule(schedule, options.lr),
        "seed": options.seed,
        "l2": options.l2,
    }


def call_of_fit(
    options: argparse.Namespace,
    validation: tuple[Any, ...] | None,
    callbacks: Sequence[Callback],
    average: WeightAverage | None,
    sample_weight: Array | None,
) -> dict[str, Any]:
    """The arguments of ``fit`` but the rows and how it is shown."""
    own = stopping(options)
    if own and average is not None and validation is not None:
        own, validation = [of_average(average, own[0], validation, {})], None
    return fit_options(options) | {
        "validation_data": validation,
        "callbacks": [*own, *callbacks],
        "average": average,
        "sample_weight": sample_weight,
    }


def finish(options: argparse.Namespace, net: Sequential, average: WeightAverage | None) -> None:
    """Give a trained network its average, unless early stopping gave it that of the best epoch."""
    if options.early_stopping is None:
        take_average(net, average)


def stopping(options: argparse.Namespace) -> list[Callback]:
    """The callback of ``--early-stopping``, if it is given."""
    patience = options.early_stopping
    return [] if patience is None else [EarlyStopping("val_loss", patience)]


# Time ---------------------------------------------------------------------------------------------


def epochs_within(
    options: argparse.Namespace, material: Material, choosing: bool, begun: float, runs: float
) -> int:
    """As many epochs as fit into the time limit, with those that choose; at most the options'.

    ``runs`` is the number of trainings, one after the other.
    """
    left = options.time_limit - (time.perf_counter() - begun)
    started = time.perf_counter()
    net = build(options, material.recipe)
    training = fit_options(options) | {"epochs": None, "steps": None, "verbose": 0}
    x, t = material.train
    fit = partial(net.fit, x, t, **{k: v for k, v in training.items() if k != "steps"})
    per_step = seconds_per_step(fit, max(min(PROBE_SHARE * left, LONGEST_PROBE), 1e-3))
    per_epoch = per_step * steps_per_epoch(len(t), options.batch_size)
    if material.watched is not None:
        measured = time.perf_counter()
        net.evaluate(*material.watched[:2])
        per_epoch += time.perf_counter() - measured
    runs += 2 * (1 - SHARE) if choosing else 0
    left = USED_SHARE * (left - (time.perf_counter() - started))
    return min(int(options.epochs), max(1, int(left / (runs * per_epoch))))


# Dropout and the penalty of a table --------------------------------------------------------------


def can_choose(options: argparse.Namespace, material: Material) -> bool:
    """True if dropout and the penalty are to be chosen: for a table, if neither is given."""
    given = options.dropout is not None or options.l2 is not None
    shape = material.meaning.get("input_shape")
    enough = material.encoding is not None and len(material.train[1]) >= FEWEST_ROWS
    return enough and shape is None and not given


def choose(options: argparse.Namespace, material: Material) -> str:
    """Set dropout and the penalty to what does better in cross-validation; in words, how.

    They make noisy tables better and flatten clean ones. Only training rows are looked at.
    """
    on = {"dropout": options.dropout, "l2": options.l2}
    scores = {}
    with waiting("choosing dropout and l2"):
        for name, setting in (("on", on), ("off", {"dropout": 0.0, "l2": 0.0})):
            trial = argparse.Namespace(**vars(options) | setting)
            scores[name] = score(trial, material, penalised=name == "on")
    better = min(scores, key=lambda name: scores[name])  # "on" if they are equal
    if better == "off":
        options.dropout = options.l2 = 0.0
    kind = "log-loss" if material.recipe.classes else "relative RMSE"
    return (
        f"dropout {options.dropout:g} and l2 {options.l2:.3g}, because cross-validation on the "
        f"training rows gives a {kind} of {figure(scores['on'])} with dropout and l2 and "
        f"{figure(scores['off'])} without (--dropout and --l2 change it)"
    )


def score(options: argparse.Namespace, material: Material, penalised: bool) -> float:
    """Log-loss, or RMSE in standard deviations of the target, on rows not trained on."""
    x, t = material.train
    weights = material.weights.get("train", np.ones(len(t)))
    total = measured = 0.0
    for train, held in trials(options, material.recipe, t):
        trial = argparse.Namespace(**vars(options))
        if penalised and not material.recipe.classes:
            trial.l2 = numbers_l2(len(train), options.batch_size)
        net = build(trial, material.recipe)
        rows: Examples = (take(x, train), t[train])
        validation = (take(x, held), t[held], weights[held])
        callbacks = stopping(options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a divergence counts as inf
            net.fit(
                *rows, **fit_options(trial), callbacks=callbacks, verbose=0,
                sample_weight=weights[train], validation_data=validation if callbacks else None,
            )  # fmt: skip
        loss = net.evaluate(*validation)["loss"]
        weight = float(weights[held].sum())
        total, measured = total + loss * weight, measured + weight
    mean = total / measured
    if not math.isfinite(mean):
        return math.inf
    return mean if material.recipe.classes else math.sqrt(mean)


def trials(options: argparse.Namespace, recipe: Recipe, t: Array) -> Iterator[tuple[Array, Array]]:
    """Places to train on and to measure on, of which each class has its share."""
    rng = np.random.default_rng(options.seed)
    groups = t if recipe.classes else None
    if len(t) > FEW_ROWS or options.time_limit is not None:
        yield split(len(t), SHARE, rng, groups)
        return
    for _ in range(REPEATS if len(t) <= FEWEST_FOR_ONE else 1):
        yield from folds(len(t), FOLDS, rng, groups)
