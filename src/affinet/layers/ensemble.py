"""Affine layers of an ensemble in one network, whose members share most of the weights or none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from affinet._dispatch import kernels
from affinet._validation import Array, generator, ready, whole_number
from affinet.layers import products
from affinet.layers.base import Parameter
from affinet.layers.columns import float_dtype
from affinet.layers.members import MemberLayer, random_signs
from affinet.layers.members import MemberScale as MemberScale  # older pickles look for it here
from affinet.layers.operation import OnnxGraph, Operation


class BatchEnsemble(MemberLayer):
    """An affine layer whose members share W: ``out = s_m ((r_m x) W) + b_m``.

    k members cost one product over all their rows, and 2 I + 2 O numbers each beside W. Wen, Tran,
    Ba, "BatchEnsemble", ICLR 2020; Gorishniy, Kotelnikov, Babenko, "TabM", ICLR 2025.

    Parameters
    ----------
    members : int
        k. Of B rows, member m has those from m B / k to before (m + 1) B / k.
    n_inputs, n_outputs : int
        I and O.
    rng : int, numpy.random.Generator or None
        W and b, the same for all members, are uniform within ±1 / sqrt(I).
    first : bool
        True for the first layer of an ensemble: r is 1 or -1 at random, so that members differ.
        Otherwise, and s always, 1.
    dtype : dtype
        float16, float32 or float64.

    Attributes
    ----------
    r : array of shape (k, I)
    W : array of shape (I, O)
    s, b : array of shape (k, O)
    dr, dW, ds, db : array or None
        Their gradients after a backward.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> layer = an.BatchEnsemble(2, 1, 1, dtype=np.float64)
    >>> layer.r, layer.W = [[1.0], [2.0]], [[10.0]]
    >>> layer.s, layer.b = [[1.0], [1.0]], [[0.0], [0.5]]
    >>> layer.forward([[3.0], [3.0]]).ravel()
    array([30. , 60.5])
    """

    parameters: ClassVar[tuple[str, ...]] = ("r", "W", "s", "b")
    penalized: ClassVar[tuple[str, ...]] = ("W",)
    kernel: ClassVar[str] = "linear"
    keeps: ClassVar[tuple[str, ...]] = ("_x", "_shape", "_between")
    r = Parameter(ndim=2)
    W = Parameter(ndim=2)
    s = Parameter(ndim=2)
    b = Parameter(ndim=2)
    dr: Array | None = None
    dW: Array | None = None
    ds: Array | None = None
    db: Array | None = None
    _between: tuple[Array, Array] | None = None  # r x, and its product with W

    def __init__(
        self,
        members: int,
        n_inputs: int,
        n_outputs: int,
        rng: int | np.random.Generator | None = None,
        first: bool = False,
        dtype: DTypeLike = np.float32,
    ) -> None:
        k = self._members = whole_number("members", members, 1)
        I = whole_number("n_inputs", n_inputs, 1)  # noqa: E741
        O = whole_number("n_outputs", n_outputs, 1)  # noqa: E741
        super().__init__(I, O)
        self._shapes = {"r": (k, I), "W": (I, O), "s": (k, O), "b": (k, O)}
        rng, kind, bound = generator(rng), float_dtype(dtype), I**-0.5
        self.r = (random_signs((k, I), rng) if first else np.ones((k, I))).astype(kind)
        self.W = rng.uniform(-bound, bound, (I, O)).astype(kind)
        self.s = np.ones((k, O), kind)
        self.b = np.tile(rng.uniform(-bound, bound, O), (k, 1)).astype(kind)
        self.dr = self.dW = self.ds = self.db = None

    @classmethod
    def count_parameters(cls, members: int, n_inputs: int, n_outputs: int) -> int:
        """Number of parameters of a layer with these arguments."""
        k = whole_number("members", members, 1)
        I = whole_number("n_inputs", n_inputs, 1)  # noqa: E741
        O = whole_number("n_outputs", n_outputs, 1)  # noqa: E741
        return k * I + I * O + 2 * k * O

    def config(self) -> dict[str, Any]:
        """Sizes, for the model file."""
        return {
            "members": self.members, "n_inputs": self.n_inputs, "n_outputs": self.n_outputs
        }  # fmt: skip

    def operations(self, starts: tuple[int, ...], key: int) -> list[Operation]:
        """The members' factors, the shared product, and their factors and offsets."""
        r, W, s, b = starts
        k = (self.members,)
        return [
            Operation("member_scale", starts=(r,), numbers=k),
            Operation("linear", n_outputs=self.n_outputs, starts=(W,)),
            Operation("member_scale_shift", starts=(s, b), numbers=k),
        ]

    def _write_for_members(self, graph: OnnxGraph, given: Mapping[str, str]) -> None:
        for op, name in (("Mul", "r"), ("MatMul", "W"), ("Mul", "s"), ("Add", "b")):
            graph.add(op, graph.tensor, given[name])

    def _apply(self, x: Array, keep: bool) -> Array:
        dtype = self._dtype_for(x)
        r, W, s, b = self._arrays_as(dtype)
        scaled, product = np.empty(x.shape, dtype), np.empty((len(x), self.n_outputs), dtype)
        kernels.member_scale_forward(ready(x, dtype), r, None, scaled)
        products.linear_forward(self._product_precision(W), scaled, W, product)
        out = np.empty_like(product)
        kernels.member_scale_forward(product, s, b, out)
        if keep:
            self._between = scaled, product
        return out

    def _apply_backward(self, x: Array, dout: Array, gradients: Mapping[str, Array]) -> Array:
        scaled, product = (ready(a, x.dtype) for a in self._kept(self._between))
        r, W, s, _ = self._arrays_as(x.dtype)
        inner = np.empty_like(dout)
        kernels.member_scale_backward(product, dout, s, inner, gradients["s"], gradients["b"])
        precision = self._product_precision(W)
        products.backward_dw(precision, scaled, inner, gradients["W"])
        dx = np.empty(x.shape, x.dtype)
        products.backward_dx(precision, inner, W, dx)
        kernels.member_scale_backward(x, dx.copy(), r, dx, gradients["r"], None)
        return dx


class MemberAffine(MemberLayer):
    """An affine layer for each member: ``out = x W_m + b_m`` for the rows of member m.

    The heads of an ensemble. Backward as of :class:`Affine`, each member over its own rows.

    Parameters
    ----------
    members : int
        k. Of B rows, member m has those from m B / k to before (m + 1) B / k.
    n_inputs, n_outputs : int
        I and O.
    rng : int, numpy.random.Generator or None
        W and b are uniform within ±1 / sqrt(I).
    dtype : dtype
        float16, float32 or float64.

    Attributes
    ----------
    W : array of shape (k, I, O)
    b : array of shape (k, O)
    dW, db : array or None
        Their gradients after a backward.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> layer = an.MemberAffine(2, 1, 1, dtype=np.float64)
    >>> layer.W, layer.b = [[[1.0]], [[-1.0]]], [[0.0], [0.5]]
    >>> layer.forward([[3.0], [3.0]]).ravel()
    array([ 3. , -2.5])
    """

    parameters: ClassVar[tuple[str, ...]] = ("W", "b")
    kernel: ClassVar[str] = "member_affine"
    keeps: ClassVar[tuple[str, ...]] = ("_x", "_shape")
    W = Parameter(ndim=3)
    b = Parameter(ndim=2)
    dW: Array | None = None
    db: Array | None = None

    def __init__(
        self,
        members: int,
        n_inputs: int,
        n_outputs: int,
        rng: int | np.random.Generator | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        k = self._members = whole_number("members", members, 1)
        I = whole_number("n_inputs", n_inputs, 1)  # noqa: E741
        O = whole_number("n_outputs", n_outputs, 1)  # noqa: E741
        super().__init__(I, O)
        self._shapes = {"W": (k, I, O), "b": (k, O)}
        rng, kind, bound = generator(rng), float_dtype(dtype), I**-0.5
        self.W = rng.uniform(-bound, bound, (k, I, O)).astype(kind)
        self.b = rng.uniform(-bound, bound, (k, O)).astype(kind)
        self.dW = self.db = None

    @classmethod
    def count_parameters(cls, members: int, n_inputs: int, n_outputs: int) -> int:
        """Number of parameters of a layer with these arguments."""
        k = whole_number("members", members, 1)
        I = whole_number("n_inputs", n_inputs, 1)  # noqa: E741
        O = whole_number("n_outputs", n_outputs, 1)  # noqa: E741
        return k * (I + 1) * O

    def config(self) -> dict[str, Any]:
        """Sizes, for the model file."""
        return {
            "members": self.members, "n_inputs": self.n_inputs, "n_outputs": self.n_outputs
        }  # fmt: skip

    def numbers(self) -> tuple[float, ...]:
        """The number of members."""
        return (self.members,)

    def operation(self, starts: tuple[int, ...], key: int) -> Operation:
        """The layer as an operation of the compiled code; see :meth:`Layer.operation`."""
        return super().operation(starts, key)._replace(n_outputs=self.n_outputs)

    def _write_for_members(self, graph: OnnxGraph, given: Mapping[str, str]) -> None:
        graph.add("MatMul", graph.tensor, given["W"])
        graph.add("Add", graph.tensor, given["b"])

    def _apply(self, x: Array, keep: bool) -> Array:
        dtype = self._dtype_for(x)
        out = np.empty((len(x), self.n_outputs), dtype)
        x = ready(x, dtype)
        W, b = self._arrays_as(dtype)
        precision = self._product_precision(W)
        if precision is None:
            kernels.member_affine_forward(x, W, b, out)
            return out
        for m, rows in enumerate(self._rows_of_members(x)):
            products.forward(precision, x[rows], W[m], b[m], out[rows])
        return out

    def _apply_backward(self, x: Array, dout: Array, gradients: Mapping[str, Array]) -> Array:
        dx = np.empty(x.shape, x.dtype)
        W, _ = self._arrays_as(x.dtype)
        precision, dW, db = self._product_precision(W), gradients["W"], gradients["b"]
        if precision is None:
            kernels.member_affine_backward(x, dout, W, dx, dW, db)
            return dx
        for m, rows in enumerate(self._rows_of_members(x)):
            products.backward_dw(precision, x[rows], dout[rows], dW[m])
            kernels.affine_backward_db(dout[rows], db[m])
            products.backward_dx(precision, dout[rows], W[m], dx[rows])
        return dx

    def _rows_of_members(self, x: Array) -> list[slice]:
        each = len(x) // self.members
        return [slice(m * each, (m + 1) * each) for m in range(self.members)]
