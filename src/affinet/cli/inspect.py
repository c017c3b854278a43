"""``affinet inspect``: what a model file contains."""

from __future__ import annotations

import argparse
import json
from typing import Any

from affinet.cli.arguments import add_json, add_model
from affinet.cli.labelled import encoding_of
from affinet.cli.models import (
    Model,
    first_network,
    load_model,
    monitor_record,
    n_inputs,
    training_record,
)
from affinet.cli.output import figure, named_lines, print_json, printable, table
from affinet.cli.values import positive_count
from affinet.diagnostics.monitor import record_rows
from affinet.diagnostics.numbering import advice_of
from affinet.ensemble import Ensemble
from affinet.network import Sequential
from affinet.tables import CategoryColumn, DateColumn, Encoding, NumberTarget
from affinet.tables.categories import Categories
from affinet.tables.records import Column
from affinet.tables.scaled import MissingColumn, ScaledColumn, ScaledDateColumn
from affinet.tables.table import listing

SHOWN_EPOCHS = 20
SHOWN_OF_RECIPE = (  # --json has all of it
    *("method", "hidden", "activation", "dropout", "lr", "lr_schedule", "weight_decay"),
    *("batch_size", "epochs", "patience", "label_smoothing", "members"),
)
SHOWN_COLUMNS, SHOWN_CATEGORIES = 40, 6
DESCRIPTION = (
    "Layers and parameters of a saved network, its training data and options, and the record of "
    "its training."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``affinet inspect MODEL``."""
    add_model(parser)
    add_json(parser)
    parser.add_argument(
        "--plan",
        type=positive_count,
        metavar="ROWS",
        help="also show how threads would share a training step of this many rows, with any "
        "optimizer but Muon, whose updates cost more",
    )


def run(options: argparse.Namespace) -> int:
    """Print the network, its metadata and its training record; 0."""
    found = load_model(options.model)
    net = first_network(found)
    if options.json:
        values = as_values(found, options.model)
        print_json(values if options.plan is None else values | {"plan": plan_of(net, options)})
        return 0
    shown = net.summary() if options.plan is None else net.summary(True, options.plan)
    print("\n".join(map(printable, shown.splitlines())))
    if net.input_scale is not None:
        print(f"inputs are multiplied by {net.input_scale:g}")
    if isinstance(found, Ensemble):
        print(f"\n{len(found)} networks, of which this is the first\n\n{member_table(found)}")
    lines = metadata_lines(found.metadata)
    if lines:
        print(f"\n{named_lines(lines)}")
    encoding = encoding_of(found, options.model)
    if encoding is not None:
        print(f"\n{column_table(encoding)}")
    record = training_record(found)
    if record:
        print(f"\n{record_table(record)}")
    watched = monitor_record(found)
    if watched is not None:
        print(f"\n{table(record_rows(watched))}")
        print("\n".join(advice_of(watched) or ["no problems found"]))
    return 0


def plan_of(net: Sequential, options: argparse.Namespace) -> dict[str, Any]:
    """How threads would share a training step."""
    from affinet.network.inner import plan_values

    return plan_values(net, options.plan)


def member_table(ensemble: Ensemble) -> str:
    """The weight of each network, and what its metadata alone say."""
    own = [
        {name: value for name, value in net.metadata.items() if name not in ensemble.metadata}
        for net in ensemble.members
    ]
    names = list(dict.fromkeys(name for values in own for name in values))
    rows = [["network", "weight", *names]]
    for place, (values, weight) in enumerate(zip(own, ensemble.weights.tolist(), strict=True)):
        shown = (in_words(values[name]) if name in values else "-" for name in names)
        rows.append([str(place), as_part(weight), *shown])
    return table(rows)


def as_values(found: Model, path: str) -> dict[str, Any]:
    """All of it for JSON."""
    net = first_network(found)
    several: dict[str, Any] = {}
    if isinstance(found, Ensemble):
        several["networks"] = [net.metadata for net in found.members]
        several["weights"] = found.weights.tolist()
    return {
        "model": path,
        "layers": [{"type": type(layer).__name__, **layer.config()} for layer in net.layers],
        "loss": None if net.loss is None else type(net.loss).__name__,
        "dtype": net.dtype.name,
        "precision": net.precision,
        "input_scale": net.input_scale,
        "inputs": n_inputs(net),
        "shapes": net.params.shapes,
        "parameters": net.params.flat.size,
        "metadata": found.metadata,
        **several,
    }


def metadata_lines(metadata: dict[str, Any]) -> dict[str, str]:
    """The metadata without the record; tables in it become ``name value`` pairs."""
    lines = {}
    for name, value in metadata.items():
        if name in ("epochs", "table", "monitor") or value is None:
            continue
        if name == "recipe" and isinstance(value, dict):
            value = {part: value[part] for part in SHOWN_OF_RECIPE if value.get(part)}
        lines[name] = in_words(value)
    return lines


def in_words(value: Any) -> str:
    """A value of JSON in one line, without its brackets.

    Examples
    --------
    >>> in_words({"hidden": [64, 32], "seed": 0, "steps": None}), in_words(["cat", "dog"])
    ('hidden 64 32, seed 0', 'cat, dog')
    """
    if isinstance(value, dict):
        parts = {name: inside for name, inside in value.items() if inside is not None}
        return ", ".join(f"{name} {as_part(inside)}" for name, inside in parts.items())
    if isinstance(value, list):
        return ", ".join(map(as_part, value))
    return as_part(value)


def as_part(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list) and all(isinstance(part, int | float | str) for part in value):
        return " ".join(map(as_part, value))
    if isinstance(value, dict) and value:
        return f"({in_words(value)})"
    return value if isinstance(value, str) else json.dumps(value)


def column_table(encoding: Encoding) -> str:
    """The columns of the inputs, and the target; only the first ones if there are many."""
    rows = [["column", "inputs", "mean", "std", "if missing", "categories"]]
    for column in encoding.columns[:SHOWN_COLUMNS]:
        rows.append([column.name, str(column.width), *column_cells(column)])
    target = encoding.target
    name = f"{target.name} (target)"
    if isinstance(target, NumberTarget):
        rows.append([name, "-", as_part(target.mean), as_part(target.std), "refused", "-"])
    else:
        rows.append([name, *"---", "refused", listing(target.classes, SHOWN_CATEGORIES)])
    text = table(rows)
    if len(encoding.columns) > SHOWN_COLUMNS:
        text += f"\n({SHOWN_COLUMNS} of {len(encoding.columns)} columns; --json has all of them)"
    if encoding.dropped:
        text += f"\nnot used: {'; '.join(encoding.dropped[:SHOWN_COLUMNS])}"
    return text


def column_cells(column: Column) -> list[str]:
    """Mean, standard deviation, what happens to missing values, and the rest of a column."""
    fill = getattr(column, "fill", None)
    missing = "refused" if fill is None else as_part(fill)
    scaling = getattr(column, "scaling", column)
    cells = [as_part(getattr(scaling, part, "-")) for part in ("mean", "std")]
    rest = []
    if isinstance(column, MissingColumn):
        missing = "1, else 0"
    if isinstance(column, DateColumn | ScaledDateColumn):
        rest.append(f"dates {column.notation}, in days")
    if isinstance(column, ScaledColumn | ScaledDateColumn):
        rest.append(f"{column.scaling.kind} scaling")
        missing += ", indicated" * column.indicator
    if isinstance(column, CategoryColumn | Categories):
        categories = listing(column.categories, SHOWN_CATEGORIES)
        rest.append(f"codes: {categories}" if column.code_inputs else categories)
    if isinstance(column, Categories) and column.tolerant and fill is None:
        missing = "code 0" if column.code_inputs else "zeros"
    return [*cells, missing, ", ".join(rest) or "-"]


def record_table(record: list[dict[str, float]]) -> str:
    """The figures of the epochs: all of them, or if there are many every k-th and the last."""
    stride = -(-len(record) // SHOWN_EPOCHS)
    shown = [epoch for place, epoch in enumerate(record) if (len(record) - 1 - place) % stride == 0]
    names = [name for name in record[0] if name not in ("epoch", "seconds")]
    rows = [["epoch", *names]]
    for epoch in shown:
        rows.append([f"{epoch.get('epoch', '-')}", *(figure(epoch.get(name)) for name in names)])
    text = table(rows)
    if stride > 1:
        text += f"\n(1 epoch in {stride}; --json has all {len(record)})"
    return text
