"""Which model ``affinet train`` trains, and which options that model takes."""

from __future__ import annotations

import argparse

from affinet.cli.recipes import MLP, TABLE_MODEL
from affinet.tables import Table

# Options of a training of one network, and why.
OF_ONE = {
    "checkpoint": "a checkpoint holds one network",
    "resume": "a checkpoint holds one network",
    "live": "the page shows one network",
    "monitor": "it watches one network",
    "data_parallel": "processes share one network",
}
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


def wants_several(options: argparse.Namespace) -> bool:
    """True if several networks are to be trained."""
    return (options.n_estimators or 1) > 1 or options.cv is not None


def require_together(options: argparse.Namespace) -> None:
    """Raise if options for several networks, or of averages, do not go with others."""
    if wants_several(options):
        for name, why in OF_ONE.items():
            value = getattr(options, name)
            if value is not None and value is not False:  # port 0 is given, too
                option = f"--{name.replace('_', '-')}"
                raise ValueError(f"argument {option}: {why}; not with --n-estimators or --cv")
    elif options.bootstrap:
        raise ValueError("argument --bootstrap: it wants --n-estimators of 2 or more, or --cv")
    if options.average == "swa":
        stops = "the model tabm" if options.model == "tabm" else "--early-stopping"
        if stops != "--early-stopping" or options.early_stopping is not None:
            raise ValueError(
                f"argument --average: {stops} may end the training before its last quarter, "
                "which swa averages; use ema"
            )


def require_taken(options: argparse.Namespace) -> None:
    """Raise if the model does not take one of the options, or one excludes another."""
    require_together(options)
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
