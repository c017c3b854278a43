"""``affinet train``: data, network, training, file, picture, and one figure as the last line."""

from __future__ import annotations

import argparse
import contextlib
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from affinet._validation import Array
from affinet.archive import SUFFIXES
from affinet.cli import plain
from affinet.cli.baselines import Figures, fit_baselines
from affinet.cli.choices import NAMES, wants_several
from affinet.cli.files import PICTURES, require_writable
from affinet.cli.labelled import Examples
from affinet.cli.models import load_model
from affinet.cli.output import CommandError, say
from affinet.cli.predictor import Predictor
from affinet.cli.recipes import RECIPES, STDIN
from affinet.cli.several import Trained, average_of, members_of, train_members
from affinet.cli.sources import Material, prepare
from affinet.cli.training_options import add_arguments as add_arguments
from affinet.cli.training_report import (
    Outcome,
    announcement,
    draw,
    metadata,
    peaks,
    report,
)
from affinet.diagnostics.monitor import Monitor
from affinet.network import Sequential
from affinet.tabular import build, epochs_within
from affinet.tabular import train as train_by_recipe
from affinet.threads import get_num_threads
from affinet.training import History, TrainingState
from affinet.training.callbacks import Callback
from affinet.training.checkpoint import Checkpoint
from affinet.training.team import Team, is_agreed

if TYPE_CHECKING:
    from affinet.distributed import MPIReducer
    from affinet.live import LiveView

DESCRIPTION = (
    "Train a network on a named data set or on the rows of a file, write it to a file, read it "
    "back, draw the learning curve, and print the figure of the rows held out as the last line: "
    "the accuracy, or R2 for numbers. These rows are used neither for training nor for model "
    "selection. Tables train RealMLP, which scales numbers robustly, embeds categories, takes "
    "missing values as they are, keeps the epoch that is best on a fifth of the training rows, "
    "calibrates its probabilities on them, and is compared with a linear model; --model chooses "
    "another network. Images of named sets are used as raw pixels: the network multiplies them by "
    "1/16 (digits) or 1/255 itself. Dates become days and their place in year and week as sine and "
    "cosine. With --model mlp columns are standardised and every category becomes one input. "
    "Statistics and categories come from the training rows and are kept in the model, so evaluate "
    "and predict use the same."
)


def run(options: argparse.Namespace) -> int:
    """Train according to the options; 0."""
    name_files(options)
    options.monitor |= options.live is not None
    if not options.data_parallel:
        return train(options, None)
    if options.dataset == STDIN:
        raise ValueError("argument --data-parallel: processes cannot share standard input")
    from affinet.distributed import MPIReducer

    reducer = MPIReducer()
    options.quiet = options.quiet or reducer.rank > 0
    try:
        return train(options, reducer)
    except (Exception, KeyboardInterrupt) as error:
        if not is_agreed(error):
            raise
        if reducer.rank > 0:  # rank 0 reports it, and its exit code is that of all
            return 0
        if type(error) is RuntimeError:
            raise CommandError(str(error).splitlines()[0] + f" {last_line(error)}") from None
        raise


def train(options: argparse.Namespace, reducer: MPIReducer | None) -> int:
    """Train, alone or as one of several ranks, of which the first writes and prints."""
    begun = time.perf_counter()
    with contextlib.nullcontext() if reducer is None else Team(reducer).setting_up():
        require_places(options)
        material = prepare(options)
        baselines = fit_baselines(material)
        net = prepare_network(options, material, begun)
        members = members_of(options, material) if wants_several(options) else []
    if not options.quiet:
        say(announcement(options, net, material, reducer))
    if members:
        trained = train_members(options, material, members, [refuse_divergence])
    else:
        trained = train_one(options, material, net, reducer)
    memory = peaks(reducer)
    if reducer is not None and reducer.rank > 0:
        return 0
    outcome = outcome_of(options, material, trained, baselines, memory)
    predictor = trained.predictor
    predictor.net.metadata = metadata(options, material, outcome)
    predictor.net.save(options.out)
    last = next(reversed(material.splits.values()))
    require_same_predictions(predictor, options.out, last[0])
    report(options, outcome, draw(trained.history, options))
    if trained.missing:
        raise KeyboardInterrupt(
            f"interrupted; {len(members) - trained.missing} of {len(members)} networks are in "
            f"{options.out}"
        )
    return 0


def train_one(
    options: argparse.Namespace, material: Material, net: Sequential, reducer: MPIReducer | None
) -> Trained:
    """Train a single network."""
    history = fit(net, options, material, reducer)
    if reducer is not None and reducer.rank > 0:
        return Trained(Predictor(net), history)
    if history.stopped_by not in ("epochs", "steps"):
        reason = str(history.stopped_by).removeprefix("LastBest: ")  # the recipes' own stopping
        say(f"after step {history.steps:,}: {reason}")
    return Trained(predictor_of(net, material), history)


def outcome_of(
    options: argparse.Namespace,
    material: Material,
    trained: Trained,
    baselines: dict[str, Callable[[Examples], Figures]],
    memory: list[int],
) -> Outcome:
    """The figures of all splits, the rows held out last, and what else is reported."""
    predictor = trained.predictor
    results = {
        split: {"rows": len(t), **predictor.figures(x, t)}
        for split, (x, t) in material.splits.items()
    }
    last = next(reversed(material.splits))
    if material.held_out is None and trained.results:
        baselines = {}  # they are not cross-validated
    held_out = {} if material.held_out is None else {last: results.pop(last)}
    return Outcome(
        trained.history,
        results | trained.results | held_out,
        {name: figures(material.splits[last]) for name, figures in baselines.items()},
        predictor,
        predictor.net.metadata["monitor"] if options.monitor else None,
        memory,
    )


def prepare_network(options: argparse.Namespace, material: Material, begun: float) -> Sequential:
    """The untrained network; options that were not given are filled in."""
    rounds = rounds_of(options)
    if material.plan is None or material.encoding is None:
        plain.complete(options, material, begun, rounds)
        return plain.build(options, material.recipe)
    net = build(material.plan, material.encoding, *material.train, options.seed)
    options.epochs = 1 if is_constant(material.train[1]) else material.plan.epochs
    if options.time_limit is not None:
        left = options.time_limit - (time.perf_counter() - begun)
        options.epochs = epochs_within(
            net, material.plan, *material.train, validation=material.watched, seed=options.seed,
            sample_weight=material.weights.get("train"), epochs=options.epochs,
            seconds=max(left, 1e-3) / rounds, n_threads=1 if wants_several(options) else None,
        )  # fmt: skip
    material.plan = replace(material.plan, epochs=options.epochs)
    return net


def rounds_of(options: argparse.Namespace) -> int:
    """How many trainings each thread makes, one after the other."""
    count = (options.n_estimators or 1) * (options.cv or 1)
    return 1 if count == 1 else -(-count // get_num_threads())


def is_constant(t: Array) -> bool:
    """True if there is nothing to learn."""
    return bool((t == t[0]).all())


def predictor_of(net: Sequential, material: Material) -> Predictor:
    """The trained network, its probabilities calibrated on the rows that selected the epoch."""
    predictor = Predictor(net, material.encoding, material.plan)
    if material.plan is None or "selection" not in material.splits:
        return predictor
    x, t = material.splits["selection"]
    return predictor.calibrate(predictor.outputs(x), t, material.weights.get("selection"))


def last_line(error: BaseException) -> str:
    """The last line of an error: of a traceback, the error itself."""
    return str(error).rstrip().splitlines()[-1]


def require_places(options: argparse.Namespace) -> None:
    """Raise unless all output files can be written."""
    require_writable("--out", options.out, SUFFIXES)
    if options.checkpoint is not None:
        require_writable("--checkpoint", Path(options.checkpoint), SUFFIXES)
    require_writable("--plot", options.plot, PICTURES)


def name_files(options: argparse.Namespace) -> None:
    """Name the output files that have no name yet after the data."""
    named = options.dataset in RECIPES
    stem = options.dataset if named else stem_of(Path(options.dataset))
    options.out = Path(f"{stem}-model.npz" if options.out is None else options.out)
    options.plot = Path(f"{stem}-curve.png" if options.plot is None else options.plot)


def stem_of(path: Path) -> str:
    """A file's name without its suffixes, data for data.csv.gz; a folder's name."""
    if str(path) == STDIN:
        return "stdin"
    if path.is_dir():
        return path.resolve().name
    return path.name.removesuffix(".gz").rpartition(".")[0]


def fit(
    net: Sequential,
    options: argparse.Namespace,
    material: Material,
    reducer: MPIReducer | None = None,
) -> History:
    """Train; a loss that is not finite ends it, and an interruption reports the epoch."""
    callbacks, view = watchers(options, material)
    leads = reducer is None or reducer.rank == 0
    verbose = 0 if options.quiet else 1
    weights = material.weights.get("train")
    average = average_of(options, material, len(material.train[1]))
    try:
        with (view if leads else None) or contextlib.nullcontext(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*diverges", RuntimeWarning)  # said in one line
            if material.plan is not None and material.encoding is not None:
                return train_by_recipe(
                    net, material.plan, *material.train, validation=material.watched,
                    sample_weight=weights, seed=options.seed, callbacks=callbacks, verbose=verbose,
                    unit=getattr(material.encoding.target, "std", 1.0), resume=options.resume,
                    keep_interrupted=False, average=average,
                )  # fmt: skip
            call = plain.call_of_fit(options, material.watched, callbacks, average, weights)
            history = net.fit(
                *material.train, **call, verbose=verbose, reducer=reducer, resume=options.resume
            )
            plain.finish(options, net, average)
            return history
    except KeyboardInterrupt as interrupt:
        interrupt.args = (where_interrupted(net, options),)
        raise


def watchers(
    options: argparse.Namespace, material: Material
) -> tuple[list[Callback], LiveView | None]:
    """The callbacks that the options ask for; the live page, if there is one, is among them."""
    callbacks: list[Callback] = [refuse_divergence]
    watch = Monitor(verbose=False) if options.monitor else None
    if watch is not None:
        callbacks.append(watch)
    view = None if options.live is None else live_view(options, material, watch)
    if view is not None:
        callbacks.append(view)
    if options.checkpoint is not None:
        callbacks.append(Checkpoint(options.checkpoint))
    return callbacks, view


def where_interrupted(net: Sequential, options: argparse.Namespace) -> str:
    """The epoch of an interruption, and how to continue."""
    epochs = 0 if net.history is None else len(net.history.epochs)
    kept = "no file was written"
    if options.checkpoint is not None and Path(options.checkpoint).exists():
        kept = f"to continue: --resume {options.checkpoint}"
        if options.time_limit is not None:
            kept += f" --epochs {options.epochs} in place of --time-limit"
    return f"interrupted in epoch {epochs + 1}; {kept}"


def live_view(options: argparse.Namespace, material: Material, watch: Monitor | None) -> LiveView:
    """The page of this training."""
    from affinet.live import LiveView

    shape = material.recipe.input_shape
    plain_rule = material.plan is None
    how = f"{options.optimizer} at {options.lr:g}" if plain_rule else NAMES[options.model]
    return LiveView(
        options.live,
        monitor=watch,
        shape=(shape[0], shape[1]) if len(shape) == 2 else None,
        title=f"{material.name}, {how}",
        announce=say,
    )


def refuse_divergence(state: TrainingState) -> None:
    """A callback: end the training, and the command, at a loss that is not finite."""
    if not np.isfinite(state.metrics["loss"]):
        raise CommandError(
            f"the loss of epoch {state.epoch} is {state.metrics['loss']}: the training diverges; "
            f"try a smaller --lr than {state.optimizer.lr:g} (no file was written)"
        )


def require_same_predictions(predictor: Predictor, path: Path, x: Array) -> None:
    """Read the model back, and raise unless it predicts as the trained one does, to the bit."""
    again = replace(predictor, net=load_model(path))
    if not np.array_equal(again.outputs(x), predictor.outputs(x)):
        raise CommandError(f"{path}: the model that was read back predicts differently")
