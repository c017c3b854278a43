"""Products of tensors that form an activation."""

from __future__ import annotations

import math
from typing import Any

from affinet.layers.activations import GELU, Activation, activation_classes
from affinet.onnx.graph import Graph

CONSTANT_TOLERANCE = 1e-6  # of sqrt(2) and similar constants in single precision
MOST_FACTORS_DEEP = 8  # products of products; a file could nest them arbitrarily


def find_gate(graph: Graph, node: Any) -> tuple[type[Activation], str] | None:
    """An activation and its x, if the node's product forms one, else None.

    ``x (1 + erf(x / sqrt 2)) / 2`` for GELU, and x times a chain of operators applied to x for
    activations that define one, such as ``x sigmoid(x)`` for SiLU, with the factors in any order.
    The search is breadth-first, because x may itself be such a product.
    """
    chains = [cls for cls in activation_classes().values() if cls.onnx_gate]
    queue, seen = [(node.output[0], 0)], set[str]()
    chains = [cls for cls in activation_classes().values() if cls.onnx_gate]
    queue = [(node.output[0], 0)]
    while queue:
        tensor, depth = queue.pop(0)
        product = graph.made_by(tensor, "Mul", "Div")
        if product is not None and depth < MOST_FACTORS_DEEP:
            new = [name for name in dict.fromkeys(graph.data_inputs(product)) if name not in seen]
            seen.update(new)
            queue += [(name, depth + 1) for name in new]
            continue
        candidates: list[tuple[type[Activation], str | None, float]] = [
            *((cls, chain_argument(graph, tensor, cls.onnx_gate), 1.0) for cls in chains),
            (GELU, erf_argument(graph, tensor), 0.5),
        ]
        for cls, gated, wanted in candidates:
            if gated is not None:
                factor, leaves = factors(graph, node.output[0], stop=(gated, tensor))
                # If it does not fit, the product's x is itself a sigmoid: the gate comes later.
                if sorted(leaves) == sorted((gated, tensor)) and is_near(factor, wanted):
                    return cls, gated
    return None


def chain_argument(graph: Graph, tensor: str, operators: tuple[str, ...]) -> str | None:
    """x, if the tensor is the result of applying these operators to x in order."""
    for operator in reversed(operators):
        node = sigmoid_end(graph, tensor) if operator == "Sigmoid" else None
        node = graph.made_by(tensor, operator) if node is None else node
        if node is None:
            return None
        tensor = str(node.input[0])
    return tensor


def sigmoid_end(graph: Graph, tensor: str) -> Any | None:
    """The node of -x, if the tensor is ``1 / (1 + exp(-x))`` as JAX writes it."""
    quotient = graph.made_by(tensor, "Reciprocal", "Div")
    if quotient is None or (quotient.op_type == "Div" and graph.number(quotient.input[0]) != 1):
        return None
    total = graph.made_by(quotient.input[-1], "Add")
    data = [] if total is None else graph.data_inputs(total)
    if total is None or len(data) != 1 or {graph.number(name) for name in total.input} != {None, 1}:
        return None
    power = graph.made_by(data[0], "Exp")
    return None if power is None else graph.made_by(power.input[0], "Neg")


def erf_argument(graph: Graph, tensor: str) -> str | None:
    """x, if the tensor is 1 + erf(x / sqrt 2)."""
    node = graph.made_by(tensor, "Add")
    data = [] if node is None else graph.data_inputs(node)
    erf = graph.made_by(data[0], "Erf") if len(data) == 1 else None
    if node is None or erf is None:
        return None
    (other,) = [name for name in node.input if name != data[0]]
    scaled = graph.made_by(erf.input[0], "Mul", "Div")
    if graph.number(other) != 1 or scaled is None:
        return None
    inner = graph.data_inputs(scaled)
    if len(inner) != 1:
        return None
    factor, leaves = factors(graph, erf.input[0], stop=(inner[0],))
    return inner[0] if leaves == inner and is_near(factor, math.sqrt(0.5)) else None


def factors(
    graph: Graph, tensor: str, stop: tuple[str, ...] = (), depth: int = 0
) -> tuple[float, list[str]]:
    """A tensor as a number times tensors: its Mul and Div expanded, except for tensors in ``stop``.

    A quotient counts as one tensor unless its divisor is a single constant number.
    """
    node = None if tensor in stop else graph.made_by(tensor, "Mul", "Div")
    if node is None or depth == MOST_FACTORS_DEEP:
        number = graph.number(tensor)
        return (1.0, [tensor]) if number is None else (number, [])
    left, left_leaves = factors(graph, node.input[0], stop, depth + 1)
    right, right_leaves = factors(graph, node.input[1], stop, depth + 1)
    if node.op_type == "Mul":
        return left * right, left_leaves + right_leaves
    if right_leaves or right == 0:
        return 1.0, [tensor]
    return left / right, left_leaves


def is_near(value: float, wanted: float) -> bool:
    return math.isclose(value, wanted, rel_tol=CONSTANT_TOLERANCE)
