"""Embeddings of numbers by piecewise-linear functions of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from affinet._dispatch import kernels
from affinet._validation import Array, generator, ready, whole_number
from affinet.layers.base import Parameter
from affinet.layers.columns import ColumnLayer, float_dtype
from affinet.layers.embeddings import known_columns
from affinet.layers.operation import Operation


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
        ``affinet.tabular.tabm.bin_edges``.
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
        found = known_bins(edges)
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

    @classmethod
    def count_parameters(
        cls, n_inputs: int, edges: Mapping[int, Iterable[float]], outputs: int = 16
    ) -> int:
        """Number of parameters of a layer with these arguments."""
        found = known_bins(edges)
        n = len(known_columns(found, whole_number("n_inputs", n_inputs, 1)))
        T = max(len(own) - 1 for own in found.values())
        return n * (2 + T) * whole_number("outputs", outputs, 1)

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


def known_bins(edges: Any) -> dict[int, tuple[float, ...]]:
    """Edges by column; keys may be texts, as in JSON."""
    if not isinstance(edges, Mapping):
        raise TypeError(f"edges is {edges!r:.50}, wanted a mapping of columns to edges of bins")
    found = {}
    for key, own in edges.items():
        column = int(key) if isinstance(key, str) and key.isdecimal() else key
        found[whole_number("a column", column, 0)] = known_edges(column, own)
    if len(found) < len(edges):
        raise ValueError(f"edges is {edges!r:.80}, wanted each column once")
    return found


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
