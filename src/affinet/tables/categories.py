"""Columns of categories in which missing and unknown ones have a place: one-hot, sign, codes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import numpy as np

from affinet._validation import Array
from affinet.tables.cells import missing_spellings, number_label
from affinet.tables.columns import texts_from_json
from affinet.tables.graph import REFUSED, ColumnGraph
from affinet.tables.problems import TO_APPLY, missing_value, unknown_categories
from affinet.tables.scaled import flag_of
from affinet.tables.scaling import RobustScaling
from affinet.tables.table import Table

MISSING, UNKNOWN = -1, -2  # instead of a place among the categories
TRUTHS = {"false": "false", "0": "false", "true": "true", "1": "true"}
C = TypeVar("C", bound="Categories")
S = TypeVar("S", bound="Indicators")


@dataclass(frozen=True)
class Categories:
    """What the columns of categories have in common.

    A category is found by its text; if it is not among the categories, then by the number it is
    (``1.0`` and ``1``); truth values are found in any notation (``True``, ``true``, ``1``), because
    files write them differently.

    Attributes
    ----------
    name : str
    categories : tuple of str
        Those of the training rows, in alphabetical order.
    fill : str or None
        The category that replaces a missing value.
    tolerant : bool
        True if missing and unknown categories are never an error.
    """

    number_inputs: ClassVar[tuple[int, ...]] = ()
    kind: ClassVar[str]
    name: str
    categories: tuple[str, ...]
    fill: str | None = None
    tolerant: bool = True

    def places(self, table: Table, name: str, unknown: str) -> Array:
        """The place of every row's category, int64 (N,), or ``MISSING`` or ``UNKNOWN``."""
        texts = table.texts(name)
        known = {text: place for place, text in enumerate(self.categories)}
        known[""] = known.get(self.fill or "", MISSING)
        others = {*texts} - known.keys()
        if others:
            known |= same_values(self.categories, others, table.decimal)
        places = np.array([known.get(text, UNKNOWN) for text in texts], np.int64)
        if not self.tolerant:
            missing = places == MISSING
            if missing.any():
                raise missing_value(table, name, int(missing.argmax()), TO_APPLY)
            if unknown == "error" and UNKNOWN in places:
                rows = np.flatnonzero(places == UNKNOWN).tolist()
                new = {texts[row]: row for row in reversed(rows)}
                first = dict(sorted(new.items(), key=lambda item: item[1]))
                raise unknown_categories(table, name, self.categories, first)
        return places

    def unseen(self, table: Table, name: str) -> list[str]:
        """Categories of a table's column that the training rows lack, in alphabetical order."""
        new = {*table.texts(name)} - {*self.categories, ""}
        known = same_values(self.categories, new, table.decimal)
        return sorted(new - known.keys())

    def spellings(self, decimal: str) -> tuple[dict[str, int], int]:
        """Places of texts, as :meth:`places` finds them, and that of all other texts.

        For what is refused, ``REFUSED``. Of the notations of a number, ``1``, ``1.0`` and ``1.00``.
        """
        known = {text: place for place, text in enumerate(self.categories)}
        others = {text for category in known for text in notations(category, decimal)}
        known |= same_values(self.categories, others - known.keys(), decimal)
        missing = known.get(self.fill or "", MISSING if self.tolerant else REFUSED)
        known |= dict.fromkeys(missing_spellings(), missing)
        return known, UNKNOWN if self.tolerant else REFUSED

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {"kind": self.kind, **vars(self), "categories": list(self.categories)}

    @classmethod
    def from_json(cls: type[C], value: Any) -> C:
        """The column that :meth:`to_json` wrote."""
        categories = texts_from_json(value["categories"])
        if not categories or len({*categories, ""}) <= len(categories):
            raise ValueError("categories that are missing, empty or equal")
        fill = value["fill"]
        if fill is not None and fill not in categories:
            raise ValueError(f"fill {fill!r} is not one of the categories")
        return cls(str(value["name"]), categories, fill, flag_of(value, "tolerant"))


@dataclass(frozen=True)
class Indicators(Categories, ABC):
    """What one-hot and sign columns have in common: inputs of few values, which can be scaled.

    Attributes
    ----------
    scalings : tuple of RobustScaling
        One for each input, or none.
    """

    code_inputs: ClassVar[tuple[tuple[int, int], ...]] = ()
    scalings: tuple[RobustScaling, ...] = ()

    @property
    @abstractmethod
    def width(self) -> int:
        """Number of inputs that this column makes."""

    @abstractmethod
    def indicators(self, places: Array) -> Array:
        """The inputs (N, width), float64, of the categories in these places, before scaling."""

    def transform(self, table: Table, name: str, unknown: str = "error") -> Array:
        """A table's column, there called ``name``, as float64 (N, width)."""
        return self.scaled(self.indicators(self.places(table, name, unknown)))

    def scaled(self, out: Array) -> Array:
        """Inputs (N, width) after scaling, in place."""
        for place, scaling in enumerate(self.scalings):
            out[:, place] = scaling.apply(out[:, place])
        return out

    def scaled_by(self: S, table: Table, name: str) -> S:
        """This column with the scalings that suit a table's rows."""
        inputs = self.indicators(self.places(table, name, "error"))
        return replace(self, scalings=tuple(map(RobustScaling.fit, inputs.T)))

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        scalings = [scaling.to_json() for scaling in self.scalings]
        return {**super().to_json(), "scalings": scalings}

    @classmethod
    def from_json(cls: type[S], value: Any) -> S:
        """The column that :meth:`to_json` wrote."""
        column = super().from_json(value)
        scalings = tuple(map(RobustScaling.from_json, value.get("scalings", ())))
        if len(scalings) not in (0, column.width):
            raise ValueError(f"{len(scalings)} scalings, wanted {column.width}")
        return replace(column, scalings=scalings)


@dataclass(frozen=True)
class OneHotColumn(Indicators):
    """One input for each category, 1 where a row has it; zeros for missing and unknown ones.

    Examples
    --------
    >>> column = OneHotColumn("a", ("cat", "cow", "dog"))
    >>> column.transform(Table("t", {"a": ["dog", "", "pig"]}), "a").tolist()
    [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """

    kind: ClassVar[str] = "one-hot"

    @property
    def width(self) -> int:
        """Number of inputs that this column makes."""
        return len(self.categories)

    def indicators(self, places: Array) -> Array:
        """The inputs (N, width), float64, of the categories in these places, before scaling."""
        out = np.zeros((len(places), self.width))
        rows = np.flatnonzero(places >= 0)
        out[rows, places[rows]] = 1.0
        return out

    def write_onnx(self, graph: ColumnGraph) -> None:
        """Add the column to a graph."""
        off, on = self.scaled(np.repeat([[0.0], [1.0]], self.width, axis=1))
        graph.one_hot(self.name, *self.spellings(graph.decimal), off, on)


@dataclass(frozen=True)
class SignColumn(Indicators):
    """Two categories as one input: -1 and 1; 0 for missing and unknown ones.

    Examples
    --------
    >>> column = SignColumn("a", ("no", "yes"))
    >>> column.transform(Table("t", {"a": ["yes", "no", "", "perhaps"]}), "a").ravel().tolist()
    [1.0, -1.0, 0.0, 0.0]
    """

    kind: ClassVar[str] = "sign"

    @property
    def width(self) -> int:
        """Number of inputs that this column makes."""
        return 1

    def indicators(self, places: Array) -> Array:
        """The inputs (N, 1), float64, of the categories in these places, before scaling."""
        return np.where(places < 0, 0.0, 2.0 * places - 1.0).reshape(-1, 1)

    def write_onnx(self, graph: ColumnGraph) -> None:
        """Add the column to a graph."""
        places = {0: 0, 1: 1, MISSING: 2, UNKNOWN: 2, REFUSED: REFUSED}
        known, unknown = self.spellings(graph.decimal)
        known = {text: places[place] for text, place in known.items()}
        values = self.scaled(np.array([[-1.0], [1.0], [0.0]])).reshape(-1)
        graph.choice(self.name, known, places[unknown], values)

    @classmethod
    def from_json(cls, value: Any) -> SignColumn:
        """The column that :meth:`to_json` wrote."""
        column = super().from_json(value)
        if len(column.categories) != 2:
            raise ValueError(f"{len(column.categories)} categories, wanted 2")
        return column


@dataclass(frozen=True)
class CodeColumn(Categories):
    """One input of codes for an embedding: 1 to n for the categories, 0 if missing or unknown.

    Attributes
    ----------
    others : bool
        True if only some of the training rows' categories have their own code. All others,
        and unknown ones, then share the code n + 1, which training rows have.

    Examples
    --------
    >>> column = CodeColumn("a", ("cat", "cow", "dog"))
    >>> column.transform(Table("t", {"a": ["dog", "", "pig"]}), "a").ravel().tolist()
    [3.0, 0.0, 0.0]
    >>> column.code_inputs  # place and number of codes
    ((0, 4),)
    """

    kind: ClassVar[str] = "codes"
    width: ClassVar[int] = 1
    others: bool = False

    @property
    def code_inputs(self) -> tuple[tuple[int, int], ...]:
        """The only input, and the number of its codes."""
        return ((0, 1 + len(self.categories) + self.others),)

    def transform(self, table: Table, name: str, unknown: str = "error") -> Array:
        """A table's column, there called ``name``, as float64 (N, 1)."""
        places = self.places(table, name, "zero" if self.others else unknown)
        codes = np.maximum(places + 1, 0)
        if self.others:
            codes[places == UNKNOWN] = 1 + len(self.categories)
        return np.asarray(codes, np.float64).reshape(-1, 1)

    def write_onnx(self, graph: ColumnGraph) -> None:
        """Add the column to a graph."""
        known, unknown = self.spellings(graph.decimal)
        codes = {text: place if place == REFUSED else place + 1 for text, place in known.items()}
        other = REFUSED if unknown == REFUSED else 0
        graph.codes(self.name, codes, 1 + len(self.categories) if self.others else other)

    def unseen(self, table: Table, name: str) -> list[str]:
        """Categories that the training rows lack; none if such ones share a code that they have."""
        return [] if self.others else super().unseen(table, name)

    @classmethod
    def from_json(cls, value: Any) -> CodeColumn:
        """The column that :meth:`to_json` wrote."""
        column = super().from_json(value)
        others = flag_of(value, "others")
        return cls(column.name, column.categories, column.fill, column.tolerant, others)


def notations(text: str, decimal: str) -> set[str]:
    """Other texts for a category, where it is a number or a truth value.

    Examples
    --------
    >>> sorted(notations("2", ",")), sorted(notations("1.5", ".")), notations("red", ".")
    (['2', '2,0', '2,00'], ['1.5', '1.50'], set())
    """
    label = number_label(text, decimal)
    if label is not None:
        zeros = ("", ".0", ".00") if "." not in label else ("", "0")
        return {(label + more).replace(".", decimal) for more in zeros}
    if text.lower() not in TRUTHS:
        return set()
    of_number = notations("1" if text.lower() == "true" else "0", decimal)
    return {text.lower(), text.upper(), text.title(), *of_number}


def same_values(categories: Sequence[str], texts: set[str], decimal: str) -> dict[str, int]:
    """The places of texts that are another notation of a category, and of no other one.

    Examples
    --------
    >>> same_values(["1", "2"], {"2.00", "3"}, "."), same_values(["False", "True"], {"true"}, ".")
    ({'2.00': 1}, {'true': 1})
    """
    truths = sorted(text.lower() for text in categories) == ["false", "true"]

    def value(text: str) -> str:
        label = number_label(text, decimal) or text
        return TRUTHS.get(label.lower(), label) if truths else label

    places: dict[str, int] = {}
    for place, text in enumerate(categories):
        label = value(text)
        places[label] = UNKNOWN if label in places else place
    found = {text: places.get(value(text), UNKNOWN) for text in texts}
    return {text: place for text, place in found.items() if place != UNKNOWN}
