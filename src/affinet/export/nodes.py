"""A network's operations on real numbers, as few as possible, before they become integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from affinet._dispatch import kernels
from affinet._validation import Array
from affinet.export.steps import PARAMETRIC, arrays, batch_norm_factors, operations_of
from affinet.layers.activations import activation_classes
from affinet.layers.operation import Operation
from affinet.network import Sequential
from affinet.network.inner import walk


@dataclass
class Node:
    """An operation on real numbers, which is to become one on integers.

    Attributes
    ----------
    kind : str
        affine, scale (column by column), layer_norm, map (a function), blend (of a source and a
        function of it, its second source) or add.
    sources : tuple of int
    width : int
    W, b : array or None
        Weights (I, O) or factors (n,), and offsets; gamma and beta; of a blend W is a.
    function : str
    numbers : tuple of float
    relu : bool
        True if a relu follows.
    """

    kind: str
    sources: tuple[int, ...]
    width: int
    W: Array | None = None
    b: Array | None = None
    function: str = ""
    numbers: tuple[float, ...] = ()
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
        if op.kernel in ("dropout", "identity"):
            outputs.append(sources[0])
            continue
        if op.kernel.startswith(PARAMETRIC) and op.kernel.removeprefix(PARAMETRIC) in functions:
            f = op.kernel.removeprefix(PARAMETRIC)
            nodes.append(Node("map", sources, width, function=f, numbers=op.numbers))
            sources = (*sources, len(nodes) - 1)
            nodes.append(Node("blend", sources, width, W=params[op.starts[0] :][:width]))
        elif op.kernel in functions:
            nodes.append(Node("map", sources, width, function=op.kernel, numbers=op.numbers))
        elif op.kernel in NODES:
            nodes.append(NODES[op.kernel](op, sources, width, params))
        else:
            refuse(net, op, kind)
        outputs.append(len(nodes) - 1)
    return folded(nodes), n_inputs


def refuse(net: Sequential, op: Operation, kind: str) -> None:
    """Raise for the layer of an operation."""
    for path, layer in walk(net.layers):
        made = getattr(layer, "operations", None)
        names = [own.kernel for own in made((0,) * len(layer.parameters), 0)] if made else []
        if op.kernel in names:
            raise TypeError(
                f"layer {path}, {type(layer).__name__}, has no form in {kind}; write float32"
            )
    raise TypeError(f"the operation {op.kernel} has no form in {kind}; write float32")


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


NODES: dict[str, Callable[[Operation, tuple[int, ...], int, Array], Node]] = {
    "affine": affine_node,
    "linear": affine_node,
    "batch_norm": scale_node,
    "layer_norm": layer_norm_node,
    "multiply": scale_node,
    "scale": scale_node,
    "add": add_node,
}


def folded(nodes: list[Node]) -> list[Node]:
    """Fewer nodes: factors become part of an affine map, and a relu of what it follows."""
    while True:
        readers = [sum(node.sources.count(i) for node in nodes) for i in range(len(nodes))]
        for i, node in enumerate(nodes):
            source = node.sources[0]
            before = nodes[source] if source >= 0 and readers[source] == 1 else None
            if before is None or before.relu:
                continue
            W, b = before.W, before.b
            if node.kind == "scale" and W is not None and b is not None and before.kind != "blend":
                merged = replace(before, W=W * node.W, b=b * node.W + node.b)
                nodes = removed(nodes, i, merged, source)
                break
            if node.kind == "affine" and before.kind == "scale" and W is not None:
                assert node.W is not None
                assert b is not None
                both = W[:, np.newaxis] * node.W, b @ node.W + node.b
                merged = replace(node, sources=before.sources, W=both[0], b=both[1])
                nodes = removed(nodes, source, merged, i)
                break
            if node.function == "relu" and before.kind != "map":
                nodes = removed(nodes, i, replace(before, relu=True), source)
                break
        else:
            return nodes


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


# Their values, for the calibration ---------------------------------------------------------------


def function_of(node: Node, x: Array) -> Array:
    """The node's function of float64 numbers."""
    x = np.ascontiguousarray(x, np.float64)
    out = np.empty_like(x)
    getattr(kernels, f"{node.function}_forward")(
        x.reshape(-1), *map(float, node.numbers), out.reshape(-1)
    )
    return out


def real_outputs(nodes: list[Node], x: Array) -> list[Array]:
    """All nodes' outputs in double precision."""
    outputs: list[Array] = []
    for node in nodes:
        a, *more = (x if s < 0 else outputs[s] for s in node.sources)
        if node.kind == "affine":
            out = a @ node.W + node.b
        elif node.kind == "scale":
            out = a * node.W + node.b
        elif node.kind == "layer_norm":
            d = a - a.mean(axis=1, keepdims=True)
            spread = np.sqrt((d * d).mean(axis=1, keepdims=True) + node.numbers[0])
            out = d / spread * node.W + node.b
        elif node.kind == "map":
            out = function_of(node, a)
        elif node.kind == "blend":
            out = a + node.W * (more[0] - a)
        else:
            out = a + more[0]
        outputs.append(np.maximum(out, 0.0) if node.relu else out)
    return outputs
