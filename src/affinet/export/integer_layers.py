"""Layers of integers: their C, and the same in NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from affinet._validation import Array
from affinet.export.nodes import Node
from affinet.export.real import function_of, times
from affinet.export.scales import (
    SPREAD,
    Kind,
    Scale,
    factor_and_shift,
    isqrt,
    rescaled,
    two_factors,
)
from affinet.export.steps import Step

LINES = 64  # numbers between two values in a table of an int16 function
Made = tuple[Step, Callable[..., Array]]


def least(node: Node, out: Scale, kind: Kind) -> int:
    """The least output: that of 0 where a relu follows."""
    return out.zero if node.relu else kind.low


def product(x: Array, W: Array) -> Array:
    """Sums of products of whole numbers, exact: all stay below 2^53."""
    return times(x.astype(np.float64), W.astype(np.float64)).astype(np.int64)


def weights_of(W: Array, given: Scale, kind: Kind, b: Array | None = None) -> tuple[Array, Array]:
    """Weights (I, O) as integers, and the step of each output's sum.

    The columns' own steps become part of the weights. A bias must fit beside the products: a
    larger step of the weights leaves room for it.
    """
    W, unit = (W * given.step[:, np.newaxis], 1.0) if given.by_columns else (W, given.step)
    steps = np.maximum(np.abs(W).max(axis=0, initial=0.0), 1e-30) / kind.high
    if b is not None:
        most = 2.0**30 if kind.total == "int32" else 2.0**45
        steps = np.maximum(steps, np.abs(b) / (unit * most))
    q = np.clip(np.rint(W / steps), -kind.high, kind.high).astype(np.int64)
    return q, steps * unit


def require_sums(bound: Array, n_inputs: int, kind: Kind) -> None:
    """Raise if sums may be too large."""
    if bound.max(initial=0) >= (2**31 if kind.total == "int32" else 2**47):
        raise ValueError(f"the sums of a layer of {n_inputs} inputs exceed {kind.total}")


def affine_arrays(
    W: Array, b: Array, given: Scale, out: Scale, kind: Kind
) -> tuple[Array, Array, Array, Array]:
    """Weights (I, O), offsets, factors and shifts of an affine map."""
    q, steps = weights_of(W, given, kind, b)
    offset = np.rint(b / steps).astype(np.int64) - (given.columns(len(W))[1] @ q)
    require_sums(np.abs(offset) + np.abs(q).sum(axis=0) * -kind.low, len(W), kind)
    return q, offset, *factor_and_shift(steps / out.step, SPREAD[kind.name])


def affine_step(node: Node, sources: list[Scale], out: Scale, kind: Kind) -> Made:
    """Sums of products, in int32 for int8 and in int64 for int16."""
    (given,), W, b = sources, node.W, node.b
    assert W is not None
    assert b is not None
    q, offset, factor, shift = affine_arrays(W, b, given, out, kind)
    I, O = W.shape  # noqa: E741
    low = least(node, out, kind)
    arguments = (
        np.ascontiguousarray(q.T).astype(kind.dtype), offset.astype(kind.total), factor, shift,
        str(out.zero), str(low), str(I), str(O),
    )  # fmt: skip
    step = Step("q_affine", node.sources, arguments, O, False, I * O, O + I * O)
    return step, lambda x: rescaled(product(x, q) + offset, factor, shift, out.zero, low, kind)


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
    added = np.rint(offset * 2.0**shift).astype(np.int64) - factor.astype(np.int64) * given.zero
    shift = shift.astype(np.uint8)
    low, n = least(node, out, kind), node.width
    arguments = (factor, added, shift, str(out.zero), str(low), str(n))
    step = Step("q_scale", node.sources, arguments, n, True, n, n)

    def run(x: Array) -> Array:
        return rescaled(x * factor.astype(np.int64) + added, 1, shift, out.zero, low, kind)

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
        d = n * x - x.sum(axis=-1, keepdims=True)
        squares = ((d * d).sum(axis=-1, keepdims=True) // n << extra) + eps
        root = np.maximum(isqrt(squares), 1)
        q = np.sign(d) * ((np.abs(d) << (14 + extra // 2)) // root)
        return rescaled(q * factor.astype(np.int64) + added, 1, shift, out.zero, low, kind)

    return step, run


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


def increasing_step(node: Node, sources: list[Scale], out: Scale, kind: Kind) -> Made:
    """In groups, the first and the sums of it and the softplus of the others."""
    x, f = sources
    n, group = node.width, int(node.numbers[0])
    fx, ff, shift = two_factors(np.array(x.step / out.step), np.array(f.step / out.step))
    low = least(node, out, kind)
    arguments = tuple(map(str, (x.zero, fx, f.zero, ff, shift, out.zero, low, group, n)))
    step = Step("q_increasing", node.sources, arguments, n, True, 2 * n, n)
    first = np.arange(n) % group == 0

    def run(v: Array, w: Array) -> Array:
        terms = np.where(first, (v - x.zero) * fx, (w - f.zero) * ff)
        total = terms.reshape(*terms.shape[:-1], -1, group).cumsum(axis=-1).reshape(terms.shape)
        return rescaled(total, 1, shift, out.zero, low, kind)

    return step, run
