"""Writes a table's columns as inputs of an ONNX graph, and their encoding as its first nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from onnx import helper

from affinet._validation import Array
from affinet.onnx.names import ML_DOMAIN
from affinet.onnx.writer import GraphWriter, element_type
from affinet.tables.cells import missing_spellings
from affinet.tables.date_graph import DATE_OPSET, write_cycles, write_days
from affinet.tables.graph import FLOAT64, REFUSED
from affinet.tables.scaling import Scaling
from affinet.tables.statistics import LARGEST

PLACE = "table"  # of nodes and constants that serve all columns
TEXT = np.dtype(object)


class Number(NamedTuple):
    """A number or a date: the raw tensor (B, 1), NaN where missing, infinite where refused."""

    tensor: str
    scaling: Scaling
    fill: float | None


class ColumnWriter:
    """The columns of an encoding in a graph.

    :class:`affinet.tables.graph.ColumnGraph` says what the methods that add a column do.

    Numbers are written together at the end, and so are categories, so that the number of nodes
    hardly depends on the number of columns.

    Parameters
    ----------
    graph : GraphWriter
    decimal : str
        The decimal mark of the encoding.
    number_dtype : callable
        The dtype of a number's input, by its name.
    shared : mapping of str to dtype
        Inputs that the graph has already; a column may be one of them.

    Attributes
    ----------
    inputs : dict of str to dtype
        The graph's inputs; texts have dtype object.
    """

    def __init__(
        self,
        graph: GraphWriter,
        decimal: str,
        number_dtype: Callable[[str], np.dtype[Any]],
        shared: Mapping[str, np.dtype[Any]] = MappingProxyType({}),
    ) -> None:
        self.graph, self.decimal, self.number_dtype = graph, decimal, number_dtype
        self.shared = shared
        self.inputs: dict[str, np.dtype[Any]] = {}
        self.numbers: list[Number] = []
        self.dates: list[int] = []  # places among the numbers
        self.timed = False
        self.flags: list[str] = []  # (B, 1)
        self.texts: list[str] = []  # int64 (B, 1)
        self.one_hots: list[tuple[int, Array, Array]] = []  # a place among the texts, off and on
        self.choices: list[tuple[int, Array]] = []  # a place among the texts, and values
        self.order: list[tuple[str, int]] = []  # a block of inputs and the place in it

    def number(self, name: str, scaling: Scaling, fill: float | None, indicator: bool) -> None:
        self._scale(self._number_input(name), scaling, fill)
        self._indicate(indicator)

    def date(
        self,
        name: str,
        notation: str,
        scaling: Scaling,
        fill: float | None,
        indicator: bool,
        timed: bool,
    ) -> None:
        graph, text = self.graph, self._text_input(name)
        if graph.opset < DATE_OPSET:
            raise ValueError(
                f"opset is {graph.opset}, wanted {DATE_OPSET} or more: column {name!r} holds "
                "dates, which are read by operators for texts"
            )
        days = write_days(graph, text, notation)
        days = graph.add("Where", graph.add("IsNaN"), graph.constant("wrong", np.inf), days)
        missing = self._is_missing(text)
        raw = graph.add("Where", missing, graph.constant("none", np.nan), days)
        self.timed |= timed
        place = len(self.numbers)
        self._scale(raw, scaling, fill)
        for cycle in range(6 if timed else 4):
            self.order.append((f"cycle {cycle}", len(self.dates)))
        self.dates.append(place)
        self._indicate(indicator)

    def missing(self, name: str, dated: bool) -> None:
        graph = self.graph
        if dated:
            flag = graph.add("Cast", self._is_missing(self._text_input(name)), to=FLOAT64)
        else:
            number = self._number_input(name)
            flag = graph.add("Cast", graph.add("IsNaN", number), to=FLOAT64)
            infinite = graph.add("IsInf", number)
            flag = graph.add("Where", infinite, graph.constant("none", np.nan), flag)
        self.order.append(("flag", len(self.flags)))
        self.flags.append(flag)

    def one_hot(
        self, name: str, places: Mapping[str, int], unknown: int, off: Array, on: Array
    ) -> None:
        self._find(name, places, unknown)
        start = sum(len(own) for _, own, _ in self.one_hots)
        self.one_hots.append((len(self.texts) - 1, off, on))
        self.order += [("one-hot", place) for place in range(start, start + len(on))]

    def choice(self, name: str, places: Mapping[str, int], unknown: int, values: Array) -> None:
        self._find(name, places, unknown)
        self.order.append(("choice", len(self.choices)))
        self.choices.append((len(self.texts) - 1, values))

    def codes(self, name: str, codes: Mapping[str, int], unknown: int) -> None:
        self._find(name, codes, unknown)
        self.order.append(("code", len(self.texts) - 1))

    def finish(self) -> str:
        """Add the encoded rows (B, width), float64, NaN where a value is refused."""
        self.graph.place = PLACE
        blocks, starts, width = self._blocks(), dict[str, int](), 0
        for name, (_, size) in blocks.items():
            starts[name], width = width, width + size
        order = [starts[name] + place for name, place in self.order]
        rows = joined(self.graph, [tensor for tensor, _ in blocks.values()])
        if order != list(range(width)):
            rows = self.graph.add("Gather", rows, self.graph.indices("order", order), axis=1)
        return rows

    def _has(self, block: str) -> bool:
        """True if an input is in this block."""
        return any(name == block for name, _ in self.order)

    # Columns --------------------------------------------------------------------------------------

    def _text_input(self, name: str) -> str:
        self._declare(name, TEXT)
        return name

    def _number_input(self, name: str) -> str:
        """A number's input as float64."""
        dtype = self.number_dtype(name)
        self._declare(name, dtype)
        return name if dtype == np.float64 else self.graph.add("Cast", name, to=FLOAT64)

    def _declare(self, name: str, dtype: np.dtype[Any]) -> None:
        if not name or name in self.inputs:
            raise ValueError(f"two columns of the table are named {name!r}, or it is empty")
        if self.shared.get(name, dtype) != dtype:
            raise ValueError(
                f"column {name!r} holds numbers for one network of the ensemble and texts for "
                "another"
            )
        self.graph.place = f"{PLACE}.{len(self.inputs)}"
        self.inputs[name] = dtype

    def _scale(self, tensor: str, scaling: Scaling, fill: float | None) -> None:
        self.order.append(("scaled", len(self.numbers)))
        self.numbers.append(Number(tensor, scaling, fill))

    def _indicate(self, indicator: bool) -> None:
        if indicator:
            self.order.append(("indicator", len(self.numbers) - 1))

    def _is_missing(self, text: str) -> str:
        """Whether texts stand for a missing value, bool."""
        self._label(text, dict.fromkeys(missing_spellings(), 1), 0)
        return self.graph.add("Equal", self.graph.tensor, self.graph.indices("yes", 1))

    def _find(self, name: str, places: Mapping[str, int], unknown: int) -> None:
        self._label(self._text_input(name), places, unknown)
        self.texts.append(self.graph.tensor)

    def _label(self, text: str, places: Mapping[str, int], unknown: int) -> None:
        keys = sorted(places)
        self.graph.add(
            "LabelEncoder", text, domain=ML_DOMAIN, keys_strings=keys,
            values_int64s=[places[key] for key in keys], default_int64=unknown,
        )  # fmt: skip

    # Blocks ---------------------------------------------------------------------------------------

    def _blocks(self) -> dict[str, tuple[str, int]]:
        """For each kind of inputs a tensor of them and its width, as far as there are any."""
        blocks: dict[str, tuple[str, int]] = {}
        if self.numbers:
            blocks |= self._number_blocks()
        if self.texts:
            places = joined(self.graph, self.texts)
            if self._has("code"):
                codes = self.graph.add("Cast", places, to=FLOAT64)
                blocks["code"] = self._or_refused(codes, places), len(self.texts)
            if self.choices:
                blocks["choice"] = self._chosen(places), len(self.choices)
            if self.one_hots:
                blocks["one-hot"] = self._one_hot(places)
        if self.flags:
            blocks["flag"] = joined(self.graph, self.flags), len(self.flags)
        return blocks

    def _number_blocks(self) -> dict[str, tuple[str, int]]:
        graph, n = self.graph, len(self.numbers)
        raw = joined(graph, [number.tensor for number in self.numbers])
        missing = graph.add("IsNaN", raw)
        fills = [np.nan if number.fill is None else number.fill for number in self.numbers]
        filled = graph.add("Where", missing, graph.constant("fill", fills), raw)
        size = graph.add("Abs", filled)
        known = graph.add("LessOrEqual", size, graph.constant("largest", LARGEST))
        scaled = self._scaled(filled)
        none = graph.constant("none", np.nan)
        blocks = {"scaled": (graph.add("Where", known, scaled, none), n)}
        if self._has("indicator"):
            blocks["indicator"] = graph.add("Cast", missing, to=FLOAT64), n
        if self.dates:
            days = graph.add("Gather", filled, graph.indices("dates", self.dates), axis=1)
            for place, cycle in enumerate(write_cycles(graph, days, self.timed)):
                blocks[f"cycle {place}"] = cycle, len(self.dates)
        return blocks

    def _scaled(self, filled: str) -> str:
        """Numbers (B, n), each by its scaling."""
        graph = self.graph
        kinds: dict[type[Scaling], list[int]] = {}
        for place, number in enumerate(self.numbers):
            kinds.setdefault(type(number.scaling), []).append(place)
        parts = []
        for kind, places in kinds.items():
            graph.place = f"{PLACE}.{kind.kind}"
            graph.tensor = filled
            if len(kinds) > 1:
                graph.add("Gather", filled, graph.indices("columns", places), axis=1)
            scalings: list[Any] = [self.numbers[place].scaling for place in places]
            kind.write_onnx(graph, scalings)
            parts.append(graph.tensor)
        graph.place = PLACE
        if len(parts) == 1:
            return parts[0]
        order = np.argsort([place for places in kinds.values() for place in places])
        both = joined(graph, parts)
        return graph.add("Gather", both, graph.indices("numbers", order), axis=1)

    def _one_hot(self, places: str) -> tuple[str, int]:
        """The inputs of all columns that have one for each category."""
        graph = self.graph
        texts, off, on = zip(*self.one_hots, strict=True)
        columns = np.repeat(texts, [len(own) for own in on])
        wanted = np.concatenate([np.arange(len(own)) for own in on])
        found = graph.add("Gather", places, graph.indices("one-hot", columns), axis=1)
        hits = graph.add("Equal", found, graph.indices("categories", wanted))
        values = [
            graph.constant(name, np.concatenate(own)) for name, own in (("on", on), ("off", off))
        ]
        return self._or_refused(graph.add("Where", hits, *values), found), len(wanted)

    def _chosen(self, places: str) -> str:
        """The values of all columns that have one for each category."""
        graph = self.graph
        texts, values = zip(*self.choices, strict=True)
        starts = np.cumsum([0, *map(len, values[:-1])])
        found = graph.add("Gather", places, graph.indices("choices", texts), axis=1)
        graph.add("Max", found, graph.indices("first", 0))
        graph.add("Add", graph.tensor, graph.indices("starts", starts))
        graph.add("Gather", graph.constant("values", np.concatenate(values)), graph.tensor)
        return self._or_refused(graph.tensor, found)

    def _or_refused(self, values: str, places: str) -> str:
        """Values, NaN where a category is refused."""
        graph = self.graph
        refused = graph.add("Equal", places, graph.indices("refused", REFUSED))
        return graph.add("Where", refused, graph.constant("none", np.nan), values)


def joined(graph: GraphWriter, tensors: Sequence[str]) -> str:
    """Columns beside each other."""
    return tensors[0] if len(tensors) == 1 else graph.add("Concat", *tensors, axis=1)


def declarations(inputs: Mapping[str, np.dtype[Any]]) -> list[Any]:
    """The declarations of a table's inputs, (B, 1) each."""
    return [
        helper.make_tensor_value_info(name, element_type(dtype), ["batch", 1])
        for name, dtype in inputs.items()
    ]
