"""Which model ``affinet train`` trains, and which options that model takes."""

from __future__ import annotations

import argparse

from affinet.cli.recipes import MLP, TABLE_MODEL
from affinet.tables import Table

NAMES = {"realmlp": "RealMLP", "realmlp-s": "RealMLP-S", "tabm": "TabM", MLP: "plain network"}
# Options that only the plain network takes, and what other models do instead.
OF_PLAIN = {
    "optimizer": "has its own optimizer",
    "l2": "has its own weight decay instead",
    "init": "has initial weights that follow the training rows",
    "input_dropout": "drops hidden units only, with --dropout",
    "steps": "takes the length of the training in --epochs",
    "impute": "takes missing values as they are",
    "data_parallel": "trains in one process",
}


def settle_model(options: argparse.Namespace, table: Table) -> None:
    """Choose the model for a table if none is named; ``options.reason`` says why."""
    options.reason = ""
    if options.model is None:
        images = len(table.row_shape or ()) > 1
        options.model = MLP if images else TABLE_MODEL
        what = f"its rows are arrays of {table.row_shape}" if images else "it is a table"
        options.reason = f" because {what} (--model changes it)"
    require_taken(options)


def settle_plain(options: argparse.Namespace) -> None:
    """The plain network, for data that are not a table."""
    if options.model not in (None, MLP):
        raise ValueError(
            f"argument --model: {options.model} learns from tables, and {options.dataset} is not "
            f"one; wanted --model {MLP}"
        )
    options.model, options.reason = MLP, ""
    require_taken(options)


def require_taken(options: argparse.Namespace) -> None:
    """Raise if the model does not take one of the options, or one excludes another."""
    if options.time_limit is not None:
        for name, why in (
            ("steps", "--steps fixes the length of the training already"),
            ("resume", "a resumed training has as many epochs as the interrupted one, in --epochs"),
            ("data_parallel", "with --data-parallel every process would measure another time"),
        ):
            if getattr(options, name):
                raise ValueError(f"argument --time-limit: {why}")
    if options.precision is not None and options.dtype == "float64":
        raise ValueError("argument --precision: it wants --dtype float32")
    if options.model in (None, MLP):
        return
    for name, instead in OF_PLAIN.items():
        value = getattr(options, name)
        if value is not None and value is not False:  # 0 is given, too
            raise ValueError(refusal(name, options.model, instead))
    if options.dtype == "float64":
        raise ValueError(refusal("dtype", options.model, "computes in float32"))


def refusal(name: str, model: str, instead: str) -> str:
    """One sentence that names the option and the model."""
    return (
        f"argument --{name.replace('_', '-')}: the model {model} {instead}; "
        f"--model {MLP} takes this option"
    )


def require_classes(options: argparse.Namespace, classes: bool) -> None:
    """Raise if classes are weighted where there are none."""
    if options.class_weight is not None and not classes:
        raise ValueError("argument --class-weight: the task is regression, which has no classes")
