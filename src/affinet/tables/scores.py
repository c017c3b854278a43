"""Normal scores: the inverse of the standard normal distribution, in NumPy and in ONNX."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from affinet._validation import Array
from affinet.tables.graph import INT64, NodeGraph
from affinet.tables.statistics import LARGEST

EDGE = 1e-7  # probabilities stop this far from 0 and 1, which have no finite score
BREAK, TAIL = 0.425, 5.0  # where the rational functions of AS 241 meet
# Coefficients of AS 241, from the highest power down: central part, tail, far tail.
CENTRAL = (
    (2509.0809287301227, 33430.57558358813, 67265.7709270087, 45921.95393154987,
     13731.69376550946, 1971.5909503065513, 133.14166789178438, 3.3871328727963665),
    (5226.495278852545, 28729.085735721943, 39307.89580009271, 21213.794301586597,
     5394.196021424751, 687.1870074920579, 42.31333070160091, 1.0),
)  # fmt: skip
NEAR = (
    (7.745450142783414e-4, 0.022723844989269184, 0.2417807251774506, 1.2704582524523684,
     3.6478483247632045, 5.769497221460691, 4.630337846156546, 1.4234371107496835),
    (1.0507500716444169e-9, 5.475938084995345e-4, 0.015198666563616457, 0.14810397642748008,
     0.6897673349851, 1.6763848301838038, 2.053191626637759, 1.0),
)  # fmt: skip
FAR = (
    (2.0103343992922881e-7, 2.7115555687434876e-5, 0.0012426609473880784, 0.026532189526576124,
     0.29656057182850487, 1.7848265399172913, 5.463784911164114, 6.657904643501103),
    (2.0442631033899397e-15, 1.4215117583164459e-7, 1.8463183175100547e-5, 7.868691311456133e-4,
     0.014875361290850615, 0.1369298809227358, 0.599832206555888, 1.0),
)  # fmt: skip


def normal_scores(p: Array) -> Array:
    """The inverse of the standard normal distribution function, float64, for 0 < p < 1.

    Algorithm AS 241 (Wichura, Applied Statistics 37, 1988), with a relative error of about 1e-16.

    Examples
    --------
    >>> import numpy as np
    >>> normal_scores(np.array([0.5, 0.975, 1e-7])).round(6).tolist()
    [0.0, 1.959964, -5.199338]
    """
    q = p - 0.5
    r = np.sqrt(-np.log(np.minimum(p, 1 - p)))
    tail = np.where(r <= TAIL, ratio(NEAR, r - 1.6), ratio(FAR, r - TAIL))
    central = q * ratio(CENTRAL, BREAK**2 - q * q)
    return np.where(np.abs(q) <= BREAK, central, np.copysign(tail, q))


def ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: Array) -> Array:
    """The quotient of two polynomials."""
    above, below = coefficients
    result: Array = np.polyval(above, x) / np.polyval(below, x)
    return result


# ONNX --------------------------------------------------------------------------------------------


def write_scores(graph: NodeGraph, tables: Sequence[Sequence[float]]) -> None:
    """Turn the last output (B, n), finite numbers, into scores by the quantiles of n columns.

    The quantiles stand one table behind another, each filled up with infinity to a power of two, so
    that a binary search of fixed length finds the places of all values at once.
    """
    columns = [np.array(table) for table in tables]
    large = [np.abs(own[[0, -1]]).max() > LARGEST / 4 for own in columns]  # differences overflow
    shrink = np.where(large, 1 / 16, 1.0)
    columns = [own * factor for own, factor in zip(columns, shrink, strict=True)]
    x = graph.add("Mul", graph.tensor, graph.constant("shrink", shrink))
    p = write_places(graph, x, columns, "LessOrEqual")
    if any((own[1:] == own[:-1]).any() for own in columns):  # to the middle of equal quantiles
        graph.add("Add", p, write_places(graph, x, columns, "Less"))
        graph.add("Mul", graph.tensor, graph.constant("half", 0.5))
    graph.add("Max", graph.tensor, graph.constant("edge", EDGE))
    graph.add("Min", graph.tensor, graph.constant("other edge", 1 - EDGE))
    write_normal(graph, graph.tensor)


def write_places(graph: NodeGraph, x: str, columns: Sequence[Array], below: str) -> str:
    """Add the places of x among each column's quantiles, from 0 to 1.

    ``below`` says which quantiles count as lower: of several equal to x all, or none.
    """
    size = 1 << max(map(len, columns)).bit_length()
    edges = np.full((len(columns), size - 1), np.inf)
    # Of what lies below n of the edges: below the first one p is 0, above the last one 1.
    starts, bases, slopes = (np.zeros((len(columns), size)) for _ in range(3))
    for column, own in enumerate(columns):
        n = len(own)
        edges[column, :n] = own
        p = np.linspace(0.0, 1.0, n)
        with np.errstate(divide="ignore", over="ignore"):
            rises = np.diff(p) / np.diff(own)
        starts[column, 1:n], bases[column, 1:n], bases[column, n] = own[:-1], p[:-1], 1.0
        slopes[column, 1:n] = np.where(np.isfinite(rises), rises, 0)
    position, step = "", size // 2
    first = np.arange(len(columns)) * (size - 1)
    quantiles = graph.constant("edges", edges.reshape(-1))
    while step:
        at = graph.indices(f"first {step}", first + step - 1)
        at = graph.add("Add", position, at) if position else at
        passed = graph.add(below, graph.add("Gather", quantiles, at), x)
        passed = graph.add("Cast", passed, to=INT64)
        passed = graph.add("Mul", passed, graph.indices(f"step {step}", step))
        position = graph.add("Add", position, passed) if position else passed
        step //= 2
    offsets = graph.indices("offsets", np.arange(len(columns)) * size)
    position = graph.add("Add", position, offsets)
    start, base, slope = (
        graph.add("Gather", graph.constant(name, array.reshape(-1)), position)
        for name, array in (("starts", starts), ("bases", bases), ("slopes", slopes))
    )
    graph.add("Sub", x, start)
    graph.add("Max", graph.tensor, graph.constant("least", -LARGEST))
    graph.add("Min", graph.tensor, graph.constant("most", LARGEST))
    graph.add("Mul", graph.tensor, slope)
    graph.add("Add", graph.tensor, base)
    graph.add("Max", graph.tensor, graph.constant("zero", 0.0))
    return graph.add("Min", graph.tensor, graph.constant("one", 1.0))


def write_normal(graph: NodeGraph, p: str) -> None:
    """Add :func:`normal_scores` for probabilities within the edges, which the far tail is not."""
    half, one = graph.constant("half", 0.5), graph.constant("one", 1.0)
    q = graph.add("Sub", p, half)
    graph.add("Min", p, graph.add("Sub", one, p))
    graph.add("Sqrt", graph.add("Neg", graph.add("Log")))
    graph.add("Sub", graph.tensor, graph.constant("near", 1.6))
    tail = write_ratio(graph, "tail", NEAR, graph.tensor)
    tail = graph.add("Mul", graph.add("Sign", q), tail)
    square = graph.add("Mul", q, q)
    graph.add("Sub", graph.constant("square", BREAK**2), square)
    central = graph.add("Mul", q, write_ratio(graph, "central", CENTRAL, graph.tensor))
    size = graph.add("Abs", q)
    inner = graph.add("LessOrEqual", size, graph.constant("break", BREAK))
    graph.add("Where", inner, central, tail)


def write_ratio(
    graph: NodeGraph, name: str, coefficients: Sequence[Sequence[float]], x: str
) -> str:
    """Add the quotient of two polynomials."""
    values = []
    for place, (highest, *others) in enumerate(coefficients):
        value = graph.constant(f"{name} {place} 0", highest)
        for power, coefficient in enumerate(others, 1):
            value = graph.add("Mul", value, x)
            constant = graph.constant(f"{name} {place} {power}", coefficient)
            value = graph.add("Add", value, constant)
        values.append(value)
    return graph.add("Div", *values)
