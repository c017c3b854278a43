"""Saved networks and named data sets for them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard

from affinet import datasets, model_file
from affinet._validation import Array
from affinet.archive import format_of
from affinet.cli.recipes import FROM_FILES
from affinet.datasets.pixels import Splits
from affinet.ensemble import Ensemble
from affinet.ensemble.files import FORMAT as ENSEMBLE
from affinet.network import Sequential
from affinet.network.inner import width_taken

Model: TypeAlias = Sequential | Ensemble

SPIRAL_TRAIN, SPIRAL_TEST = 200, 100  # points on each arm


def load_model(path: str | Path) -> Model:
    """A saved network, or several in one file."""
    several = format_of(path, model_file.FORMAT) == ENSEMBLE
    return Ensemble.load(path) if several else model_file.load(path)


def load_network(path: str | Path, command: str) -> Sequential:
    """A saved network; ValueError for several, which the command does not take."""
    found = load_model(path)
    if isinstance(found, Ensemble):
        raise ValueError(f"{path}: it holds {len(found)} networks, {command} wants one")
    return found


def first_network(net: Model) -> Sequential:
    """The network, or the first of several, which have inputs and outputs alike."""
    return net.members[0] if isinstance(net, Ensemble) else net


def load_named(name: str, data_dir: str | None, raw: bool) -> Splits:
    """Training and test rows of a named data set.

    ``raw`` leaves pixels as they are; otherwise they are divided by their maximum. The spiral's
    rows are the same in every call, and its test rows are not among its training rows.
    """
    if data_dir is not None and name not in FROM_FILES:
        raise ValueError(f"argument --data-dir: {name} needs no files")
    if name == "digits":
        return datasets.load_digits(scaled=not raw)
    if name in FROM_FILES:
        load = datasets.load_mnist if name == "mnist" else datasets.load_fashion_mnist
        try:
            return load(data_dir, scaled=not raw)
        except (ImportError, OSError) as error:  # messages name the argument, here an option
            if isinstance(error, OSError) and error.strerror:
                raise
            raise type(error)(str(error).replace("data_dir", "--data-dir")) from None
    return datasets.spiral(SPIRAL_TRAIN, rng=0), datasets.spiral(SPIRAL_TEST, rng=1)


def load_for(net: Model, model: str, name: str, data_dir: str | None) -> Splits:
    """A named data set in the form that ``net`` takes; refused if its rows do not fit."""
    train, test = load_named(name, data_dir, raw=first_network(net).input_scale is not None)
    require_width(net, model, name, train[0])
    return train, test


def require_width(net: Model, model: str, source: str, x: Array) -> None:
    """Raise ValueError unless the rows of ``x`` (N, ...) have the width that ``net`` takes."""
    wanted, came = n_inputs(net), math.prod(x.shape[1:])
    if wanted not in (None, came):
        raise ValueError(f"{source} has {came} numbers a row, {model} takes {wanted}")


def n_inputs(net: Model) -> int | None:
    """The width of the rows that ``net`` takes; None if any width will do."""
    return width_taken(first_network(net).layers)


def class_names(net: Model, n_classes: int) -> list[str]:
    """Class names in the model's metadata, or else their indices."""
    names = net.metadata.get("classes")
    if isinstance(names, list) and len(names) == n_classes:
        return [str(name) for name in names]
    return [str(place) for place in range(n_classes)]


def input_shape(net: Model) -> tuple[int, ...] | None:
    """The shape of one row before it was flattened, if the metadata has it."""
    shape = net.metadata.get("input_shape")
    return tuple(shape) if is_numbers(shape) else None


def input_range(net: Model) -> tuple[float, float] | None:
    """Least and greatest value of the inputs, if the metadata has them."""
    ends = net.metadata.get("input_range")
    return (ends[0], ends[1]) if is_numbers(ends) and len(ends) == 2 else None


def training_record(net: Model) -> list[dict[str, float]]:
    """The figures of every epoch, if the metadata has them."""
    epochs = net.metadata.get("epochs")
    if not isinstance(epochs, list) or not all(isinstance(epoch, dict) for epoch in epochs):
        return []
    return epochs


def monitor_record(net: Model) -> dict[str, Any] | None:
    """The record of :class:`affinet.diagnostics.Monitor` in the metadata, if there is one."""
    record = net.metadata.get("monitor")
    wanted = {"layers", "gradient", "weight", "update", "rectified", "dead", "advice"}
    return record if isinstance(record, dict) and wanted <= record.keys() else None


def is_numbers(value: Any) -> TypeGuard[list[Any]]:
    """True for a list of numbers."""
    return isinstance(value, list) and all(isinstance(part, int | float) for part in value)


def default_curve(model: Path) -> Path:
    """The path of the picture of a model's learning curve."""
    return model.with_name(f"{model.stem}-curve.png")
