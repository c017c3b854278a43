"""``affinet train``: data, network, training, file, picture, and one figure as the last line."""

from __future__ import annotations

import argparse
import contextlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from affinet._validation import Array
from affinet.archive import SUFFIXES
from affinet.cli.figures import headline, split_table
from affinet.cli.files import PICTURES, require_writable
from affinet.cli.output import CommandError, named_lines, plain, print_json, say
from affinet.cli.recipes import RECIPES, Recipe
from affinet.cli.sources import Material, prepare
from affinet.diagnostics.monitor import Monitor
from affinet.distributed.memory import peak_memory
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


def run(options: argparse.Namespace) -> int:
    """Train as the options say; 0."""
    name_files(options)
    options.monitor |= options.live is not None
    if not options.data_parallel:
        return train(options, None)
    from affinet.distributed import MPIReducer

    reducer = MPIReducer()
    options.quiet = options.quiet or reducer.rank > 0
    try:
        return train(options, reducer)
    except (Exception, KeyboardInterrupt) as error:
        if not is_agreed(error):
            raise
        if reducer.rank > 0:  # rank 0 tells it, and its exit code is that of all
            return 0
        if type(error) is RuntimeError:
            raise CommandError(str(error).splitlines()[0] + f" {last_line(error)}") from None
        raise


def train(options: argparse.Namespace, reducer: MPIReducer | None) -> int:
    """Train, alone or as one of several ranks of which the first writes and tells."""
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
    """The last line of an error, which is what a traceback comes to."""
    return str(error).rstrip().splitlines()[-1]


def peaks(reducer: MPIReducer | None) -> list[int]:
    """The most memory in bytes that each rank has held; nothing where it is not told."""
    own = peak_memory()
    if reducer is None:
        return [] if own is None else [own]
    told = Team(reducer).gather(own or 0)[:, 0]
    return [int(peak) for peak in told if peak]


def require_places(options: argparse.Namespace) -> None:
    """Raise unless there is a place for all files that are to be written."""
    require_writable("--out", options.out, SUFFIXES)
    if options.checkpoint is not None:
        require_writable("--checkpoint", Path(options.checkpoint), SUFFIXES)
    require_writable("--plot", options.plot, PICTURES)


def name_files(options: argparse.Namespace) -> None:
    """Name the files to write, where they are not named, after the data."""
    stem = options.dataset if options.dataset in RECIPES else stem_of(Path(options.dataset))
    options.out = Path(f"{stem}-model.npz" if options.out is None else options.out)
    options.plot = Path(f"{stem}-curve.png" if options.plot is None else options.plot)


def stem_of(path: Path) -> str:
    """A file's name without its suffixes, data of data.csv.gz; a folder's name."""
    if path.is_dir():
        return path.resolve().name
    return path.name.removesuffix(".gz").rpartition(".")[0]


def complete(options: argparse.Namespace, recipe: Recipe) -> None:
    """Fill in what was left open: from the data set's recipe, the rate from the optimizer's."""
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
    """The network: (dropout), then affine, activation, (dropout) a hidden layer, then affine."""
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
    """Train; a loss that is not finite ends it, and an interruption tells how far it came."""
    optimizer = optimizer_classes()[options.optimizer](options.lr)
    callbacks: list[Callback] = [refuse_divergence]
    watch = Monitor(verbose=False) if options.monitor else None
    if watch is not None:
        callbacks.append(watch)
    view = None if options.live is None else live_view(options, material, watch)
    if view is not None:
        callbacks.append(view)
    if options.checkpoint is not None:
        callbacks.append(Checkpoint(options.checkpoint))
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
        epochs = 0 if net.history is None else len(net.history.epochs)
        kept = "no file was written"
        if options.checkpoint is not None and Path(options.checkpoint).exists():
            kept = f"to go on: --resume {options.checkpoint}"
        interrupt.args = (f"interrupted in epoch {epochs + 1}; {kept}",)
        raise


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
        raise CommandError(f"{path}: the model that was read back predicts otherwise")


def draw(history: History, options: argparse.Namespace) -> bool:
    """Draw the learning curve; without matplotlib tell it and return False."""
    from affinet.plotting import learning_curve, save_figure

    try:
        axes = learning_curve(history)
    except ImportError:
        say(
            'no learning curve, because matplotlib is missing: pip install "affinet[cli]", '
            f"then affinet plot {options.out}"
        )
        return False
    save_figure(axes, options.plot)
    return True


def metadata(
    options: argparse.Namespace,
    material: Material,
    history: History,
    results: dict[str, dict[str, float]],
    watched: dict[str, Any],
) -> dict[str, Any]:
    """What is kept in the file beside the network: the data's meaning, options and the records."""
    names = [
        *("hidden", "activation", "dropout", "input_dropout", "init", "dtype"),
        *("optimizer", "lr", "batch_size", "l2", "epochs", "steps", "seed"),
    ]
    content = {
        **material.meaning,
        "options": {name: getattr(options, name) for name in names},
        "results": results,
        "steps": history.steps,
        "seconds": history.seconds,
        "epochs": history.epochs,
        **watched,
    }
    return dict(plain(content))


def announcement(
    options: argparse.Namespace,
    net: Sequential,
    material: Material,
    reducer: MPIReducer | None = None,
) -> str:
    """What is about to be done, in one line."""
    ranks = "" if reducer is None else f", on {reducer.size} rank{'s' * (reducer.size > 1)}"
    length = f"{options.epochs} epochs" if options.steps is None else f"{options.steps:,} steps"
    widths = [n for layer in net.layers if isinstance(layer, Affine) for n in layer.W.shape[:1]]
    widths.append(net.layers[-1].W.shape[1])
    held_out = 0 if material.held_out is None else len(material.held_out[1])
    purpose = "test on" if "test" in material.splits else "validate with"
    return (
        f"{material.name}: {len(material.train[1]):,} rows to train on, {held_out:,} to {purpose}; "
        f"{'-'.join(map(str, widths))} {options.activation}, {options.optimizer} at "
        f"{options.lr:g}, {options.batch_size} rows a step, {length}{ranks}"
    )


def report(
    options: argparse.Namespace,
    history: History,
    results: dict[str, dict[str, float]],
    plotted: bool,
    advice: list[str] | None,
    memory: list[int],
) -> None:
    """Print the results; the last line of the text is the figure of the rows held out."""
    *others, last = results
    for sentence in advice or ():
        say(f"advice: {sentence}")
    if options.json:
        files = {"model": str(options.out), "plot": str(options.plot) if plotted else None}
        record = {
            "epochs": len(history.epochs),
            "steps": history.steps,
            "seconds": history.seconds,
            **({} if advice is None else {"advice": advice}),
            "peak_memory": memory,
        }
        print_json({"dataset": options.dataset, **files, **record, **results})
        return
    if not options.quiet:
        lines = {"model": f"{options.out} (read back: it predicts the same)"}
        if plotted:
            lines["learning curve"] = str(options.plot)
        lines["training"] = f"{history.steps:,} steps in {history.seconds:.1f} s"
        if memory:
            each = " a rank" if options.data_parallel else ""
            lines["peak memory"] = f"{max(memory) / 1e6:,.0f} MB{each}"
        print(named_lines(lines))
        if "r2" in results[last]:
            print(f"\n{split_table(results)}\n")
        for split in others:
            print(headline(split, results[split]))
    print(headline(last, results[last]))
