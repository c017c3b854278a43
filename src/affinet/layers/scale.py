"""A learned factor for each column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from affinet._dispatch import kernels
from affinet._validation import Array, ready, whole_number
from affinet.layers.base import Parameter
from affinet.layers.columns import ColumnLayer, float_dtype
from affinet.layers.operation import OnnxGraph


class Scale(ColumnLayer):
    """A learned factor for each column: ``out = s x``.

    In front of the first :class:`Affine` it lets the network weigh its inputs, softly selecting
    features. Holzmüller, Grinsztajn, Steinwart, "Better by default", NeurIPS 2024.

    Backward::

        dx = s dout        ds = sum of x dout over the rows

    Parameters
    ----------
    n : int
        Row width.
    dtype : dtype
        float16, float32 or float64, of s.

    Attributes
    ----------
    s : array of shape (n,)
        The factors, 1 at first.
    ds : array or None
        Their gradient after a backward.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> layer = an.Scale(2, dtype=np.float64)
    >>> layer.s = np.array([2.0, 0.5])
    >>> layer.forward(np.array([[1.0, 4.0]]))
    array([[2., 2.]])
    >>> layer.backward(np.array([[1.0, 1.0]])), layer.ds
    (array([[2. , 0.5]]), array([1., 4.]))
    """

    parameters: ClassVar[tuple[str, ...]] = ("s",)
    kernel: ClassVar[str] = "scale"
    keeps: ClassVar[tuple[str, ...]] = ("_x", "_shape")
    s = Parameter(ndim=1)
    ds: Array | None = None

    def __init__(self, n: int, dtype: DTypeLike = np.float32) -> None:
        n = whole_number("n", n, 1)
        super().__init__(n, n)
        self._shapes = {"s": (n,)}
        self.s = np.ones(n, float_dtype(dtype))
        self.ds = None

    @property
    def n(self) -> int:
        """Row width."""
        return self.n_inputs

    def config(self) -> dict[str, Any]:
        """Width, for the model file."""
        return {"n": self.n}

    def write_onnx(self, graph: OnnxGraph) -> None:
        """Add a Mul."""
        x, (s,) = graph.tensor, graph.parameters(self, "s")
        graph.add("Mul", x, s)
        graph.describe(self, x, {"s": s})

    def _apply(self, x: Array, keep: bool) -> Array:
        dtype = self._dtype_for(x)
        out = np.empty(x.shape, dtype)
        (s,) = self._arrays_as(dtype)
        kernels.scale_forward(ready(x, dtype), s, out)
        return out

    def _apply_backward(self, x: Array, dout: Array, gradients: Mapping[str, Array]) -> Array:
        dx = np.empty(x.shape, x.dtype)
        (s,) = self._arrays_as(x.dtype)
        kernels.scale_backward(x, dout, s, dx, gradients["s"])
        return dx
