"""``affinet plot``: the learning curve in a model file."""

from __future__ import annotations

import argparse
from pathlib import Path

from affinet.cli.files import PICTURES, require_writable
from affinet.cli.models import default_curve, training_record
from affinet.model_file import load
from affinet.plotting import learning_curve, save_figure


def run(options: argparse.Namespace) -> int:
    """Draw, write and print the picture's name; 0."""
    target = default_curve(Path(options.model)) if options.out is None else Path(options.out)
    require_writable("--out", target, PICTURES)
    record = training_record(load(options.model))
    if not record:
        raise ValueError(f"{options.model}: no training record in it")
    save_figure(learning_curve(record), target)
    print(target)
    return 0
