"""Reads an ONNX file: a network alone, or one that encodes the columns of a table."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from affinet.network import Sequential
from affinet.onnx.graph import Graph, open_graph
from affinet.onnx.names import CLASSES, METADATA, TABLE
from affinet.onnx.reader import Reader
from affinet.onnx.table_files import read_table

# Errors, besides ValueError and TypeError, raised for a node that lacks an input or an attribute,
# or has one of the wrong type.
DAMAGE = (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError)


def read(path: str | os.PathLike[str]) -> Sequential:
    """The network of a file; see :func:`affinet.onnx.load`."""
    source = Path(path)
    try:
        graph = open_graph(source)
        metadata = metadata_of(graph)
        of_table = TABLE in graph.properties
        net = read_table(graph, metadata) if of_table else Reader(graph).network()
        net.metadata = metadata
    except (TypeError, ValueError) as error:
        raise ValueError(f"{source}: {error}") from error
    except DAMAGE as error:
        raise ValueError(f"{source}: damaged: {error!r}") from error
    return net


def metadata_of(graph: Graph) -> dict[str, Any]:
    """The metadata that :func:`affinet.onnx.export` wrote, or the names of the classes."""
    metadata = graph.property_of(METADATA)
    if isinstance(metadata, dict):
        return metadata
    names = graph.class_names() or graph.property_of(CLASSES)
    return {"classes": names} if isinstance(names, list) else {}
