"""``affinet predict``: a saved network on the rows of a file."""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from affinet._validation import Array, number_array, require_finite
from affinet.archive import write_atomically
from affinet.cli.arguments import add_json, add_model, add_reading, add_unknown
from affinet.cli.files import read_rows, require_writable
from affinet.cli.labelled import encoded_inputs, encoding_of, read_file
from affinet.cli.models import (
    Model,
    class_names,
    input_range,
    input_shape,
    load_model,
    n_inputs,
    require_width,
)
from affinet.cli.output import figure, print_json, printable, say
from affinet.cli.predictor import Predictor
from affinet.tables import Encoding
from affinet.tables.cells import number_of

CSV_FILES = (".csv", ".csv.gz")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
DESCRIPTION = (
    "One line for each row: the class and its probability, with a tab between them, or the number. "
    "Control characters in class names are escaped. A network that was trained on a table finds "
    "columns by name; a column of targets is ignored. Any other network takes values as they are: "
    "networks trained on named sets take raw pixels (0..16 for digits, 0..255 for mnist) and scale "
    "them themselves."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``affinet predict MODEL FILE``."""
    add_model(parser)
    parser.add_argument(
        "file",
        metavar="FILE",
        help="rows: .csv, .tsv or .txt, with or without a line of names, packed as .gz or not; "
        ".npy; .npz with an array x or a single one; .parquet for networks trained on a table; "
        "images in MNIST's format (a name with 'idx' or 'ubyte', packed as .gz or not); or - for "
        "standard input",
    )
    parser.add_argument(
        "--probabilities",
        action="store_true",
        help="print a table instead: the class, then the probability of every class, with a line "
        "of names first",
    )
    parser.add_argument(
        "--out",
        metavar="OUT.csv",
        help="write the predictions to a .csv or .csv.gz, with a line of names and the "
        "probability of every class",
    )
    parser.add_argument(
        "--escape-formulas",
        action="store_true",
        help="in the .csv, put ' before class and column names that a spreadsheet would run as "
        "formulas: those that start with = + - @ (default: names are written as they are)",
    )
    table = parser.add_argument_group("files")
    add_unknown(table)
    add_reading(table)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Predict and print, or write; 0."""
    if options.out is not None:
        require_writable("--out", Path(options.out), CSV_FILES)
    elif options.escape_formulas:
        raise ValueError("argument --escape-formulas: it applies to the file of --out")
    net = load_model(options.model)
    encoding = encoding_of(net, options.model)
    if encoding is None:
        x = rows_for(net, options.model, options.file, read_rows(options.file, options))
        warn_of_range(net, options.file, x)
    else:
        x = table_rows(net, encoding, options)
    predictor = Predictor.of(net, options.model)
    answer = answer_of(predictor, x)
    given = predictor.classifies or hasattr(net.loss, "probabilities")
    if options.probabilities and not given:
        raise ValueError(f"{options.model}: its loss {net.loss!r} gives no probabilities")
    if options.out is not None:
        write_csv(Path(options.out), answer, options.escape_formulas)
    if options.json:
        rows = answer.as_values(options.probabilities)
        print_json({"model": options.model, "file": options.file, "rows": rows})
    elif options.out is not None:
        print(f"{printable(options.out)}: {len(x)} rows")
    else:
        print("\n".join(answer.as_lines(options.probabilities)))
    return 0


# Rows in -----------------------------------------------------------------------------------------


def table_rows(net: Model, encoding: Encoding, options: argparse.Namespace) -> Array:
    """The file's rows in the network's encoding; a column of targets is ignored."""
    table = read_file(options.file, options, encoding, labelled=False)
    return encoded_inputs(encoding, table, net, options)


def rows_for(net: Model, model: str, file: str, x: Array) -> Array:
    """The file's array as rows that ``net`` takes; an array with the shape of a row is one row.

    Raises
    ------
    TypeError, ValueError
        If it does not hold real, finite numbers, has no rows, or rows of another width.
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


def warn_of_range(net: Model, file: str, x: Array) -> None:
    """Warn if the values seem to be scaled differently from the training rows."""
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
    """A network's predictions for N rows.

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
        """One line for each row: the class and its probability, or the numbers.

        If ``every``, the probabilities of all classes, under a line of names.
        """
        if self.classes is None:
            return ["\t".join(f"{value:.6g}" for value in row) for row in self.values]
        names = [printable(name) for name in self.classes]
        lines = ["\t".join(["class", *names])] if every else []
        for p in self.values:
            k = int(p.argmax())
            shown = p.tolist() if every else [float(p[k])]
            lines.append("\t".join([names[k], *map(figure, shown)]))
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
        """The same for a CSV file: a line of names, then the class and all probabilities."""
        if self.classes is None:
            return [list(self.names), *([f"{v:.9g}" for v in row] for row in self.values)]
        rows = [["class", *(f"probability of {name}" for name in self.classes)]]
        rows += [
            [self.classes[int(p.argmax())], *(f"{value:.6g}" for value in p)] for p in self.values
        ]
        return rows


def answer_of(predictor: Predictor, x: Array) -> Answer:
    """Predict, with the names of classes or columns."""
    y, loss = predictor.outputs(x), predictor.net.loss
    if predictor.classifies:
        return Answer(predictor.probabilities(y), class_names(predictor.net, y.shape[1]))
    if predictor.target is not None:
        return Answer(predictor.restore(y).reshape(-1, 1), None, [predictor.target.name])
    if hasattr(loss, "probabilities"):  # each output is a yes or no by itself
        y = predictor.probabilities(y)
    values = y.reshape(len(y), -1)
    return Answer(values, None, [f"output {place}" for place in range(1, values.shape[1] + 1)])


def without_formula(cell: str) -> str:
    """A cell that a spreadsheet does not run: ' before a text that starts like a formula.

    Examples
    --------
    >>> without_formula("=1+1"), without_formula("-1.5"), without_formula("cat")
    ("'=1+1", '-1.5', 'cat')
    """
    formula = cell.startswith(FORMULA_STARTS) and math.isnan(number_of(cell, "."))
    return f"'{cell}" if formula else cell


def write_csv(path: Path, answer: Answer, escape_formulas: bool) -> None:
    """Write the predictions, packed if the name ends in .gz."""
    rows = answer.as_cells()
    if escape_formulas:
        rows = [[without_formula(cell) for cell in row] for row in rows]
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    content = text.getvalue().encode()
    if path.suffix.lower() == ".gz":
        content = gzip.compress(content, mtime=0)

    def write(file: IO[bytes]) -> None:
        file.write(content)

    write_atomically(path, write)
