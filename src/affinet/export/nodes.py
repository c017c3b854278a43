"""A network's operations on real numbers, as few as possible, before they become integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from affinet._validation import Array
from affinet.export.real import EMBEDDINGS, counts_of, inputs_of
from affinet.export.scales import KINDS
from affinet.export.steps import PARAMETRIC, arrays, batch_norm_factors, operations_of
from affinet.layers.activations import activation_classes
from affinet.layers.operation import Operation
from affinet.network import Sequential
from affinet.network.inner import walk

# Whose weights, or tables, take in that columns have different scales.
BY_COLUMNS = (*EMBEDDINGS, "affine", "shared_affine", "member_affine", "scale", "member_scale")
WITH_RELU = ("affine", "shared_affine", "member_affine", "scale", "layer_norm", "add", "blend",
             "increasing")  # fmt: skip


@dataclass
class Node:
    """An operation on real numbers, which is to become one on integers.

    Attributes
    ----------
    kind : str
        affine, scale (column by column), layer_norm, map (a function), blend (of a source and a
        function of it, its second source), add, increasing (of a source and its softplus), an
        embedding; of an ensemble's members member_scale, member_affine and shared_affine, whose
        outputs have factors and offsets of the members.
    sources : tuple of int
    width : int
    W, b : array or None
        Weights (I, O) or factors (n,), and offsets; gamma and beta; of a blend W is a. Members
        come first: (k, I, O), (k, 1, n).
    members : array or None
        Of a shared_affine: factors (k, 1, O).
    function : str
    numbers : tuple of float
    arrays : tuple of array
        Of an embedding: its parameters and buffers.
    relu : bool
        True if a relu follows.
    """

    kind: str
    sources: tuple[int, ...]
    width: int
    W: Array | None = None
    b: Array | None = None
    members: Array | None = None
    function: str = ""
    numbers: tuple[float, ...] = ()
    arrays: tuple[Array, ...] = ()
    relu: bool = False


def nodes_of(net: Sequential, kind: str) -> tuple[list[Node], int]:
    """The network's operations, factors folded into the affine maps beside them.

    Raises
    ------
    TypeError
        If a layer has no form in integers; the message names it.
    """
    operations, n_inputs = operations_of(net)
    params = net.params.flat.astype(np.float64)
    functions = {cls.kernel for cls in activation_classes().values()}
    nodes: list[Node] = []
    outputs: list[int] = []
    for op in operations:
        sources = tuple(-1 if s < 0 else outputs[s] for s in op.sources)
        width = n_inputs if sources[0] < 0 else nodes[sources[0]].width
        f = op.kernel.removeprefix(PARAMETRIC)
        if op.kernel in ("dropout", "identity"):
            outputs.append(sources[0])
            continue
        if f in functions:
            nodes.append(Node("map", sources, width, function=f, numbers=op.numbers))
            if f != op.kernel:
                a = params[op.starts[0] :][:width]
                nodes.append(Node("blend", (*sources, len(nodes) - 1), width, W=a))
        elif op.kernel == "increasing":
            nodes.append(Node("map", sources, width, function="softplus"))
            sources = (*sources, len(nodes) - 1)
            nodes.append(Node("increasing", sources, width, numbers=op.numbers))
        elif op.kernel in EMBEDDINGS:
            nodes.append(embedding_node(op, sources, width, params))
            if op.kernel == "embedding":
                require_codes(net, op, nodes, n_inputs, kind)
        elif op.kernel in NODES:
            nodes.append(NODES[op.kernel](op, sources, width, params))
        else:
            refuse(net, op, f"has no form in {kind}")
        outputs.append(len(nodes) - 1)
    return folded(with_even_sources(nodes, n_inputs)), n_inputs


def refuse(net: Sequential, op: Operation, why: str) -> None:
    """Raise for the layer of an operation."""
    for path, layer in walk(net.layers):
        made = getattr(layer, "operations", None)
        found = made((0,) * len(layer.parameters), 0) if made else []
        if any(own.kernel == op.kernel and own.numbers == op.numbers for own in found):
            raise TypeError(f"layer {path}, {type(layer).__name__}, {why}; write float32")
    raise TypeError(f"the operation {op.kernel} {why}; write float32")


# Nodes of operations -----------------------------------------------------------------------------


def affine_node(op: Operation, sources: tuple[int, ...], width: int, params: Array) -> Node:
    """x W + b."""
    n = op.n_outputs or width
    W, *rest = arrays(op, params, *((width, n), (n,))[: len(op.starts)])
    return Node("affine", sources, n, W, rest[0] if rest else np.zeros(n))


def scale_node(op: Operation, sources: tuple[int, ...], width: int, params: Array) -> Node:
    """Factors of columns."""
    if op.kernel == "batch_norm":
        factor, shift = (own.astype(np.float64) for own in batch_norm_factors(op, width, params))
        return Node("scale", sources, width, factor, shift)
    factor = (
        np.full(width, op.numbers[0])
        if op.kernel == "multiply"
        else arrays(op, params, (width,))[0]
    )
    return Node("scale", sources, width, factor, np.zeros(width))


def layer_norm_node(op: Operation, sources: tuple[int, ...], width: int, params: Array) -> Node:
    """By the row's own mean and variance."""
    gamma, beta = arrays(op, params, (width,), (width,))
    return Node("layer_norm", sources, width, gamma, beta, numbers=op.numbers[:1])


def add_node(op: Operation, sources: tuple[int, ...], width: int, params: Array) -> Node:
    """Where branches meet."""
    return Node("add", sources, width)


def member_node(op: Operation, sources: tuple[int, ...], width: int, params: Array) -> Node:
    """Each member's factors, its offsets behind a shared product, or its own affine map."""
    k, n = int(op.numbers[0]), op.n_outputs or width
    first = (k, width, n) if op.kernel == "member_affine" else (k, 1, n)
    W, *rest = arrays(op, params, *(first, (k, 1, n))[: len(op.starts)])
    return Node(op.kernel, sources, n, W, rest[0] if rest else None)


def embedding_node(op: Operation, sources: tuple[int, ...], width: int, params: Array) -> Node:
    """Columns that become several; parameters, then buffers."""
    n = len(op.arrays[0])
    if op.kernel == "embedding":
        rows, d = map(int, op.numbers)
        shapes: tuple[tuple[int, ...], ...] = ((rows, d),)
    elif op.kernel == "piecewise_embedding":
        T, d = map(int, op.numbers)
        shapes = (n, d), (n, d), (n, T, d)
    else:
        K, d, sines, with_x, _ = map(int, op.numbers)
        shapes = (n, K), (n, K), (n, d, K * (1 + sines)), (n, d)
        d += with_x
    found = [np.ascontiguousarray(own) for own in arrays(op, params, *shapes)]
    buffers = [np.asarray(own, np.int64 if own.dtype.kind == "i" else np.float64)
               for own in op.arrays]  # fmt: skip
    return Node(op.kernel, sources, width + n * (d - 1), numbers=op.numbers,
                arrays=(*found, *buffers))  # fmt: skip


NODES: dict[str, Callable[[Operation, tuple[int, ...], int, Array], Node]] = {
    "affine": affine_node,
    "linear": affine_node,
    "batch_norm": scale_node,
    "layer_norm": layer_norm_node,
    "multiply": scale_node,
    "scale": scale_node,
    "add": add_node,
    "member_scale": member_node,
    "member_scale_shift": member_node,
    "member_affine": member_node,
}


def require_codes(
    net: Sequential, op: Operation, nodes: list[Node], n_inputs: int, kind: str
) -> None:
    """Raise unless the last node's codes are columns of the network's inputs, and fit."""
    taken = inputs_of(nodes, nodes[-1].sources[0], n_inputs)
    if (taken[op.arrays[0]] < 0).any():
        refuse(net, op, f"takes codes that another layer makes, which has no form in {kind}")
    most = int(counts_of(nodes[-1]).max())
    if most > KINDS[kind].codes:
        why = f"has a column of {most} categories, and {kind} tells {KINDS[kind].codes} apart"
        refuse(net, op, why)


# Fewer nodes -------------------------------------------------------------------------------------


def with_even_sources(nodes: list[Node], n_inputs: int) -> list[Node]:
    """With a scale node behind all whose columns have different scales, where it matters."""
    own = {i for i, node in enumerate(nodes) if node.kind in (*EMBEDDINGS, "member_scale")}
    if any(-1 in node.sources for node in nodes if node.kind in EMBEDDINGS):
        own.add(-1)
    found: list[Node] = []
    places, even = {-1: -1}, dict[int, int]()

    def evened(s: int) -> int:
        if s not in even:
            n = n_inputs if s < 0 else nodes[s].width
            found.append(Node("scale", (places[s],), n, np.ones(n), np.zeros(n)))
            even[s] = len(found) - 1
        return even[s]

    for i, node in enumerate(nodes):
        sources = tuple(
            evened(s) if s in own and node.kind not in (*BY_COLUMNS, "member_scale_shift")
            else places[s] for s in node.sources
        )  # fmt: skip
        found.append(replace(node, sources=sources))
        places[i] = len(found) - 1
    if nodes and len(nodes) - 1 in own:
        evened(len(nodes) - 1)
    return found


def folded(nodes: list[Node]) -> list[Node]:
    """Fewer nodes: factors become part of an affine map, and a relu of what it follows."""
    while True:
        readers = [sum(node.sources.count(i) for node in nodes) for i in range(len(nodes))]
        for i, node in enumerate(nodes):
            source = node.sources[0]
            before = nodes[source] if source >= 0 and readers[source] == 1 else None
            if before is None or before.relu:
                continue
            merged = into_previous(before, node)
            if merged is not None:
                nodes = removed(nodes, i, merged, source)
                break
            if node.kind == "affine" and before.kind == "scale":
                assert before.W is not None
                assert before.b is not None
                assert node.W is not None
                both = before.W[:, np.newaxis] * node.W, before.b @ node.W + node.b
                merged = replace(node, sources=before.sources, W=both[0], b=both[1])
                nodes = removed(nodes, source, merged, i)
                break
        else:
            return nodes


def into_previous(before: Node, node: Node) -> Node | None:
    """The node before with this one as part of it, or None."""
    W, b = before.W, before.b
    if node.kind == "member_scale_shift":
        assert b is not None
        offsets = b * node.W + node.b
        return replace(before, kind="shared_affine", members=node.W, b=offsets)
    if node.kind == "scale" and W is not None and b is not None and before.kind != "blend":
        return replace(before, W=W * node.W, b=b * node.W + node.b)
    if node.function == "relu" and before.kind in WITH_RELU:
        return replace(before, relu=True)
    return None


def removed(nodes: list[Node], i: int, merged: Node, at: int) -> list[Node]:
    """Without node i, whose neighbour becomes ``merged``."""
    source = nodes[i].sources[0]
    kept = list(nodes)
    kept[at] = merged

    def moved(s: int) -> int:
        s = source if s == i else s
        return s - 1 if s > i else s

    kept = [replace(node, sources=tuple(map(moved, node.sources))) for node in kept]
    return kept[:i] + kept[i + 1 :]
