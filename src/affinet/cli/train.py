"""``affinet train``: data, network, training, file, picture, and one figure as the last line."""

from __future__ import annotations

import argparse
import contextlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from affinet._validation import Array
from affinet.archive import SUFFIXES
from affinet.cli.arguments import (
    add_data,
    add_json,
    add_reading,
    add_target,
    choice,
    option,
    several,
)
from affinet.cli.files import PICTURES, require_writable
from affinet.cli.output import CommandError, say
from affinet.cli.recipes import (
    ACTIVATIONS,
    DTYPES,
    IMPUTATIONS,
    LEARNING_RATES,
    NUMBERS_L2,
    OPTIMIZER,
    RECIPES,
    STDIN,
    TASKS,
    VALIDATION,
    Recipe,
    by_dataset,
)
from affinet.cli.sources import Material, prepare
from affinet.cli.training_report import announcement, draw, metadata, peaks, report
from affinet.cli.values import (
    count,
    fraction,
    initial_scale,
    port,
    positive_count,
    positive_number,
    strength,
    widths,
)
from affinet.diagnostics.monitor import Monitor
from affinet.layers import Affine, Dropout, Layer
from affinet.layers.activations import activation_classes
from affinet.losses import MeanSquaredError, SoftmaxWithLoss
from affinet.model_file import load
from affinet.network import Sequential
from affinet.optimizers import optimizer_classes
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
    "the accuracy, or R2 for numbers. These rows are evaluated after every epoch; they are used "
    "neither for training nor for model selection. Images of named sets are used as raw pixels: "
    "the network multiplies them by 1/16 (digits) or 1/255 itself. Columns of a file are "
    "standardised, texts become one input for each category, and dates become days and their "
    "place in year and week as sine and cosine. Statistics and categories come from the training "
    "rows and are kept in the model, so evaluate and predict use the same."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``affinet train DATASET``."""
    add_data(parser)
    add_table(parser.add_argument_group("files"))
    add_network(parser.add_argument_group("network"))
    add_training(parser.add_argument_group("training"))
    add_modes(parser.add_argument_group("ways of training"))
    add_output(parser.add_argument_group("output"))


def add_table(group: argparse._ArgumentGroup) -> None:
    """Options of files that are read as tables."""
    add_target(group, "default: the array t of a .npz, the last column of a .npy")
    choice(
        group,
        "--task",
        TASKS,
        None,
        "texts, and whole numbers with few different values, are classes",
        "the task",
    )
    option(
        group,
        "--validation",
        fraction,
        "P",
        "fraction of the rows that is held out, the same of every class; 0 for none "
        f"(default: {VALIDATION:g})",
    )
    several(group, "--ignore", "a column to leave out")
    several(group, "--categorical", "a column of numbers or dates to treat as names of categories")
    choice(
        group,
        "--impute",
        IMPUTATIONS,
        None,
        "they are refused",
        "replace missing numbers and dates (empty, ?, NA, N/A, NaN, null) by the column's mean or "
        "median, and missing texts by the most frequent one",
    )
    add_reading(group, remembered=False)


def add_network(group: argparse._ArgumentGroup) -> None:
    """Options of the network."""
    option(
        group,
        "--hidden",
        widths,
        "N,N",
        f"number of units of each hidden layer; 0 for none ({by_dataset('hidden')})",
    )
    choice(group, "--activation", ACTIVATIONS, "relu", "relu", "activation of the hidden layers")
    option(
        group,
        "--dropout",
        fraction,
        "P",
        f"probability of dropping a hidden unit ({by_dataset('dropout')})",
    )
    option(
        group,
        "--input-dropout",
        fraction,
        "P",
        "probability of dropping an input; if left out, --dropout 0 sets it to 0 too "
        f"({by_dataset('input_dropout')})",
    )
    option(
        group,
        "--init",
        initial_scale,
        "auto|S",
        "initial weights: auto is Xavier for sigmoid and tanh, He for the others; a number S is S "
        "times N(0, 1) (default: auto)",
        "auto",
    )
    choice(group, "--dtype", DTYPES, "float32", "float32", "precision")


def add_training(group: argparse._ArgumentGroup) -> None:
    """Options of the optimizer and of the length of the training."""
    choice(group, "--optimizer", LEARNING_RATES, OPTIMIZER, OPTIMIZER, "update rule")
    rates = ", ".join(f"{rate:g} for {name}" for name, rate in LEARNING_RATES.items())
    option(group, "--lr", positive_number, "RATE", f"learning rate (default: {rates})")
    option(
        group, "--batch-size", positive_count, "N", f"rows per step ({by_dataset('batch_size')})"
    )
    option(
        group,
        "--l2",
        strength,
        "S",
        "penalty: S / 2 times the sum of squared weights, divided by the rows of a step, is added "
        f"to the loss (default: {NUMBERS_L2:g} * batch size / rows for numbers, 0 for classes)",
    )
    length = group.add_mutually_exclusive_group()
    option(
        length,
        "--epochs",
        positive_count,
        "N",
        f"passes over the training rows ({by_dataset('epochs')})",
    )
    option(length, "--steps", positive_count, "N", "number of updates, instead of --epochs")
    option(
        group,
        "--seed",
        count,
        "N",
        "seed of the rows held out of a file, the initial weights, the order of the rows and "
        "dropout (default: 0)",
        0,
    )


def add_modes(group: argparse._ArgumentGroup) -> None:
    """Options to resume, distribute and watch a training."""
    group.add_argument(
        "--resume",
        metavar="PATH",
        help="continue from a file of --checkpoint; with the same options the network is the same, "
        "to the bit, as without the interruption",
    )
    group.add_argument(
        "--data-parallel",
        action="store_true",
        help="split every batch across the processes of an mpiexec, such as 'mpiexec -n 4 affinet "
        "train mnist --data-parallel'; the first of them writes and prints (needs mpi4py)",
    )
    group.add_argument(
        "--monitor",
        action="store_true",
        help="watch gradients, updates, dead units and the gap to validation, end with advice "
        "where the numbers support it, and keep the record in the model, for 'affinet inspect'",
    )
    group.add_argument(
        "--live",
        nargs="?",
        type=port,
        const=0,
        metavar="PORT",
        help="show the training in the browser while it runs, with --monitor and a button that "
        "stops it: one page, reachable from this machine only, at the address that is printed "
        "(default: a free port)",
    )


def add_output(group: argparse._ArgumentGroup) -> None:
    """Options of the files to write and of what is printed."""
    group.add_argument(
        "--out",
        metavar="MODEL.npz",
        help="the model's file, .npz or .safetensors (default: DATASET-model.npz)",
    )
    group.add_argument(
        "--checkpoint",
        metavar="PATH",
        help="write everything needed to continue to this file, .npz or .safetensors, after every "
        "epoch",
    )
    group.add_argument(
        "--plot",
        metavar="CURVE.png",
        help="picture of the learning curve, .png, .pdf or .svg (default: DATASET-curve.png)",
    )
    group.add_argument(
        "--quiet", action="store_true", help="no progress, and only the last line of the results"
    )
    add_json(group)


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
    with contextlib.nullcontext() if reducer is None else Team(reducer).setting_up():
        require_places(options)
        material = prepare(options)
        complete(options, material.recipe)
        net = build(options, material.recipe)
    if not options.quiet:
        say(announcement(options, net, material, reducer))
    history = fit(net, options, material, reducer)
    memory = peaks(reducer)
    if reducer is not None and reducer.rank > 0:
        return 0
    if history.stopped_by not in ("epochs", "steps"):
        say(f"after step {history.steps:,}: {history.stopped_by}")

    results = material.measure(net)
    watched = {"monitor": net.metadata["monitor"]} if options.monitor else {}
    net.metadata = metadata(options, material, history, results, watched)
    net.save(options.out)
    require_same_predictions(net, options.out, next(reversed(material.splits.values()))[0])
    plotted = draw(history, options)
    advice = watched["monitor"]["advice"] if watched else None
    report(options, history, results, plotted, advice, memory)
    return 0


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


def complete(options: argparse.Namespace, recipe: Recipe) -> None:
    """Fill in options that were not given, from the data set's recipe and the optimizer."""
    if options.input_dropout is None and options.dropout == 0:
        options.input_dropout = 0.0
    for name in ("hidden", "dropout", "input_dropout", "batch_size", "l2"):
        if getattr(options, name) is None:
            setattr(options, name, getattr(recipe, name))
    if options.epochs is None and options.steps is None:
        options.epochs = recipe.epochs
    if options.lr is None:
        options.lr = optimizer_classes()[options.optimizer].shell_lr


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
    return Sequential(*layers, loss=loss, input_scale=scale)


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


def fit(
    net: Sequential,
    options: argparse.Namespace,
    material: Material,
    reducer: MPIReducer | None = None,
) -> History:
    """Train; a loss that is not finite ends it, and an interruption reports the epoch."""
    optimizer = optimizer_classes()[options.optimizer](options.lr)
    callbacks, view = watchers(options, material)
    leads = reducer is None or reducer.rank == 0
    try:
        with (view if leads else None) or contextlib.nullcontext(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*diverges", RuntimeWarning)  # said in one line
            return net.fit(
                *material.train,
                epochs=options.epochs,
                steps=options.steps,
                batch_size=options.batch_size,
                optimizer=optimizer,
                validation_data=material.held_out,
                callbacks=callbacks,
                seed=options.seed,
                verbose=0 if options.quiet else 1,
                l2=options.l2,
                reducer=reducer,
                resume=options.resume,
            )
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
    return f"interrupted in epoch {epochs + 1}; {kept}"


def live_view(options: argparse.Namespace, material: Material, watch: Monitor | None) -> LiveView:
    """The page of this training."""
    from affinet.live import LiveView

    shape = material.recipe.input_shape
    return LiveView(
        options.live,
        monitor=watch,
        shape=(shape[0], shape[1]) if len(shape) == 2 else None,
        title=f"{material.name}, {options.optimizer} at {options.lr:g}",
        announce=say,
    )


def refuse_divergence(state: TrainingState) -> None:
    """A callback: end the training, and the command, at a loss that is not finite."""
    if not np.isfinite(state.metrics["loss"]):
        raise CommandError(
            f"the loss of epoch {state.epoch} is {state.metrics['loss']}: the training diverges; "
            f"try a smaller --lr than {state.optimizer.lr:g} (no file was written)"
        )


def require_same_predictions(net: Sequential, path: Path, x: Array) -> None:
    """Read the model back, and raise unless it predicts as ``net`` does, to the bit."""
    if not np.array_equal(load(path).predict(x), net.predict(x)):
        raise CommandError(f"{path}: the model that was read back predicts differently")
