"""The affine layer: out = x W + b."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from affinet._dispatch import kernels
from affinet._validation import Array, compute_dtype, fold_rows, number_array, ready
from affinet.layers import products
from affinet.layers.base import Parameter, ParameterLayer, gradient_array
from affinet.layers.initializers import initial_weights
from affinet.layers.operation import OnnxGraph, Operation


class Affine(ParameterLayer):
    """Affine map of rows: ``out = x W + b``.

    Backward, for ``dout`` the gradient of the loss with respect to ``out``::

        dx = dout W^T        dW = x^T dout        db = sum of dout over the rows

    Parameters
    ----------
    W : array of shape (I, O)
        Weights, of a float dtype. The layer keeps the array itself, neither copied nor converted,
        so it sees in-place updates.
    b : array of shape (O,)
        Bias, kept in the same way.

    Attributes
    ----------
    W, b : array
        The parameters. Assigning to them keeps the new array; inside a
        :class:`~affinet.Sequential` it copies into the network's buffer.
    dW, db : array or None
        Their gradients after a backward, None before the first.

    Raises
    ------
    TypeError
        If W or b does not have a float dtype.
    ValueError
        If W is not two-dimensional or b does not have O elements.

    Notes
    -----
    The computation runs in the common dtype of x, W and b, at least float32.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> layer = an.Affine(np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([0.5, 0.0]))
    >>> layer.forward(np.array([[1.0, 1.0]]))
    array([[1.5, 2. ]])
    >>> layer.backward(np.array([[1.0, 1.0]]))
    array([[1., 2.]])
    >>> layer.dW
    array([[1., 1.],
           [1., 1.]])
    """

    parameters: ClassVar[tuple[str, ...]] = ("W", "b")
    penalized: ClassVar[tuple[str, ...]] = ("W",)
    kernel: ClassVar[str] = "affine"
    keeps: ClassVar[tuple[str, ...]] = ("_forward",)
    W = Parameter(ndim=2)
    b = Parameter(ndim=1)
    dW: Array | None = None
    db: Array | None = None
    # From the last forward: x as (B, I) for the kernels, and the shapes of x and out.
    _forward: tuple[Array, tuple[int, ...], tuple[int, ...]] | None = None

    def __init__(self, W: ArrayLike, b: ArrayLike) -> None:
        super().__init__()
        if np.ndim(W) == 0 and np.ndim(b) == 0:
            raise TypeError(
                f"Affine takes arrays W and b, got {W!r} and {b!r}; for random weights of these "
                f"sizes use Affine.init({W!r}, {b!r})"
            )
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
        activation: str = "relu",
        dtype: DTypeLike = np.float32,
    ) -> Affine:
        """A layer with random weights and zero bias.

        Parameters
        ----------
        n_inputs, n_outputs : int
            I and O.
        rng : int, numpy.random.Generator or None
            A seed, a generator, or None for fresh entropy: two layers made with the default
            differ. Give the layers of one network different seeds or a shared generator.
        activation : str
            What follows the layer: an activation's ``shell_name``, such as "relu" or "tanh", or
            "linear" or "softmax". It selects He, Xavier or LeCun initialization; see
            :func:`affinet.initializers.weight_scale`.
        dtype : dtype
            float16, float32 or float64.

        Examples
        --------
        >>> import affinet as an
        >>> an.Affine.init(784, 50, rng=0).W.shape
        (784, 50)
        """
        W = initial_weights(n_inputs, n_outputs, rng, activation, dtype)
        return cls(W, np.zeros(n_outputs, W.dtype))

    def forward(self, x: ArrayLike) -> Array:
        """``x W + b``; keeps x for the backward.

        Parameters
        ----------
        x : array of shape (B, ...)
            B rows of I numbers each, of any rank; a one-dimensional x of I numbers is one row.

        Returns
        -------
        array of shape (B, O), or (O,) for one-dimensional x
        """
        x = number_array("x", x)
        W = self.W
        rows = fold_inputs(x, W)
        out = unfold_outputs(self._apply(rows, W), x, W)
        self.__dict__["_forward"] = rows, x.shape, out.shape  # as in Activation
        return out

    def predict(self, x: ArrayLike) -> Array:
        """``x W + b``; keeps nothing. Shapes as in :meth:`forward`."""
        x = number_array("x", x)
        W = self.W
        return unfold_outputs(self._apply(fold_inputs(x, W), W), x, W)

    def backward(self, dout: ArrayLike, need_dx: bool = True) -> Array:
        """Gradients of the last forward: stores dW and db, returns dx.

        Parameters
        ----------
        dout : array of the shape that forward returned
            Gradient of the loss with respect to that output; not modified.
        need_dx : bool
            False skips dx, which a first layer does not need, and returns an empty array.

        Returns
        -------
        array of the shape of x
        """
        x, x_shape, out_shape = self._kept(self._forward)
        dout = gradient_array(dout, out_shape)
        W = self.W
        dtype = compute_dtype(dout, x, W)
        W = ready(W, dtype)
        dout = ready(dout, dtype)
        if dout.ndim != 2:
            dout = dout.reshape(x.shape[0], W.shape[1])

        dW = self._gradient_target("W", W.shape, dtype)
        db = self._gradient_target("b", W.shape[1:], dtype)
        precision = self._product_precision(W)
        products.backward_dw(precision, ready(x, dtype), dout, dW)
        kernels.affine_backward_db(dout, db)
        self._keep_gradient("W", dW)
        self._keep_gradient("b", db)
        if not need_dx:
            return np.empty(0, dtype)
        dx = np.empty(x.shape, dtype)
        products.backward_dx(precision, dout, W, dx)
        return dx if dx.shape == x_shape else dx.reshape(x_shape)

    def widths(self) -> tuple[int, int]:
        """I and O."""
        n_inputs, n_outputs = self.W.shape
        return n_inputs, n_outputs

    def numbers(self) -> tuple[float, ...]:
        """Empty: the kernel takes no scalar."""
        return ()

    def operation(self, starts: tuple[int, ...], key: int) -> Operation:
        """The layer as an operation of the compiled code; see :meth:`Layer.operation`."""
        return super().operation(starts, key)._replace(n_outputs=self.W.shape[1])

    def write_onnx(self, graph: OnnxGraph) -> None:
        """Add a Gemm."""
        graph.add("Gemm", graph.tensor, *graph.parameters(self, "W", "b"))

    def _apply(self, x: Array, W: Array) -> Array:
        b = self.b
        if b.shape != W.shape[1:]:
            self._require_matching_bias()
        dtype = compute_dtype(x, W, b)
        out = np.empty((x.shape[0], W.shape[1]), dtype)
        W = ready(W, dtype)
        precision = self._product_precision(W)
        products.forward(precision, ready(x, dtype), W, ready(b, dtype), out)
        return out

    def _require_matching_bias(self) -> None:
        if self.b.shape != self.W.shape[1:]:
            raise ValueError(
                f"b has shape {self.b.shape}, wanted {self.W.shape[1:]} for W of shape "
                f"{self.W.shape}"
            )

    def __repr__(self) -> str:
        n_inputs, n_outputs = self.W.shape
        return f"Affine({n_inputs} -> {n_outputs})"


def fold_inputs(x: Array, W: Array) -> Array:
    """x as (B, I), contiguous, at least float32, for weights of shape (I, O)."""
    n_inputs = W.shape[0]
    rows = x
    if x.ndim != 2:
        if x.ndim == 0:
            raise ValueError("x has shape (), wanted (B, ...) or (I,)")
        rows = x.reshape(-1, 1) if x.ndim == 1 and n_inputs == 1 else fold_rows(x)
    if rows.shape[1] != n_inputs:
        raise ValueError(f"x has shape {x.shape}: {rows.shape[1]} numbers a row, wanted {n_inputs}")
    return ready(rows, compute_dtype(rows))


def unfold_outputs(out: Array, x: Array, W: Array) -> Array:
    """The outputs for the rows of x in the shape that belongs to x: flat for a single row."""
    return out.reshape(-1) if x.ndim == 1 and W.shape[0] != 1 else out
