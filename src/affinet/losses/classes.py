"""Classification losses on logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from affinet._dispatch import kernels
from affinet._validation import Array, fold_rows, number_array, ready, real_number, row_weights
from affinet.layers.base import input_array
from affinet.layers.operation import OnnxGraph
from affinet.losses import mixtures
from affinet.losses.base import ClassLoss, ElementwiseLoss

__all__ = ["SigmoidWithLoss", "SoftmaxWithLoss"]


class SoftmaxWithLoss(ClassLoss):
    """Softmax of the logits x, and the cross-entropy between it and the targets t.

    ``loss = mean over rows of sum_j t_j (log sum_k exp(x_k) - x_j)``, the log-sum-exp form,
    which needs no epsilon and is exact for all finite logits. With t an indicator of the
    true class the gradient is ``(y - t) / B`` with ``y = softmax(x)``; Bishop, "Pattern
    Recognition and Machine Learning", section 4.3.4.

    Parameters
    ----------
    label_smoothing : float
        s, 0 <= s < 1: targets become ``(1 - s) t + s / C`` for C classes, so that no probability
        is driven to 0 or 1; Szegedy et al., "Rethinking the Inception Architecture for Computer
        Vision", CVPR 2016, section 7.

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
    >>> smooth = an.SoftmaxWithLoss(label_smoothing=0.1)
    >>> round(smooth.forward(np.array([[9.0, 0.0]]), np.array([0])), 4)
    0.4501
    """

    kernel: ClassVar[str] = "softmax_cross_entropy"
    takes_labels: ClassVar[bool] = True
    onnx_operator: ClassVar[str] = "Softmax"
    keeps: ClassVar[tuple[str, ...]] = ("y", "_dx")
    y: Array | None = None

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = real_number("label_smoothing", label_smoothing, 0.0, 1.0)
        self.y = None

    def forward(self, x: ArrayLike, t: ArrayLike, weights: ArrayLike | None = None) -> float:
        """Mean cross-entropy over the rows.

        Parameters
        ----------
        x : array of shape (B, C), or (C,) for one row
            Logits of C classes, B >= 1.
        t : array of shape (B,) or (B, C); for one-dimensional x a scalar or (C,)
            Class indices 0..C-1 of an integer dtype, or one row of class weights (one-hot or
            soft) for each row of x, of any real dtype.
        weights : array of shape (B,), optional
            Weights of the rows, each 0 or more.

        Returns
        -------
        float

        Raises
        ------
        TypeError
            If class indices are not integers.
        ValueError
            If the batch is empty, lengths differ, a class index is out of range or a weight is
            negative, infinite or NaN.
        """
        x = input_array(x)
        rows = _logit_rows(x)
        labels, targets = class_targets(t, x.shape, rows)
        y, dx = np.empty_like(rows), np.empty_like(rows)
        w = None if weights is None else row_weights("weights", weights, len(rows))
        if labels is not None:
            loss = kernels.softmax_cross_entropy_labels(
                rows, labels, w, self.label_smoothing, y, dx
            )
        else:
            loss = kernels.softmax_cross_entropy_rows(rows, targets, w, self.label_smoothing, y, dx)
        self.__dict__.update(y=y.reshape(x.shape), _dx=dx.reshape(x.shape))
        return float(loss)

    def probabilities(self, x: ArrayLike) -> Array:
        """Softmax of each row of x, which keeps its shape (B, C) or (C,)."""
        x = input_array(x)
        rows = _logit_rows(x, allow_empty=True)
        y = np.empty_like(rows)
        kernels.softmax_forward(rows, y)
        return y.reshape(x.shape)

    def hits(self, x: ArrayLike, t: ArrayLike) -> Array:
        """For each row, whether its argmax is the class given by t.

        Parameters
        ----------
        x : array of shape (B, C)
            Logits, or their softmax.
        t : array of shape (B,) or (B, C)
            Class indices, or rows whose argmax is the class.

        Returns
        -------
        bool array of shape (B,)
        """
        x, t = number_array("x", x), number_array("t", t)
        classes = t.argmax(axis=-1) if t.ndim == x.ndim else t
        return np.atleast_1d(np.argmax(x, axis=-1) == classes)

    @property
    def judged(self) -> Array | None:
        """The softmax output of the last forward."""
        return self.y

    def config(self) -> dict[str, Any]:
        """The constructor arguments that matter, as plain values for the model file."""
        return {"label_smoothing": self.label_smoothing} if self.label_smoothing else {}

    def combined(self, outputs: Array, weights: Array) -> Array:
        """Logits whose softmax is the mean of the members' probabilities: its logarithms."""
        return mixtures.log_mean_exp(mixtures.log_softmax(outputs), weights)

    def write_onnx_combined(
        self, graph: OnnxGraph, outputs: Sequence[str], weights: Sequence[float]
    ) -> None:
        """Add the nodes of :meth:`combined` to an ONNX graph."""
        logarithms = [graph.add("LogSoftmax", tensor, axis=-1) for tensor in outputs]
        mixtures.write_log_mean_exp(graph, logarithms, weights)

    def number(self) -> float:
        """The label smoothing."""
        return self.label_smoothing


class SigmoidWithLoss(ElementwiseLoss, ClassLoss):
    """Logistic function of the logits x, and the cross-entropy between it and the targets t.

    ``loss = mean over rows of sum_j (log(1 + exp(x_j)) - t_j x_j)``: a sum over the outputs,
    which are independent yes/no decisions: one output for two classes, several for multilabel
    targets. No logit causes overflow or cancellation. The gradient is
    ``(y - t) / B`` with ``y = 1 / (1 + exp(-x))``; Bishop, "Pattern Recognition and Machine
    Learning", sections 4.3.2 and 5.2.

    Targets have the shape of x, or (B,) for x of shape (B, 1); each is 0, 1 or a probability.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> loss = an.SigmoidWithLoss()
    >>> round(loss.forward(np.array([[0.0, 2.0]]), np.array([[1, 1]])), 4)
    0.8201
    >>> loss.backward().round(4)
    array([[-0.5   , -0.1192]])
    """

    kernel: ClassVar[str] = "sigmoid_cross_entropy"
    onnx_operator: ClassVar[str] = "Sigmoid"
    target_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    several_labels: ClassVar[bool] = True
    keeps: ClassVar[tuple[str, ...]] = ("_x", "_dx")

    def __init__(self) -> None:
        super().__init__()
        self._x: Array | None = None

    def probabilities(self, x: ArrayLike) -> Array:
        """1 / (1 + exp(-x)), in the shape of x."""
        x = input_array(x)
        y = np.empty_like(x)
        kernels.sigmoid_forward(x.reshape(-1), y.reshape(-1))
        return y

    def hits(self, x: ArrayLike, t: ArrayLike) -> Array:
        """For each row, whether all outputs have the correct sign.

        Parameters
        ----------
        x : array of shape (B, O)
            Logits.
        t : array of shape (B, O), or (B,) for one output
            Targets: the logit should be positive where t is above 1/2.

        Returns
        -------
        bool array of shape (B,)
        """
        rows = fold_rows(np.atleast_1d(number_array("x", x)))
        above = number_array("t", t).reshape(rows.shape) > 0.5
        return np.asarray(np.where(above, rows > 0, rows <= 0).all(axis=1))

    def combined(self, outputs: Array, weights: Array) -> Array:
        """Logits whose logistic function is the mean of the members' probabilities."""
        yes = mixtures.log_mean_exp(mixtures.log_sigmoid(outputs), weights)
        return yes - mixtures.log_mean_exp(mixtures.log_sigmoid(-outputs), weights)

    def write_onnx_combined(
        self, graph: OnnxGraph, outputs: Sequence[str], weights: Sequence[float]
    ) -> None:
        """Add the nodes of :meth:`combined` to an ONNX graph."""
        logarithms = []
        for sign in (1, -1):
            terms = [mixtures.write_log_sigmoid(graph, tensor, sign) for tensor in outputs]
            logarithms.append(mixtures.write_log_mean_exp(graph, terms, weights))
        graph.add("Sub", *logarithms)

    @property
    def judged(self) -> Array | None:
        """The logits of the last forward."""
        return self._x

    def _apply(self, x: Array, t: Array, weights: Array | None, dx: Array) -> float:
        self._x = x
        return super()._apply(x, t, weights, dx)


def class_targets(t: ArrayLike, shape: tuple[int, ...], rows: Array) -> tuple[Array | None, Array]:
    """Targets as class indices (B,) or rows (B, C), in the form that the kernels take.

    ``shape`` is the original shape of the logits, ``rows`` the logits as (B, C).
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
    if t.dtype.kind == "u" and t.size and t.max() >= rows.shape[1]:  # before 2**63 wraps
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
