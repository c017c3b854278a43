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
from affinet.layers.operation import Operation

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
        if kind not in PERIODIC_KINDS:
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

    def numbers(self) -> tuple[float, ...]:
        """K, M and the kind's switches."""
        K, M = self._shapes["w"][1], self._shapes["c"][1]
        return (K, M, *map(float, PERIODIC_KINDS[self.kind]))

    def operation(self, starts: tuple[int, ...], key: int) -> Operation:
        """The layer as an operation of the compiled code; see :meth:`Layer.operation`."""
        found = super().operation(starts, key)
        return found._replace(n_outputs=self.n_outputs, arrays=(self._places,))

    def _apply(self, x: Array, keep: bool) -> Array:
        dtype = self._dtype_for(x)
        out = np.empty((len(x), self.n_outputs), dtype)
        columns = self._places
        arrays, switches = self._arrays_as(dtype), PERIODIC_KINDS[self.kind]
        kernels.periodic_embedding_forward(ready(x, dtype), *arrays, columns, *switches, out)
        if keep:
            self._y = out.copy() if switches[2] else out
        return out

    def _apply_backward(self, x: Array, dout: Array, gradients: Mapping[str, Array]) -> Array:
        dx, y = np.empty(x.shape, x.dtype), ready(self._kept(self._y), x.dtype)
        columns = self._places
        arrays, switches = self._arrays_as(x.dtype), PERIODIC_KINDS[self.kind]
        kernels.periodic_embedding_backward(
            x, y, dout, *arrays, columns, *switches, dx, *gradients.values()
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
        once, after multiplication by ``input_scale``. Behind other layers only the forward layer
        by layer checks; compiled code makes the vector NaN.

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
        found = {int(column): whole_number("a size", size, 1) for column, size in sizes.items()}
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

    def config(self) -> dict[str, Any]:
        """Sizes and columns, for the model file."""
        sizes = {str(column): size for column, size in self.sizes.items()}
        return {"n_inputs": self.n_inputs, "sizes": sizes, "outputs": self.outputs}

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

    def _apply(self, x: Array, keep: bool) -> Array:
        self.require_inputs(x)
        dtype = self._dtype_for(x)
        out = np.empty((len(x), self.n_outputs), dtype)
        kernels.embedding_forward(ready(x, dtype), *self._arrays_as(dtype), *self._places, out)
        return out

    def _apply_backward(self, x: Array, dout: Array, gradients: Mapping[str, Array]) -> Array:
        dx = np.empty(x.shape, x.dtype)
        kernels.embedding_backward(x, dout, *self._places, dx, gradients["E"])
        return dx


class PiecewiseEmbedding(ColumnLayer):
    """Numbers as what is linear in bins of them: each embedded column becomes several.

    For a column with the value x and bins between the edges e_0 < ... < e_T, where x lies in bin s,
    or below the first or above the last one::

        out = w x + b + W_0 + ... + W_(s-1) + (x - e_s) / (e_(s+1) - e_s) W_s

    So each output is a continuous function of x whose slope is learned bin by bin. The other
    columns stay as they are. Gorishniy, Rubachev, Babenko, "On
    embeddings for numerical features in tabular deep learning", NeurIPS 2022; in this form, with W
    starting at 0, version B of the package rtdl_num_embeddings.

    Parameters
    ----------
    n_inputs : int
        Row width of the input.
    edges : mapping of int to sequence of float
        For each embedded column the edges of its bins, two or more, ascending; see
        :func:`affinet.tabular.tabm.bin_edges`.
    outputs : int
        d, values for each embedded column.
    rng : int, numpy.random.Generator or None
        Of the initial w and b, uniform within ±1 / sqrt(outputs); W is 0.
    dtype : dtype
        float16, float32 or float64.

    Attributes
    ----------
    w, b : array of shape (n, outputs)
    W : array of shape (n, T, outputs)
        T is the largest number of bins; a column with fewer uses the first ones.
    dw, db, dW : array or None
        Their gradients after a backward.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> layer = an.PiecewiseEmbedding(2, {1: [0.0, 1.0, 3.0]}, outputs=1, dtype=np.float64)
    >>> layer.w, layer.b, layer.W = [[0.0]], [[10.0]], [[[1.0], [4.0]]]
    >>> layer.forward(np.array([[7.0, 0.5], [7.0, 2.0], [7.0, 5.0]]))
    array([[ 7. , 10.5],
           [ 7. , 13. ],
           [ 7. , 19. ]])
    """

    parameters: ClassVar[tuple[str, ...]] = ("w", "b", "W")
    kernel: ClassVar[str] = "piecewise_embedding"
    keeps: ClassVar[tuple[str, ...]] = ("_x", "_shape")
    w = Parameter(ndim=2)
    b = Parameter(ndim=2)
    W = Parameter(ndim=3)
    dw: Array | None = None
    db: Array | None = None
    dW: Array | None = None

    def __init__(
        self,
        n_inputs: int,
        edges: Mapping[int, Iterable[float]],
        outputs: int = 16,
        rng: int | np.random.Generator | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        n_inputs = whole_number("n_inputs", n_inputs, 1)
        d = whole_number("outputs", outputs, 1)
        found = {int(column): known_edges(column, own) for column, own in edges.items()}
        self._columns = known_columns(found, n_inputs)
        self._edges = tuple(found[column] for column in self._columns)
        self._kept_bins: dict[Any, tuple[Array, Array, Array]] = {}  # by dtype
        n, T = len(found), max(len(own) - 1 for own in self._edges)
        super().__init__(n_inputs, n_inputs + n * (d - 1))
        self._shapes = {"w": (n, d), "b": (n, d), "W": (n, T, d)}
        rng, kind, bound = generator(rng), float_dtype(dtype), d**-0.5
        self.w = rng.uniform(-bound, bound, (n, d)).astype(kind)
        self.b = rng.uniform(-bound, bound, (n, d)).astype(kind)
        self.W = np.zeros((n, T, d), kind)
        self.dw = self.db = self.dW = None

    @property
    def columns(self) -> tuple[int, ...]:
        """The embedded columns, ascending."""
        return self._columns

    @property
    def edges(self) -> dict[int, tuple[float, ...]]:
        """The edges of each embedded column's bins."""
        return dict(zip(self._columns, self._edges, strict=True))

    def config(self) -> dict[str, Any]:
        """Sizes and edges, for the model file."""
        edges = {str(column): list(own) for column, own in self.edges.items()}
        return {"n_inputs": self.n_inputs, "edges": edges, "outputs": self._shapes["w"][1]}

    def numbers(self) -> tuple[float, ...]:
        """T and d."""
        return tuple(map(float, self._shapes["W"][1:]))

    def operation(self, starts: tuple[int, ...], key: int) -> Operation:
        """The layer as an operation of the compiled code; see :meth:`Layer.operation`."""
        edges, columns, counts = self._bins(self.w.dtype)
        found = super().operation(starts, key)._replace(n_outputs=self.n_outputs)
        return found._replace(arrays=(columns, counts, edges.reshape(-1)))

    def _bins(self, dtype: DTypeLike) -> tuple[Array, Array, Array]:
        """Edges (n, T + 1), columns and numbers of bins, as the kernels take them.

        The same arrays at every call: a training finds out by them that the layer is the same.
        """
        kept = self._kept_bins.get(np.dtype(dtype))
        if kept is not None:
            return kept
        edges = np.zeros((len(self._columns), self._shapes["W"][1] + 1), dtype)
        for row, own in zip(edges, self._edges, strict=True):
            row[: len(own)] = own
        counts = np.array([len(own) - 1 for own in self._edges], np.int64)
        found = edges, np.array(self._columns, np.int64), counts
        self._kept_bins[np.dtype(dtype)] = found
        return found

    def _apply(self, x: Array, keep: bool) -> Array:
        dtype = self._dtype_for(x)
        out = np.empty((len(x), self.n_outputs), dtype)
        w, b, W = self._arrays_as(dtype)
        kernels.piecewise_embedding_forward(ready(x, dtype), w, b, W, *self._bins(dtype), out)
        return out

    def _apply_backward(self, x: Array, dout: Array, gradients: Mapping[str, Array]) -> Array:
        dx = np.empty(x.shape, x.dtype)
        w, _, W = self._arrays_as(x.dtype)
        kernels.piecewise_embedding_backward(
            x, dout, w, W, *self._bins(x.dtype), dx, *gradients.values()
        )
        return dx


def known_edges(column: int, edges: Iterable[float]) -> tuple[float, ...]:
    """Edges of bins that ascend in single precision too."""
    found = tuple(float(edge) for edge in edges)
    with np.errstate(over="ignore"):
        single = np.array(found, np.float32)
    if len(found) < 2 or not np.isfinite(single).all() or not (np.diff(single) > 0).all():
        raise ValueError(
            f"edges of column {column} are {found!r:.60}, wanted two finite numbers or more that "
            "ascend, in single precision too"
        )
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
