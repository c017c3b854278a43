"""A network in integers: int8 or int16 weights and activations, and no float between them.

A value v stands for ``scale (v - zero)``. Weights have one scale for each output and no zero;
activations have one of both for each layer, from the rows of the calibration. Jacob et al.,
"Quantization and training of neural networks for efficient integer-arithmetic-only inference",
CVPR 2018.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from affinet._validation import Array
from affinet.export.nodes import Node, function_of, nodes_of, real_outputs
from affinet.export.steps import Chain, Step
from affinet.network import Sequential

LINES = 64  # numbers between two values in a table of an int16 function
SPREAD = {"int8": 30, "int16": 14}  # bits of a factor: sums times factors stay below 2^62


class Kind(NamedTuple):
    """The limits of a type, and what its sums are."""

    name: str
    low: int
    high: int
    total: str


KINDS = {
    "int8": Kind("int8", -128, 127, "int32"),
    "int16": Kind("int16", -32768, 32767, "int64"),
}


class Scale(NamedTuple):
    """The meaning of integers: ``step (v - zero)``."""

    step: float
    zero: int


def scale_for(values: Array, kind: Kind) -> Scale:
    """The scale on which these values, and 0, just fit."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    step = (high - low) / (kind.high - kind.low) or 1.0
    step = float(np.float32(step))
    return Scale(step, max(kind.low, min(kind.high, round(kind.low - low / step))))


# Integers ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class IntegerNetwork:
    """A network in integers.

    Attributes
    ----------
    kind : Kind
    chain : Chain
        Its C.
    run : tuple of callable
        Its steps in NumPy, each from a list of earlier outputs, the input first.
    given, returned : Scale
        Of the inputs and the outputs.
    """

    kind: Kind
    chain: Chain
    run: tuple[Callable[[list[Array]], Array], ...]
    given: Scale
    returned: Scale

    @property
    def per_step(self) -> np.float32:
        """1 / step of the inputs, as C multiplies by it."""
        return np.float32(1.0 / self.given.step)

    def quantize(self, x: Array) -> Array:
        """Rows of numbers as integers, int64."""
        v = np.asarray(x, np.float32) * self.per_step
        v = np.where(v > -70000.0, np.where(v < 70000.0, v, 70000.0), -70000.0).astype(np.float32)
        half = np.float32(0.5)
        n = np.where(v < 0, v - half, v + half).astype(np.int64) + self.given.zero
        return np.clip(n, self.kind.low, self.kind.high)

    def outputs(self, q: Array) -> Array:
        """The outputs for integer rows, int64."""
        known = [q]
        for step in self.run:
            known.append(step(known))
        return known[-1]

    def dequantize(self, q: Array) -> Array:
        """Outputs as numbers, float32."""
        step = np.float32(self.returned.step)
        return (q - self.returned.zero).astype(np.float32) * step


def quantized(net: Sequential, kind_name: str, rows: Array) -> IntegerNetwork:
    """The integer network with the scales of these rows."""
    kind = KINDS[kind_name]
    nodes, n_inputs = nodes_of(net, kind_name)
    x = np.asarray(rows, np.float64).reshape(len(rows), -1)
    if x.shape[1] != n_inputs or not len(x):
        raise ValueError(f"calibrate has shape {np.shape(rows)}, wanted rows of {n_inputs} numbers")
    if not np.isfinite(x).all():
        raise ValueError("calibrate has values that are not finite")
    given = scale_for(x, kind)
    scales = [scale_for(values, kind) for values in real_outputs(nodes, x)]
    steps, run = [], []
    for i, node in enumerate(nodes):
        if node.kind == "map" and node.function == "relu":
            scales[i] = scales[node.sources[0]] if node.sources[0] >= 0 else given
        sources = [given if s < 0 else scales[s] for s in node.sources]
        made = BUILDERS[node.kind](node, sources, scales[i], kind)
        if node.kind == "map" and node.function == "relu":
            made = relu_step(node, sources, scales[i], kind)
        steps.append(made[0])
        run.append(located(made[1], node.sources))
    if not steps:
        raise ValueError("the network has no layer that computes anything")
    return IntegerNetwork(kind, Chain(steps, n_inputs), tuple(run), given, scales[-1])


def located(f: Callable[..., Array], sources: tuple[int, ...]) -> Callable[[list[Array]], Array]:
    """``f`` of earlier outputs, the input first."""
    return lambda known: f(*(known[s + 1] for s in sources))


Made = tuple[Step, Callable[..., Array]]


def factor_and_shift(ratio: Array, bits: int) -> tuple[Array, Array]:
    """Positive ratios as ``factor / 2^shift`` with factors of these many bits."""
    _, exponent = np.frexp(np.maximum(ratio, 2.0**-40))
    shift = np.clip(bits - exponent, 1, 62)
    factor = np.rint(ratio * 2.0**shift)
    if (factor >= 2.0 ** (bits + 1)).any():
        raise ValueError("a layer's outputs are too small beside its inputs for integers")
    return factor.astype(np.int32), shift.astype(np.uint8)


def rescaled(total: Array, factor: Any, shift: Any, zero: int, low: int, kind: Kind) -> Array:
    """Sums on another scale, as C's ``rescaled``."""
    half = np.int64(1) << (np.asarray(shift, np.int64) - 1)
    y = zero + ((total * np.asarray(factor, np.int64) + half) >> np.asarray(shift, np.int64))
    return np.asarray(np.clip(y, low, kind.high))


def least(node: Node, out: Scale, kind: Kind) -> int:
    """The least output: that of 0 where a relu follows."""
    return out.zero if node.relu else kind.low


def affine_step(node: Node, sources: list[Scale], out: Scale, kind: Kind) -> Made:
    """Sums of products, in int32 for int8 and in int64 for int16."""
    (given,), W, b = sources, node.W, node.b
    assert W is not None
    assert b is not None
    top = kind.high
    steps = np.maximum(np.abs(W).max(axis=0, initial=0.0), 1e-30) / top
    # A bias must fit beside the products: a larger step of the weights leaves room for it.
    most = 2.0**30 if kind.total == "int32" else 2.0**45
    steps = np.maximum(steps, np.abs(b) / (given.step * most))
    q = np.clip(np.rint(W / steps), -top, top).astype(np.int64)
    offset = np.rint(b / (steps * given.step)).astype(np.int64) - given.zero * q.sum(axis=0)
    bound = np.abs(offset) + np.abs(q).sum(axis=0) * -kind.low
    if bound.max(initial=0) >= (2**31 if kind.total == "int32" else 2**47):
        raise ValueError(f"the sums of a layer of {len(W)} inputs exceed {kind.total}")
    factor, shift = factor_and_shift(steps * given.step / out.step, SPREAD[kind.name])
    I, O = W.shape  # noqa: E741
    low, dtype = least(node, out, kind), np.dtype(kind.name)
    arguments = (
        np.ascontiguousarray(q.T).astype(dtype), offset.astype(kind.total), factor, shift,
        str(out.zero), str(low), str(I), str(O),
    )  # fmt: skip
    step = Step("q_affine", node.sources, arguments, O, False, I * O, O + I * O)
    return step, lambda x: rescaled(x @ q + offset, factor, shift, out.zero, low, kind)


def scale_step(node: Node, sources: list[Scale], out: Scale, kind: Kind) -> Made:
    """Factors and offsets of columns."""
    (given,), W, b = sources, node.W, node.b
    assert W is not None
    assert b is not None
    ratio = W * given.step / out.step
    offset = b / out.step
    most = np.maximum(np.abs(ratio) * 2.0**17, np.abs(offset))
    shift = np.clip(np.floor(60 - np.log2(np.maximum(most, 2.0**-40))), 1, 45)
    shift = np.minimum(shift, np.floor(30 - np.log2(np.maximum(np.abs(ratio), 2.0**-40))))
    if (shift < 1).any():
        raise ValueError("a layer's factors are too large for integers")
    factor = np.rint(ratio * 2.0**shift).astype(np.int32)
    added = np.rint(offset * 2.0**shift).astype(np.int64)
    shift = shift.astype(np.uint8)
    low, n = least(node, out, kind), node.width
    arguments = (str(given.zero), factor, added, shift, str(out.zero), str(low), str(n))
    step = Step("q_scale", node.sources, arguments, n, True, n, n)

    def run(x: Array) -> Array:
        total = (x - given.zero) * factor.astype(np.int64) + added
        return rescaled(total, 1, shift, out.zero, low, kind)

    return step, run


def layer_norm_step(node: Node, sources: list[Scale], out: Scale, kind: Kind) -> Made:
    """Mean, variance and its root in int64."""
    (given,), n = sources, node.width
    assert node.W is not None
    assert node.b is not None
    bits = (n * (kind.high - kind.low)).bit_length()  # of d, and twice of its square's mean
    if 2 * bits + n.bit_length() > 63:
        raise ValueError(f"a LayerNorm of {n} columns exceeds int64 in {kind.name}")
    extra = max(min(60 - 2 * bits, 2 * (47 - bits)) // 2 * 2, 0)
    eps = min(int(np.rint(node.numbers[0] * (n / given.step) ** 2 * 2.0**extra)), 2**61)
    ratio, offset = node.W / out.step, node.b / out.step
    most = max(float(np.abs(ratio).max()), 2.0**-20)
    shift = min(28 + 14 - math.frexp(most)[1], 58 - math.frexp(float(np.abs(offset).max()))[1], 44)
    if shift < 1:
        raise ValueError("a layer's factors are too large for integers")
    factor = np.rint(ratio * 2.0 ** (shift - 14)).astype(np.int32)
    added = np.rint(offset * 2.0**shift).astype(np.int64)
    low = least(node, out, kind)
    arguments = (
        factor,
        added,
        str(shift),
        f"UINT64_C({eps})",
        *map(str, (extra, out.zero, low, n)),
    )
    step = Step("q_layer_norm", node.sources, arguments, n, True, 3 * n, 3 * n + 32)

    def run(x: Array) -> Array:
        d = n * x - x.sum(axis=1, keepdims=True)
        squares = ((d * d).sum(axis=1, keepdims=True) // n << extra) + eps
        root = np.maximum(isqrt(squares), 1)
        q = np.sign(d) * ((np.abs(d) << (14 + extra // 2)) // root)
        return rescaled(q * factor.astype(np.int64) + added, 1, shift, out.zero, low, kind)

    return step, run


def isqrt(values: Array) -> Array:
    """The integer parts of square roots of int64."""
    return np.array([math.isqrt(v) for v in values.ravel().tolist()], np.int64).reshape(
        values.shape
    )


def two_factors(first: Array, second: Array) -> tuple[Array, Array, int]:
    """Two ratios, or arrays of them, with one shift."""
    most = max(float(np.abs(first).max()), float(np.abs(second).max()), 2.0**-30)
    shift = int(min(max(28 - math.frexp(most)[1], 1), 45))
    both = [np.rint(np.asarray(own) * 2.0**shift) for own in (first, second)]
    if max(float(np.abs(own).max()) for own in both) >= 2.0**31:
        raise ValueError("a layer's factors are too large for integers")
    return both[0].astype(np.int64), both[1].astype(np.int64), shift


def add_step(node: Node, sources: list[Scale], out: Scale, kind: Kind) -> Made:
    """The sum of two sources of different scales."""
    a, b = sources
    fa, fb, shift = two_factors(np.array(a.step / out.step), np.array(b.step / out.step))
    low, n = least(node, out, kind), node.width
    arguments = tuple(map(str, (a.zero, fa, b.zero, fb, shift, out.zero, low, n)))
    step = Step("q_add", node.sources, arguments, n, True, 2 * n, n)

    def run(x: Array, y: Array) -> Array:
        return rescaled((x - a.zero) * fa + (y - b.zero) * fb, 1, shift, out.zero, low, kind)

    return step, run


def blend_step(node: Node, sources: list[Scale], out: Scale, kind: Kind) -> Made:
    """(1 - a) x + a f(x)."""
    x, f = sources
    assert node.W is not None
    fx, ff, shift = two_factors((1 - node.W) * x.step / out.step, node.W * f.step / out.step)
    low, n = least(node, out, kind), node.width
    arguments = (str(x.zero), fx.astype(np.int32), str(f.zero), ff.astype(np.int32),
                 *map(str, (shift, out.zero, low, n)))  # fmt: skip
    step = Step("q_blend", node.sources, arguments, n, True, 2 * n, n)

    def run(v: Array, w: Array) -> Array:
        return rescaled((v - x.zero) * fx + (w - f.zero) * ff, 1, shift, out.zero, low, kind)

    return step, run


def relu_step(node: Node, sources: list[Scale], out: Scale, kind: Kind) -> Made:
    """A relu that could not become part of what it follows: on the scale of its input."""
    n = node.width
    step = Step("q_relu", node.sources, (str(out.zero), str(n)), n, True, 0, n)
    return step, lambda x: np.maximum(x, out.zero)


def map_step(node: Node, sources: list[Scale], out: Scale, kind: Kind) -> Made:
    """A function by a table of its values."""
    given, n = sources[0], node.width
    small = kind.name == "int8"
    at = np.arange(kind.low, kind.high + 2, 1 if small else LINES)
    at = at[:-1] if small else at
    values = function_of(node, given.step * (at - given.zero)) / out.step
    table = np.clip(np.rint(values) + out.zero, kind.low, kind.high).astype(np.dtype(kind.name))
    name = "q_map8" if small else "q_map16"
    step = Step(name, node.sources, (table, str(n)), n, True, 0 if small else n, n)
    wide = table.astype(np.int64)

    def run(x: Array) -> Array:
        place = x - kind.low
        if small:
            return np.asarray(wide[place])
        a, b = wide[place // LINES], wide[place // LINES + 1]
        return np.asarray(a + (((b - a) * (place % LINES) + LINES // 2) >> 6))

    return step, run


BUILDERS: dict[str, Callable[[Node, list[Scale], Scale, Kind], Made]] = {
    "affine": affine_step,
    "scale": scale_step,
    "layer_norm": layer_norm_step,
    "add": add_step,
    "blend": blend_step,
    "map": map_step,
}
