"""The affine layer in the neural tangent parametrization: out = x W / sqrt(I) + b."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from affinet._dispatch import kernels
from affinet._validation import Array, compute_dtype, generator, number_array, ready, whole_number
from affinet.layers import products
from affinet.layers.affine import fold_inputs, unfold_outputs
from affinet.layers.base import Parameter, ParameterLayer, gradient_array
from affinet.layers.columns import float_dtype
from affinet.layers.operation import OnnxGraph, Operation


class NTKAffine(ParameterLayer):
    """Affine map with weights of size 1: ``out = x W / sqrt(I) + b``.

    The factor keeps outputs of the size of the inputs for W ~ N(0, 1), whatever the width, and
    makes one learning rate suit layers of all widths. Jacot, Gabriel, Hongler, "Neural tangent
    kernel", NeurIPS 2018. :class:`Affine` without the factor computes the same functions.

    Backward, for ``dout`` the gradient of the loss with respect to ``out``::

        dx = dout W^T / sqrt(I)        dW = x^T dout / sqrt(I)        db = sum of dout over the rows

    Parameters
    ----------
    W : array of shape (I, O)
        Weights, of a float dtype; the layer keeps the array itself.
    b : array of shape (O,)
        Bias, kept in the same way.

    Attributes
    ----------
    W, b : array
        The parameters.
    dW, db : array or None
        Their gradients after a backward, None before the first.

    Raises
    ------
    TypeError
        If W or b does not have a float dtype.
    ValueError
        If W is not two-dimensional or b does not have O elements.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> layer = an.NTKAffine(np.full((4, 1), 3.0), np.array([0.5]))
    >>> layer.forward(np.ones((1, 4)))
    array([[6.5]])
    >>> layer.backward(np.array([[1.0]]))
    array([[1.5, 1.5, 1.5, 1.5]])
    """

    parameters: ClassVar[tuple[str, ...]] = ("W", "b")
    penalized: ClassVar[tuple[str, ...]] = ("W",)
    kernel: ClassVar[str] = "affine"
    keeps: ClassVar[tuple[str, ...]] = ("_forward",)
    W = Parameter(ndim=2)
    b = Parameter(ndim=1)
    dW: Array | None = None
    db: Array | None = None
    # From the last forward: x / sqrt(I) as (B, I), and the shapes of x and out.
    _forward: tuple[Array, tuple[int, ...], tuple[int, ...]] | None = None

    def __init__(self, W: ArrayLike, b: ArrayLike) -> None:
        super().__init__()
        self.W = W
        self.b = b
        self.dW = self.db = self._forward = None
        self._require_matching_bias()

    @classmethod
    def init(
        cls,
        n_inputs: int,
        n_outputs: int,
        rng: int | np.random.Generator | None = None,
        dtype: DTypeLike = np.float32,
    ) -> NTKAffine:
        """A layer with weights from N(0, 1) and zero bias.

        Parameters
        ----------
        n_inputs, n_outputs : int
            I and O.
        rng : int, numpy.random.Generator or None
            A seed, a generator, or None for fresh entropy.
        dtype : dtype
            float16, float32 or float64.

        Examples
        --------
        >>> import affinet as an
        >>> an.NTKAffine.init(784, 50, rng=0).W.shape
        (784, 50)
        """
        shape = whole_number("n_inputs", n_inputs, 1), whole_number("n_outputs", n_outputs, 1)
        W = generator(rng).standard_normal(shape).astype(float_dtype(dtype))
        return cls(W, np.zeros(shape[1], W.dtype))

    @property
    def factor(self) -> float:
        """``1 / sqrt(I)``."""
        return 1 / math.sqrt(max(self.W.shape[0], 1))

    def forward(self, x: ArrayLike) -> Array:
        """``x W / sqrt(I) + b``; keeps x / sqrt(I) for the backward.

        Parameters
        ----------
        x : array of shape (B, ...)
            B rows of I numbers each, of any rank; a one-dimensional x of I numbers is one row.

        Returns
        -------
        array of shape (B, O), or (O,) for one-dimensional x
        """
        x = number_array("x", x)
        rows, out = self._apply(x)
        self._forward = rows, x.shape, out.shape
        return out

    def predict(self, x: ArrayLike) -> Array:
        """``x W / sqrt(I) + b``; keeps nothing. Shapes as in :meth:`forward`."""
        return self._apply(number_array("x", x))[1]

    def backward(self, dout: ArrayLike) -> Array:
        """Gradients of the last forward: stores dW and db, returns dx.

        Parameters
        ----------
        dout : array of the shape that forward returned
            Gradient of the loss with respect to that output; not modified.

        Returns
        -------
        array of the shape of x
        """
        x, x_shape, out_shape = self._kept(self._forward)
        dout = gradient_array(dout, out_shape)
        dtype = compute_dtype(dout, x, self.W)
        W, dout = ready(self.W, dtype), ready(dout, dtype).reshape(len(x), self.W.shape[1])
        dW = self._gradient_target("W", W.shape, dtype)
        db = self._gradient_target("b", W.shape[1:], dtype)
        precision = self._product_precision(W)
        products.backward_dw(precision, ready(x, dtype), dout, dW)
        kernels.affine_backward_db(dout, db)
        self._keep_gradient("W", dW)
        self._keep_gradient("b", db)
        dx = np.empty(x.shape, dtype)
        products.backward_dx(precision, dout, W, dx)
        dx *= dtype.type(self.factor)
        return dx.reshape(x_shape)

    def widths(self) -> tuple[int, int]:
        """I and O."""
        n_inputs, n_outputs = self.W.shape
        return n_inputs, n_outputs

    def numbers(self) -> tuple[float, ...]:
        """Empty: the kernel takes no scalar."""
        return ()

    def operations(self, starts: tuple[int, ...], key: int) -> list[Operation]:
        """The factor, then the product."""
        return [
            Operation("multiply", numbers=(self.factor,)),
            super().operation(starts, key)._replace(n_outputs=self.W.shape[1]),
        ]

    def write_onnx(self, graph: OnnxGraph) -> None:
        """Add a Gemm with the factor as its alpha; in double precision, a product before it.

        An alpha is single precision.
        """
        x, inputs = graph.tensor, graph.parameters(self, "W", "b")
        if graph.dtype == np.float64:
            graph.add("Mul", x, graph.constant("factor", self.factor))
            graph.add("Gemm", graph.tensor, *inputs)
        else:
            graph.add("Gemm", x, *inputs, alpha=self.factor)
        graph.describe(self, x, dict(zip(self.parameters, inputs, strict=True)))

    def _apply(self, x: Array) -> tuple[Array, Array]:
        """x / sqrt(I) as rows, and the output."""
        self._require_matching_bias()
        W = self.W
        rows = fold_inputs(x, W)
        dtype = compute_dtype(rows, W, self.b)
        rows = ready(rows, dtype) * dtype.type(self.factor)
        out = np.empty((len(rows), W.shape[1]), dtype)
        weights = ready(W, dtype)
        precision = self._product_precision(weights)
        products.forward(precision, rows, weights, ready(self.b, dtype), out)
        return rows, unfold_outputs(out, x, W)

    def _require_matching_bias(self) -> None:
        if self.b.shape != self.W.shape[1:]:
            raise ValueError(
                f"b has shape {self.b.shape}, wanted {self.W.shape[1:]} for W of shape "
                f"{self.W.shape}"
            )

    def __repr__(self) -> str:
        n_inputs, n_outputs = self.W.shape
        return f"NTKAffine({n_inputs} -> {n_outputs})"
