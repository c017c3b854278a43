"""``affinet evaluate``: a saved network on a named data set."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.cli.models import class_names, load_for
from affinet.cli.output import figure, print_json, say, table
from affinet.datasets.pixels import Rows
from affinet.losses import SoftmaxWithLoss
from affinet.model_file import load
from affinet.network import Sequential


def run(options: argparse.Namespace) -> int:
    """Measure and print; 0."""
    net = load(options.model)
    if not isinstance(net.loss, SoftmaxWithLoss):
        raise ValueError(f"{options.model}: its loss is {net.loss!r}, wanted SoftmaxWithLoss()")
    train, test = load_for(net, options.model, options.dataset, options.data_dir)
    trained_on = net.metadata.get("dataset", options.dataset)
    if trained_on != options.dataset:
        say(f"note: {options.model} was trained on {trained_on}")
    results = {"train": measure(net, train), "test": measure(net, test)}
    if options.json:
        print_json({"model": options.model, "dataset": options.dataset, **results})
    else:
        print(as_text(results))
    return 0


def measure(net: Sequential, rows: Rows) -> dict[str, Any]:
    """Rows, loss, accuracy, and rows and hits of every class."""
    x, t = rows
    figures = net.evaluate(x, t)
    return {"rows": len(t), **figures, "classes": by_class(net, net.predict(x), t)}


def by_class(net: Sequential, y: Array, t: Array) -> list[dict[str, Any]]:
    """For every class how many rows have it, how many of these are found, and their share.

    y: (N, C) outputs, t: (N,) labels.
    """
    n_classes = y.shape[1]
    rows = np.bincount(t, minlength=n_classes)
    correct = np.bincount(t[y.argmax(axis=1) == t], minlength=n_classes)
    return [
        {"class": name, "rows": int(n), "correct": int(k), "accuracy": k / n if n else None}
        for name, n, k in zip(class_names(net, n_classes), rows, correct, strict=True)
    ]


def as_text(results: dict[str, dict[str, Any]]) -> str:
    """Both splits in a table, the test rows' classes in another, and the accuracy last."""
    splits = [("split", "rows", "loss", "accuracy")]
    splits += [
        (split, str(part["rows"]), figure(part["loss"]), figure(part["accuracy"]))
        for split, part in results.items()
    ]
    classes = [("class", "rows", "correct", "accuracy")]
    classes += [
        (part["class"], str(part["rows"]), str(part["correct"]), figure(part["accuracy"]))
        for part in results["test"]["classes"]
    ]
    last = f"test accuracy {figure(results['test']['accuracy'])}"
    return f"{table(splits)}\n\n{table(classes)}\n\n{last}"
