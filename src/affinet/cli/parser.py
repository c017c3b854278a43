"""The shell's arguments: what each command takes, checked as far as they speak for themselves."""

from __future__ import annotations

import argparse
import math
from typing import NoReturn

from affinet._version import __version__
from affinet.cli.recipes import (
    ACTIVATIONS,
    DTYPES,
    FROM_FILES,
    LEARNING_RATES,
    OPTIMIZER,
    RECIPES,
    by_dataset,
)

EXIT_CODES = (
    "exit codes: 0 done, 1 the work was done and failed (a wrong gradient, a training that "
    "diverged), 2 the arguments or files cannot be used, 130 interrupted"
)


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
    add_info(commands)
    return parser


Commands = argparse._SubParsersAction  # the class that add_subparsers returns has no public name


def add_train(commands: Commands[Parser]) -> None:
    """``affinet train DATASET``."""
    parser = add_command(
        commands,
        "train",
        "train a network and write it to a file",
        "Train a network on a named data set, write it to a file, read it back, draw the learning "
        "curve, and print the accuracy on the test rows as the last line. Images are taken as raw "
        "pixels: the network multiplies them by 1/16 (digits) or 1/255 itself. The test rows are "
        "looked at after every epoch, and are neither trained on nor chosen by.",
    )
    parser.add_argument("dataset", choices=RECIPES, metavar="DATASET", help=", ".join(RECIPES))
    add_data_dir(parser)

    network = parser.add_argument_group("network")
    network.add_argument(
        "--hidden",
        type=widths,
        metavar="N,N",
        help=f"units of each hidden layer; 0 for none ({by_dataset('hidden')})",
    )
    network.add_argument(
        "--activation",
        choices=ACTIVATIONS,
        default="relu",
        help="what follows a hidden layer (default: relu)",
    )
    network.add_argument(
        "--dropout",
        type=share,
        metavar="P",
        help=f"probability of dropping a hidden unit ({by_dataset('dropout')})",
    )
    network.add_argument(
        "--input-dropout",
        type=share,
        metavar="P",
        help="probability of dropping an input; left out, --dropout 0 sets it to 0 too "
        f"({by_dataset('input_dropout')})",
    )
    network.add_argument(
        "--init",
        type=initial_scale,
        default="auto",
        metavar="auto|S",
        help="initial weights: auto is He for the ReLUs and Xavier for the others, a number S is "
        "S times N(0, 1) (default: auto)",
    )
    network.add_argument(
        "--dtype", choices=DTYPES, default="float32", help="precision (default: float32)"
    )

    training = parser.add_argument_group("training")
    training.add_argument(
        "--optimizer",
        choices=LEARNING_RATES,
        default=OPTIMIZER,
        help=f"update rule (default: {OPTIMIZER})",
    )
    rates = ", ".join(f"{rate:g} for {name}" for name, rate in LEARNING_RATES.items())
    training.add_argument(
        "--lr", type=positive_number, metavar="RATE", help=f"learning rate (default: {rates})"
    )
    training.add_argument(
        "--batch-size",
        type=positive_count,
        metavar="N",
        help=f"rows a step ({by_dataset('batch_size')})",
    )
    length = training.add_mutually_exclusive_group()
    length.add_argument(
        "--epochs",
        type=positive_count,
        metavar="N",
        help=f"passes over the training rows ({by_dataset('epochs')})",
    )
    length.add_argument(
        "--steps", type=positive_count, metavar="N", help="updates to make, in place of --epochs"
    )
    training.add_argument(
        "--seed",
        type=count,
        default=0,
        metavar="N",
        help="decides the initial weights, the order of the rows and dropout (default: 0)",
    )

    output = parser.add_argument_group("output")
    output.add_argument(
        "--out", metavar="MODEL.npz", help="the model's file (default: DATASET-model.npz)"
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
        "Loss and accuracy of a saved network on the training and test rows of a data set, and "
        "the accuracy of every class. Images are given raw to a network that scales its inputs, "
        "as those of 'affinet train' do, and as pixel / maximum to any other.",
    )
    add_model(parser)
    parser.add_argument("dataset", choices=RECIPES, metavar="DATASET", help=", ".join(RECIPES))
    add_data_dir(parser)
    add_json(parser)


def add_predict(commands: Commands[Parser]) -> None:
    """``affinet predict MODEL FILE``."""
    parser = add_command(
        commands,
        "predict",
        "apply a saved network to the rows of a file",
        "One line a row: the class and its probability, with a tab between them. Values are given "
        "as they are: networks of 'affinet train' take raw pixels (0..16 for digits, 0..255 for "
        "mnist) and scale them themselves; any other network wants what it was trained on.",
    )
    add_model(parser)
    parser.add_argument(
        "file",
        metavar="FILE",
        help="rows of numbers: .npy; .npz with an array x or a single one; .csv or .csv.gz, with "
        "or without a line of names; or images in MNIST's format (a name with 'idx' or 'ubyte', "
        "packed as .gz or not)",
    )
    parser.add_argument(
        "--probabilities",
        action="store_true",
        help="a table instead: the class, then the probability of every class, with a line of "
        "names first",
    )
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
    parser.add_argument(
        "dataset",
        nargs="?",
        choices=RECIPES,
        metavar="DATASET",
        help="take test rows of this set (default: random rows)",
    )
    add_data_dir(parser)
    parser.add_argument(
        "--rows", type=positive_count, default=8, metavar="N", help="rows to use (default: 8)"
    )
    parser.add_argument(
        "--tolerance",
        type=positive_number,
        default=1e-6,
        metavar="E",
        help="largest relative error that passes (default: 1e-06)",
    )
    parser.add_argument(
        "--seed", type=count, default=0, metavar="N", help="of what is drawn (default: 0)"
    )
    add_json(parser)


def add_plot(commands: Commands[Parser]) -> None:
    """``affinet plot MODEL``."""
    parser = add_command(
        commands,
        "plot",
        "draw the learning curve of a saved network",
        "Draw the learning curve from the training record in a model file.",
    )
    add_model(parser)
    parser.add_argument(
        "--out", metavar="CURVE.png", help="the picture (default: MODEL's name, ending -curve.png)"
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


def add_command(commands: Commands[Parser], name: str, summary: str, text: str) -> Parser:
    """The parser of one command."""
    return commands.add_parser(name, help=summary, description=text, allow_abbrev=False)


def add_model(parser: Parser) -> None:
    """The argument MODEL."""
    parser.add_argument(
        "model", metavar="MODEL", help="a file that 'affinet train' or net.save wrote"
    )


def add_data_dir(parser: Parser) -> None:
    """The option --data-dir."""
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help=f"folder of the files of {' and '.join(FROM_FILES)} (default: the environment "
        "variable AFFINET_DATA_DIR, or else they are fetched once)",
    )


def add_json(parser: argparse._ActionsContainer) -> None:
    """The option --json."""
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def widths(text: str) -> tuple[int, ...]:
    """Units of the hidden layers.

    Examples
    --------
    >>> widths("64,32"), widths("0"), widths("")
    ((64, 32), (), ())
    """
    if text.strip() in ("", "0"):
        return ()
    try:
        units = tuple(int(part) for part in text.split(","))
    except ValueError:
        units = (0,)
    if min(units) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of widths such as 64 or 64,32")
    return units


def initial_scale(text: str) -> str | float:
    """``"auto"`` or a positive number."""
    return text if text == "auto" else number(text, "auto or a number above 0", above=0.0)


def positive_number(text: str) -> float:
    """A finite number above 0."""
    return number(text, "a number above 0", above=0.0)


def share(text: str) -> float:
    """A number p with 0 <= p < 1."""
    return number(text, "a number from 0 up to, but not, 1", low=0.0, below=1.0)


def number(
    text: str, wanted: str, low: float = 0.0, above: float = -math.inf, below: float = math.inf
) -> float:
    """A number with ``low <= number``, ``above < number < below``."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (low <= value and above < value < below):
        raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
    return value


def count(text: str) -> int:
    """A whole number, 0 or more."""
    return whole(text, 0)


def positive_count(text: str) -> int:
    """A whole number, 1 or more."""
    return whole(text, 1)


def whole(text: str, low: int) -> int:
    """A whole number, ``low`` or more."""
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if value < low:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, {low} or more")
    return value
