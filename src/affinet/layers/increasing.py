"""Outputs in increasing order, such as several quantiles."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from affinet._dispatch import kernels
from affinet._validation import Array, compute_dtype, fold_rows, ready, whole_number
from affinet.layers.activations import write_softplus
from affinet.layers.base import Layer, gradient_array, input_array
from affinet.layers.operation import OnnxGraph


class Increasing(Layer):
    """Columns in groups of n, increasing in each: ``y_0 = x_0``, ``y_j = y_(j-1) + softplus(x_j)``.

    As the last layer before :class:`Quantile` with n levels, it keeps quantiles from crossing:
    each is the one before it plus ``log(1 + exp(x_j))``, which is never negative. Gasthaus et al.,
    "Probabilistic forecasting with spline quantile function RNNs", AISTATS 2019, section 3, make a
    quantile function of non-negative steps likewise.

    Backward, with ``s_0 = 1`` and ``s_j = 1 / (1 + exp(-x_j))``::

        dx_j = s_j (dout_j + dout_(j+1) + ... + dout_(n-1))

    Parameters
    ----------
    n : int
        Columns of a group; the width of rows is a multiple of it.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> layer = an.Increasing(3)
    >>> layer.forward(np.array([[5.0, 0.0, 0.0]])).round(4)
    array([[5.    , 5.6931, 6.3863]])
    >>> layer.backward(np.array([[1.0, 1.0, 1.0]]))
    array([[3. , 1. , 0.5]])
    """

    kernel: ClassVar[str] = "increasing"
    keeps: ClassVar[tuple[str, ...]] = ("_x", "_shape")

    def __init__(self, n: int) -> None:
        self.n = whole_number("n", n, 1)
        self._x: Array | None = None
        self._shape: tuple[int, ...] = ()

    def forward(self, x: ArrayLike) -> Array:
        """The output for x, of the shape of x; keeps x for the backward.

        Raises
        ------
        ValueError
            If the width of rows is not a multiple of n.
        """
        rows, shape = self._rows(x)
        self._x, self._shape = rows, shape
        return self._apply(rows).reshape(shape)

    def predict(self, x: ArrayLike) -> Array:
        """The output for x, of the shape of x; keeps nothing."""
        rows, shape = self._rows(x)
        return self._apply(rows).reshape(shape)

    def backward(self, dout: ArrayLike) -> Array:
        """dx of the last forward, of the shape of x; dout is not modified."""
        x = self._kept(self._x)
        dout = gradient_array(dout, self._shape)
        dtype = compute_dtype(dout, x)
        dx = np.empty(x.shape, dtype)
        kernels.increasing_backward(
            ready(x, dtype), ready(dout, dtype).reshape(x.shape), self.n, dx
        )
        return dx.reshape(self._shape)

    def config(self) -> dict[str, Any]:
        """The columns of a group, for the model file."""
        return {"n": self.n}

    def require_width(self, width: int, name: str = "x") -> None:
        """Raise ValueError unless groups of n columns fill a row of this width."""
        if width == 0 or width % self.n != 0:
            raise ValueError(f"{name} has rows of {width} numbers, wanted a multiple of {self.n}")

    def write_onnx(self, graph: OnnxGraph) -> None:
        """Add groups as rows, a Softplus of all columns but the first, and a CumSum."""
        x = graph.tensor
        shape = graph.add("Shape", x)
        groups = graph.add("Reshape", x, graph.indices("groups", [-1, self.n]))
        axis, zero = graph.indices("axis", [1]), graph.indices("zero", [0])
        first = graph.add("Slice", groups, zero, axis, axis)
        if self.n > 1:
            rest = graph.add("Slice", groups, axis, graph.indices("end", [self.n]), axis)
            graph.tensor = rest
            first = graph.add("Concat", first, write_softplus(graph), axis=1)
        total = graph.add("CumSum", first, graph.indices("columns", 1))
        graph.add("Reshape", total, shape)
        graph.describe(self, x, {})

    def _apply(self, rows: Array) -> Array:
        out = np.empty_like(rows)
        kernels.increasing_forward(rows, self.n, out)
        return out

    def _rows(self, x: ArrayLike) -> tuple[Array, tuple[int, ...]]:
        array = input_array(x)
        if array.ndim == 0:
            raise ValueError(f"x has shape (), wanted rows of a multiple of {self.n} numbers")
        rows = fold_rows(array)
        self.require_width(rows.shape[1])
        return rows, array.shape
