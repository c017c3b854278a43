"""``affinet predict``: a saved network on the rows of a file."""

from __future__ import annotations

import argparse
import csv
import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from affinet._validation import Array, number_array, require_finite
from affinet.archive import write_atomically
from affinet.cli.files import read_rows, require_writable
from affinet.cli.models import class_names, input_range, input_shape, n_inputs, require_width
from affinet.cli.output import figure, print_json, say
from affinet.cli.sources import encoding_of, read_file
from affinet.losses import SoftmaxWithLoss
from affinet.model_file import load
from affinet.network import Sequential
from affinet.tables import Encoding, NumberTarget

TABLES = (".csv", ".csv.gz")


def run(options: argparse.Namespace) -> int:
    """Predict and print, or write; 0."""
    if options.out is not None:
        require_writable("--out", Path(options.out), TABLES)
    net = load(options.model)
    encoding = encoding_of(net, options.model)
    if encoding is None:
        x = rows_for(net, options.model, options.file, read_rows(Path(options.file)))
        warn_of_range(net, options.file, x)
    else:
        x = table_rows(net, encoding, options)
    answer = answer_of(net, x, encoding)
    if options.probabilities and not hasattr(net.loss, "probabilities"):
        raise ValueError(f"{options.model}: its loss {net.loss!r} gives no probabilities")
    if options.out is not None:
        write_csv(Path(options.out), answer)
    if options.json:
        rows = answer.as_values(options.probabilities)
        print_json({"model": options.model, "file": options.file, "rows": rows})
    elif options.out is not None:
        print(f"{options.out}: {len(x)} rows")
    else:
        print("\n".join(answer.as_lines(options.probabilities)))
    return 0


# Rows in -----------------------------------------------------------------------------------------


def table_rows(net: Sequential, encoding: Encoding, options: argparse.Namespace) -> Array:
    """The file's rows as the network's encoding makes them; a column of targets is left out."""
    table = read_file(options.file, options, encoding, labelled=False)
    return encoding.inputs(table, net.dtype, options.unknown or "error")


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


# Predictions out ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What a network says of N rows.

    Attributes
    ----------
    values : array of shape (N, C)
        Probabilities of classes, or numbers in the unit of the targets.
    classes : list of str or None
        Names of the classes, if there are any.
    names : list of str
        Names of the columns of numbers, if there are no classes.
    """

    values: Array
    classes: list[str] | None
    names: Sequence[str] = ()

    def as_lines(self, every: bool) -> list[str]:
        """One line a row: the class and its probability, or the numbers.

        With ``every`` the probabilities of all classes, under a line of names.
        """
        if self.classes is None:
            return ["\t".join(f"{value:.6g}" for value in row) for row in self.values]
        lines = ["\t".join(["class", *self.classes])] if every else []
        for p in self.values:
            k = int(p.argmax())
            shown = p.tolist() if every else [float(p[k])]
            lines.append("\t".join([self.classes[k], *map(figure, shown)]))
        return lines

    def as_values(self, every: bool) -> list[Any]:
        """The same for JSON."""
        if self.classes is None:
            return list(self.values.tolist())
        rows = []
        for p in self.values:
            k = int(p.argmax())
            row = {"class": self.classes[k], "index": k, "probability": float(p[k])}
            if every:
                row["probabilities"] = dict(zip(self.classes, map(float, p), strict=True))
            rows.append(row)
        return rows

    def as_cells(self) -> list[list[str]]:
        """The same for a CSV file: a line of names, then a class and all probabilities a row."""
        if self.classes is None:
            return [list(self.names), *([f"{v:.9g}" for v in row] for row in self.values)]
        rows = [["class", *(f"probability of {name}" for name in self.classes)]]
        rows += [
            [self.classes[int(p.argmax())], *(f"{value:.6g}" for value in p)] for p in self.values
        ]
        return rows


def answer_of(net: Sequential, x: Array, encoding: Encoding | None) -> Answer:
    """Predict, and name what was predicted."""
    y = net.predict(x)
    if isinstance(net.loss, SoftmaxWithLoss):
        return Answer(net.loss.probabilities(y), class_names(net, y.shape[1]))
    if encoding is not None and isinstance(encoding.target, NumberTarget):
        return Answer(encoding.target.restore(y).reshape(-1, 1), None, [encoding.target.name])
    if hasattr(net.loss, "probabilities"):  # each output is a yes or no of its own
        y = net.loss.probabilities(y)
    values = y.reshape(len(y), -1)
    return Answer(values, None, [f"output {place}" for place in range(1, values.shape[1] + 1)])


def write_csv(path: Path, answer: Answer) -> None:
    """Write the predictions, packed if the name ends in .gz."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(answer.as_cells())
    content = text.getvalue().encode()
    if path.suffix.lower() == ".gz":
        content = gzip.compress(content, mtime=0)

    def write(file: IO[bytes]) -> None:
        file.write(content)

    write_atomically(path, write)
