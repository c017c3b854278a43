"""Compares a graph with the nodes that affinet's writer writes for the same computation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from onnx import numpy_helper

from affinet._validation import Array
from affinet.onnx.graph import Graph, attributes
from affinet.onnx.writer import GraphWriter


class DifferentError(ValueError):
    """A tensor of the graph is not computed as in its twin; the argument is its name."""


def matched(
    graph: Graph,
    twin: GraphWriter,
    outputs: Iterable[tuple[str, str]],
    ends: Mapping[str, str | None],
) -> dict[str, str]:
    """The tensors of a graph that correspond to those of its twin, found backwards from outputs.

    Parameters
    ----------
    graph : Graph
    twin : GraphWriter
    outputs : iterable of (str, str)
        Tensors of the graph and of the twin that must be computed alike.
    ends : mapping of str to str or None
        Tensors of the twin at which the comparison ends, and their names in the graph; None for
        whatever stands there.

    Returns
    -------
    dict of str to str
        Names in the graph, by those in the twin.

    Raises
    ------
    DifferentError
        If the graph computes anything else; values of constants are compared to the bit.
    """
    written = {name: node for node in twin.nodes for name in node.output}
    arrays = {tensor.name: tensor for tensor in twin.initializers.values()}
    fixed = {name for name in ends.values() if name is not None}
    found: dict[str, str] = {}
    places = list(outputs)
    while places:
        name, wanted = places.pop()
        if wanted in arrays:  # in the graph it may stand more than once
            same = equal_arrays(graph.constant(name), arrays[wanted])
        elif wanted in found:
            same = found[wanted] == name
        elif wanted in ends or name in fixed:
            same = ends.get(wanted, "") in (None, name)
        else:
            made, other = graph.made_by(name, written[wanted].op_type), written[wanted]
            same = made is not None and same_nodes(made, other)
            if made is not None and same:
                places += zip(made.input, other.input, strict=True)
        if not same:
            raise DifferentError(name)
        found[wanted] = name
    return found


def same_nodes(node: Any, other: Any) -> bool:
    """True if two nodes have the same number of inputs and the same attributes."""
    return bool(len(node.input) == len(other.input) and attributes(node) == attributes(other))


def equal_arrays(value: Array | None, tensor: Any) -> bool:
    """True if a constant is the same, to the bit, as a written initializer."""
    if value is None:
        return False
    wanted = numpy_helper.to_array(tensor)
    if value.dtype != wanted.dtype or value.shape != wanted.shape:
        return False
    if wanted.dtype == object:
        return bool(value.tolist() == wanted.tolist())
    return bool(value.tobytes() == wanted.tobytes())
