"""``affinet predict``: a saved network on the rows of a file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from affinet._validation import Array, number_array, require_finite
from affinet.cli.files import read_rows
from affinet.cli.models import class_names, input_range, input_shape, n_inputs, require_width
from affinet.cli.output import figure, print_json, say
from affinet.model_file import load
from affinet.network import Sequential


def run(options: argparse.Namespace) -> int:
    """Predict and print; 0."""
    net = load(options.model)
    x = rows_for(net, options.model, options.file, read_rows(Path(options.file)))
    warn_of_range(net, options.file, x)
    y = net.predict(x)
    if not hasattr(net.loss, "probabilities"):
        if options.probabilities:
            raise ValueError(f"{options.model}: its loss {net.loss!r} gives no probabilities")
        print_values(options, y)
        return 0
    classes = class_names(net, y.shape[1])
    probabilities = net.loss.probabilities(y)
    if options.json:
        rows = as_values(classes, probabilities, options.probabilities)
        print_json({"model": options.model, "file": options.file, "rows": rows})
    else:
        print("\n".join(as_lines(classes, probabilities, options.probabilities)))
    return 0


def rows_for(net: Sequential, model: str, file: str, x: Array) -> Array:
    """The file's array as rows that ``net`` takes; an array of one row's shape is one row.

    Raises
    ------
    TypeError, ValueError
        If it does not hold real, finite numbers, has no rows, or rows of another length.
    """
    x = number_array(f"{file}: the array", x)
    if x.shape == input_shape(net) or (x.ndim == 1 and n_inputs(net) != 1):
        x = x.reshape(1, -1)
    if x.ndim == 0 or x.size == 0:
        raise ValueError(f"{file}: shape {x.shape}, wanted at least one row")
    require_width(net, model, file, x)
    if x.dtype.kind == "f":
        require_finite(f"{file}: x", x)
    return x


def warn_of_range(net: Sequential, file: str, x: Array) -> None:
    """Tell if the values look as if they were scaled another way than the network's."""
    ends = input_range(net)
    if ends is None:
        return
    low, high = ends
    came = f"{file} has values from {float(x.min()):g} to {float(x.max()):g}"
    if x.min() < low or x.max() > high:
        say(f"warning: {came}, the network was trained on {low:g} to {high:g}")
    elif x.dtype.kind == "f" and 0 < x.max() <= 1 < high:
        say(
            f"warning: {came}; the network takes raw pixels from {low:g} to {high:g} and scales "
            "them itself"
        )


def as_lines(classes: list[str], probabilities: Array, every: bool) -> list[str]:
    """One line a row: class and probability; or with ``every`` all of them, under a header."""
    lines = ["\t".join(["class", *classes])] if every else []
    for p in probabilities:
        k = int(p.argmax())
        lines.append("\t".join([classes[k], *map(figure, p.tolist() if every else [float(p[k])])]))
    return lines


def as_values(classes: list[str], probabilities: Array, every: bool) -> list[dict[str, Any]]:
    """The same for JSON."""
    rows = []
    for p in probabilities:
        k = int(p.argmax())
        row = {"class": classes[k], "index": k, "probability": float(p[k])}
        if every:
            row["probabilities"] = dict(zip(classes, map(float, p), strict=True))
        rows.append(row)
    return rows


def print_values(options: argparse.Namespace, y: Array) -> None:
    """The outputs of a network that has no classes, one line a row."""
    y = y.reshape(len(y), -1)
    if options.json:
        print_json({"model": options.model, "file": options.file, "rows": y.tolist()})
    else:
        print("\n".join("\t".join(f"{value:.6g}" for value in row) for row in y))
