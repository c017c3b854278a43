"""What layers share that work on the columns of rows: widths and shapes of their inputs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from affinet._validation import Array, compute_dtype, fold_rows, ready, require_shape
from affinet.layers.base import ParameterLayer, gradient_array, input_array
from affinet.parameters import Parameters


class ColumnLayer(ParameterLayer):
    """A layer with parameters for the columns of its input, rows of ``n_inputs`` numbers.

    A subclass declares ``parameters``, sets the shape of each, ``_shapes``, and implements the two
    passes over contiguous rows.
    """

    _shapes: Mapping[str, tuple[int, ...]]  # of each parameter

    def __init__(self, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        self._n_inputs, self._n_outputs = n_inputs, n_outputs
        self._x: Array | None = None  # (B, n_inputs), for the kernels
        self._shape: tuple[int, ...] = ()

    @property
    def n_inputs(self) -> int:
        """Width of the input's rows."""
        return self._n_inputs

    @property
    def n_outputs(self) -> int:
        """Width of the output's rows."""
        return self._n_outputs

    def widths(self) -> tuple[int, int]:
        """Width of the input's and of the output's rows."""
        return self._n_inputs, self._n_outputs

    def numbers(self) -> tuple[float, ...]:
        """Empty: the kernel takes no scalar."""
        return ()

    def forward(self, x: ArrayLike) -> Array:
        """The output for x; keeps what the backward needs.

        Parameters
        ----------
        x : array of shape (B, ...) or (n_inputs,)
            B rows of n_inputs numbers; a one-dimensional x is one row.

        Returns
        -------
        array of shape (B, n_outputs), or (n_outputs,) for one-dimensional x
        """
        rows, shape = self._rows(x)
        out = self._apply(rows, keep=True)
        self._x, self._shape = rows, shape
        return self._unfolded(out, shape)

    def predict(self, x: ArrayLike) -> Array:
        """The output for x; keeps nothing. Shapes as in :meth:`forward`."""
        rows, shape = self._rows(x)
        return self._unfolded(self._apply(rows, keep=False), shape)

    def backward(self, dout: ArrayLike) -> Array:
        """Gradients of the last forward: stores those of the parameters, returns dx.

        Parameters
        ----------
        dout : array of the shape that forward returned
            Gradient of the loss with respect to that output; not modified.

        Returns
        -------
        array of the shape of x
        """
        x = self._kept(self._x)
        out_shape = self._unfolded(np.empty((len(x), self.n_outputs)), self._shape).shape
        dout = gradient_array(dout, out_shape)
        dtype = compute_dtype(dout, x, *(getattr(self, name) for name in self.parameters))
        dout = ready(dout, dtype).reshape(len(x), self.n_outputs)
        gradients = {
            name: self._gradient_target(name, self._shapes[name], dtype) for name in self.parameters
        }
        dx = self._apply_backward(ready(x, dtype), dout, gradients)
        for name, gradient in gradients.items():
            self._keep_gradient(name, gradient)
        return dx.reshape(self._shape)

    def bind(
        self, owner: Parameters, arrays: Mapping[str, Array], gradients: Mapping[str, Array]
    ) -> None:
        """Make the parameters and their gradients views; see ``ParameterLayer``."""
        for name in self.parameters:
            require_shape(name, getattr(self, name), self._shapes[name])
        super().bind(owner, arrays, gradients)

    @abstractmethod
    def _apply(self, x: Array, keep: bool) -> Array:
        """The outputs of contiguous rows."""

    @abstractmethod
    def _apply_backward(self, x: Array, dout: Array, gradients: Mapping[str, Array]) -> Array:
        """dx; writes the gradients of the parameters."""

    def _arrays_as(self, dtype: DTypeLike) -> list[Array]:
        """The parameters in the form that the kernels take."""
        for name in self.parameters:
            require_shape(name, getattr(self, name), self._shapes[name])
        return [ready(getattr(self, name), np.dtype(dtype)) for name in self.parameters]

    def _dtype_for(self, x: Array) -> np.dtype[Any]:
        return compute_dtype(x, *(getattr(self, name) for name in self.parameters))

    def _rows(self, x: ArrayLike) -> tuple[Array, tuple[int, ...]]:
        """x as (B, n_inputs), contiguous, at least float32; and its original shape."""
        array = input_array(x)
        n = self.n_inputs
        if array.ndim == 0:
            raise ValueError(f"x has shape (), wanted rows of {n} numbers")
        rows = array.reshape(-1, 1) if array.ndim == 1 and n == 1 else fold_rows(array)
        if rows.shape[1] != n:
            raise ValueError(f"x has shape {array.shape}, wanted rows of {n} numbers")
        return rows, array.shape

    def _unfolded(self, out: Array, shape: tuple[int, ...]) -> Array:
        """Outputs in the shape that belongs to x: x's own where the width stays."""
        if self.n_outputs == self.n_inputs:
            return out.reshape(shape)
        return out.reshape(-1) if len(shape) == 1 and self.n_inputs != 1 else out


def float_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """A dtype that parameters may have."""
    kind: np.dtype[Any] = np.dtype(dtype)
    if kind.kind != "f" or kind.itemsize > 8:
        raise TypeError(f"dtype is {kind}, wanted float16, float32 or float64")
    return kind
