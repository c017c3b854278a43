"""``affinet plot``: pictures of how networks learn and fail, or a model's learning curve."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import IO, Any

from affinet.atomic import write_atomically
from affinet.cli.arguments import choice, option
from affinet.cli.files import PICTURES, require_writable
from affinet.cli.models import (
    Model,
    default_curve,
    first_network,
    load_model,
    monitor_record,
    training_record,
)
from affinet.cli.output import printable, table
from affinet.cli.parser import did_you_mean
from affinet.cli.recipes import NAMED_PICTURES, PICTURE_SETS
from affinet.cli.values import any_number, fraction, numbers, positive_count, positive_number
from affinet.cli.waiting import waiting
from affinet.plotting import learning_curve, save_figure

DPI = 100
HISTORY = "history"
DESCRIPTION = (
    "Draw one of the pictures of how networks learn and fail, and print the figures behind it; or "
    "draw the learning curve from the training record in a model file. The last line of the output "
    "is the picture's file name."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``affinet plot NAME`` and ``affinet plot MODEL``."""
    parser.add_argument(
        "what",
        metavar="NAME|MODEL",
        help=f"{', '.join(NAMED_PICTURES)}; or a file written by 'affinet train' or save; or "
        "'history MODEL'",
    )
    parser.add_argument(
        "model", metavar="MODEL", nargs="?", help="after 'history': the file with the record"
    )
    parser.add_argument(
        "--html",
        metavar="FILE.html",
        help="history: the page of --live as a single file that needs no server",
    )
    parser.add_argument(
        "--save",
        "--out",
        dest="out",
        metavar="FILE.png",
        help="the picture, .png, .pdf or .svg (default: NAME.png, or MODEL-curve.png)",
    )
    group = parser.add_argument_group("options of single pictures")
    add_curves(group)
    add_networks(group)


def add_curves(group: argparse._ArgumentGroup) -> None:
    """Options of the pictures derivative and descent."""
    option(
        group,
        "--function",
        str,
        "F",
        "derivative: a formula in x, such as 'x**3 - x' (default: sin(x)); descent: convex, flat, "
        "two-valley, or a formula in w, or in w1 and w2 (default: all three; convex with "
        "--optimizers or --start)",
    )
    option(group, "--at", any_number, "X", "derivative: where the tangent touches (default: 1)")
    option(
        group,
        "--start",
        numbers,
        "W,W",
        "descent: the initial w, or w1,w2 (default: one that suits the named errors); write "
        "--start=-1,2 if it begins with a minus",
    )
    option(
        group,
        "--rates",
        numbers,
        "R,R",
        "descent: learning rates (default: one too small, one good, one too large for the named "
        "errors; 0.01,0.1,1 for a formula)",
    )
    option(group, "--steps", positive_count, "N", "descent: number of updates (default: 20)")
    option(
        group,
        "--parameters",
        positive_count,
        "N",
        "descent: 1 or 2 parameters of a named error (default: 1)",
    )
    group.add_argument(
        "--optimizers",
        action="store_true",
        default=None,
        help="descent: every optimizer from the same start, instead of learning rates",
    )


def add_networks(group: argparse._ArgumentGroup) -> None:
    """Options of the pictures activations, vanishing-gradient and overfitting."""
    option(group, "--reach", positive_number, "X", "activations: from -X to X (default: 4)")
    group.add_argument(
        "--histograms",
        action="store_true",
        default=None,
        help="vanishing-gradient: draw the outputs of each layer instead",
    )
    choice(group, "--dataset", PICTURE_SETS, None, "digits", "overfitting: the images")
    group.add_argument("--data-dir", metavar="DIR", help="overfitting: folder with their files")
    option(
        group,
        "--label-noise",
        fraction,
        "P",
        "overfitting: fraction of wrong labels among training and test rows (default: 0.2)",
    )


def run(options: argparse.Namespace) -> int:
    """Draw, write and print the picture's name; 0."""
    what = options.what
    if (what == HISTORY) != (options.model is not None):
        raise ValueError(
            "argument MODEL: 'affinet plot history' wants a model file"
            if what == HISTORY
            else f"argument MODEL: only 'affinet plot history' takes one, not {what}"
        )
    if options.html is not None:
        return write_page(options)
    if what == HISTORY:
        what = options.model
    given = require_options(what, options)
    if what in NAMED_PICTURES:
        target = Path(options.out or f"{what}.png")
        require_writable("--save", target, PICTURES)
        draw_named(what, given, target)
    else:
        target = default_curve(Path(what)) if options.out is None else Path(options.out)
        require_writable("--save", target, PICTURES)
        draw_curve(what, target)
    print(printable(str(target)))
    return 0


def write_page(options: argparse.Namespace) -> int:
    """Write the page of a model's training, and print its name; 0."""
    from affinet.live import still_page  # brings a server's modules

    if options.what != HISTORY:
        raise ValueError("argument --html: only 'affinet plot history MODEL' has a page")
    if options.out is not None:
        raise ValueError("argument --html: not together with --save")
    require_options(HISTORY, options)
    target = Path(options.html)
    require_writable("--html", target, (".html",))
    net, record = recorded(options.model)
    title = Path(options.model).name
    page = still_page(first_network(net), record, monitor_record(net), title=title).encode()
    write_atomically(target, lambda file: _write(file, page))
    print(printable(str(target)))
    return 0


def _write(file: IO[bytes], page: bytes) -> None:
    file.write(page)


def require_options(what: str, options: argparse.Namespace) -> dict[str, Any]:
    """The options of single pictures that were given; those of other pictures are refused."""
    every = {name for names in NAMED_PICTURES.values() for name in names}
    given = {name: value for name, value in vars(options).items() if value is not None}
    given = {name: value for name, value in given.items() if name in every}
    for name in given:
        if name not in NAMED_PICTURES.get(what, ()):
            known = NAMED_PICTURES.get(what, ())
            has = ", ".join(f"--{option.replace('_', '-')}" for option in known)
            raise ValueError(
                f"argument --{name.replace('_', '-')}: {what} has no such option"
                + (f", only {has}" if has else "")
            )
    return given


def draw_named(name: str, given: dict[str, Any], target: Path) -> None:
    """Draw one of the named pictures and print its figures."""
    from affinet.cli.pictures import draw  # not needed for a learning curve

    with waiting(f"drawing {name}"):
        rows, axes = draw(name, given)
    save_figure(axes[0], target, dpi=DPI)
    print(table(rows))


def draw_curve(model: str, target: Path) -> None:
    """Draw the learning curve in a model file."""
    if not Path(model).exists():
        names = ", ".join(NAMED_PICTURES)
        near = did_you_mean([model], NAMED_PICTURES)
        raise ValueError(f"{model}: neither a file nor one of the pictures {names}{near}")
    save_figure(learning_curve(recorded(model)[1]), target)


def recorded(model: str) -> tuple[Model, list[dict[str, float]]]:
    """A model and its training record, which must be there."""
    net = load_model(model)
    record = training_record(net)
    if not record:
        raise ValueError(f"{model}: it contains no training record")
    return net, record
