"""Embeddings in integers: tables of codes, values with lines between them, and waves.

Columns that are kept keep their integers too, and so their scales.
"""

from __future__ import annotations

import numpy as np

from affinet._validation import Array
from affinet.export.integer_layers import Made, affine_arrays, product
from affinet.export.nodes import Node
from affinet.export.real import columns_of, counts_of, embedded, layout, size_of, width_of
from affinet.export.scales import Kind, Scale, joined, rescaled, scale_between
from affinet.export.steps import Step

QUARTER = {"int8": 6, "int16": 8}  # a quarter of a sine has 2^these values: an error of 3e-5


def code_scale(kind: Kind) -> Scale:
    """Codes as they are, with room for one number on both sides that is not a code."""
    return Scale(1.0, kind.low + 1)


def embedding_scale(node: Node, given: Scale, low: Array, high: Array, kind: Kind) -> Scale:
    """Of kept columns their own; of waves one; of other values one for each column."""
    kept, n = layout(node), width_of(node)
    steps, zeros = given.columns(n)
    if node.kind == "periodic_embedding":
        own = scale_between(low[kept < 0].min(), high[kept < 0].max(), kind)
    else:
        tables = (table for table, _ in tables_of(node, given, kind))
        limits = [(table.min(axis=0), table.max(axis=0)) for table in tables]
        lows, highs = map(np.concatenate, zip(*limits, strict=True))
        own = scale_between(lows, highs, kind)
    made_steps, made_zeros = own.columns(int((kept < 0).sum()))
    step, zero = steps[kept], zeros[kept]
    step[kept < 0], zero[kept < 0] = made_steps, made_zeros
    return Scale(step, zero)


def tables_of(node: Node, given: Scale, kind: Kind) -> list[tuple[Array, Array]]:
    """For each embedded column its values (rows, d) and the integers that they belong to.

    Those of a piecewise embedding are at the ends of the bins, rounded to integers of the input;
    the outer bins end where the integers do.
    """
    columns, n = columns_of(node), width_of(node)
    if node.kind == "embedding":
        ends = np.cumsum(counts_of(node))[:-1]
        return [(E, np.arange(len(E))) for E in np.split(node.arrays[0], ends)]
    counts, edges = node.arrays[4], node.arrays[5].reshape(len(columns), -1)
    steps, zeros = given.columns(n)
    found = []
    for p, column in enumerate(columns):
        inner = np.rint(edges[p, 1 : counts[p]] / steps[column]) + zeros[column]
        inner = inner[(inner > kind.low) & (inner < kind.high)]
        at = np.unique(np.concatenate([[kind.low], inner, [kind.high]])).astype(np.int64)
        rows = np.zeros((len(at), n))
        rows[:, column] = steps[column] * (at - zeros[column])
        found.append((embedded(node, rows)[:, layout(node) == -1 - p], at))
    return found


def as_integers(values: Array, scale: Scale, kind: Kind) -> Array:
    """The nearest integers of a scale, int64."""
    return np.asarray(np.clip(np.rint(values / scale.step) + scale.zero, kind.low, kind.high),
                      np.int64)  # fmt: skip


def placed_tables(node: Node, given: Scale, out: Scale, kind: Kind) -> list[tuple[Array, Array]]:
    """The tables in integers."""
    kept = layout(node)
    found = []
    for p, (table, at) in enumerate(tables_of(node, given, kind)):
        own = Scale(out.step[kept == -1 - p], out.zero[kept == -1 - p])
        found.append((as_integers(table, own, kind), at))
    return found


def firsts_of(tables: list[Array]) -> Array:
    """Where each table begins among the rows of all, and where the last one ends."""
    return np.cumsum([0, *map(len, tables)]).astype(np.uint32)


def joined_with(x: Array, node: Node, values: list[Array]) -> Array:
    """Kept columns, and the values of each embedded one."""
    kept = layout(node)
    out = np.empty((*x.shape[:-1], node.width), np.int64)
    out[..., kept >= 0] = x[..., kept[kept >= 0]]
    for p, own in enumerate(values):
        out[..., kept == -1 - p] = own
    return out


def embedding_step(node: Node, sources: list[Scale], out: Scale, kind: Kind) -> Made:
    """Rows of tables; 0 for what is not a code, in a separate row behind each table."""
    kept, columns, d, n = layout(node), columns_of(node), size_of(node), width_of(node)
    tables = [
        np.concatenate([table, out.zero[np.newaxis, kept == -1 - p]])
        for p, (table, _) in enumerate(placed_tables(node, sources[0], out, kind))
    ]
    p = len(columns)
    arguments = (
        np.concatenate(tables).astype(kind.dtype), columns.astype(np.uint32), firsts_of(tables),
        *map(str, (p, d, n)),
    )  # fmt: skip
    step = Step("q_embedding", node.sources, arguments, node.width, False, 0, p * (1 + d) + n - p)

    def run(x: Array) -> Array:
        found = []
        for table, column in zip(tables, columns, strict=True):
            code = x[..., column] - kind.low - 1
            last = len(table) - 1
            found.append(table[np.where((code >= 0) & (code < last), code, last)])
        return joined_with(x, node, found)

    return step, run


def piecewise_step(node: Node, sources: list[Scale], out: Scale, kind: Kind) -> Made:
    """Values at the ends of bins, with straight lines between them."""
    columns, d, n = columns_of(node), size_of(node), width_of(node)
    tables, edges = zip(*placed_tables(node, sources[0], out, kind), strict=True)
    p = len(columns)
    arguments = (
        *(np.concatenate(own).astype(kind.dtype) for own in (edges, tables)),
        columns.astype(np.uint32), firsts_of(list(tables)), *map(str, (p, d, n)),
    )  # fmt: skip
    loops = sum(map(len, edges)) - 2 * p + p * (1 + d) + n - p
    step = Step("q_piecewise", node.sources, arguments, node.width, False, p * d, loops)

    def run(x: Array) -> Array:
        found = []
        for table, at, column in zip(tables, edges, columns, strict=True):
            value = x[..., column]
            s = np.searchsorted(at[1:-1], value, side="right")
            share = (((value - at[s]) << 15) // (at[s + 1] - at[s]) + 1) >> 1
            a, b = table[s], table[s + 1]
            found.append(a + (((b - a) * share[..., np.newaxis] + 8192) >> 14))
        return joined_with(x, node, found)

    return step, run


# Waves -------------------------------------------------------------------------------------------


def quarter(kind: Kind) -> Array:
    """The sines of a quarter turn in units of 2^-15, and the last one again."""
    n = 2 ** QUARTER[kind.name]
    values = np.rint(32768 * np.sin(np.arange(n + 1) * (np.pi / 2 / n)))
    return np.append(np.minimum(values, 32767), 32767).astype(np.int16)


def wave(u: Array, table: Array, kind: Kind) -> Array:
    """The sine of u / 2^32 turns times the greatest integer, as C's ``wave``."""
    bits = QUARTER[kind.name]
    u = u & 0xFFFFFFFF
    r = u & 0x3FFFFFFF
    r = np.where(u & 0x40000000, 0x40000000 - r, r)
    i, rest = r >> (30 - bits), (r >> (15 - bits)) & 0x7FFF
    a, b = table[i].astype(np.int64), table[i + 1].astype(np.int64)
    v = a + (((b - a) * rest + 16384) >> 15)
    v = np.where(u & 0x80000000, -v, v)
    return np.asarray((v * kind.high + 16384) >> 15)


def periodic_step(node: Node, sources: list[Scale], out: Scale, kind: Kind) -> Made:
    """Waves by a table of a quarter of a sine, and an affine map of each column's waves."""
    w, b, V, c, columns = node.arrays
    K, M, sines, with_x, rectified = map(int, node.numbers)
    n, p, kept = width_of(node), len(columns), layout(node)
    steps, zeros = (own[columns, np.newaxis] for own in sources[0].columns(n))
    made = int(np.flatnonzero(kept < 0)[0])
    own = Scale(float(out.step[made]), int(out.zero[made]))
    frequencies = np.rint(w * steps * 2.0**32).astype(np.int64)
    phases = 0 if sines else np.rint(b / (2 * np.pi) * 2.0**32).astype(np.int64)
    phases = (phases - frequencies * zeros) & 0xFFFFFFFF
    frequencies &= 0xFFFFFFFF
    waves = Scale(1.0 / kind.high, 0)
    maps = [affine_arrays(V[i].T, c[i], waves, own, kind) for i in range(p)]
    q, offset, factor, shift = (np.stack(parts) for parts in zip(*maps, strict=True))
    low, table = own.zero if rectified else kind.low, quarter(kind)
    length = K * (1 + sines)
    arguments = (
        *(each.astype(np.uint32) for each in (frequencies, phases)), table,
        np.ascontiguousarray(q.transpose(0, 2, 1)).astype(kind.dtype), offset.astype(kind.total),
        factor, shift, columns.astype(np.uint32),
        *map(str, (QUARTER[kind.name], own.zero, low, p, K, M, sines, with_x, n)),
    )  # fmt: skip
    loops = p * (1 + K + M + M * length) + n - p
    step = Step("q_periodic", node.sources, arguments, node.width, False,
                p * (K + M * length), loops, work=length)  # fmt: skip

    def run(x: Array) -> Array:
        found = []
        for i, column in enumerate(columns):
            u = frequencies[i] * x[..., column, np.newaxis] + phases[i]
            parts = [wave(u + 0x40000000, table, kind)] + [wave(u, table, kind)] * sines
            total = product(np.concatenate(parts, axis=-1), q[i]) + offset[i]
            found.append(rescaled(total, factor[i], shift[i], own.zero, low, kind))
        return joined_with(x, node, found)

    return step, run


def input_scale(codes: Array, low: Array, high: Array, kind: Kind) -> Scale:
    """The scales of a network's inputs; ``codes`` (I,) is True for columns of them."""
    numbers = scale_between(low, high, kind)
    given = [code_scale(kind) if code else Scale(numbers.step[i], numbers.zero[i])
             for i, code in enumerate(codes)]  # fmt: skip
    return joined(given, [1] * len(given))
