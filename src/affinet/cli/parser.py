"""The shell's arguments: what each command takes, checked as far as they speak for themselves."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from affinet._version import __version__
from affinet.cli import bench
from affinet.cli.recipes import (
    ACTIVATIONS,
    DTYPES,
    FROM_FILES,
    IMPUTATIONS,
    LEARNING_RATES,
    NAMED_PICTURES,
    NUMBERS_L2,
    OPTIMIZER,
    PICTURE_SETS,
    RECIPES,
    TASKS,
    UNKNOWN,
    VALIDATION,
    by_dataset,
)
from affinet.cli.values import (
    any_number,
    count,
    data_source,
    delimiter,
    initial_scale,
    numbers,
    port,
    positive_count,
    positive_number,
    share,
    strength,
    widths,
)

EXIT_CODES = (
    "exit codes: 0 done, 1 the work was done and failed (a wrong gradient, a training that "
    "diverged), 2 the arguments or files cannot be used, 130 interrupted"
)
DATA = (
    f"{', '.join(RECIPES)}, or a file: .csv, .tsv or .txt, packed as .gz or not, .npz or .npy; or "
    "a folder of arrays, x*.npy with their t*.npy, whose inputs are read as they are needed"
)
COLUMN = "by its name or its place, 1 for the first and -1 for the last"


class UsageError(Exception):
    """The arguments make no sense."""


class Parser(argparse.ArgumentParser):
    """An argument parser that raises instead of ending the process with two lines."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        raise UsageError(f"{message} (see {self.prog} --help)")


def make_parser() -> Parser:
    """The parser of the whole shell."""
    parser = Parser(
        prog="affinet",
        description="Train and use multilayer perceptrons on the CPU.",
        epilog=EXIT_CODES,
        allow_abbrev=False,
    )
    parser.add_argument("-V", "--version", action="version", version=f"affinet {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    add_train(commands)
    add_evaluate(commands)
    add_predict(commands)
    add_inspect(commands)
    add_gradcheck(commands)
    add_plot(commands)
    add_bench(commands)
    add_info(commands)
    return parser


Commands = argparse._SubParsersAction  # the class that add_subparsers returns has no public name
Group = argparse._ActionsContainer  # a parser, or a group of its options


# The commands ------------------------------------------------------------------------------------


def add_train(commands: Commands[Parser]) -> None:
    """``affinet train DATASET``."""
    parser = add_command(
        commands,
        "train",
        "train a network and write it to a file",
        "Train a network on a named data set or on the rows of a file, write it to a file, read "
        "it back, draw the learning curve, and print the figure of the rows held out as the last "
        "line: the accuracy, or R2 for numbers. These rows are looked at after every epoch, and "
        "are neither trained on nor chosen by. Images of named sets are taken as raw pixels: the "
        "network multiplies them by 1/16 (digits) or 1/255 itself. Columns of a file are "
        "standardised, and texts become one input for each category; what that takes is learned "
        "from the rows trained on and kept in the model, so evaluate and predict do the same.",
    )
    add_data(parser)

    table = parser.add_argument_group("files")
    add_target(table, "default: the array t of a .npz, the last column of a .npy")
    choice(table, "--task", TASKS, None, "texts, and few whole numbers, are classes", "what to do")
    option(
        table,
        "--validation",
        share,
        "P",
        f"share of the rows that is held out, of every class alike; 0 for none "
        f"(default: {VALIDATION:g})",
    )
    several(table, "--ignore", "a column to leave out")
    several(table, "--categorical", "a column of numbers that are names of categories")
    choice(
        table,
        "--impute",
        IMPUTATIONS,
        None,
        "they are refused",
        "fill in missing numbers (empty, ?, NA, N/A, NaN, null) with the column's mean or median, "
        "and missing texts with the most frequent one",
    )
    add_reading(table)

    network = parser.add_argument_group("network")
    option(
        network,
        "--hidden",
        widths,
        "N,N",
        f"units of each hidden layer; 0 for none ({by_dataset('hidden')})",
    )
    choice(network, "--activation", ACTIVATIONS, "relu", "relu", "what follows a hidden layer")
    option(
        network,
        "--dropout",
        share,
        "P",
        f"probability of dropping a hidden unit ({by_dataset('dropout')})",
    )
    option(
        network,
        "--input-dropout",
        share,
        "P",
        "probability of dropping an input; left out, --dropout 0 sets it to 0 too "
        f"({by_dataset('input_dropout')})",
    )
    option(
        network,
        "--init",
        initial_scale,
        "auto|S",
        "initial weights: auto is Xavier for sigmoid and tanh, He for the others; a "
        "number S is S times N(0, 1) (default: auto)",
        "auto",
    )
    choice(network, "--dtype", DTYPES, "float32", "float32", "precision")

    training = parser.add_argument_group("training")
    choice(training, "--optimizer", LEARNING_RATES, OPTIMIZER, OPTIMIZER, "update rule")
    rates = ", ".join(f"{rate:g} for {name}" for name, rate in LEARNING_RATES.items())
    option(training, "--lr", positive_number, "RATE", f"learning rate (default: {rates})")
    option(
        training,
        "--batch-size",
        positive_count,
        "N",
        f"rows a step ({by_dataset('batch_size')})",
    )
    option(
        training,
        "--l2",
        strength,
        "S",
        "penalty: S / 2 times the sum of squared weights, over the rows of a step, is added to the "
        f"loss (default: {NUMBERS_L2:g} * batch size / rows for numbers, 0 for classes)",
    )
    length = training.add_mutually_exclusive_group()
    option(
        length,
        "--epochs",
        positive_count,
        "N",
        f"passes over the training rows ({by_dataset('epochs')})",
    )
    option(length, "--steps", positive_count, "N", "updates to make, in place of --epochs")
    option(
        training,
        "--seed",
        count,
        "N",
        "decides the rows held out of a file, the initial weights, the order of the rows and "
        "dropout (default: 0)",
        0,
    )
    training.add_argument(
        "--resume",
        metavar="PATH",
        help="go on from a file of --checkpoint; with the same options the network is the same, "
        "to the bit, as without the interruption",
    )

    training.add_argument(
        "--data-parallel",
        action="store_true",
        help="share every step's rows out among the processes of an mpiexec, such as 'mpiexec -n 4 "
        "affinet train mnist --data-parallel'; the first of them writes and prints (wants mpi4py)",
    )
    training.add_argument(
        "--monitor",
        action="store_true",
        help="watch gradients, updates, dead units and the gap to validation, end with advice "
        "where numbers back it, and keep the record in the model, for 'affinet inspect'",
    )
    training.add_argument(
        "--live",
        nargs="?",
        type=port,
        const=0,
        metavar="PORT",
        help="show the training in the browser while it runs, with --monitor and a button that "
        "ends it: one page, on this machine alone, at the address that is printed (default: a "
        "free port)",
    )

    output = parser.add_argument_group("output")
    output.add_argument(
        "--out",
        metavar="MODEL.npz",
        help="the model's file, .npz or .safetensors (default: DATASET-model.npz)",
    )
    output.add_argument(
        "--checkpoint",
        metavar="PATH",
        help="write all that is needed to go on to this file, .npz or .safetensors, after every "
        "epoch",
    )
    output.add_argument(
        "--plot",
        metavar="CURVE.png",
        help="picture of the learning curve, .png, .pdf or .svg (default: DATASET-curve.png)",
    )
    output.add_argument(
        "--quiet", action="store_true", help="no progress, and only the last line of the results"
    )
    add_json(output)


def add_evaluate(commands: Commands[Parser]) -> None:
    """``affinet evaluate MODEL DATASET``."""
    parser = add_command(
        commands,
        "evaluate",
        "measure a saved network on a data set",
        "Loss, accuracy, the hits of every class and the confusion matrix of a saved network, or "
        "for numbers MAE, RMSE and R2 in the unit of the targets: on the training and test rows "
        "of a named data set, or on all rows of a file. Images of named sets are given raw to a "
        "network that scales its inputs, as those of 'affinet train' do, and as pixel / maximum "
        "to any other. A file's columns go through what the training learned of them; a network "
        "that was not trained on a table takes them as they are.",
    )
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


def add_predict(commands: Commands[Parser]) -> None:
    """``affinet predict MODEL FILE``."""
    parser = add_command(
        commands,
        "predict",
        "apply a saved network to the rows of a file",
        "One line a row: the class and its probability, with a tab between them, or the number. "
        "A network that was trained on a table takes its columns by their names; one of targets "
        "may be there or not. Any other takes values as they are: networks trained on named sets "
        "take raw pixels (0..16 for digits, 0..255 for mnist) and scale them themselves.",
    )
    add_model(parser)
    parser.add_argument(
        "file",
        metavar="FILE",
        help="rows: .csv, .tsv or .txt, with or without a line of names, packed as .gz or not; "
        ".npy; .npz with an array x or a single one; or images in MNIST's format (a name with "
        "'idx' or 'ubyte', packed as .gz or not)",
    )
    parser.add_argument(
        "--probabilities",
        action="store_true",
        help="a table instead: the class, then the probability of every class, with a line of "
        "names first",
    )
    parser.add_argument(
        "--out",
        metavar="OUT.csv",
        help="write the predictions to a .csv or .csv.gz, with a line of names and the "
        "probability of every class",
    )
    table = parser.add_argument_group("files of networks that were trained on a table")
    add_unknown(table)
    add_reading(table)
    add_json(parser)


def add_inspect(commands: Commands[Parser]) -> None:
    """``affinet inspect MODEL``."""
    parser = add_command(
        commands,
        "inspect",
        "show what a model file holds",
        "Layers and parameters of a saved network, what it was trained on and how, and the record "
        "of its training.",
    )
    add_model(parser)
    add_json(parser)


def add_gradcheck(commands: Commands[Parser]) -> None:
    """``affinet gradcheck MODEL [DATASET]``."""
    parser = add_command(
        commands,
        "gradcheck",
        "compare a network's gradients with numerical ones",
        "Check the backward of a saved network, in float64, against numerical derivatives; exit "
        "code 1 if they disagree.",
    )
    add_model(parser)
    add_data(parser, nargs="?", default="take rows of it (default: random rows)")
    option(parser, "--rows", positive_count, "N", "rows to use (default: 8)", 8)
    option(
        parser,
        "--tolerance",
        positive_number,
        "E",
        "largest relative error that passes (default: 1e-06)",
        1e-6,
    )
    option(parser, "--seed", count, "N", "of what is drawn (default: 0)", 0)
    table = parser.add_argument_group("files")
    add_target(table, "default: the model's")
    add_unknown(table)
    add_reading(table)
    add_json(parser)


def add_plot(commands: Commands[Parser]) -> None:
    """``affinet plot NAME`` and ``affinet plot MODEL``."""
    names = ", ".join(NAMED_PICTURES)
    parser = add_command(
        commands,
        "plot",
        "draw how networks learn and fail, or the learning curve of a saved network",
        "Draw one of the pictures of how networks learn and fail, and print the figures behind it; "
        "or draw the learning curve from the training record in a model file. The last line that "
        "is printed is the picture's name.",
    )
    parser.add_argument(
        "what",
        metavar="NAME|MODEL",
        help=f"{names}; or a file that 'affinet train' or net.save wrote",
    )
    parser.add_argument(
        "--save",
        "--out",
        dest="out",
        metavar="FILE.png",
        help="the picture, .png, .pdf or .svg (default: NAME.png, or MODEL's name, ending "
        "-curve.png)",
    )
    own = parser.add_argument_group("options of one picture")
    option(
        own,
        "--function",
        str,
        "F",
        "derivative: a formula in x, such as 'x**3 - x' (default: sin(x)); descent: convex, flat, "
        "two-valley, or a formula in w, or in w1 and w2 (default: all three; convex with "
        "--optimizers or --start)",
    )
    option(own, "--at", any_number, "X", "derivative: where the tangent touches (default: 1)")
    option(
        own,
        "--start",
        numbers,
        "W,W",
        "descent: the first w, or w1,w2 (default: one that suits the named errors); "
        "--start=-1,2 where it begins with a minus",
    )
    option(
        own, "--rates", numbers, "R,R", "descent: learning rates (default: too small, good, too "
        "large for the named errors; 0.01,0.1,1 for a formula)",
    )  # fmt: skip
    option(own, "--steps", positive_count, "N", "descent: updates (default: 20)")
    option(
        own, "--parameters", positive_count, "N", "descent: 1 or 2 of a named error (default: 1)"
    )
    own.add_argument(
        "--optimizers",
        action="store_true",
        default=None,
        help="descent: every optimizer from the same start, in place of learning rates",
    )
    option(own, "--reach", positive_number, "X", "activations: from -X to X (default: 4)")
    own.add_argument(
        "--histograms",
        action="store_true",
        default=None,
        help="vanishing-gradient: what each layer puts out instead",
    )
    choice(own, "--dataset", PICTURE_SETS, None, "digits", "overfitting: whose images")
    own.add_argument("--data-dir", metavar="DIR", help="overfitting: folder of their files")
    option(
        own,
        "--label-noise",
        share,
        "P",
        "overfitting: share of the labels, of training and test rows, that are wrong "
        "(default: 0.2)",
    )


def add_bench(commands: Commands[Parser]) -> None:
    """The command bench."""
    bench.add_arguments(
        add_command(
            commands,
            "bench",
            "time a training step against pure NumPy",
            "Verify that affinet and two networks in pure NumPy, one as in a textbook and one that "
            "allocates nothing in the loop, compute the same, then time their training steps.",
        )
    )


def add_info(commands: Commands[Parser]) -> None:
    """``affinet info``."""
    parser = add_command(
        commands,
        "info",
        "show what affinet runs on",
        "Versions, the chosen instruction-set level and why it was chosen, optional packages, and "
        "the environment variables that affinet reads.",
    )
    add_json(parser)


# What several of them take -----------------------------------------------------------------------


def add_command(commands: Commands[Parser], name: str, summary: str, text: str) -> Parser:
    """The parser of one command."""
    return commands.add_parser(name, help=summary, description=text, allow_abbrev=False)


def add_model(parser: Parser) -> None:
    """The argument MODEL."""
    parser.add_argument(
        "model", metavar="MODEL", help="a file that 'affinet train' or net.save wrote"
    )


def add_data(parser: Parser, default: str = "", **more: Any) -> None:
    """The argument DATASET, and the option --data-dir."""
    text = f"{default}: {DATA}" if default else DATA
    parser.add_argument("dataset", type=data_source, metavar="DATASET", help=text, **more)
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help=f"folder of the files of {' and '.join(FROM_FILES)} (default: the environment "
        "variable AFFINET_DATA_DIR, or else they are fetched once)",
    )


def add_target(group: Group, default: str) -> None:
    """The options that say where the targets are."""
    group.add_argument(
        "--target",
        metavar="COLUMN",
        help=f"the column to predict, {COLUMN}; in a .npz an array ({default})",
    )
    group.add_argument(
        "--target-file", metavar="FILE", help="a file of the targets, one column of as many rows"
    )


def add_unknown(group: Group) -> None:
    """The option --unknown."""
    choice(
        group,
        "--unknown",
        UNKNOWN,
        None,
        "error",
        "what a category that the training did not have is: an error, or a row of zeros",
    )


def add_reading(group: Group) -> None:
    """The options that say how a file is read; each is None where nothing was said."""
    group.add_argument(
        "--inputs", metavar="NAME", help="the array of inputs in a .npz (default: x)"
    )
    group.add_argument(
        "--header",
        action=argparse.BooleanOptionalAction,
        help="the first line holds the names of the columns, or does not (default: it does if "
        "none of its cells is a number and no two are the same)",
    )
    option(
        group,
        "--delimiter",
        delimiter,
        "C",
        "character between cells, or its name: comma, semicolon, tab, space (default: found out "
        "of the first three)",
    )
    choice(group, "--decimal", (".", ","), None, ".", "decimal mark")


def add_json(group: Group) -> None:
    """The option --json."""
    group.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def option(
    group: Group, name: str, kind: Any, metavar: str, text: str, default: Any = None
) -> None:
    """An option with a value that ``kind`` reads."""
    group.add_argument(name, type=kind, metavar=metavar, default=default, help=text)


def choice(group: Group, name: str, known: Any, default: Any, told: str, text: str) -> None:
    """An option with a value that is one of those known; ``told`` is its default in words."""
    group.add_argument(name, choices=known, default=default, help=f"{text} (default: {told})")


def several(group: Group, name: str, text: str) -> None:
    """An option that names a column, and may be given several times."""
    group.add_argument(
        name, action="append", default=[], metavar="COLUMN", help=f"{text}, {COLUMN}; repeatable"
    )
