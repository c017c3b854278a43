"""Dropout with a counter-based mask."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from affinet._dispatch import kernels
from affinet._validation import Array, compute_dtype, fold_rows, generator, ready, real_number
from affinet.layers.base import Layer, gradient_array, input_array
from affinet.layers.operation import OnnxGraph, Operation


class Dropout(Layer):
    """Inverted dropout: in training each element becomes 0 with probability p, else x / (1 - p).

    In evaluation it is the identity. Srivastava et al., JMLR 15 (2014). The mask depends only on
    (key, step, row, column), through the generator Philox4x32-10 of Salmon et al., SC'11, so it
    does not depend on how rows are split across threads or machines.

    Parameters
    ----------
    p : float
        Probability of dropping an element, 0 <= p < 1.
    rng : int, numpy.random.Generator or None
        Source of the key; None uses fresh entropy.

    Attributes
    ----------
    key : int
        64 bits that distinguish this layer's masks from other layers'.
    calls : int
        Number of training-mode forwards so far: the step of the next mask. ``fit`` uses its own
        key, (seed, layer position), and its own step, and does not change these two.
    position : (int, int, int) or None
        During ``fit``: the key, the step and the index of the first row in the batch.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> dropout = an.Dropout(0.5, rng=0)
    >>> x = np.ones((2, 4))
    >>> sorted(set(dropout.forward(x, True).ravel().tolist())) in ([0.0, 2.0], [0.0], [2.0])
    True
    >>> bool((dropout.forward(x, False) == x).all())
    True
    """

    kernel: ClassVar[str] = "dropout"
    keeps: ClassVar[tuple[str, ...]] = ("_mask", "_shape")
    key: int = 0
    calls: int = 0
    position: tuple[int, int, int] | None = None

    def __init__(self, p: float = 0.5, rng: int | np.random.Generator | None = None) -> None:
        self.p = real_number("p", p, 0.0, 1.0)
        self.key = int(generator(rng).integers(0, 2**64, dtype=np.uint64))
        self.calls = 0  # a separate attribute: a gradient check restores it
        self._mask: Array | None = None  # (B, O); (0, 0) after a forward in evaluation mode
        self._shape: tuple[int, ...] = ()

    def forward(self, x: ArrayLike, train: bool = True) -> Array:
        """x with elements dropped in training mode; a copy of x in evaluation mode.

        Parameters
        ----------
        x : array of shape (B, ...)
        train : bool
            The mode.

        Returns
        -------
        array of the shape of x, in its dtype, at least float32
        """
        if not train:
            out = self.predict(x)
            self._mask, self._shape = np.empty((0, 0), np.uint8), out.shape
            return out
        x = input_array(x)
        if x.ndim == 0:
            raise ValueError("x has shape (), wanted (B, ...)")
        rows = fold_rows(x)
        out, mask = np.empty_like(rows), np.empty(rows.shape, np.uint8)
        key, step, row = self.position or (self.key, self.calls, 0)
        kernels.dropout_forward(rows, self.p, key, step, row, out, mask)
        self.calls += self.position is None
        self._mask, self._shape = mask, x.shape
        return out.reshape(x.shape)

    def predict(self, x: ArrayLike) -> Array:
        """A copy of x."""
        return input_array(x).copy()

    def backward(self, dout: ArrayLike) -> Array:
        """``dout / (1 - p)`` where the last forward kept the element, 0 where it dropped it.

        Parameters
        ----------
        dout : array of the shape of x
            Gradient of the loss with respect to the output; not modified.

        Returns
        -------
        array of the shape of x
        """
        mask = self._kept(self._mask)
        dout = gradient_array(dout, self._shape)
        dout = ready(dout, compute_dtype(dout))
        if mask.size == 0:  # evaluation mode, or an empty array
            return dout.copy()
        rows = dout.reshape(mask.shape)
        dx = np.empty_like(rows)
        kernels.dropout_backward(rows, mask, self.p, dx)
        return dx.reshape(self._shape)

    def config(self) -> dict[str, Any]:
        """The probability, for the model file."""
        return {"p": self.p}

    def operation(self, starts: tuple[int, ...], key: int) -> Operation:
        """The layer as an operation of the compiled code; see :meth:`Layer.operation`."""
        return super().operation(starts, key)._replace(key=key)

    def write_onnx(self, graph: OnnxGraph) -> None:
        """Add nothing: dropout is the identity in evaluation mode."""
