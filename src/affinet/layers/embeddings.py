"""Embeddings of columns: numbers by waves of them, categories by tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from affinet._dispatch import kernels
from affinet._validation import Array, generator, positive_number, ready, whole_number
from affinet.layers.base import Parameter
from affinet.layers.columns import ColumnLayer, float_dtype
from affinet.layers.operation import OnnxGraph, Operation

INT64 = 7  # in ONNX

# By kind: whether the waves are cosines and sines without phases, whether x itself comes first, and
# whether relu follows.
PERIODIC_KINDS = {"pbld": (False, True, False), "plr": (True, False, True)}


class PeriodicEmbedding(ColumnLayer):
    """Numbers as what is linear in their waves: each embedded column becomes several.

    For a column with the value x, K frequencies w and M outputs::

        kind "pbld":  x, and z_m = c_m + sum_k V_mk cos(2 pi w_k x + b_k)
        kind "plr":   z_m = relu(c_m + sum_k V_mk cos(2 pi w_k x) + V_m,K+k sin(2 pi w_k x))

    So a network sees steps and oscillations of a feature that it would fit slowly itself. The other
    columns stay as they are; all stand in the order of their columns.

    Parameters
    ----------
    n_inputs : int
        Row width of the input.
    columns : iterable of int, optional
        Columns to embed; all if left out.
    frequencies : int
        K, waves per column.
    outputs : int
        M, at most 64.
    kind : str
        "pbld" (periodic, bias, linear, dense; Holzmüller, Grinsztajn, Steinwart, "Better by
        default", NeurIPS 2024) or "plr" (periodic, linear, ReLU; Gorishniy, Rubachev, Babenko, "On
        embeddings for numerical features in tabular deep learning", NeurIPS 2022).
    sigma : float
        Standard deviation of the initial frequencies.
    rng : int, numpy.random.Generator or None
        Of the initial parameters: w ~ N(0, sigma^2), b ~ U(-pi, pi), V and c uniform within
        ±1 / sqrt(number of waves).
    dtype : dtype
        float16, float32 or float64.

    Attributes
    ----------
    w, b : array of shape (n, K)
        Frequencies in turns per unit, and phases in radians, which "plr" does not use.
    V : array of shape (n, M, K), or (n, M, 2 K) for "plr"
    c : array of shape (n, M)
    dw, db, dV, dc : array or None
        Their gradients after a backward.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> layer = an.PeriodicEmbedding(2, columns=[1], frequencies=1, outputs=1, dtype=np.float64)
    >>> layer.w, layer.b, layer.V, layer.c = [[0.25]], [[0.0]], [[[2.0]]], [[1.0]]
    >>> layer.forward(np.array([[5.0, 0.0], [5.0, 2.0]]))
    array([[ 5.,  0.,  3.],
           [ 5.,  2., -1.]])
    """

    parameters: ClassVar[tuple[str, ...]] = ("w", "b", "V", "c")
    kernel: ClassVar[str] = "periodic_embedding"
    keeps: ClassVar[tuple[str, ...]] = ("_x", "_shape", "_y")
    w = Parameter(ndim=2)
    b = Parameter(ndim=2)
    V = Parameter(ndim=3)
    c = Parameter(ndim=2)
    dw: Array | None = None
    db: Array | None = None
    dV: Array | None = None
    dc: Array | None = None
    _y: Array | None = None  # the output of the last forward

    def __init__(
        self,
        n_inputs: int,
        columns: Iterable[int] | None = None,
        frequencies: int = 16,
        outputs: int = 3,
        kind: str = "pbld",
        sigma: float = 0.1,
        rng: int | np.random.Generator | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        n_inputs = whole_number("n_inputs", n_inputs, 1)
        if not isinstance(kind, str) or kind not in PERIODIC_KINDS:
            raise ValueError(f"kind is {kind!r}, wanted one of {', '.join(PERIODIC_KINDS)}")
        self._columns = known_columns(columns, n_inputs)
        # The same array at every call: a training finds out by it that the layer is the same.
        self._places = np.array(self._columns, np.int64)
        self._kind = kind
        n = len(self._columns)
        K = whole_number("frequencies", frequencies, 1)
        M = whole_number("outputs", outputs, 1)
        if M > 64:
            raise ValueError(f"outputs is {M}, wanted at most 64")
        sines, with_x, _ = PERIODIC_KINDS[kind]
        waves = 2 * K if sines else K
        super().__init__(n_inputs, n_inputs + n * (M + with_x - 1))
        self._shapes = {"w": (n, K), "b": (n, K), "V": (n, M, waves), "c": (n, M)}
        self._draw(generator(rng), positive_number("sigma", sigma), float_dtype(dtype))
        self.dw = self.db = self.dV = self.dc = None

    def _draw(self, rng: np.random.Generator, sigma: float, dtype: np.dtype[Any]) -> None:
        """Initial parameters."""
        bound = 1 / math.sqrt(self._shapes["V"][2])
        self.w = (sigma * rng.standard_normal(self._shapes["w"])).astype(dtype)
        self.b = rng.uniform(-math.pi, math.pi, self._shapes["b"]).astype(dtype)
        self.V = rng.uniform(-bound, bound, self._shapes["V"]).astype(dtype)
        self.c = rng.uniform(-bound, bound, self._shapes["c"]).astype(dtype)

    @property
    def columns(self) -> tuple[int, ...]:
        """The embedded columns, ascending."""
        return self._columns

    @property
    def kind(self) -> str:
        """ "pbld" or "plr"."""
        return self._kind

    @classmethod
    def count_parameters(
        cls,
        n_inputs: int,
        columns: Iterable[int] | None = None,
        frequencies: int = 16,
        outputs: int = 3,
        kind: str = "pbld",
    ) -> int:
        """Number of parameters of a layer with these arguments."""
        n_inputs = whole_number("n_inputs", n_inputs, 1)
        n = n_inputs if columns is None else len(known_columns(columns, n_inputs))
        K, M = whole_number("frequencies", frequencies, 1), whole_number("outputs", outputs, 1)
        return n * (2 * K + M * (K * (2 if kind == "plr" else 1) + 1))

    def config(self) -> dict[str, Any]:
        """Sizes, columns and kind, for the model file."""
        K, M = self._shapes["w"][1], self._shapes["c"][1]
        return {
            "n_inputs": self.n_inputs,
            "columns": list(self.columns),
            "frequencies": K,
            "outputs": M,
            "kind": self.kind,
        }

    def __repr__(self) -> str:
        shown = self.config()
        if len(self.columns) == self.n_inputs:
            del shown["columns"]
        arguments = ", ".join(f"{name}={value!r}" for name, value in shown.items())
        return f"PeriodicEmbedding({arguments})"

    def numbers(self) -> tuple[float, ...]:
        """K, M and the kind's switches."""
        K, M = self._shapes["w"][1], self._shapes["c"][1]
        return (K, M, *map(float, PERIODIC_KINDS[self.kind]))

    def operation(self, starts: tuple[int, ...], key: int) -> Operation:
        """The layer as an operation of the compiled code; see :meth:`Layer.operation`."""
        found = super().operation(starts, key)
        return found._replace(n_outputs=self.n_outputs, arrays=(self._places,))

    def write_onnx(self, graph: OnnxGraph) -> None:
        """Add the waves of the embedded columns, their products with V, and what stands beside."""
        x, (sines, with_x, rectified) = graph.tensor, PERIODIC_KINDS[self.kind]
        w, b, V, c = graph.parameters(self, *self.parameters)
        last = graph.indices("axis", [2])
        column = graph.add("Gather", x, graph.indices("columns", self.columns), axis=1)
        column = graph.add("Unsqueeze", column, last)  # (B, n, 1)
        angle = graph.add("Mul", column, w)
        angle = graph.add("Mul", angle, graph.constant("turn", 2 * math.pi))
        if sines:
            graph.add("Concat", graph.add("Cos", angle), graph.add("Sin", angle), axis=2)
        else:
            graph.add("Add", angle, b)
            graph.add("Cos")
        waves = graph.add("Unsqueeze", graph.tensor, last)  # (B, n, 1, K or 2 K)
        transposed = graph.add("Transpose", V, perm=[0, 2, 1])
        graph.add("MatMul", waves, transposed)
        graph.add("Squeeze", graph.tensor, last)
        graph.add("Add", graph.tensor, c)
        if rectified:
            graph.add("Relu")
        if with_x:
            graph.add("Concat", column, graph.tensor, axis=2)
        width = self._shapes["c"][1] + with_x
        write_in_order(graph, x, self.n_inputs, self.columns, width)
        graph.describe(self, x, {"w": w, "b": b, "V": V, "c": c})

    def _apply(self, x: Array, keep: bool) -> Array:
        dtype = self._dtype_for(x)
        out = np.empty((len(x), self.n_outputs), dtype)
        columns = self._places
        w, b, V, c = self._arrays_as(dtype)
        switches = PERIODIC_KINDS[self.kind]
        kernels.periodic_embedding_forward(ready(x, dtype), w, b, V, c, columns, *switches, out)
        if keep:
            self._y = out.copy() if switches[2] else out
        return out

    def _apply_backward(self, x: Array, dout: Array, gradients: Mapping[str, Array]) -> Array:
        dx, y = np.empty(x.shape, x.dtype), ready(self._kept(self._y), x.dtype)
        columns = self._places
        w, b, V, c = self._arrays_as(x.dtype)
        sines, with_x, rectified = PERIODIC_KINDS[self.kind]
        dw, db, dV, dc = (gradients[name] for name in self.parameters)
        kernels.periodic_embedding_backward(
            x, y, dout, w, b, V, c, columns, sines, with_x, rectified, dx, dw, db, dV, dc
        )
        return dx


class Embedding(ColumnLayer):
    """Categories as learned vectors: each column of codes becomes a row of its table.

    Codes are the whole numbers 0, 1, ... below the column's number of categories, stored as floats
    beside columns of real numbers. The other columns stay as they are; all stand in the order of
    their columns.

    Backward: the gradient of a table's row is the sum of dout over the rows that looked it up; dx
    is 0 for codes.

    Parameters
    ----------
    n_inputs : int
        Row width of the input.
    sizes : mapping of int to int
        Number of categories of each column of codes.
    outputs : int
        Length of the vectors.
    rng : int, numpy.random.Generator or None
        Of the initial vectors, from N(0, 1).
    dtype : dtype
        float16, float32 or float64.

    Attributes
    ----------
    E : array of shape (R, outputs)
        The tables of all columns, behind each other: R is the sum of the sizes.
    dE : array or None
        Its gradient after a backward.

    Raises
    ------
    ValueError
        From forward and predict, if such a column of x holds anything but its codes. A network
        whose first layer is an embedding checks the data of ``fit``, ``predict`` and ``evaluate``
        too, after multiplication by ``input_scale``. Behind other layers the layer checks only
        when it runs by itself; compiled code makes the vector NaN.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> layer = an.Embedding(2, {0: 3}, outputs=2, dtype=np.float64)
    >>> layer.E = [[0.0, 0.1], [1.0, 1.1], [2.0, 2.1]]
    >>> layer.forward(np.array([[2.0, 7.0], [0.0, 8.0]]))
    array([[2. , 2.1, 7. ],
           [0. , 0.1, 8. ]])
    """

    parameters: ClassVar[tuple[str, ...]] = ("E",)
    kernel: ClassVar[str] = "embedding"
    keeps: ClassVar[tuple[str, ...]] = ("_x", "_shape")
    E = Parameter(ndim=2)
    dE: Array | None = None

    def __init__(
        self,
        n_inputs: int,
        sizes: Mapping[int, int],
        outputs: int = 8,
        rng: int | np.random.Generator | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        n_inputs = whole_number("n_inputs", n_inputs, 1)
        d = whole_number("outputs", outputs, 1)
        found = known_sizes(sizes)
        self._columns = known_columns(found, n_inputs)
        self._sizes = tuple(found[column] for column in self._columns)
        # The columns and the first row of each one's table: the same arrays at every call, by which
        # a training finds out that the layer is the same.
        firsts = np.cumsum([0, *self._sizes[:-1]]).astype(np.int64)
        self._places = np.array(self._columns, np.int64), firsts
        super().__init__(n_inputs, n_inputs + len(found) * (d - 1))
        self._shapes = {"E": (sum(self._sizes), d)}
        self.E = generator(rng).standard_normal(self._shapes["E"]).astype(float_dtype(dtype))
        self.dE = None

    @property
    def columns(self) -> tuple[int, ...]:
        """The columns of codes, ascending."""
        return self._columns

    @property
    def code_columns(self) -> tuple[int, ...]:
        """The columns that have no derivative."""
        return self._columns

    @property
    def sizes(self) -> dict[int, int]:
        """Number of categories of each column of codes."""
        return dict(zip(self._columns, self._sizes, strict=True))

    @property
    def outputs(self) -> int:
        """Length of the vectors."""
        return self._shapes["E"][1]

    @classmethod
    def count_parameters(cls, n_inputs: int, sizes: Mapping[int, int], outputs: int = 8) -> int:
        """Number of parameters of a layer with these arguments."""
        return sum(known_sizes(sizes).values()) * whole_number("outputs", outputs, 1)

    def config(self) -> dict[str, Any]:
        """Sizes and columns, for the model file."""
        sizes = {str(column): size for column, size in self.sizes.items()}
        return {"n_inputs": self.n_inputs, "sizes": sizes, "outputs": self.outputs}

    def __repr__(self) -> str:
        return f"Embedding(n_inputs={self.n_inputs}, sizes={self.sizes}, outputs={self.outputs})"

    def numbers(self) -> tuple[float, ...]:
        """Rows of the tables and their length."""
        return tuple(map(float, self._shapes["E"]))

    def operation(self, starts: tuple[int, ...], key: int) -> Operation:
        """The layer as an operation of the compiled code; see :meth:`Layer.operation`."""
        found = super().operation(starts, key)
        return found._replace(n_outputs=self.n_outputs, arrays=self._places)

    def require_inputs(self, x: Array, name: str = "x", first_row: int = 0) -> None:
        """Raise unless every value of a column of codes is one of its codes.

        Parameters
        ----------
        x : array of shape (B, ...) or (n_inputs,)
            Rows of another width are left to the forward.
        name : str
            Of x, for the message.
        first_row : int
            Index of the first row in the caller's data, for the message.

        Raises
        ------
        ValueError
            It names the first row of the first column with anything else, and the value.
        """
        n, width = self.n_inputs, x.size // len(x) if x.ndim > 1 and len(x) else x.size
        if x.size == 0 or width != n:
            return
        rows = x.reshape(-1, n)
        for column, size in self.sizes.items():
            codes = rows[:, column]
            wrong = ~((codes >= 0) & (codes < size) & (codes == np.floor(codes)))
            if wrong.any():
                row = int(wrong.argmax())
                raise ValueError(
                    f"{name} has {codes[row]:g} in row {first_row + row}, column {column}, wanted "
                    f"a code: a whole number from 0 to {size - 1}"
                )

    def write_onnx(self, graph: OnnxGraph) -> None:
        """Add the rows of E that the codes look up, which the graph does not check."""
        x = graph.tensor
        columns, firsts = self._places
        (E,) = graph.parameters(self, "E")
        graph.add("Gather", x, graph.indices("columns", columns), axis=1)
        graph.add("Cast", to=INT64)
        graph.add("Add", graph.tensor, graph.indices("firsts", firsts))
        graph.add("Gather", E, graph.tensor, axis=0)
        write_in_order(graph, x, self.n_inputs, self.columns, self.outputs)
        graph.describe(self, x, {"E": E})

    def _apply(self, x: Array, keep: bool) -> Array:
        self.require_inputs(x)
        dtype = self._dtype_for(x)
        out = np.empty((len(x), self.n_outputs), dtype)
        (E,), (columns, firsts) = self._arrays_as(dtype), self._places
        kernels.embedding_forward(ready(x, dtype), E, columns, firsts, out)
        return out

    def _apply_backward(self, x: Array, dout: Array, gradients: Mapping[str, Array]) -> Array:
        dx = np.empty(x.shape, x.dtype)
        kernels.embedding_backward(x, dout, *self._places, dx, gradients["E"])
        return dx


def write_in_order(
    graph: OnnxGraph, x: str, n_inputs: int, columns: tuple[int, ...], width: int
) -> None:
    """Put the last output, (B, n, width), in the places of the embedded columns of x."""
    n = len(columns)
    flat = graph.add("Reshape", graph.tensor, graph.indices("shape", [0, n * width]))
    graph.add("Concat", x, flat, axis=1)
    starts = {column: n_inputs + p * width for p, column in enumerate(columns)}
    places: list[int] = []
    for column in range(n_inputs):
        start = starts.get(column)
        places += [column] if start is None else range(start, start + width)
    graph.add("Gather", graph.tensor, graph.indices("order", places), axis=1)


def known_sizes(sizes: Any) -> dict[int, int]:
    """Sizes by column; keys may be texts, as in JSON."""
    if not isinstance(sizes, Mapping):
        raise TypeError(f"sizes is {sizes!r:.50}, wanted a mapping of columns to numbers")
    found = {}
    for key, size in sizes.items():
        column = int(key) if isinstance(key, str) and key.isdecimal() else key
        found[whole_number("a column", column, 0)] = whole_number("a size", size, 1)
    if len(found) < len(sizes):
        raise ValueError(f"sizes is {sizes!r}, wanted each column once")
    return found


def known_columns(columns: Iterable[int] | None, n_inputs: int) -> tuple[int, ...]:
    """Columns in ascending order; all if None."""
    if columns is None:
        return tuple(range(n_inputs))
    found = sorted(whole_number("a column", column, 0) for column in columns)
    if not found:
        raise ValueError("columns is empty, wanted one column or more")
    if found[-1] >= n_inputs or len({*found}) < len(found):
        raise ValueError(f"columns is {found}, wanted different ones below {n_inputs}")
    return tuple(found)
