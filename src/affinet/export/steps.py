"""A network as the calls of C functions, with the arrays that they read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from affinet._validation import Array
from affinet.layers.activations import activation_classes
from affinet.layers.operation import Operation
from affinet.network import Sequential
from affinet.network.inner import describe_layers, why_not_compiled, width_taken

PER_TURN = 0.15915494309189533577
PARAMETRIC = "parametric_"


class Member(NamedTuple):
    """An array (k, ...) of which each member of an ensemble reads its own part."""

    array: Array


@dataclass
class Step:
    """One call.

    Attributes
    ----------
    function : str
        In a file of C, or the name of an activation that is applied to every number.
    sources : tuple of int
        The steps whose outputs it reads, -1 for the input.
    arguments : tuple
        Between the sources and the output: arrays, ``Member`` arrays, texts, or numbers.
    width : int
        Values per row of the output.
    in_place : bool
        True if it may overwrite its first source.
    products, loops : int
        Multiply-adds, and iterations of all loops.
    work : int
        Values of scratch that it needs for itself, in front of the output.
    """

    function: str
    sources: tuple[int, ...]
    arguments: tuple[Any, ...]
    width: int
    in_place: bool = False
    products: int = 0
    loops: int = 0
    work: int = 0


@dataclass
class Chain:
    """The steps of one network.

    Attributes
    ----------
    steps : list of Step
    n_inputs : int
    members : int
        Rows of an ensemble inside the network.
    """

    steps: list[Step]
    n_inputs: int
    members: int = 1
    outputs: list[int] = field(default_factory=list)  # step that holds each operation's output

    @property
    def n_outputs(self) -> int:
        """Values per row of the last step's output."""
        return self.steps[-1].width


def operations_of(net: Sequential, name: str = "net") -> tuple[list[Operation], int]:
    """A network's operations with all sources as indices, and the width of its rows.

    Raises
    ------
    TypeError
        If a layer has no compiled form.
    ValueError
        If the width is unknown, or a parameter is not finite.
    """
    reason = why_not_compiled(net.layers)
    if reason is not None:
        kind = TypeError if "compiled form" in reason else ValueError
        raise kind(f"{name} cannot be written as C: {reason}")
    with np.errstate(over="ignore"):
        if not np.isfinite(net.params.flat.astype(np.float32)).all():
            raise ValueError(f"{name} has a parameter that is not finite in single precision")
    found = describe_layers(net.layers)
    scale, shift = net.input_scale, net.input_scale is not None
    operations = [] if scale is None else [Operation("multiply", numbers=(scale,))]
    for place, op in enumerate(found):
        sources = op.sources or (place - 1,)
        operations.append(op._replace(sources=tuple(source + shift for source in sources)))
    if shift:
        operations[0] = operations[0]._replace(sources=(-1,))
    n_inputs = width_taken(net.layers)
    assert n_inputs is not None  # a compiled network has a width
    return operations, n_inputs


def float_chain(net: Sequential, name: str = "net") -> Chain:
    """The network in single precision, with the kernels' order of every sum."""
    operations, n_inputs = operations_of(net, name)
    params = net.params.flat.astype(np.float32)
    chain = Chain([], n_inputs)
    for op in operations:
        sources = tuple(-1 if s < 0 else chain.outputs[s] for s in op.sources)
        width = n_inputs if sources[0] < 0 else chain.steps[sources[0]].width
        if op.kernel in ("dropout", "identity"):
            chain.outputs.append(sources[0])
            continue
        step = step_of(op, sources, width, params)
        chain.steps.append(step)
        chain.outputs.append(len(chain.steps) - 1)
        if op.kernel.startswith("member_"):
            chain.members = int(op.numbers[0])
    if not chain.steps or chain.outputs[-1] < 0:
        chain.steps.append(Step("copy", (-1,), (str(n_inputs),), n_inputs, loops=n_inputs))
    return chain


def step_of(op: Operation, sources: tuple[int, ...], width: int, params: Array) -> Step:
    """The step of an operation over rows of this width."""
    if op.kernel.startswith(PARAMETRIC):
        a = params[op.starts[0] :][:width]
        given = (a, *map(single, op.numbers), str(width))
        return Step(op.kernel, sources, given, width, True, width, width)
    if op.kernel in WRITERS:
        return WRITERS[op.kernel](op, sources, width, params)
    known = {cls.kernel for cls in activation_classes().values()}
    if op.kernel not in known:
        raise TypeError(f"the operation {op.kernel} cannot be written as C")
    arguments = (*map(single, op.numbers), str(width))
    return Step(op.kernel, sources, arguments, width, True, 0, width)


def single(value: float) -> str:
    """A number in single precision as C."""
    text = f"{np.float32(value):.9g}"
    return f"{text}f" if any(mark in text for mark in ".e") else f"{text}.0f"


def arrays(op: Operation, params: Array, *shapes: tuple[int, ...]) -> list[Array]:
    """The operation's parameters in these shapes."""
    return [
        params[start : start + int(np.prod(shape))].reshape(shape)
        for start, shape in zip(op.starts, shapes, strict=True)
    ]


def affine(op: Operation, sources: tuple[int, ...], width: int, params: Array) -> Step:
    """x W + b."""
    n = op.n_outputs or width
    shapes = ((width, n), (n,))[: len(op.starts)]
    given = tuple(arrays(op, params, *shapes))
    loops = n + width + width * n
    name = "affine" if len(given) == 2 else "linear"
    return Step(name, sources, (*given, str(width), str(n)), n, False, width * n, loops)


def batch_norm(op: Operation, sources: tuple[int, ...], width: int, params: Array) -> Step:
    """The running statistics as a factor and an offset, as the kernel makes them."""
    scale, shift = batch_norm_factors(op, width, params)
    return Step("scale_shift", sources, (scale, shift, str(width)), width, True, width, width)


def batch_norm_factors(op: Operation, width: int, params: Array) -> tuple[Array, Array]:
    """Factor and offset of every column, float32."""
    gamma, beta = (own.astype(np.float64) for own in arrays(op, params, (width,), (width,)))
    mean, variance = (own.astype(np.float32).astype(np.float64) for own in op.arrays)
    factor = gamma / np.sqrt(variance + op.numbers[0])
    return factor.astype(np.float32), (beta - mean * factor).astype(np.float32)


def layer_norm(op: Operation, sources: tuple[int, ...], width: int, params: Array) -> Step:
    """By the row's own mean and variance."""
    gamma, beta = arrays(op, params, (width,), (width,))
    arguments = (gamma, beta, repr(float(op.numbers[0])), str(width))
    return Step("layer_norm", sources, arguments, width, True, 3 * width, 3 * width + 4)


def add(op: Operation, sources: tuple[int, ...], width: int, params: Array) -> Step:
    """Where branches meet."""
    return Step("add", sources, (str(width),), width, True, 0, width)


def multiply(op: Operation, sources: tuple[int, ...], width: int, params: Array) -> Step:
    """One factor for all."""
    return Step("multiply", sources, (single(op.numbers[0]), str(width)), width, True, width, width)


def scale(op: Operation, sources: tuple[int, ...], width: int, params: Array) -> Step:
    """A factor for every column."""
    return Step("scale", sources, (*arrays(op, params, (width,)), str(width)), width, True, width,
                width)  # fmt: skip


def increasing(op: Operation, sources: tuple[int, ...], width: int, params: Array) -> Step:
    """Columns in order."""
    return Step("increasing", sources, (str(int(op.numbers[0])), str(width)), width, True, 0, width)


def periodic(op: Operation, sources: tuple[int, ...], width: int, params: Array) -> Step:
    """Waves of columns; phases in turns."""
    K, M, sines, with_x, rectified = map(int, op.numbers)
    columns = np.array(op.arrays[0], np.uint32)
    n = len(columns)
    w, b, V, c = arrays(op, params, (n, K), (n, K), (n, M, K * (1 + sines)), (n, M))
    turns = (b.astype(np.float64) * PER_TURN).astype(np.float32) if not sines else np.zeros_like(b)
    sizes = tuple(map(str, (n, K, M, sines, with_x, rectified, width)))
    loops = n * (1 + 2 * M + K * (1 + M)) + width - n
    products = n * K * (2 + M * (1 + sines))
    return Step("periodic_embedding", sources, (w, turns, V, c, columns, *sizes),
                width + n * (M + with_x - 1), False, products, loops)  # fmt: skip


def embedding(op: Operation, sources: tuple[int, ...], width: int, params: Array) -> Step:
    """Rows of tables."""
    rows, d = map(int, op.numbers)
    (E,) = arrays(op, params, (rows, d))
    columns, firsts = (np.array(own, np.uint32) for own in op.arrays)
    firsts = np.append(firsts, np.uint32(rows)).astype(np.uint32)
    n = len(columns)
    arguments = (E, columns, firsts, *map(str, (n, d, width)))
    loops = n * (1 + d) + width - n
    return Step("embedding", sources, arguments, width + n * (d - 1), False, 0, loops)


def piecewise(op: Operation, sources: tuple[int, ...], width: int, params: Array) -> Step:
    """Sums over bins."""
    T, d = map(int, op.numbers)
    columns, counts, edges = op.arrays
    n = len(columns)
    w, b, W = arrays(op, params, (n, d), (n, d), (n, T, d))
    sizes = map(str, (n, T, d, width))
    arguments = (w, b, W, columns.astype(np.uint32), counts.astype(np.uint32),
                 edges.astype(np.float32).reshape(n, T + 1), *sizes)  # fmt: skip
    loops = n * (T + d * (1 + T)) + width - n
    return Step("piecewise_embedding", sources, arguments, width + n * (d - 1), False,
                n * d * 2, loops)  # fmt: skip


def member_scale(op: Operation, sources: tuple[int, ...], width: int, params: Array) -> Step:
    """A member's factors, and its offsets."""
    k = int(op.numbers[0])
    given = [Member(own) for own in arrays(op, params, *([(k, width)] * len(op.starts)))]
    name = "scale" if len(given) == 1 else "scale_shift"
    return Step(name, sources, (*given, str(width)), width, True, width, width)


def member_affine(op: Operation, sources: tuple[int, ...], width: int, params: Array) -> Step:
    """A member's own affine map."""
    k, n = int(op.numbers[0]), op.n_outputs or width
    given = [Member(own) for own in arrays(op, params, (k, width, n), (k, n))]
    loops = n + width + width * n
    return Step("affine", sources, (*given, str(width), str(n)), n, False, width * n, loops)


WRITERS: dict[str, Callable[[Operation, tuple[int, ...], int, Array], Step]] = {
    "affine": affine,
    "linear": affine,
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "add": add,
    "multiply": multiply,
    "scale": scale,
    "increasing": increasing,
    "periodic_embedding": periodic,
    "embedding": embedding,
    "piecewise_embedding": piecewise,
    "member_scale": member_scale,
    "member_scale_shift": member_scale,
    "member_affine": member_affine,
}
