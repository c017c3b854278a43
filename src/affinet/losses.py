"""Losses: a number to make small, and its gradient."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import ArrayLike

from affinet._dispatch import kernels
from affinet._validation import Array, number_array, ready, require_shape
from affinet.layers.base import input_array


class Loss(ABC):
    """A scalar function of outputs x and targets t whose gradient comes with it.

    Examples
    --------
    >>> import affinet as an
    >>> isinstance(an.MeanSquaredError(), an.Loss)
    True
    """

    def __init__(self) -> None:
        self._dx: Array | None = None

    @abstractmethod
    def forward(self, x: ArrayLike, t: ArrayLike) -> float:
        """The loss; its gradient is kept for the backward."""

    def backward(self, dout: float = 1.0) -> Array:
        """The gradient with respect to x, times ``dout``.

        Parameters
        ----------
        dout : float
            Gradient of what is minimised with respect to this loss.

        Returns
        -------
        array of the shape of x, a new one at every call

        Raises
        ------
        RuntimeError
            If there was no forward.
        """
        if self._dx is None:
            raise RuntimeError(f"{type(self).__name__}.backward came before forward")
        factor = number_array("dout", dout)
        if factor.size != 1:
            raise ValueError(f"dout has shape {factor.shape}, wanted one number")
        gradient: Array = self._dx * self._dx.dtype.type(factor.reshape(-1)[0])
        return gradient

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class SoftmaxWithLoss(Loss):
    """Softmax of the logits x, and the cross-entropy between it and the targets t.

    ``loss = mean over rows of sum_j t_j (log sum_k exp(x_k) - x_j)``, the log-sum-exp form,
    which needs no epsilon and is exact for logits of any finite size. With t an indicator of the
    true class the gradient is ``(y - t) / B`` with ``y = softmax(x)``; Bishop, "Pattern
    Recognition and Machine Learning", section 4.3.4.

    Attributes
    ----------
    y : array of shape (B, C) or None
        The softmax output of the last forward.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> loss = an.SoftmaxWithLoss()
    >>> round(loss.forward(np.array([[0.0, 0.0]]), np.array([1])), 4)
    0.6931
    >>> loss.backward()
    array([[ 0.5, -0.5]])
    """

    def __init__(self) -> None:
        super().__init__()
        self.y: Array | None = None

    def forward(self, x: ArrayLike, t: ArrayLike) -> float:
        """Mean cross-entropy over the rows.

        Parameters
        ----------
        x : array of shape (B, C), or (C,) for one row
            Logits of C classes, B >= 1.
        t : array of shape (B,) or (B, C); for one-dimensional x a number or (C,)
            Class indices 0..C-1 of an integer dtype, or one row of class weights (one-hot or
            soft) for each row of x, of any real dtype.

        Returns
        -------
        float

        Raises
        ------
        TypeError
            If class indices are not integers.
        ValueError
            If the batch is empty, lengths differ or a class index is out of range.
        """
        x = input_array(x)
        rows = _logit_rows(x)
        labels, targets = class_targets(t, x.shape, rows)
        y, dx = np.empty_like(rows), np.empty_like(rows)
        if labels is not None:
            loss = kernels.softmax_cross_entropy_labels(rows, labels, y, dx)
        else:
            loss = kernels.softmax_cross_entropy_rows(rows, targets, y, dx)
        self.y, self._dx = y.reshape(x.shape), dx.reshape(x.shape)
        return float(loss)

    def probabilities(self, x: ArrayLike) -> Array:
        """Softmax of each row of x, which keeps its shape (B, C) or (C,)."""
        x = input_array(x)
        rows = _logit_rows(x, allow_empty=True)
        y = np.empty_like(rows)
        kernels.softmax_forward(rows, y)
        return y.reshape(x.shape)


class ElementwiseLoss(Loss):
    """A loss that compares x and t, of one shape, element by element."""

    def forward(self, x: ArrayLike, t: ArrayLike) -> float:
        """The loss over all elements.

        Parameters
        ----------
        x : array of any shape, at least one element
            Outputs.
        t : array of the shape of x; (B,) will do for x of shape (B, 1)
            Targets, converted to the dtype of x.

        Returns
        -------
        float
        """
        x = input_array(x)
        t = number_array("t", t)
        if x.size == 0:
            raise ValueError(f"x has shape {x.shape}, wanted at least one row")
        if x.shape != (t.size, 1) or t.ndim != 1:
            require_shape("t", t, x.shape)
        dx = np.empty_like(x)
        loss = self._apply(x.reshape(-1), ready(t, x.dtype).reshape(-1), dx.reshape(-1))
        self._dx = dx
        return loss

    @abstractmethod
    def _apply(self, x: Array, t: Array, dx: Array) -> float:
        """The loss of flat x and t; the gradient goes into dx."""


class MeanSquaredError(ElementwiseLoss):
    """``1/N sum (x - t)^2`` over all N elements; gradient ``2 (x - t) / N``.

    Examples
    --------
    >>> import affinet as an
    >>> loss = an.MeanSquaredError()
    >>> loss.forward([[1.0, 2.0]], [[0.0, 4.0]])
    2.5
    >>> loss.backward()
    array([[ 1., -2.]])
    """

    def _apply(self, x: Array, t: Array, dx: Array) -> float:
        return float(kernels.mean_squared_error(x, t, dx))


class SumSquaredError(ElementwiseLoss):
    """``1/2 sum (x - t)^2`` over all elements; gradient ``x - t``.

    Examples
    --------
    >>> import affinet as an
    >>> loss = an.SumSquaredError()
    >>> loss.forward([[1.0, 2.0]], [[0.0, 4.0]])
    2.5
    >>> loss.backward()
    array([[ 1., -2.]])
    """

    def _apply(self, x: Array, t: Array, dx: Array) -> float:
        return float(kernels.sum_squared_error(x, t, dx))


def class_targets(t: ArrayLike, shape: tuple[int, ...], rows: Array) -> tuple[Array | None, Array]:
    """Targets as class indices (B,) or as rows (B, C), in the form that the kernels take.

    ``shape`` is that of the logits as they came, ``rows`` the logits as (B, C).
    """
    t = number_array("t", t)
    if t.shape == shape:
        return None, ready(t, rows.dtype).reshape(rows.shape)
    if t.shape != shape[:-1]:
        raise ValueError(
            f"t has shape {t.shape}, wanted {shape[:-1]} class indices or rows of shape {shape}"
        )
    if t.dtype.kind not in "bui":
        raise TypeError(f"t has dtype {t.dtype}, wanted integers for class indices")
    if t.dtype.kind == "u" and t.size and t.max() >= rows.shape[1]:  # before 2**63 turns negative
        place = int(t.reshape(-1).argmax())
        raise ValueError(
            f"t[{place}] is {t.reshape(-1)[place]}, wanted a class index 0..{rows.shape[1] - 1}"
        )
    return ready(t, np.dtype(np.int64)).reshape(-1), rows


def _logit_rows(x: Array, allow_empty: bool = False) -> Array:
    if x.ndim not in (1, 2):
        raise ValueError(f"x has shape {x.shape}, wanted (B, C) or (C,)")
    rows = x.reshape(1, -1) if x.ndim == 1 else x
    if rows.shape[1] == 0 or (rows.shape[0] == 0 and not allow_empty):
        raise ValueError(f"x has shape {x.shape}, wanted at least one row and one class")
    return rows
