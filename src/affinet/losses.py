"""Losses: a number to make small, and its gradient."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from affinet._dispatch import kernels
from affinet._validation import (
    Array,
    any_number,
    fold_rows,
    number_array,
    positive_number,
    ready,
    real_number,
    require_shape,
    row_weights,
)
from affinet.layers.base import input_array


class Loss(ABC):
    """A scalar function of outputs x and targets t whose gradient comes with it.

    Every row may have a weight. A mean is then a weighted mean, which divides by the sum of the
    weights; a row of weight 0 counts nothing, whatever it holds, and a batch in which no row has
    a weight has loss 0 and gradients 0. Weights that are all 1 change no bit of the gradient.

    Examples
    --------
    >>> import affinet as an
    >>> isinstance(an.MeanSquaredError(), an.Loss)
    True
    """

    is_sum: ClassVar[bool] = False  # over the rows; else it is a mean over them
    several_labels: ClassVar[bool] = False  # each of two outputs or more is a label of its own

    def __init__(self) -> None:
        self._dx: Array | None = None

    @abstractmethod
    def forward(self, x: ArrayLike, t: ArrayLike, weights: ArrayLike | None = None) -> float:
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

    def config(self) -> dict[str, Any]:
        """Constructor arguments as plain values, for a model file; those that matter."""
        return {}

    def values(self, x: Array) -> Array:
        """What outputs x predict, in the unit of the targets."""
        return x

    def number(self) -> float:
        """The one number that the compiled step has to know of this loss; 0 if there is none."""
        return 0.0

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.config().items())
        return f"{type(self).__name__}({arguments})"


class ClassLoss(Loss):
    """A loss of logits: it knows probabilities, and whether a row's answer is right."""

    @abstractmethod
    def probabilities(self, x: ArrayLike) -> Array:
        """What the logits x mean, in the shape of x."""

    @abstractmethod
    def hits(self, x: ArrayLike, t: ArrayLike) -> Array:
        """For each row, whether the logits x are right."""

    @property
    @abstractmethod
    def judged(self) -> Array | None:
        """What :meth:`hits` may take for the logits of the last forward; None if there was none."""


class SoftmaxWithLoss(ClassLoss):
    """Softmax of the logits x, and the cross-entropy between it and the targets t.

    ``loss = mean over rows of sum_j t_j (log sum_k exp(x_k) - x_j)``, the log-sum-exp form,
    which needs no epsilon and is exact for logits of any finite size. With t an indicator of the
    true class the gradient is ``(y - t) / B`` with ``y = softmax(x)``; Bishop, "Pattern
    Recognition and Machine Learning", section 4.3.4.

    Parameters
    ----------
    label_smoothing : float
        s, 0 <= s < 1: targets are ``(1 - s) t + s / C`` for C classes, so that no probability is
        driven to 0 or 1; Szegedy et al., "Rethinking the Inception Architecture for Computer
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

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = real_number("label_smoothing", label_smoothing, 0.0, 1.0)
        self.y: Array | None = None

    def forward(self, x: ArrayLike, t: ArrayLike, weights: ArrayLike | None = None) -> float:
        """Mean cross-entropy over the rows.

        Parameters
        ----------
        x : array of shape (B, C), or (C,) for one row
            Logits of C classes, B >= 1.
        t : array of shape (B,) or (B, C); for one-dimensional x a number or (C,)
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
        self.y, self._dx = y.reshape(x.shape), dx.reshape(x.shape)
        return float(loss)

    def probabilities(self, x: ArrayLike) -> Array:
        """Softmax of each row of x, which keeps its shape (B, C) or (C,)."""
        x = input_array(x)
        rows = _logit_rows(x, allow_empty=True)
        y = np.empty_like(rows)
        kernels.softmax_forward(rows, y)
        return y.reshape(x.shape)

    def hits(self, x: ArrayLike, t: ArrayLike) -> Array:
        """For each row, whether its largest number stands at the class that t names.

        Parameters
        ----------
        x : array of shape (B, C)
            Logits, or their softmax.
        t : array of shape (B,) or (B, C)
            Class indices, or rows whose largest number names the class.

        Returns
        -------
        bool array of shape (B,)
        """
        classes = np.argmax(t, axis=-1) if np.ndim(t) == np.ndim(x) else np.asarray(t)
        return np.atleast_1d(np.argmax(x, axis=-1) == classes)

    @property
    def judged(self) -> Array | None:
        """The softmax output of the last forward."""
        return self.y

    def config(self) -> dict[str, Any]:
        """Constructor arguments as plain values, for a model file; those that matter."""
        return {"label_smoothing": self.label_smoothing} if self.label_smoothing else {}

    def number(self) -> float:
        """The label smoothing."""
        return self.label_smoothing


class ElementwiseLoss(Loss):
    """A loss that compares x and t, of one shape, element by element."""

    target_range: ClassVar[tuple[float, float]] = (-np.inf, np.inf)  # where targets make sense

    def forward(self, x: ArrayLike, t: ArrayLike, weights: ArrayLike | None = None) -> float:
        """The loss over all elements.

        Parameters
        ----------
        x : array of any shape, at least one element
            Outputs. The first dimension is that of the rows; a single dimension is one row.
        t : array of the shape of x; (B,) will do for x of shape (B, 1)
            Targets, converted to the dtype of x.
        weights : array of shape (B,), optional
            Weights of the rows, each 0 or more.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If the batch is empty, shapes differ, a target lies outside the range of the loss or
            a weight is negative, infinite or NaN.
        """
        x = input_array(x)
        t = number_array("t", t)
        if x.size == 0:
            raise ValueError(f"x has shape {x.shape}, wanted at least one row")
        if x.shape != (t.size, 1) or t.ndim != 1:
            require_shape("t", t, x.shape)
        self.require_range("t", t)
        rows, dx = fold_rows(np.atleast_1d(x)), np.empty_like(x)
        w = None if weights is None else row_weights("weights", weights, len(rows))
        loss = self._apply(rows, ready(t, x.dtype).reshape(rows.shape), w, dx.reshape(rows.shape))
        self._dx = dx
        return float(loss)

    def require_range(self, name: str, t: Array, first_row: int = 0) -> None:
        """Raise ValueError if a target lies outside ``target_range``; a NaN does not."""
        low, high = self.target_range
        if (low == -np.inf and high == np.inf) or t.size == 0:
            return
        if t.min() >= low and t.max() <= high:
            return
        bad = (t < low) | (t > high)
        if bad.any():
            place = tuple(int(i) for i in np.argwhere(bad)[0])
            shown = [first_row + place[0], *place[1:]] if place else []
            wanted = f"t >= {low:g}" if high == np.inf else f"{low:g} <= t <= {high:g}"
            raise ValueError(f"{name}{shown} is {t[place]}, wanted {wanted}")

    @abstractmethod
    def _apply(self, x: Array, t: Array, weights: Array | None, dx: Array) -> float:
        """The loss of x and t, both (B, O); the gradient goes into dx."""


class SigmoidWithLoss(ElementwiseLoss, ClassLoss):
    """Logistic function of the logits x, and the cross-entropy between it and the targets t.

    ``loss = mean over rows of sum_j (log(1 + exp(x_j)) - t_j x_j)``: a sum over the outputs, each
    of them a yes or no of its own, for one output (two classes) or several (several labels). It
    is computed without overflow or cancellation for logits of any size. The gradient is
    ``(y - t) / B`` with ``y = 1 / (1 + exp(-x))``; Bishop, "Pattern Recognition and Machine
    Learning", sections 4.3.2 and 5.2.

    Targets, of the shape of x or (B,) for x of shape (B, 1), are 0 and 1 or probabilities.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> loss = an.SigmoidWithLoss()
    >>> round(loss.forward(np.array([[0.0, 2.0]]), np.array([[1, 1]])), 4)
    0.8201
    >>> loss.backward().round(4)
    array([[-0.5   , -0.1192]])
    """

    target_range = (0.0, 1.0)
    several_labels = True

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
        """For each row, whether all outputs lie on the right side of 0.

        Parameters
        ----------
        x : array of shape (B, O)
            Logits.
        t : array of shape (B, O), or (B,) for one output
            The right side is above 0 where t is above 1/2.

        Returns
        -------
        bool array of shape (B,)
        """
        rows = fold_rows(np.atleast_1d(x))
        above = np.reshape(np.asarray(t), rows.shape) > 0.5
        return np.asarray(np.where(above, rows > 0, rows <= 0).all(axis=1))

    @property
    def judged(self) -> Array | None:
        """The logits of the last forward."""
        return self._x

    def _apply(self, x: Array, t: Array, weights: Array | None, dx: Array) -> float:
        self._x = x
        return float(kernels.sigmoid_cross_entropy(x, t, weights, dx))


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

    def _apply(self, x: Array, t: Array, weights: Array | None, dx: Array) -> float:
        return float(kernels.mean_squared_error(x, t, weights, dx))


class SumSquaredError(ElementwiseLoss):
    """``1/2 sum (x - t)^2`` over all elements; gradient ``x - t``.

    A sum, so weights multiply the rows' parts and nothing is divided by them.

    Examples
    --------
    >>> import affinet as an
    >>> loss = an.SumSquaredError()
    >>> loss.forward([[1.0, 2.0]], [[0.0, 4.0]])
    2.5
    >>> loss.backward()
    array([[ 1., -2.]])
    """

    is_sum = True

    def _apply(self, x: Array, t: Array, weights: Array | None, dx: Array) -> float:
        return float(kernels.sum_squared_error(x, t, weights, dx))


class MeanAbsoluteError(ElementwiseLoss):
    """``1/N sum |x - t|`` over all N elements; gradient ``sign(x - t) / N``, 0 where x is t.

    Its least value lies at the median of the targets, so outliers draw it less than squares;
    Bloomfield and Steiger, "Least Absolute Deviations", Birkhäuser 1983.

    Examples
    --------
    >>> import affinet as an
    >>> loss = an.MeanAbsoluteError()
    >>> loss.forward([[1.0, 2.0]], [[0.0, 4.0]])
    1.5
    >>> loss.backward()
    array([[ 0.5, -0.5]])
    """

    def _apply(self, x: Array, t: Array, weights: Array | None, dx: Array) -> float:
        return float(kernels.mean_absolute_error(x, t, weights, dx))


class Huber(ElementwiseLoss):
    """Squares near the target, absolute values far from it: the mean of ``h(x - t)``.

    ``h(d) = d^2 / 2`` where ``|d| <= delta``, else ``delta (|d| - delta / 2)``; the gradient is
    ``clip(x - t, -delta, delta) / N`` for N elements. Huber, "Robust Estimation of a Location
    Parameter", Annals of Mathematical Statistics 35, 1964.

    Parameters
    ----------
    delta : float
        Where the straight lines begin, above 0.

    Examples
    --------
    >>> import affinet as an
    >>> loss = an.Huber(delta=1.0)
    >>> loss.forward([[1.0, 2.0]], [[0.5, 5.0]])
    1.3125
    >>> loss.backward()
    array([[ 0.25, -0.5 ]])
    """

    def __init__(self, delta: float = 1.0) -> None:
        super().__init__()
        self.delta = positive_number("delta", delta)

    def config(self) -> dict[str, Any]:
        """Constructor arguments as plain values, for a model file."""
        return {"delta": self.delta}

    def number(self) -> float:
        """delta."""
        return self.delta

    def _apply(self, x: Array, t: Array, weights: Array | None, dx: Array) -> float:
        return float(kernels.huber_loss(x, t, weights, self.delta, dx))


class Poisson(ElementwiseLoss):
    """Counts t >= 0 whose rates are ``exp(x)``: the mean of ``exp(x) - t x``.

    That is the negative log-likelihood of Poisson's distribution without ``log t!``, which no x
    changes; the gradient is ``(exp(x) - t) / N`` for N elements. The network predicts logarithms
    of rates. McCullagh and Nelder, "Generalized Linear Models", 2nd edition, 1989, chapter 6.

    Examples
    --------
    >>> import affinet as an
    >>> loss = an.Poisson()
    >>> loss.forward([[0.0, 0.0]], [[3.0, 0.0]])
    1.0
    >>> loss.backward()
    array([[-1. ,  0.5]])
    """

    target_range = (0.0, np.inf)

    def values(self, x: Array) -> Array:
        """Rates, ``exp(x)``."""
        return np.asarray(np.exp(x))

    def _apply(self, x: Array, t: Array, weights: Array | None, dx: Array) -> float:
        return float(kernels.poisson_loss(x, t, weights, dx))


class Quantile(ElementwiseLoss):
    """Mean of ``max(q d, (q - 1) d)`` with ``d = t - x``: least at the q-quantile of the targets.

    The gradient of an element is ``-q / N`` where x is too low, ``(1 - q) / N`` where it is too
    high and 0 where x is t, for N elements. With q = 1/2 it is half the mean absolute error.
    Koenker and Bassett, "Regression Quantiles", Econometrica 46, 1978.

    Parameters
    ----------
    q : float
        The quantile, 0 < q < 1.

    Examples
    --------
    >>> import affinet as an
    >>> loss = an.Quantile(0.75)
    >>> loss.forward([[1.0, 2.0]], [[0.0, 4.0]])
    0.875
    >>> loss.backward()
    array([[ 0.125, -0.375]])
    """

    def __init__(self, q: float) -> None:
        super().__init__()
        self.q = any_number("q", q)
        if not 0 < self.q < 1:
            raise ValueError(f"q is {self.q!r}, wanted 0 < q < 1")

    def config(self) -> dict[str, Any]:
        """Constructor arguments as plain values, for a model file."""
        return {"q": self.q}

    def number(self) -> float:
        """q."""
        return self.q

    def _apply(self, x: Array, t: Array, weights: Array | None, dx: Array) -> float:
        return float(kernels.quantile_loss(x, t, weights, self.q, dx))


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


def loss_of(
    loss: Any, y: Array, t: ArrayLike, weights: ArrayLike | None, name: str = "weights"
) -> float:
    """``loss.forward``, with weights only where there are some.

    Raises
    ------
    TypeError
        If there are some, named ``name``, and the loss, a user's own, takes none.
    """
    if weights is None:
        return float(loss.forward(y, t))
    require_takes_weights(loss, name)
    return float(loss.forward(y, t, weights=weights))


def require_takes_weights(loss: Any, name: str) -> None:
    """Raise TypeError unless the loss's forward has an argument ``weights``."""
    try:
        parameters = inspect.signature(loss.forward).parameters.values()
    except (TypeError, ValueError):
        return  # it does not tell: let it be called
    if not any(p.name == "weights" or p.kind is p.VAR_KEYWORD for p in parameters):
        raise TypeError(f"{name} came, but the forward of the loss {loss!r} takes no weights")
