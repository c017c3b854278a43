"""Gradients of outputs with respect to inputs, row by row, in evaluation mode."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.layers.chain import Chain


class InputGradients:
    """Copies of a network's layers, which leave the network as it is.

    In evaluation mode a row's outputs depend on no other row, so one backward gives the gradients
    of an output for all rows.
    """

    def __init__(self, layers: tuple[Any, ...]) -> None:
        self._chain = Chain(copy.deepcopy(layers))

    def of(self, x: Array, output: int | None) -> Array:
        """The gradient of an output for each row, in the shape of x; without one (B, O, ...)."""
        y = np.asarray(self._chain.forward(x, False))
        if y.ndim != 2:
            raise ValueError(f"the outputs have shape {y.shape}, wanted (B, O)")
        if output is None:
            return np.stack([self._backward(y, k) for k in range(y.shape[1])], axis=1)
        if output >= y.shape[1]:
            raise ValueError(f"output is {output}, wanted one of {y.shape[1]} outputs")
        return self._backward(y, output)

    def _backward(self, y: Array, output: int) -> Array:
        dout = np.zeros_like(y)
        dout[:, output] = 1
        return np.asarray(self._chain.backward(dout, True))
