"""Several networks in one training, their folds, and averages of weights."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.cli import plain
from affinet.cli.predictor import Predictor
from affinet.cli.sources import Material, take
from affinet.ensemble import Ensemble
from affinet.network import Sequential
from affinet.tables import folds
from affinet.tabular import build, train_many
from affinet.training.averaging import EMA, SWA, WeightAverage, fresh
from affinet.training.batches import steps_per_epoch
from affinet.training.callbacks import Callback
from affinet.training.history import History
from affinet.training.many import FitManyError, fit_kept

SEEDS = 2**31 - 1
DECAY = 0.999
LIFETIMES = 10  # of an exponential average in a training: the first weights count e^-10
LAST_PART = 4  # the last quarter


@dataclass
class Member:
    """A network to train.

    Attributes
    ----------
    seed : int
    rows : int array or None
        Places of its training rows, of which one may come several times; None for all.
    fold : int or None
    held : int array or None
        Places of its fold's rows.
    net : Sequential
    history : History or None
        None until it is trained.
    """

    seed: int
    rows: Array | None
    fold: int | None
    held: Array | None
    net: Sequential
    history: History | None = None


@dataclass
class Trained:
    """What a training gave.

    Attributes
    ----------
    predictor : Predictor
    history : History
    results : dict of str to figures
        Of training rows, by networks that were not trained on them.
    missing : int
        Number of networks that Ctrl-C ended.
    """

    predictor: Predictor
    history: History
    results: dict[str, dict[str, float]] = field(default_factory=dict)
    missing: int = 0


def members_of(options: argparse.Namespace, material: Material) -> list[Member]:
    """The untrained networks; the first has the seed of the options."""
    t, count = np.asarray(material.train[1]), options.n_estimators or 1
    rng = np.random.default_rng(options.seed)
    splits: list[tuple[Array | None, Array | None]] = [(None, None)]
    if options.cv is not None:
        splits = list(folds_of(options, material, rng))
    seeds = [options.seed, *rng.integers(SEEDS, size=count * len(splits) - 1).tolist()]
    found = []
    for place, seed in enumerate(seeds):
        rows, held = splits[place // count]
        if options.bootstrap:
            rows = np.arange(len(t)) if rows is None else rows
            drawn = np.random.default_rng([seed, len(rows)])
            rows = rows[drawn.integers(len(rows), size=len(rows))]
        net = network_of(options, material, seed, rows)
        found.append(Member(seed, rows, None if held is None else place // count, held, net))
    return found


def folds_of(
    options: argparse.Namespace, material: Material, rng: np.random.Generator
) -> list[tuple[Array, Array]]:
    """For each fold the places of the other training rows and of the fold's rows."""
    t = np.asarray(material.train[1])
    try:
        return folds(len(t), options.cv, rng, t if material.recipe.classes else None)
    except ValueError as error:
        raise ValueError(f"argument --cv: {error}") from None


def network_of(
    options: argparse.Namespace, material: Material, seed: int, rows: Array | None
) -> Sequential:
    """An untrained network."""
    if material.plan is None or material.encoding is None:
        return plain.build(with_seed(options, seed), material.recipe)
    x, t = material.train if rows is None else (part[rows] for part in material.train)
    return build(material.plan, material.encoding, x, t, seed)


def with_seed(options: argparse.Namespace, seed: int) -> argparse.Namespace:
    """The options with another seed."""
    return argparse.Namespace(**vars(options) | {"seed": seed})


def train_members(
    options: argparse.Namespace,
    material: Material,
    members: list[Member],
    callbacks: Sequence[Callback],
) -> Trained:
    """Train the networks; after Ctrl-C those that had ended are the result."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*diverges", RuntimeWarning)  # said in one line
            warnings.filterwarnings("ignore", "training was interrupted", UserWarning)
            histories = fit(options, material, members, callbacks)
    except FitManyError as error:
        raise error.exceptions[0] from None
    except KeyboardInterrupt as interrupt:
        interrupt.args = ("interrupted before a network was trained; no file was written",)
        raise
    trained = []
    for member, history in zip(members, histories, strict=True):
        if history is not None:
            member.history = history
            trained.append(member)
    predictor, results = predictor_of(material, trained)
    return Trained(predictor, history_of(trained), results, len(members) - len(trained))


def fit(
    options: argparse.Namespace,
    material: Material,
    members: list[Member],
    callbacks: Sequence[Callback],
) -> list[History | None]:
    """Train the networks; None for those that Ctrl-C ended."""
    rows = [member.rows for member in members] if members[0].rows is not None else None
    of_folds = {member.fold: member for member in members}
    held = {fold: validation_of(material, member) for fold, member in of_folds.items()}
    common: dict[str, Any] = {
        "rows": rows, "verbose": 0 if options.quiet else 1, "keep_interrupted": False,
    }  # fmt: skip
    own = members[0].rows
    average = average_of(options, material, len(material.train[1]) if own is None else len(own))
    if material.plan is None or material.encoding is None:
        return fit_plain(options, material, members, held, callbacks, average, common)
    return train_many(
        [member.net for member in members], material.plan, *material.train, validation=None,
        validations=[held[member.fold] for member in members],
        seeds=[member.seed for member in members], sample_weight=material.weights.get("train"),
        callbacks=callbacks, average=average,
        unit=getattr(material.encoding.target, "std", 1.0), **common,
    )  # fmt: skip


def fit_plain(
    options: argparse.Namespace,
    material: Material,
    members: list[Member],
    held: dict[int | None, Any],
    callbacks: Sequence[Callback],
    average: WeightAverage | None,
    common: dict[str, Any],
) -> list[History | None]:
    """Train plain networks."""
    averages = [fresh(average) for _ in members]
    calls = [
        plain.call_of_fit(
            with_seed(options, member.seed), held[member.fold], callbacks, mean,
            material.weights.get("train"),
        )
        for member, mean in zip(members, averages, strict=True)
    ]  # fmt: skip
    found = fit_kept([member.net for member in members], *material.train, calls, **common)
    for member, mean, history in zip(members, averages, found, strict=True):
        if history is not None:
            plain.finish(options, member.net, mean)
    return found


def validation_of(material: Material, member: Member) -> tuple[Any, ...] | None:
    """The rows that a network is measured on after every epoch."""
    if member.held is None:
        return material.watched
    x, t = material.train
    weights = material.weights.get("train")
    own = () if weights is None else (weights[member.held],)
    return (take(x, member.held), t[member.held], *own)


# Averages of weights ------------------------------------------------------------------------------


def average_of(
    options: argparse.Namespace, material: Material, n_rows: int
) -> WeightAverage | None:
    """The average for a training on this number of rows, whose length is known."""
    if options.average is None:
        return None
    plan = material.plan
    batch_size = options.batch_size if plan is None else plan.batch_size
    if plan is not None and plan.whole_batches:
        n_rows = n_rows // batch_size * batch_size or n_rows
    per_epoch = steps_per_epoch(n_rows, batch_size)
    steps = options.steps or options.epochs * per_epoch
    return named_average(options.average, steps, per_epoch)


def named_average(name: str, steps: int, per_epoch: int) -> WeightAverage:
    """An average over a training of ``steps`` updates.

    Examples
    --------
    >>> named_average("ema", 2000, 100), named_average("swa", 2000, 100)
    (EMA(decay=0.995, start=0, every=1), SWA(start=1500, every=100))
    """
    if name == "ema":
        return EMA(max(0.0, min(DECAY, 1 - LIFETIMES / steps)))
    every = min(per_epoch, steps)
    ends = steps // every
    return SWA((ends - max(1, ends // LAST_PART)) * every, every)


# What they found ---------------------------------------------------------------------------------


def predictor_of(
    material: Material, members: Sequence[Member]
) -> tuple[Predictor, dict[str, dict[str, float]]]:
    """The networks as one, and with folds the figures of rows by networks that lacked them.

    Probabilities are calibrated as a whole: on the rows that selected the epochs, or on the folds.
    """
    ensemble = Ensemble([member.net for member in members])
    for member in members:
        member.net.metadata = record_of(member)
    found = Predictor(ensemble, material.encoding, material.plan)
    weights = material.weights.get("train")
    results: dict[str, dict[str, float]] = {}
    if members[0].held is not None:
        y, places = out_of_fold(found, material, members)
        t = np.asarray(material.train[1])[places]
        if material.plan is not None:
            found = found.calibrate(y, t, None if weights is None else weights[places])
        results["out-of-fold"] = {"rows": len(t), **found.figures_of(y, t)}
    elif material.plan is not None and "selection" in material.splits:
        x, t = material.splits["selection"]
        found = found.calibrate(found.outputs(x), t, material.weights.get("selection"))
    return found, results


def out_of_fold(
    predictor: Predictor, material: Material, members: Sequence[Member]
) -> tuple[Array, Array]:
    """Outputs for the folds' rows by the networks that were not trained on them; their places."""
    found, places = [], []
    held = {member.fold: member.held for member in members if member.held is not None}
    for fold, own in held.items():
        ensemble = Ensemble([member.net for member in members if member.fold == fold])
        found.append(replace(predictor, net=ensemble).outputs(take(material.train[0], own)))
        places.append(own)
    return np.concatenate(found), np.concatenate(places)


def record_of(member: Member) -> dict[str, Any]:
    """What the model file says of one network."""
    history = member.history
    assert history is not None
    kept = history.best_epoch or len(history.epochs)
    figures = history.epochs[kept - 1]
    return {
        "seed": member.seed,
        **({} if member.fold is None else {"fold": member.fold}),
        "steps": history.steps,
        "best_epoch": kept,
        **{name: value for name, value in figures.items() if name.startswith("val_")},
    }


def history_of(members: Sequence[Member]) -> History:
    """One record: means over the networks that made an epoch, and the sums of steps and seconds."""
    own = [member.history.epochs for member in members if member.history is not None]
    epochs = []
    for place in range(max(map(len, own))):
        here = [epochs[place] for epochs in own if len(epochs) > place]
        mean = {name: float(np.mean([figures[name] for figures in here])) for name in here[0]}
        epochs.append(mean | {"epoch": place + 1, "seconds": mean["seconds"] * len(here)})
    steps = sum(member.history.steps for member in members if member.history is not None)
    return History(epochs=epochs, steps=steps, stopped_by="epochs")
