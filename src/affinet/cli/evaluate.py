"""``affinet evaluate``: a saved network on a named data set or on the rows of a file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from affinet.cli.arguments import (
    add_data,
    add_json,
    add_model,
    add_reading,
    add_target,
    add_unknown,
)
from affinet.cli.figures import (
    by_class,
    class_table,
    confusion_table,
    headline,
    in_natural_order,
    split_table,
)
from affinet.cli.files import PICTURES, require_writable
from affinet.cli.labelled import (
    Examples,
    labelled_rows,
    refuse_options_of_files,
)
from affinet.cli.models import Model, class_names, load_for, load_model
from affinet.cli.output import print_json, printable, say
from affinet.cli.predictor import Predictor
from affinet.cli.recipes import RECIPES
from affinet.losses import SoftmaxWithLoss
from affinet.metrics import confusion_matrix

WHOLE = "all"  # the name of a file's rows in the results
DESCRIPTION = (
    "Loss, accuracy, the hits of every class and the confusion matrix of a saved network, or for "
    "numbers MAE, RMSE and R2 in the unit of the targets: on the training and test rows of a named "
    "data set, or on all rows of a file. Images of named sets are passed as raw pixels to a "
    "network that scales its inputs, as those of 'affinet train' do, and as pixel / maximum to any "
    "other. A file's columns are encoded as in training, with the statistics in the model, and the "
    "loss of a model for tables is the log-loss of its calibrated probabilities; a "
    "network that was not trained on a table takes them as they are."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``affinet evaluate MODEL DATASET``."""
    add_model(parser)
    add_data(parser)
    table = parser.add_argument_group("files")
    add_target(table, "default: the model's")
    add_unknown(table)
    add_reading(table)
    parser.add_argument(
        "--plot",
        metavar="FILE.png",
        help="draw the confusion matrix, or the predicted numbers against the true ones, as "
        ".png, .pdf or .svg",
    )
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Measure and print; 0."""
    if options.plot is not None:
        require_writable("--plot", Path(options.plot), PICTURES)
    net = load_model(options.model)
    if net.loss is None:
        raise ValueError(f"{options.model}: the network has no loss, so it cannot be measured")
    named = options.dataset in RECIPES
    splits = named_splits(net, options) if named else {WHOLE: labelled_rows(net, options)}
    predictor = Predictor.of(net, options.model)
    results = {split: measure(predictor, rows) for split, rows in splits.items()}
    last = next(reversed(results))
    if options.plot is not None:
        draw(predictor, options, splits[last], results[last])
    if options.json:
        shown = results if named else results[WHOLE]
        files = {"model": options.model, "dataset": options.dataset, "plot": options.plot}
        print_json({**files, **shown})
    else:
        print(as_text(results, options.plot))
    return 0


def named_splits(net: Model, options: argparse.Namespace) -> dict[str, Examples]:
    """The official rows of a named data set."""
    refuse_options_of_files(options)
    if "table" in net.metadata:
        raise ValueError(
            f"{options.model} was trained on the table {net.metadata.get('dataset')}, "
            f"wanted a file with its columns, not {options.dataset}"
        )
    if not isinstance(net.loss, SoftmaxWithLoss):
        raise ValueError(f"{options.model}: its loss is {net.loss!r}, wanted SoftmaxWithLoss()")
    train, test = load_for(net, options.model, options.dataset, options.data_dir)
    trained_on = net.metadata.get("dataset", options.dataset)
    if trained_on != options.dataset:
        say(f"note: {options.model} was trained on {trained_on}")
    return {"train": train, "test": test}


def measure(predictor: Predictor, rows: Examples) -> dict[str, Any]:
    """Rows and figures; for classes also rows and hits of each, and the confusion matrix."""
    x, t = rows
    figures: dict[str, Any] = {"rows": len(t), **predictor.figures(x, t)}
    if predictor.classifies:
        y = predictor.outputs(x)
        counts = confusion_matrix(y, t, y.shape[1])
        figures["classes"] = by_class(counts, class_names(predictor.net, y.shape[1]))
        figures["confusion"] = counts.tolist()
    return figures


def as_text(results: dict[str, dict[str, Any]], plot: str | None) -> str:
    """The splits in a table, the last one's classes in two more, and the main figure last."""
    split, part = next(reversed(results.items()))
    blocks = [split_table(results)]
    if "classes" in part:
        names, counts = in_natural_order(part)
        classes = {each["class"]: each for each in part["classes"]}
        blocks += [class_table([classes[name] for name in names]), confusion_table(counts, names)]
    if plot is not None:
        blocks.append(f"picture  {printable(plot)}")
    return "\n\n".join([*blocks, headline("" if split == WHOLE else split, part)])


def draw(
    predictor: Predictor, options: argparse.Namespace, rows: Examples, result: dict[str, Any]
) -> None:
    """Draw the confusion matrix, or predicted numbers against the true ones."""
    from affinet.plotting import confusion_matrix, predicted_against_true, save_figure

    if "confusion" in result:
        names, counts = in_natural_order(result)
        axes = confusion_matrix(counts, names)
    else:
        x, t = rows
        name = "the target" if predictor.encoding is None else predictor.encoding.target.name
        y = predictor.restore(predictor.outputs(x))
        axes = predicted_against_true(predictor.restore(t), y, name)
    save_figure(axes, options.plot)
