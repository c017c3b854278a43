"""``affinet export``: a saved network as an ONNX file."""

from __future__ import annotations

import argparse
from pathlib import Path

from affinet import onnx
from affinet.cli.arguments import add_model, option
from affinet.cli.files import require_writable
from affinet.cli.output import say
from affinet.cli.values import positive_count
from affinet.model_file import load
from affinet.onnx.sources import left_out

DESCRIPTION = (
    "Write a model file as an ONNX file, and print its name. That of a table's model takes the "
    "table's columns, one input each: numbers as float64, texts, categories and dates as texts. It "
    "returns the class and calibrated probabilities, or the number in its unit."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``affinet export MODEL``."""
    add_model(parser)
    option(parser, "--out", str, "FILE", "file to write (default: MODEL's name with .onnx)")
    opset = "version of ONNX's operators (default: 17, or 20 for a table with dates)"
    option(parser, "--opset", positive_count, "N", opset)
    parser.add_argument(
        "--probabilities",
        action="store_true",
        help="end with probabilities instead of the network's own outputs",
    )
    parser.add_argument(
        "--no-encoding",
        dest="encoding",
        action="store_false",
        help="write a table's network alone, for rows that are encoded already, and say what is "
        "missing",
    )


def run(options: argparse.Namespace) -> int:
    """Write the file; 0."""
    net = load(options.model)
    path = Path(options.out or Path(options.model).with_suffix(".onnx"))
    require_writable("--out", path, (".onnx",))
    try:
        onnx.export(
            *(net, path),
            opset=options.opset,
            probabilities=options.probabilities,
            encoding=options.encoding,
        )
    except (TypeError, ValueError) as error:
        message = str(error).replace("encoding=False", "--no-encoding")  # here it is an option
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{options.model}: {message}") from error
    print(path)
    missing = None if options.encoding else left_out(net, net)
    if missing is not None:
        say(f"left out: {missing}")
    return 0
