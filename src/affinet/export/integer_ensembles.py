"""Ensembles in integers: what members share within a network, and what all say together.

Exponentials come from two tables whose entries are multiplied, logarithms from one with lines
between its entries; a probability below 2^-30 counts as 2^-30.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from affinet._validation import Array
from affinet.export.integer_layers import (
    Made,
    affine_arrays,
    least,
    product,
    require_sums,
    weights_of,
)
from affinet.export.nodes import Node
from affinet.export.scales import Kind, Scale, factor_and_shift, rescaled, two_factors
from affinet.export.steps import Member, Step

EXP_BITS = {"int8": 4, "int16": 8}  # of a difference, for each of two tables
LOG_UNIT = 2.0**20  # of a logarithm of base 2
WEIGHT_UNIT = 2.0**30
LEAST_LOG = -30 * np.log(2.0)


def balanced(node: Node, given: Scale, low: Array, high: Array, kind: Kind) -> Scale:
    """Scales of columns with 0 in the middle, as members' factors have both signs.

    None is finer than what a step of the source becomes: a column of small values would leave the
    factors of all others few bits.
    """
    assert node.W is not None
    least = np.abs(node.W).max(axis=(0, 1)) * given.columns(node.width)[0]
    step = np.maximum(np.maximum(np.abs(low), np.abs(high)) / kind.high, least).astype(np.float32)
    step = np.where(step == 0, 1.0, step).astype(np.float64)
    return Scale(step, np.zeros(low.shape, np.int64))


def member_scale_step(node: Node, sources: list[Scale], out: Scale, kind: Kind) -> Made:
    """A member's factors, of the width of weights, on top of one for all."""
    (given,), W, n = sources, node.W, node.width
    assert W is not None
    steps, zeros = given.columns(n)
    ratio = W * (steps / out.step)
    most = max(float(np.abs(ratio).max()), 2.0**-30)
    r = np.rint(ratio / most * kind.high).astype(np.int64)
    factor, shift = factor_and_shift(np.array(most / kind.high), 30)
    arguments = (zeros.astype(kind.dtype), Member(r.astype(kind.dtype)), str(factor), str(shift),
                 str(kind.low), str(n))  # fmt: skip
    step = Step("q_member_scale", node.sources, arguments, n, True, n, n)
    return step, lambda x: rescaled((x - zeros) * r, factor, shift, 0, kind.low, kind)


def shared_affine_step(node: Node, sources: list[Scale], out: Scale, kind: Kind) -> Made:
    """Sums of products that all members share, then each one's factors and offsets."""
    (given,), W, b, members = sources, node.W, node.b, node.members
    assert W is not None
    assert b is not None
    assert members is not None
    I, O = W.shape  # noqa: E741
    q, steps = weights_of(W, given, kind)
    bound = np.abs(q).sum(axis=0) * -kind.low
    require_sums(bound, I, kind)
    ratio = members * steps / out.step
    offset = b / out.step - ratio * (given.columns(I)[1] @ q)
    bits = min(30, 61 - int(bound.max()).bit_length())  # sums times factors stay below 2^61
    shift = min(
        bits - math.frexp(max(float(np.abs(ratio).max()), 2.0**-40))[1],
        60 - math.frexp(float(np.abs(offset).max()))[1],
    )
    if shift < 1:
        raise ValueError("a layer's factors are too large for integers")
    factor = np.rint(ratio * 2.0**shift).astype(np.int64)
    # With the factor as it is rounded, as both stand beside sums that mostly cancel.
    added = np.rint(b / out.step * 2.0**shift) - factor * (given.columns(I)[1] @ q)
    up = max(math.frexp(float(np.abs(added).max()))[1] - 30, 0)
    added = np.rint(added / 2.0**up).astype(np.int64)
    low = least(node, out, kind)
    arguments = (
        np.ascontiguousarray(q.T).astype(kind.dtype), Member(factor.astype(np.int32)),
        Member(added.astype(np.int32)), *map(str, (up, shift, out.zero, low, I, O)),
    )  # fmt: skip
    step = Step("q_shared_affine", node.sources, arguments, O, False, I * O, O + I * O)

    def run(x: Array) -> Array:
        total = product(x, q) * factor + (added << up)
        return rescaled(total, 1, shift, out.zero, low, kind)

    return step, run


def member_affine_step(node: Node, sources: list[Scale], out: Scale, kind: Kind) -> Made:
    """A member's own affine map."""
    (given,), W, b = sources, node.W, node.b
    assert W is not None
    assert b is not None
    each = [affine_arrays(w, own[0], given, out, kind) for w, own in zip(W, b, strict=True)]
    q, offset, factor, shift = (np.stack(parts) for parts in zip(*each, strict=True))
    _, I, O = q.shape  # noqa: E741
    low = least(node, out, kind)
    arguments = (
        Member(np.ascontiguousarray(q.transpose(0, 2, 1)).astype(kind.dtype)),
        *(Member(own) for own in (offset.astype(kind.total), factor, shift)),
        *map(str, (out.zero, low, I, O)),
    )
    step = Step("q_affine", node.sources, arguments, O, False, I * O, O + I * O)
    factor, shift = factor[:, np.newaxis], shift[:, np.newaxis]

    def run(x: Array) -> Array:
        total = product(x, q) + offset[:, np.newaxis]
        return rescaled(total, factor, shift, out.zero, low, kind)

    return step, run


# Together -----------------------------------------------------------------------------------------


class Mixture(NamedTuple):
    """The answer of several: ``function(all, arguments, K, n, y)`` in C, and in NumPy.

    ``run`` takes (K, N, n).
    """

    function: str
    arguments: tuple[Any, ...]
    run: Callable[[Array], Array]
    loops: int


def limits(kind: str, y: Array) -> tuple[float, float]:
    """The least and the greatest answer, of those that have a form."""
    least = LEAST_LOG if kind in ("softmax", "sigmoid") else -np.inf
    most = -LEAST_LOG if kind == "sigmoid" else np.inf
    y = np.clip(y, least, most)
    return float(y.min()), float(y.max())


def mixture_of(name: str, weights: Array, n: int, given: Scale, out: Scale, kind: Kind) -> Mixture:
    """The weighted mean of K outputs, or of what they mean: softmax, sigmoid or exp of them."""
    K = len(weights)
    if not name:
        ratio = weights * given.step / out.step
        factors, _, own_shift = two_factors(ratio, ratio)
        arguments: tuple[Any, ...] = (factors.astype(np.int32), str(given.zero), str(own_shift),
                                      str(out.zero), str(kind.low))  # fmt: skip

        def mean(q: Array) -> Array:
            total = np.tensordot(factors, q - given.zero, 1)
            return rescaled(total, 1, own_shift, out.zero, kind.low, kind)

        return Mixture("mix_mean", arguments, mean, n * (1 + K))
    shares = np.rint(weights * WEIGHT_UNIT).astype(np.uint32)
    bits = EXP_BITS[kind.name]
    exps, logs = exp_table(given.step, bits), log_table()
    unit = np.log(2.0) / LOG_UNIT / out.step
    zero, w = given.zero, shares.astype(np.uint64)[:, np.newaxis, np.newaxis]
    end = str(out.zero), str(kind.low)
    if name == "exp":
        shift: Any
        own, factor, shift = two_factors(np.array(given.step / out.step), np.array(unit))
        both: tuple[Any, ...] = own, factor
    else:
        factor, shift = factor_and_shift(np.array(unit), 30)
        own, both = factor, (factor,)

    def exp(d: Array) -> Array:
        d = d.astype(np.int64)
        product = exps[d >> bits] * exps[2**bits + (d & (2**bits - 1))]
        return np.asarray(product >> np.uint64(31))

    def of_softmax(q: Array) -> Array:
        e = exp(q.max(axis=-1, keepdims=True) - q)
        total = (w * e // e.sum(axis=-1, keepdims=True)).sum(axis=0)
        return rescaled(log(total, logs), factor, shift, out.zero, kind.low, kind)

    def of_sigmoid(q: Array) -> Array:
        v = q - zero
        e = exp(np.abs(v))
        more, less = ((w * part) // (e + np.uint64(2**31)) for part in (np.uint64(2**31), e))
        yes, no = (np.where(v < 0, *pair).sum(axis=0) for pair in ((less, more), (more, less)))
        return rescaled(log(yes, logs) - log(no, logs), factor, shift, out.zero, kind.low, kind)

    def of_exp(q: Array) -> Array:
        most = q.max(axis=0)
        total = ((exp(most - q) * w) >> np.uint64(31)).sum(axis=0)
        sums = (most - zero) * own + log(total, logs) * factor
        return rescaled(sums, 1, shift, out.zero, kind.low, kind)

    tables = exps.astype(np.uint32), str(bits), logs.astype(np.uint32)
    arguments = (shares, *(() if name == "softmax" else (str(zero),)), *tables,
                 *map(str, both), str(shift), *end)  # fmt: skip
    run = {"softmax": of_softmax, "sigmoid": of_sigmoid, "exp": of_exp}[name]
    loops = {"softmax": 2 * n + 3 * n * K, "sigmoid": n * (1 + K), "exp": 2 * n * K}[name]
    return Mixture(f"mix_{name}", arguments, run, loops)


def exp_table(step: float, bits: int) -> Array:
    """exp(-d step) in 2^-31, for multiples of 2^bits and then for what is below."""
    d = np.arange(2**bits, dtype=np.float64)
    found = np.concatenate([np.exp(-(2**bits) * step * d), np.exp(-step * d)])
    return np.rint(found * 2.0**31).astype(np.uint64)


def log_table() -> Array:
    """log2(1 + i / 64)."""
    return np.rint(np.log2(1 + np.arange(65) / 64) * LOG_UNIT).astype(np.int64)


def log(v: Array, table: Array) -> Array:
    """log2(v / 2^30) in 2^-20, as C's ``q_log``."""
    v = np.maximum(v.astype(np.int64), 1)
    whole = np.frexp(v.astype(np.float64))[1] - 1  # exact below 2^53
    v = v << (31 - whole)
    i, rest = (v >> 25) & 63, (v >> 10) & 0x7FFF
    a, b = table[i], table[i + 1]
    return np.asarray((whole - 30) * 2**20 + a + (((b - a) * rest) >> 15))
