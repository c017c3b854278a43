"""Layers whose parameters differ between the members of an ensemble, whose rows share a batch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from affinet._dispatch import kernels
from affinet._validation import Array, generator, ready, whole_number
from affinet.layers.base import Parameter
from affinet.layers.columns import ColumnLayer, float_dtype
from affinet.layers.operation import OnnxGraph


class MemberLayer(ColumnLayer):
    """A layer whose parameters differ between the k members of an ensemble.

    Its rows are those of the members, one member after another: of B rows, member m has those from
    m B / k to before (m + 1) B / k, and k must divide B.
    """

    _members: int

    @property
    def members(self) -> int:
        """k, the number of members."""
        return self._members

    def _rows(self, x: ArrayLike) -> tuple[Array, tuple[int, ...]]:
        rows, shape = super()._rows(x)
        if len(rows) % self.members:
            raise ValueError(
                f"x has {len(rows)} rows, wanted a multiple of the {self.members} members: the "
                "rows of one member come after those of another"
            )
        return rows, shape

    def write_onnx(self, graph: OnnxGraph) -> None:
        """Add the layer between its rows as those of each member, (k, B / k, I), and back."""
        x, names = graph.tensor, graph.parameters(self, *self.parameters)
        arrays = dict(zip(self.parameters, names, strict=True))
        axis = graph.indices("axis", [1])
        given = {  # (k, n) as (k, 1, n), for all rows of a member
            name: array if name == "W" else graph.add("Unsqueeze", array, axis)
            for name, array in arrays.items()
        }
        graph.add("Reshape", x, graph.indices("members", [self.members, -1, self.n_inputs]))
        self._write_for_members(graph, given)
        graph.add("Reshape", graph.tensor, graph.indices("rows", [-1, self.n_outputs]))
        graph.describe(self, x, arrays)

    @abstractmethod
    def _write_for_members(self, graph: OnnxGraph, given: Mapping[str, str]) -> None:
        """Add the nodes between rows of shape (k, B / k, I) and (k, B / k, O)."""


class MemberScale(MemberLayer):
    """Factors for each column and member: ``out = s_m x`` for the rows of member m.

    In front of a network that the members share otherwise, it makes TabM-mini of it. Gorishniy,
    Kotelnikov, Babenko, "TabM", ICLR 2025.

    Backward::

        dx = s_m dout        ds_m = sum of x dout over the member's rows

    Parameters
    ----------
    members : int
        k. Of B rows, member m has those from m B / k to before (m + 1) B / k.
    n : int
        Row width.
    rng : int, numpy.random.Generator or None
        The factors are 1 or -1 at random; see :class:`BatchEnsemble`.
    dtype : dtype
        float16, float32 or float64, of s.

    Attributes
    ----------
    s : array of shape (k, n)
    ds : array or None
        Its gradient after a backward.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> layer = an.MemberScale(2, 1, dtype=np.float64)
    >>> layer.s = [[1.0], [-1.0]]
    >>> layer.forward([[3.0], [4.0], [3.0], [4.0]]).ravel()
    array([ 3.,  4., -3., -4.])
    """

    parameters: ClassVar[tuple[str, ...]] = ("s",)
    kernel: ClassVar[str] = "member_scale"
    keeps: ClassVar[tuple[str, ...]] = ("_x", "_shape")
    s = Parameter(ndim=2)
    ds: Array | None = None

    def __init__(
        self,
        members: int,
        n: int,
        rng: int | np.random.Generator | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self._members = whole_number("members", members, 1)
        n = whole_number("n", n, 1)
        super().__init__(n, n)
        self._shapes = {"s": (self._members, n)}
        self.s = random_signs(self._shapes["s"], generator(rng)).astype(float_dtype(dtype))
        self.ds = None

    @classmethod
    def count_parameters(cls, members: int, n: int) -> int:
        """Number of parameters of a layer with these arguments."""
        return whole_number("members", members, 1) * whole_number("n", n, 1)

    def config(self) -> dict[str, Any]:
        """Sizes, for the model file."""
        return {"members": self.members, "n": self.n_inputs}

    def numbers(self) -> tuple[float, ...]:
        """The number of members."""
        return (self.members,)

    def _write_for_members(self, graph: OnnxGraph, given: Mapping[str, str]) -> None:
        graph.add("Mul", graph.tensor, given["s"])

    def _apply(self, x: Array, keep: bool) -> Array:
        dtype = self._dtype_for(x)
        out = np.empty(x.shape, dtype)
        (s,) = self._arrays_as(dtype)
        kernels.member_scale_forward(ready(x, dtype), s, None, out)
        return out

    def _apply_backward(self, x: Array, dout: Array, gradients: Mapping[str, Array]) -> Array:
        dx = np.empty(x.shape, x.dtype)
        (s,) = self._arrays_as(x.dtype)
        kernels.member_scale_backward(x, dout, s, dx, gradients["s"], None)
        return dx


def random_signs(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """1 and -1 with equal probability."""
    return rng.integers(0, 2, shape) * 2.0 - 1.0
