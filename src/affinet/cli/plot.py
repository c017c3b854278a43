"""``affinet plot``: pictures of how networks learn and fail, and the curve in a model file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from affinet.cli.files import PICTURES, require_writable
from affinet.cli.models import default_curve, training_record
from affinet.cli.output import table
from affinet.cli.recipes import NAMED_PICTURES
from affinet.model_file import load
from affinet.plotting import learning_curve, save_figure

DPI = 100


def run(options: argparse.Namespace) -> int:
    """Draw, write and print the picture's name; 0."""
    what = options.what
    given = require_options(what, options)
    if what in NAMED_PICTURES:
        target = Path(options.out or f"{what}.png")
        require_writable("--save", target, PICTURES)
        draw_named(what, given, target)
    else:
        target = default_curve(Path(what)) if options.out is None else Path(options.out)
        require_writable("--save", target, PICTURES)
        draw_curve(what, target)
    print(target)
    return 0


def require_options(what: str, options: argparse.Namespace) -> dict[str, Any]:
    """The options of single pictures that were given; refused if they are another picture's."""
    every = {name for names in NAMED_PICTURES.values() for name in names}
    given = {name: value for name, value in vars(options).items() if value is not None}
    given = {name: value for name, value in given.items() if name in every}
    for name in given:
        if name not in NAMED_PICTURES.get(what, ()):
            has = ", ".join(f"--{own.replace('_', '-')}" for own in NAMED_PICTURES.get(what, ()))
            raise ValueError(
                f"argument --{name.replace('_', '-')}: {what} has no such option"
                + (f", only {has}" if has else "")
            )
    return given


def draw_named(name: str, given: dict[str, Any], target: Path) -> None:
    """One of the named pictures; its figures are printed."""
    from affinet.cli.pictures import draw  # what a learning curve has no use for

    rows, axes = draw(name, given)
    save_figure(axes[0], target, dpi=DPI)
    print(table(rows))


def draw_curve(model: str, target: Path) -> None:
    """The learning curve in a model file."""
    if not Path(model).exists():
        names = ", ".join(NAMED_PICTURES)
        raise ValueError(f"{model}: neither a file nor one of the pictures {names}")
    record = training_record(load(model))
    if not record:
        raise ValueError(f"{model}: no training record in it")
    save_figure(learning_curve(record), target)
