"""The values of a network's nodes in double precision, and the columns that embeddings keep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from affinet._dispatch import kernels
from affinet._validation import Array

if TYPE_CHECKING:
    from affinet.export.nodes import Node

BLOCK_ROWS = 1024
COLUMNS = {"embedding": 1, "piecewise_embedding": 3, "periodic_embedding": 4}  # places in arrays
EMBEDDINGS = tuple(COLUMNS)


def columns_of(node: Node) -> Array:
    """The columns that an embedding takes, ascending."""
    return node.arrays[COLUMNS[node.kind]]


def size_of(node: Node) -> int:
    """Values that each of them becomes, x itself among them."""
    if node.kind == "periodic_embedding":
        return int(node.numbers[1] + node.numbers[3])
    return int(node.numbers[1])


def width_of(node: Node) -> int:
    """Columns that an embedding is given."""
    return node.width - len(columns_of(node)) * (size_of(node) - 1)


def layout(node: Node) -> Array:
    """For each output the column that it is, or -1 - p if it is of the p-th embedded column."""
    columns, size = columns_of(node).tolist(), size_of(node)
    with_x = node.kind == "periodic_embedding" and node.numbers[3] > 0
    found: list[int] = []
    for column in range(width_of(node)):
        if column in columns:
            found += [column] * with_x + [-1 - columns.index(column)] * (size - with_x)
        else:
            found.append(column)
    return np.array(found, np.int64)


def inputs_of(nodes: list[Node], s: int, n_inputs: int) -> Array:
    """The network's input that each column of a source is, as it came, or -1."""
    if s < 0:
        return np.arange(n_inputs)
    if nodes[s].kind not in EMBEDDINGS:
        return np.full(nodes[s].width, -1)
    given, kept = inputs_of(nodes, nodes[s].sources[0], n_inputs), layout(nodes[s])
    return np.where(kept < 0, -1, given[kept])


def counts_of(node: Node) -> Array:
    """How many codes each column of an embedding has."""
    return np.diff(node.arrays[2], append=len(node.arrays[0]))


def embedded(node: Node, x: Array) -> Array:
    """The outputs for rows of numbers."""
    x = np.ascontiguousarray(x, np.float64)
    rows = x.reshape(-1, x.shape[-1])
    out = np.empty((len(rows), node.width))
    if node.kind == "embedding":
        E, columns, firsts = node.arrays
        kernels.embedding_forward(rows, E, columns, firsts, out)
    elif node.kind == "piecewise_embedding":
        w, b, W, columns, counts, edges = node.arrays
        edges = edges.reshape(len(columns), -1)
        kernels.piecewise_embedding_forward(rows, w, b, W, edges, columns, counts, out)
    else:
        w, b, V, c, columns = node.arrays
        sines, with_x, rectified = map(bool, node.numbers[2:])
        kernels.periodic_embedding_forward(rows, w, b, V, c, columns, sines, with_x, rectified, out)
    return out.reshape(*x.shape[:-1], node.width)


# All nodes, for the calibration ------------------------------------------------------------------


def blocks(n: int, members: int) -> Iterator[slice]:
    """Rows, few enough that all members' values fit into little memory."""
    size = max(BLOCK_ROWS // members, 1)
    return (slice(start, start + size) for start in range(0, n, size))


def real_ranges(nodes: list[Node], x: Array, members: int) -> list[tuple[Array, Array]]:
    """The least and the greatest values of all nodes' columns."""
    found: list[tuple[Array, Array]] = []
    for rows in blocks(len(x), members):
        own = [
            (flat.min(axis=0), flat.max(axis=0))
            for flat in (out.reshape(-1, out.shape[-1]) for out in real_outputs(nodes, x[rows]))
        ]
        found = own if not found else [
            (np.minimum(a, c), np.maximum(b, d)) for (a, b), (c, d) in zip(found, own, strict=True)
        ]  # fmt: skip
    return found


def times(x: Array, W: Array) -> Array:
    """x W; all members' rows in one product where they share W."""
    if W.ndim > 2:
        return np.asarray(x @ W)
    return np.asarray(x.reshape(-1, len(W)) @ W).reshape(*x.shape[:-1], W.shape[1])


def function_of(node: Node, x: Array) -> Array:
    """The node's function of float64 numbers."""
    x = np.ascontiguousarray(x, np.float64)
    out = np.empty_like(x)
    getattr(kernels, f"{node.function}_forward")(
        x.reshape(-1), *map(float, node.numbers), out.reshape(-1)
    )
    return out


def real_outputs(nodes: list[Node], x: Array) -> list[Array]:
    """All nodes' outputs in double precision; behind members' parts (k, N, n)."""
    outputs: list[Array] = []
    for node in nodes:
        a, *more = (x if s < 0 else outputs[s] for s in node.sources)
        if node.kind in EMBEDDINGS:
            out = embedded(node, a)
        elif node.kind in ("affine", "member_affine"):
            assert node.W is not None
            out = times(a, node.W) + node.b
        elif node.kind == "shared_affine":
            assert node.W is not None
            out = times(a, node.W) * node.members + node.b
        elif node.kind in ("scale", "member_scale"):
            out = a * node.W + (0 if node.b is None else node.b)
        elif node.kind == "layer_norm":
            d = a - a.mean(axis=-1, keepdims=True)
            spread = np.sqrt((d * d).mean(axis=-1, keepdims=True) + node.numbers[0])
            out = d / spread * node.W + node.b
        elif node.kind == "map":
            out = function_of(node, a)
        elif node.kind == "blend":
            out = a + node.W * (more[0] - a)
        elif node.kind == "increasing":
            terms = np.where(np.arange(node.width) % int(node.numbers[0]) == 0, a, more[0])
            groups = terms.reshape(*terms.shape[:-1], -1, int(node.numbers[0]))
            out = groups.cumsum(axis=-1).reshape(terms.shape)
        else:
            out = a + more[0]
        outputs.append(np.maximum(out, 0.0) if node.relu else out)
    return outputs
