"""Models of tables as graphs: from the table's columns to names of classes or the target's unit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.losses import SoftmaxWithLoss
from affinet.network import Sequential
from affinet.onnx.columns import ColumnWriter
from affinet.onnx.ensembles import ALONE, Members, write_average
from affinet.onnx.writer import OPSET, GraphWriter, element_type
from affinet.tables import ClassTarget, Encoding, NumberTarget
from affinet.tables.date_graph import DATE_OPSET
from affinet.tables.graph import FLOAT64
from affinet.tabular import Recipe

LABEL, PROBABILITIES, PREDICTION = "label", "probabilities", "prediction"  # names of outputs


@dataclass(frozen=True)
class TableModel:
    """What stands around a network that learned from a table, as its metadata say.

    Attributes
    ----------
    encoding : Encoding
    ensemble : Members
    temperature : float
        Logits are divided by it.
    """

    encoding: Encoding
    ensemble: Members = ALONE
    temperature: float = 1.0

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> TableModel:
        """What the metadata of a network say.

        Raises
        ------
        ValueError
            If they are not those of a table's model.
        """
        try:
            encoding = Encoding.from_json(metadata.get("table"))
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise ValueError(f"the network's metadata 'table' is {error}") from error
        recipe, task = recipe_of(metadata), encoding.target.task
        if recipe is None:
            return cls(encoding)
        if recipe.task != task:
            raise ValueError(f"the network's recipe is for {recipe.task}, its table for {task}")
        temperature = metadata.get("temperature", 1.0)
        if not isinstance(temperature, int | float) or not 0 < temperature < math.inf:
            raise ValueError(
                f"the network's metadata 'temperature' is {temperature!r:.50}, wanted a number "
                "above 0"
            )
        return cls(encoding, ensemble_of(recipe), float(temperature))

    @property
    def opset(self) -> int:
        """The operators' version where none is asked for."""
        dated = any(column.kind.endswith("date") for column in self.encoding.columns)
        return DATE_OPSET if dated else OPSET

    @property
    def n_outputs(self) -> int:
        """One output for each class, or a single number."""
        return 1 if self.classes is None else len(self.classes)

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of the classes; None for a number."""
        target = self.encoding.target
        return target.classes if isinstance(target, ClassTarget) else None

    def require_fitting(self, net: Sequential, widths: tuple[int, int]) -> None:
        """Raise unless the network takes what the encoding makes, and returns what it restores."""
        wanted = (self.encoding.width, self.n_outputs)
        if widths != wanted:
            raise ValueError(
                f"the network takes {widths[0]} and returns {widths[1]} numbers a row, its table's "
                f"encoding wants {wanted[0]} and {wanted[1]}"
            )
        if isinstance(self.encoding.target, ClassTarget) and not isinstance(
            net.loss, SoftmaxWithLoss
        ):
            raise ValueError(
                f"the network's loss is {net.loss!r}, wanted SoftmaxWithLoss for the classes of "
                f"{self.encoding.target.name!r}"
            )


def texts_of(encoding: Encoding) -> set[str]:
    """The names of columns, categories and classes."""
    lists = [encoding.target, *encoding.columns]
    texts = [text for own in lists for text in getattr(own, "categories", ())]
    return {*texts, *getattr(encoding.target, "classes", ()), *(own.name for own in lists)}


def recipe_of(metadata: Mapping[str, Any]) -> Recipe | None:
    """The recipe in the metadata of a table's model; None without one."""
    if metadata.get("recipe") is None:
        return None
    try:
        return Recipe.from_json(metadata["recipe"])
    except ValueError as error:
        raise ValueError(f"the network's metadata 'recipe' is {error}") from error


def ensemble_of(recipe: Recipe | None) -> Members:
    """The ensemble inside a recipe's network."""
    if recipe is None:
        return ALONE
    return Members(recipe.members, recipe.task == ClassTarget.task)


def write_rows(
    graph: GraphWriter, model: TableModel, columns: ColumnWriter, dtype: np.dtype[Any]
) -> str:
    """Add the encoded rows in a dtype; zeros where a value is refused.

    Returns
    -------
    str
        The tensor (B, 1) of whether all values of a row are known, bool.
    """
    graph.dtype = np.dtype(np.float64)
    for column in model.encoding.columns:
        column.write_onnx(columns)
    columns.finish()
    graph.place, graph.dtype = "rows", dtype
    if dtype != np.float64:
        graph.add("Cast", to=element_type(dtype))
    rows, kind = graph.tensor, element_type(dtype)
    graph.add("Abs", rows)
    graph.add("LessOrEqual", graph.tensor, graph.constant("largest", np.finfo(dtype).max))
    graph.add("Cast", graph.add("Not"), to=kind)
    # A product with ones is a sum in any version of the operators.
    graph.add("MatMul", graph.tensor, graph.constant("ones", np.ones((model.encoding.width, 1))))
    known = graph.add("Less", graph.tensor, graph.constant("half", 0.5))
    graph.add("Where", known, rows, graph.constant("zero", 0.0))
    return known


def write_values(graph: GraphWriter, model: TableModel, dtype: np.dtype[Any]) -> tuple[str, str]:
    """Add what the last output, the network's, means.

    Returns
    -------
    tuple of str
        Probabilities (B, C), or numbers (B, 1), in float64; and what has the order of the
        probabilities, but none of their ties by rounding: logits.
    """
    graph.place, graph.dtype = "answers", np.dtype(np.float64)
    if dtype != np.float64:
        graph.add("Cast", to=FLOAT64)
    write_average(graph, model.ensemble, model.n_outputs)
    outputs, target = graph.tensor, model.encoding.target
    if isinstance(target, NumberTarget):
        graph.add("Mul", outputs, graph.constant("std", target.std))
        graph.add("Add", graph.tensor, graph.constant("mean", target.mean))
        if target.low is not None and target.high is not None:
            graph.add("Max", graph.tensor, graph.constant("low", target.low))
            graph.add("Min", graph.tensor, graph.constant("high", target.high))
    else:
        graph.add("Div", outputs, graph.constant("temperature", model.temperature))
        graph.add("Softmax", axis=-1)
    return graph.tensor, outputs


def write_answers(
    graph: GraphWriter, labels: Array | None, values: tuple[str, str], known: str
) -> dict[str, str]:
    """Add the answers to values and their order; tensors by the names of the outputs.

    ``labels`` are those of the classes and the one for rows that are not known; None for numbers.
    """
    found, order = values
    answer = graph.add("Where", known, found, graph.constant("none", np.nan))
    if labels is None:
        return {PREDICTION: answer}
    likeliest = graph.add("ArgMax", order, axis=1, keepdims=1)
    place = graph.add("Where", known, likeliest, graph.indices("unknown", len(labels) - 1))
    place = graph.add("Squeeze", place, graph.indices("column", [1]))
    write = graph.texts if labels.dtype.kind in "OU" else graph.indices
    return {LABEL: graph.add("Gather", write("classes", labels), place), PROBABILITIES: answer}


def names_of_classes(classes: tuple[str, ...] | None) -> Array | None:
    """The names of the classes and "", that of none; None for a number."""
    return None if classes is None else np.array([*classes, ""], object)
