"""``affinet export``: a saved network as ONNX, C, or another model file."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import numpy as np

from affinet import export as c_export
from affinet import onnx
from affinet._validation import Array
from affinet.cli.arguments import add_model, add_reading, add_unknown, choice, option
from affinet.cli.files import read_rows, require_writable
from affinet.cli.labelled import encoded_inputs, encoding_of, read_file
from affinet.cli.models import load_for, load_model
from affinet.cli.output import say
from affinet.cli.predict import rows_for
from affinet.cli.recipes import RECIPES
from affinet.cli.values import positive_count

FORMATS = ("onnx", "safetensors", "npz", "c")
TEST_ROWS = 16
# By format, the options that it takes and their values where they are not given.
OF_ONNX: dict[str, Any] = {"opset": None, "probabilities": False, "encoding_written": True}
OF_C: dict[str, Any] = {
    "type": None, "calibrate": None, "name": None, "single_header": False, "arduino": False,
    "libm": False, "test": False, "report": False,
}  # fmt: skip
DESCRIPTION = (
    "Write a model file as ONNX, as C or as another model file, and print the names of the files. "
    "The ONNX file of a table's model takes the table's columns, one input each: numbers as "
    "float64, texts, categories and dates as texts. It returns the class and calibrated "
    "probabilities, or the number in its unit. C is for microcontrollers: it needs no library and "
    "no memory but its stack."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``affinet export MODEL``."""
    add_model(parser)
    choice(parser, "--to", FORMATS, "onnx", "onnx", "format to write")
    out = "file to write, or folder of C (default: MODEL's name with the format's suffix)"
    option(parser, "--out", str, "FILE", out)
    group = parser.add_argument_group("onnx")
    opset = "version of ONNX's operators (default: 17, or 20 for a table with dates)"
    option(group, "--opset", positive_count, "N", opset)
    group.add_argument(
        "--probabilities",
        action="store_true",
        help="end with probabilities instead of the network's own outputs",
    )
    group.add_argument(
        "--no-encoding",
        dest="encoding_written",
        action="store_false",
        help="write a table's network alone, for rows that are encoded already, and say what is "
        "missing",
    )
    add_c(parser)
    table = parser.add_argument_group("files of --calibrate")
    add_unknown(table)
    add_reading(table)


def add_c(parser: argparse.ArgumentParser) -> None:
    """The options of C."""
    group = parser.add_argument_group("c")
    choice(group, "--type", c_export.TYPES, None, "float32", "numbers that the C computes with")
    rows = (
        f"rows like those to come: a file as 'affinet predict' takes, or {', '.join(RECIPES)}; "
        "int8 and int16 take their scales from them"
    )
    option(group, "--calibrate", str, "FILE", rows)
    option(group, "--name", str, "NAME", "prefix of all names (default: from MODEL's name)")
    for name, text in (
        ("--single-header", "write one header"),
        ("--arduino", "write a library for Arduino and PlatformIO"),
        ("--libm", "call the functions of math.h"),
        ("--test", "also write a program that checks the outputs, for rows of --calibrate"),
        ("--report", "compare with the model's own outputs on the rows of --calibrate, or on the "
                     "test rows of a named set"),
    ):  # fmt: skip
        group.add_argument(name, action="store_true", help=text)


def run(options: argparse.Namespace) -> int:
    """Write the files; 0."""
    refuse_others(options)
    net = load_model(options.model)
    try:
        return WRITERS[options.to](net, options)
    except (TypeError, ValueError) as error:
        message = str(error).replace("encoding=False", "--no-encoding")  # here it is an option
        if message.startswith("argument "):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{options.model}: {message}") from error


def refuse_others(options: argparse.Namespace) -> None:
    """Raise if an option of another format is given."""
    for formats, names in ((("onnx",), OF_ONNX), (("c",), OF_C)):
        for name, value in names.items():
            if options.to not in formats and getattr(options, name) != value:
                shown = "no-encoding" if name == "encoding_written" else name.replace("_", "-")
                raise ValueError(f"argument --{shown}: it applies to --to {formats[0]}")


def write_onnx(net: Any, options: argparse.Namespace) -> int:
    """An ONNX file."""
    from affinet.onnx.sources import left_out

    path = Path(options.out or Path(options.model).with_suffix(".onnx"))
    require_writable("--out", path, (".onnx",))
    onnx.export(
        *(net, path),
        opset=options.opset,
        probabilities=options.probabilities,
        encoding=options.encoding_written,
    )
    print(path)
    missing = None if options.encoding_written else left_out(net, net)
    if missing is not None:
        say(f"left out: {missing}")
    return 0


def write_model(net: Any, options: argparse.Namespace) -> int:
    """Another model file."""
    suffix = f".{options.to}"
    path = Path(options.out or Path(options.model).with_suffix(suffix))
    require_writable("--out", path, (suffix,))
    net.save(path)
    print(path)
    return 0


def write_c(net: Any, options: argparse.Namespace) -> int:
    """C, in a folder."""
    name = options.name or default_name(options.model)
    folder = Path(options.out or Path(options.model).with_suffix("").with_name(f"{name}-c"))
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"argument --out: {folder} is a file, wanted a folder")
    kind = options.type or "float32"
    if kind != "float32" and options.calibrate is None:
        raise ValueError(f"argument --type: {kind} needs --calibrate, rows to take its scales from")
    if options.report and options.calibrate is None:
        raise ValueError("argument --report: it needs --calibrate")
    rows, measured = given_rows(net, options)
    found = c_export.c(
        net, folder, name=name, type=kind, calibrate=rows, libm=options.libm,
        test=test_rows(net, rows) if options.test else None,
        report=measured if options.report else None,
        single_header=options.single_header, arduino=options.arduino,
    )  # fmt: skip
    for file in found.pop("files"):
        print(folder / file)
    print(
        f"{found['flash']:,} bytes of constants, {found['scratch']:,} bytes of scratch, "
        f"{found['multiply_adds']:,} multiply-adds, {found['iterations']:,} iterations of loops"
    )
    for figure in list(found)[4:]:
        print(f"{figure.replace('_', ' ')}  {found[figure]:.6g}")
    return 0


def default_name(model: str) -> str:
    """A prefix from a file's name."""
    stem = re.sub(r"[^A-Za-z0-9_]+", "_", Path(model).stem)[:40]
    return stem if stem[:1].isalpha() else f"model{stem}"[:41]


def given_rows(net: Any, options: argparse.Namespace) -> tuple[Array | None, Any]:
    """The rows of --calibrate, and those to report on, with targets where they are known."""
    source = options.calibrate
    if source is None:
        return None, None
    if source in RECIPES:
        if "table" in net.metadata:
            raise ValueError(f"argument --calibrate: {source} does not have the model's columns")
        (x, _), (x_test, t_test) = load_for(net, options.model, source, None)
        return flat(x), (flat(x_test), t_test)
    encoding = encoding_of(net, options.model)
    if encoding is None:
        x = flat(rows_for(net, options.model, source, read_rows(source, options)))
        return x, x
    x = encoded_inputs(encoding, read_file(source, options, encoding, labelled=False), net, options)
    return x, x


def flat(x: Array) -> Array:
    """Rows of numbers."""
    return np.asarray(np.reshape(x, (len(x), -1)))


def test_rows(net: Any, rows: Array | None) -> Array:
    """Rows for a test: some of those given, or else random ones."""
    if rows is not None:
        places = np.linspace(0, len(rows) - 1, min(TEST_ROWS, len(rows))).astype(int)
        return np.asarray(rows[places])
    from affinet.export.models import Subject

    nets = Subject.of(net).nets
    if any(getattr(layer, "code_columns", ()) for layer in nets[0].layers):
        raise ValueError("argument --test: the network takes codes, so it needs --calibrate")
    width = Subject.of(net).n_inputs
    return np.random.default_rng(0).standard_normal((TEST_ROWS, width)).astype(np.float32)


WRITERS = {"onnx": write_onnx, "safetensors": write_model, "npz": write_model, "c": write_c}
