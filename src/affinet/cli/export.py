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
    "Write the network of a model file as an ONNX file, and print its name. A model of a table is "
    "refused, because the file would lack the encoding of its columns."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``affinet export MODEL``."""
    add_model(parser)
    option(parser, "--out", str, "FILE", "file to write (default: MODEL's name with .onnx)")
    option(parser, "--opset", positive_count, "N", "version of ONNX's operators (default: 17)", 17)
    parser.add_argument(
        "--probabilities",
        action="store_true",
        help="end with probabilities instead of the network's own outputs",
    )
    parser.add_argument(
        "--no-encoding",
        dest="encoding",
        action="store_false",
        help="write a table's network without the encoding of its columns, and say what is missing",
    )


def run(options: argparse.Namespace) -> int:
    """Write the file; 0."""
    net = load(options.model)
    path = Path(options.out or Path(options.model).with_suffix(".onnx"))
    require_writable("--out", path, (".onnx",))
    missing = left_out(net, net)
    if missing is not None and options.encoding:
        raise ValueError(
            f"{options.model}: an ONNX file would lack {missing}; with --no-encoding the network "
            "alone is written, for rows that are encoded already"
        )
    onnx.export(net, path, opset=options.opset, probabilities=options.probabilities, encoding=False)
    print(path)
    if missing is not None:
        say(f"left out: {missing}")
    return 0
