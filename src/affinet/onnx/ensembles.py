"""Ensembles inside one network in a graph: rows for every member, and the mean of their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from affinet.layers.members import MemberLayer
from affinet.layers.normalization import AXES_INPUT_OPSET
from affinet.network import Sequential
from affinet.network.inner import walk
from affinet.tables.graph import FLOAT64
from affinet.tabular.networks import SMALLEST_SHARE

if TYPE_CHECKING:
    from affinet.onnx.writer import GraphWriter


class Members(NamedTuple):
    """The members of a network, and whether their outputs are logits of classes."""

    members: int = 1
    classifies: bool = False


ALONE = Members()


def require_members(net: Sequential, members: int) -> None:
    """Raise unless the network's layers have as many members as its recipe says."""
    for path, layer in walk(net.layers):
        if isinstance(layer, MemberLayer) and layer.members != members:
            raise ValueError(
                f"layer {path} has {layer.members} members, the network's recipe {members}"
            )


def write_tiled(graph: GraphWriter, ensemble: Members) -> None:
    """Add the last output, rows (B, I), for every member, one member after another."""
    if ensemble.members > 1:
        graph.add("Tile", graph.tensor, graph.indices("members", [ensemble.members, 1]))


def write_average(graph: GraphWriter, ensemble: Members, n_outputs: int) -> None:
    """Add what :func:`affinet.tabular.outputs` makes of the members' outputs, both in float64."""
    if ensemble.members == 1:
        return
    shape = graph.indices("outputs", [ensemble.members, -1, n_outputs])
    graph.add("Reshape", graph.tensor, shape)
    if ensemble.classifies:
        graph.add("Softmax", axis=-1)
    if graph.opset < AXES_INPUT_OPSET:
        graph.add("ReduceMean", axes=[0], keepdims=0)
    else:
        graph.add("ReduceMean", graph.tensor, graph.indices("axis", [0]), keepdims=0)
    if ensemble.classifies:
        graph.add("Add", graph.tensor, graph.constant("smallest", SMALLEST_SHARE))
        graph.add("Log")


def write_answer(
    graph: GraphWriter, ensemble: Members, n_outputs: int, dtype: np.dtype[Any], kind: int
) -> None:
    """Add the ensemble's answer to the last output, in the network's dtype, ONNX's ``kind``."""
    graph.dtype = np.dtype(np.float64)
    if dtype != np.float64:
        graph.add("Cast", to=FLOAT64)
    write_average(graph, ensemble, n_outputs)
    if dtype != np.float64:
        graph.add("Cast", to=kind)
    graph.dtype = dtype
