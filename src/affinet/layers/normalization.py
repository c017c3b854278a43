"""Normalization layers: to mean 0 and variance 1, then a learned scale and shift."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from affinet._dispatch import kernels
from affinet._validation import (
    Array,
    any_number,
    compute_dtype,
    fold_rows,
    positive_in_single,
    ready,
    require_shape,
    whole_number,
)
from affinet.layers.base import Parameter, ParameterLayer, gradient_array, input_array
from affinet.layers.operation import OnnxGraph, Operation
from affinet.parameters import Parameters

LAYER_NORM_OPSET = 17  # the first ONNX opset that has the operator
AXES_INPUT_OPSET = 18  # the first one whose ReduceMean takes its axes as an input


class Normalization(ParameterLayer):
    """Shared base of column and row normalization: gamma, beta and their gradients.

    Backward needs the input and the mean and variance used to normalize it.
    """

    parameters: ClassVar[tuple[str, ...]] = ("gamma", "beta")
    gamma = Parameter(ndim=1)
    beta = Parameter(ndim=1)
    dgamma: Array | None = None
    dbeta: Array | None = None

    def __init__(self, n: int, eps: float, dtype: DTypeLike) -> None:
        super().__init__()
        n = whole_number("n", n, 1)
        kind: np.dtype[Any] = np.dtype(dtype)
        if kind.kind != "f" or kind.itemsize > 8:
            raise TypeError(f"dtype is {kind}, wanted float16, float32 or float64")
        self._eps = positive_in_single("eps", eps)
        self.gamma = np.ones(n, kind)
        self.beta = np.zeros(n, kind)
        self.dgamma = self.dbeta = None
        self._x: Array | None = None  # (B, n), for the kernels
        self._shape: tuple[int, ...] = ()
        self._statistics: tuple[Array, Array] = (np.empty(0), np.empty(0))  # mean, variance

    @property
    def n(self) -> int:
        """Row width."""
        return int(self.gamma.shape[0])

    @property
    def eps(self) -> float:
        """Constant added to the variance; fixed at construction."""
        return self._eps

    def backward(self, dout: ArrayLike) -> Array:
        """Gradients of the last forward: stores dgamma and dbeta, returns dx.

        Parameters
        ----------
        dout : array of the shape of x
            Gradient of the loss with respect to the output; not modified.

        Returns
        -------
        array of the shape of x
        """
        x = self._kept(self._x)
        dout = gradient_array(dout, self._shape)
        dtype = compute_dtype(dout, x, self.gamma)
        gamma = self._of_width("gamma", dtype)
        mean, variance = (ready(a, dtype) for a in self._statistics)
        dout = ready(dout, dtype).reshape(x.shape)
        dx = np.empty(x.shape, dtype)
        dgamma = self._gradient_target("gamma", gamma.shape, dtype)
        dbeta = self._gradient_target("beta", gamma.shape, dtype)
        self._apply_backward(ready(x, dtype), dout, gamma, mean, variance, dx, dgamma, dbeta)
        self._keep_gradient("gamma", dgamma)
        self._keep_gradient("beta", dbeta)
        return dx.reshape(self._shape)

    def config(self) -> dict[str, Any]:
        """Width and eps, for the model file."""
        return {"n": self.n, "eps": self.eps}

    def bind(
        self, owner: Parameters, arrays: Mapping[str, Array], gradients: Mapping[str, Array]
    ) -> None:
        """Make the parameters and their gradients views; see ``ParameterLayer``."""
        for name in (*self.parameters, *self.buffers):
            require_shape(name, getattr(self, name), self.gamma.shape)
        super().bind(owner, arrays, gradients)

    def widths(self) -> tuple[int, int]:
        """Input and output width: n, n."""
        return self.n, self.n

    def numbers(self) -> tuple[float, ...]:
        """The layer's scalars, in the kernel's argument order."""
        return (self.eps,)

    @abstractmethod
    def _apply_backward(self, *arrays: Array) -> None:
        """Call the kernel with x, dout, gamma, mean, variance and the outputs dx, dgamma, dbeta."""

    def _rows(self, x: ArrayLike) -> tuple[Array, tuple[int, ...]]:
        """x as (B, n), contiguous, at least float32; and its original shape."""
        array = input_array(x)
        if array.ndim == 0:
            raise ValueError(f"x has shape (), wanted rows of {self.n} numbers")
        rows = self._fold(array)
        if rows.shape[1] != self.n:
            raise ValueError(f"x has shape {array.shape}, wanted rows of {self.n} numbers")
        return rows, array.shape

    def _fold(self, x: Array) -> Array:
        """x as (rows, width); a one-dimensional x is one row, unless the width is 1."""
        return x.reshape(-1, 1) if x.ndim == 1 and self.n == 1 else fold_rows(x)

    def _of_width(self, name: str, dtype: np.dtype[Any]) -> Array:
        """One of the layer's arrays in the form that the kernels take."""
        array: Array = getattr(self, name)
        require_shape(name, array, self.gamma.shape)
        return ready(array, dtype)


class BatchNorm(Normalization):
    """Batch normalization: each column of a batch to mean 0 and variance 1, then gamma and beta.

    Training uses the batch's mean and variance, evaluation the running statistics::

        out = gamma (x - mean) / sqrt(variance + eps) + beta

    Ioffe & Szegedy, ICML 2015. Normalization uses the biased variance (division by B); the
    running variance is unbiased, as in PyTorch.

    Parameters
    ----------
    n : int
        Row width; each column has its own statistics.
    momentum : float
        Weight of the batch's statistics in the running average, from 0 to 1:
        ``running = (1 - momentum) running + momentum batch``.
    eps : float
        Added to the variance, above 0.
    dtype : dtype
        float16, float32 or float64, of the parameters.

    Attributes
    ----------
    gamma, beta : array of shape (n,)
        The parameters, 1 and 0 at first.
    dgamma, dbeta : array or None
        Their gradients after a backward, None before the first.
    running_mean, running_var : array of shape (n,)
        Statistics for evaluation, 0 and 1 at first; at least float32, not trained, updated by
        every forward in training mode, saved with the model. Inside a
        :class:`~affinet.Sequential` they have the network's dtype, and assigning to them copies.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used.

    Notes
    -----
    A batch of one row has no variance, so training rejects it. ``fit`` therefore rejects a
    ``batch_size`` that leaves one row for the last batch of an epoch.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> layer = an.BatchNorm(1, dtype="float64")
    >>> layer.forward(np.array([[1.0], [3.0]]), True).round(3)
    array([[-1.],
           [ 1.]])
    >>> layer.running_mean, layer.running_var
    (array([0.2]), array([1.1]))
    >>> layer.forward(np.array([[1.2], [2.2]]), False).round(3)
    array([[0.953],
           [1.907]])
    """

    buffers: ClassVar[tuple[str, ...]] = ("running_mean", "running_var")
    kernel: ClassVar[str] = "batch_norm"
    keeps: ClassVar[tuple[str, ...]] = ("_x", "_shape", "_train", "_statistics")
    running_mean = Parameter(ndim=1)
    running_var = Parameter(ndim=1)

    def __init__(
        self,
        n: int,
        momentum: float = 0.1,
        eps: float = 1e-5,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(n, eps, dtype)
        self.momentum = any_number("momentum", momentum)
        if not 0 <= self.momentum <= 1:
            raise ValueError(f"momentum is {self.momentum!r}, wanted 0 <= momentum <= 1")
        kind = np.result_type(np.float32, self.gamma.dtype)
        self.running_mean = np.zeros(n, kind)
        self.running_var = np.ones(n, kind)
        self._train = True  # the mode of the last forward

    def forward(self, x: ArrayLike, train: bool = True) -> Array:
        """x normalized; keeps x for the backward and, in training, updates the running statistics.

        Parameters
        ----------
        x : array of shape (B, ...)
            B rows of n numbers each; training needs at least two. A one-dimensional x of n numbers
            is one row.
        train : bool
            The mode.

        Returns
        -------
        array of the shape of x
        """
        rows, shape = self._rows(x)
        dtype = compute_dtype(rows, self.gamma, self.beta)
        if train:
            if len(rows) == 1:
                raise ValueError(
                    f"x has shape {shape}, one row: BatchNorm in training wants 2 or more"
                )
            gamma, beta = self._of_width("gamma", dtype), self._of_width("beta", dtype)
            out = np.empty(rows.shape, dtype)
            mean, variance = np.empty(self.n, dtype), np.empty(self.n, dtype)
            kernels.batch_norm_forward(
                ready(rows, dtype), gamma, beta, self.eps, out, mean, variance
            )
            if len(rows):
                self._move_running(mean, variance, len(rows))
        else:
            out = self._evaluate(rows, dtype)
            mean, variance = np.array(self.running_mean), np.array(self.running_var)
        self._x, self._shape, self._train = rows, shape, bool(train)
        self._statistics = (mean, variance)
        return out.reshape(shape)

    def predict(self, x: ArrayLike) -> Array:
        """x normalized by the running statistics; keeps nothing. Shapes as in :meth:`forward`."""
        rows, shape = self._rows(x)
        return self._evaluate(rows, compute_dtype(rows, self.gamma, self.beta)).reshape(shape)

    def config(self) -> dict[str, Any]:
        """Width, momentum and eps, for the model file."""
        return {"n": self.n, "momentum": self.momentum, "eps": self.eps}

    def numbers(self) -> tuple[float, ...]:
        """eps and momentum, in the kernel's argument order."""
        return self.eps, self.momentum

    def operation(self, starts: tuple[int, ...], key: int) -> Operation:
        """The layer as an operation of the compiled code; see :meth:`Layer.operation`."""
        arrays = (self.running_mean, self.running_var)
        return super().operation(starts, key)._replace(arrays=arrays)

    def write_onnx(self, graph: OnnxGraph) -> None:
        """Add a BatchNormalization that uses the running statistics."""
        names = (*self.parameters, *self.buffers)
        # ONNX's momentum weights the old statistics, affinet's the batch's.
        graph.add(
            "BatchNormalization",
            graph.tensor,
            *graph.parameters(self, *names),
            epsilon=self.eps,
            momentum=1 - self.momentum,
        )

    def _evaluate(self, rows: Array, dtype: np.dtype[Any]) -> Array:
        gamma, beta = self._of_width("gamma", dtype), self._of_width("beta", dtype)
        mean, variance = (self._of_width(name, dtype) for name in self.buffers)
        out = np.empty(rows.shape, dtype)
        kernels.batch_norm_predict(ready(rows, dtype), gamma, beta, mean, variance, self.eps, out)
        return out

    def _move_running(self, mean: Array, variance: Array, n_rows: int) -> None:
        """Update the running statistics with those of a batch, in place."""
        dtype = compute_dtype(self.running_mean, self.running_var)
        running = [self._of_width(name, dtype) for name in self.buffers]
        kernels.batch_norm_update(
            ready(mean, dtype), ready(variance, dtype), self.momentum, n_rows, *running
        )
        for name, moved in zip(self.buffers, running, strict=True):
            if moved is not getattr(self, name):
                getattr(self, name)[...] = moved

    def _apply_backward(self, *arrays: Array) -> None:
        x, dout, gamma, mean, variance, dx, dgamma, dbeta = arrays
        kernels.batch_norm_backward(
            x, dout, gamma, mean, variance, self.eps, self._train, dx, dgamma, dbeta
        )


class LayerNorm(Normalization):
    """Layer normalization: each row to mean 0 and variance 1, then gamma and beta.

    Training and evaluation both use the row's own mean and variance::

        out = gamma (x - mean) / sqrt(variance + eps) + beta

    Ba, Kiros & Hinton, arXiv 1607.06450, 2016. The variance is biased (division by n).

    Parameters
    ----------
    n : int
        Row width: the length of the last axis of x.
    eps : float
        Added to the variance, above 0.
    dtype : dtype
        float16, float32 or float64, of the parameters.

    Attributes
    ----------
    gamma, beta : array of shape (n,)
        The parameters, 1 and 0 at first.
    dgamma, dbeta : array or None
        Their gradients after a backward, None before the first.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> layer = an.LayerNorm(2)
    >>> layer.forward(np.array([[1.0, 3.0], [30.0, 10.0]])).round(3)
    array([[-1.,  1.],
           [ 1., -1.]])
    """

    kernel: ClassVar[str] = "layer_norm"
    keeps: ClassVar[tuple[str, ...]] = ("_x", "_shape", "_statistics")

    def __init__(self, n: int, eps: float = 1e-5, dtype: DTypeLike = np.float32) -> None:
        super().__init__(n, eps, dtype)

    def forward(self, x: ArrayLike) -> Array:
        """x normalized; keeps x for the backward.

        Parameters
        ----------
        x : array of shape (..., n)

        Returns
        -------
        array of the shape of x
        """
        rows, shape = self._rows(x)
        out, statistics = self._normalize(rows)
        self._x, self._shape, self._statistics = rows, shape, statistics
        return out.reshape(shape)

    def predict(self, x: ArrayLike) -> Array:
        """x normalized; keeps nothing. Shapes as in :meth:`forward`."""
        rows, shape = self._rows(x)
        return self._normalize(rows)[0].reshape(shape)

    def _normalize(self, rows: Array) -> tuple[Array, tuple[Array, Array]]:
        """The output, and the mean and variance of each row."""
        dtype = compute_dtype(rows, self.gamma, self.beta)
        gamma, beta = self._of_width("gamma", dtype), self._of_width("beta", dtype)
        out = np.empty(rows.shape, dtype)
        mean, variance = np.empty(len(rows), dtype), np.empty(len(rows), dtype)
        kernels.layer_norm_forward(ready(rows, dtype), gamma, beta, self.eps, out, mean, variance)
        return out, (mean, variance)

    def _fold(self, x: Array) -> Array:
        """x as (rows, width), with all axes but the last flattened into rows."""
        if x.ndim == 1:
            return super()._fold(x)
        return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])

    def _apply_backward(self, *arrays: Array) -> None:
        x, dout, gamma, mean, variance, dx, dgamma, dbeta = arrays
        kernels.layer_norm_backward(x, dout, gamma, mean, variance, self.eps, dx, dgamma, dbeta)

    def write_onnx(self, graph: OnnxGraph) -> None:
        """Add a LayerNormalization over the last axis, or before opset 17 its formula."""
        if graph.opset < LAYER_NORM_OPSET:
            self.write_formula(graph)
            return
        arrays = graph.parameters(self, *self.parameters)
        graph.add("LayerNormalization", graph.tensor, *arrays, axis=-1, epsilon=self.eps)

    def write_formula(self, graph: OnnxGraph) -> None:
        """Add the nodes of the formula; a file may have been converted to a later opset."""
        x, arrays = graph.tensor, graph.parameters(self, *self.parameters)
        centred = graph.add("Sub", x, mean_of_rows(graph))
        graph.add("Mul", centred, centred)
        mean_of_rows(graph)
        graph.add("Add", graph.tensor, graph.constant("eps", self.eps))
        graph.add("Div", centred, graph.add("Sqrt"))
        graph.add("Mul", graph.tensor, arrays[0])
        graph.add("Add", graph.tensor, arrays[1])
        graph.describe(self, x, dict(zip(self.parameters, arrays, strict=True)))


def mean_of_rows(graph: OnnxGraph) -> str:
    """Add the mean of the last output's rows, (B, 1)."""
    if graph.opset < AXES_INPUT_OPSET:
        return graph.add("ReduceMean", axes=[-1])
    return graph.add("ReduceMean", graph.tensor, graph.indices("axes", [-1]))
